"""A listening test as one HTML page that needs no other file: blind ABX of recorded notes and models' reconstructions.

    python benchmarks/listening_page.py --data ../shared/nsynth --models models/nsynth-small -o page.html
    python benchmarks/listening_page.py --models before=OLD/models/nsynth-small after=models/nsynth-small -o page.html

Notes of a split are drawn, a family after the other, and decoded from their own z by each model; one that plays takes
plays a take. The level is the recording's, so that it gives nothing away. Each note is one trial a model. The page says
at its end how many answers were right, and plays everything by name. It holds the recordings: those of NSynth may be
passed on under CC BY 4.0, with its credit.
"""

from __future__ import annotations

import base64
import html
import pathlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from common import add_data_option, make_parser, open_player, say

if TYPE_CHECKING:
    import numpy as np

MOST_BYTES = 6_000_000
"""Largest page that is written."""

PITCHES = (40, 84)
"""Lower and higher notes show less of a difference."""

_TEMPLATE = pathlib.Path(__file__).with_suffix(".html")


def main(arguments: list[str] | None = None) -> pathlib.Path:
    """Write the page and return its path."""
    parser = make_parser(__doc__)
    add_data_option(parser)
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--models", metavar="[NAME=]PATH", nargs="+", required=True, help="model folders")
    parser.add_argument("--notes", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument("--families", help="of these families only, a,b (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="draws the notes (default: %(default)s)")
    parser.add_argument("--credit", default="", help="a sentence on whose recordings they are, for the page")
    parser.add_argument("--output", "-o", type=pathlib.Path, required=True, help="the HTML file")
    options = parser.parse_args(arguments)

    import numpy as np

    from nsynth_vae.config import AudioConfig, DataConfig
    from nsynth_vae.data.load_notes import load_notes
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.evaluation.systems import audio_of, family_names
    from nsynth_vae.files import write_text

    families = tuple(options.families.split(",")) if options.families else None
    config = DataConfig(data=tuple(options.data or ["starter"]), families=families, pitches=PITCHES)
    notes = load_notes(config, options.split, audio=AudioConfig(), bad_notes=BadNotes(), log=say)
    table = notes.loaded.table
    rows = draw_notes(family_names(table), options.notes, options.seed)
    real, table = audio_of(notes, rows), table.take(rows)
    models = name_models(options.models)
    made = []
    for path in models.values():
        model = open_player(path)
        decoded = model.decode(model.encode(real), table.pitch, table.velocity, take=np.arange(len(rows)))
        made.append(decoded.audio)
    sources = ", ".join(pathlib.Path(each).name for each in config.data)
    summary = f"{len(rows)} notes of the split {options.split} of {sources}, of instruments never trained on."
    text = page(
        f"{summary} {options.credit}".strip(), table.note_str.tolist(), real, dict(zip(models, made, strict=True))
    )
    size = len(text.encode())
    if size > MOST_BYTES:
        parser.error(f"--notes: found {options.notes}, which make {size / 1e6:.1f} MB, expected at most 6 MB")
    write_text(options.output, text)
    say(f"{options.output}: {size / 1e6:.1f} MB")
    return options.output


def page(summary: str, titles: Sequence[str], real: np.ndarray, made: dict[str, np.ndarray]) -> str:
    """Return the HTML.

    Args:
        summary: the sentence under the heading.
        titles: of the notes.
        real: float `[notes, samples]`, 16 kHz: the recordings.
        made: a model's name -> its reconstructions, of the same shape.
    """
    from nsynth_vae.files import flac
    from nsynth_vae.rendering.map_page import script_json

    matched = [match_levels(real[row], [sounds[row] for sounds in made.values()]) for row in range(len(real))]
    clips = [[base64.b64encode(flac(sound, 16000)).decode() for sound in sounds] for sounds in matched]
    data: dict[str, Any] = {
        "kind": "data:audio/flac;base64,",
        "models": list(made),
        "notes": [
            {"title": title, "real": first, "made": others}
            for title, (first, *others) in zip(titles, clips, strict=True)
        ],
    }
    values = {"SUMMARY": html.escape(summary), "DATA": script_json(data)}
    return re.sub("@(SUMMARY|DATA)@", lambda match: values[match[1]], _TEMPLATE.read_text(encoding="utf-8"))


def match_levels(real: np.ndarray, made: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return a recording and its reconstructions at the recording's RMS, all softer where one would clip."""
    import numpy as np

    def rms(sound: np.ndarray) -> float:
        return float(np.sqrt(np.square(sound, dtype=np.float64).mean()))

    sounds = [real, *(sound * (rms(real) / max(rms(sound), 1e-9)) for sound in made)]
    return [sound / max(1.0, *(float(np.abs(each).max()) for each in sounds)) for sound in sounds]


def draw_notes(family: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the rows of random notes, families in turn: int64 `[count]`, or all where there are fewer."""
    import numpy as np

    generator = np.random.default_rng(seed)
    queues = [generator.permutation(np.flatnonzero(family == name)).tolist() for name in np.unique(family)]
    drawn: list[int] = []
    while len(drawn) < count and any(queues):
        drawn += [queues[place].pop() for place in generator.permutation(len(queues)) if queues[place]]
    return np.array(drawn[:count], np.int64)


def name_models(texts: Sequence[str]) -> dict[str, pathlib.Path]:
    """Return the paths of `[NAME=]PATH` by name, which is the folder's where none is given; names are made unique."""
    named: dict[str, pathlib.Path] = {}
    for text in texts:
        name, _, path = text.rpartition("=")
        name = name or pathlib.Path(path).resolve().name
        named[name if name not in named else f"{name} ({len(named) + 1})"] = pathlib.Path(path)
    return named


if __name__ == "__main__":
    main()
