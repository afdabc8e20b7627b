"""Velocities in the file names of samples: numbers with a word, layers, and dynamics."""

from __future__ import annotations

import re

MOST_LAYERS = 16
"""`v0` to `v16` may be layers; above, `v` is a velocity."""

# Also right after a pitch, as in Salamander's `A0v1`, and `n60v100`. Before it, `Vl1` is the first violin.
_VELOCITY = re.compile(
    r"(?:(?:(?<![A-Za-z0-9])|(?<=\d))(?P<word>v|vel|velocity|dyn|layer|lay|lyr)"
    r"|(?:(?<=\d[-_ .])|(?<=\d))(?P<after>vl|l))[-_ ]?(?P<value>\d{1,3})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
DYNAMICS = {
    "pianissimo": 33,
    "mezzo-piano": 64,
    "mezzo-forte": 80,
    "fortissimo": 112,
    "piano": 49,
    "forte": 96,
    "ppp": 16,
    "pp": 33,
    "mp": 64,
    "mf": 80,
    "fff": 127,
    "ff": 112,
    "p": 49,
    "f": 96,
}
"""Velocities of dynamics as notation programs play them."""

AFTER_PITCH = ("piano", "forte", "p", "f")
"""Dynamics that before a note's name may be an instrument's."""

INSTRUMENTS = ("piano", "forte")
"""Dynamics that are an instrument's name where there is no other."""

LOUDNESS = {"soft": 49, "medium": 80, "med": 80, "hard": 112, "loud": 112}
LOUDNESS_AT_END = re.compile(rf"(?<![A-Za-z])(?P<word>{'|'.join(LOUDNESS)})[-_ .]*\d*$", re.IGNORECASE)
"""Elsewhere such a word is what is played with, as a soft mallet."""

ANY_DYNAMIC = "|".join(word.replace("-", "[-_ ]?") for word in DYNAMICS)
DYNAMIC = re.compile(rf"(?<![A-Za-z0-9])(?:{ANY_DYNAMIC})(?![A-Za-z0-9])", re.IGNORECASE)


def find_velocity(stem: str) -> tuple[str, int | None, int | None, str]:
    """Take a velocity or a layer with its word out of a name: the last velocity, else the last layer.

    Returns:
        (the rest, velocity, layer, `v` if the layer may be a velocity, else `layer`, or nothing for neither).
    """
    found = [match for match in _VELOCITY.finditer(stem) if int(match["value"]) <= 127]
    spoken = [match for match in found if (match["word"] or "").lower() in ("v", "vel", "velocity")]
    velocities = [match for match in spoken if int(match["value"]) > MOST_LAYERS]
    if not found:
        return stem, None, None, ""
    match = (velocities or found)[-1]
    rest = f"{stem[: match.start()].rstrip('-_ ')}_{stem[match.end() :].lstrip('-_ ')}".strip("_")
    value = int(match["value"])
    return (rest, value, None, "v") if velocities else (rest, None, value, "v" if match in spoken else "layer")


def is_level(folder: str) -> bool:
    """Return whether a folder's name is nothing but a velocity, a layer or a dynamic; `piano` is an instrument."""
    word = re.sub(r"[-_ ]", "", folder.lower())
    dynamic = DYNAMIC.fullmatch(folder) is not None or word in LOUDNESS
    return (dynamic and word != "piano") or (find_velocity(folder)[0] == "" and folder != "")
