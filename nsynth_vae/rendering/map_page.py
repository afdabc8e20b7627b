"""Interactive map of notes as one self-contained HTML file that names and plays them."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
import json
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

CLIP_SECONDS = 1.5
"""Length of the clip of each note; it fades out over the last `FADE_SECONDS`."""

FADE_SECONDS = 0.1

_VIRIDIS = (
    "44015446075a470d6047136548186a481d6f482374482878472d7b46327e453781443b844240864045883e49893d4e8a"
    "3a538b38588c365c8d34608d32648e31688e2f6c8e2d708e2c738e2a778e297b8e277f8e26828e24868e238a8d218e8d"
    "20928c1f968b1f9a8a1f9e891fa18721a58523a98326ad812ab07f2fb47c35b7793bbb7542be714ac16d52c5695ac864"
    "65cb5e6ece5877d15381d34d8bd64695d840a0da39aadc32b5de2bc0df25cae11fd5e21adfe318eae51af4e61efde725"
)
COLOURS = tuple(f"#{_VIRIDIS[start : start + 6]}" for start in range(0, len(_VIRIDIS), 6))
"""Colours of numeric columns: matplotlib's viridis in 64 steps, so that the page needs no matplotlib."""

_TEMPLATE = pathlib.Path(__file__).with_name("map_page.html")


@dataclasses.dataclass(frozen=True)
class Column:
    """A number or a category of each note, by which a map is coloured."""

    title: str
    values: np.ndarray
    """float `[notes]`, NaN for unknown; of categories int `[notes]`, indices into `categories`."""
    categories: tuple[tuple[str, str], ...] = ()
    """(name, colour such as `#1f77b4`)."""
    unit: str = ""

    def limits(self) -> tuple[float, float]:
        """Return the values at both ends of the colours: the 2nd and 98th percentile, which leave out outliers.

        They are 0 and 1 if no value is known, and v and v + 1 if all values are v.
        """
        known = self.values[np.isfinite(self.values)]
        if not known.size:
            return 0.0, 1.0
        low, high = (float(value) for value in np.percentile(known, [2, 98]))
        return low, high if high > low else low + 1.0


def page(
    title: str,
    summary: str,
    notes: Iterable[str],
    projections: Mapping[str, np.ndarray],
    columns: Sequence[Column],
    clips: Sequence[bytes],
    kind: str,
) -> str:
    """Return the HTML.

    Args:
        title: of the page.
        summary: a sentence under it.
        notes: their names, of any characters.
        projections: title -> the notes' positions, float `[notes, 2]`; the first is selected at first.
        columns: what the notes can be coloured by; the first is selected at first.
        clips: the notes' sounds, as files of `kind`.
        kind: `audio/mpeg` or another type that browsers play.
    """
    data = {
        "notes": list(notes),
        "projections": [
            {"title": name, "points": _numbers(np.asarray(points, np.float64))} for name, points in projections.items()
        ],
        "columns": [_column(column) for column in columns],
        "ramp": COLOURS,
        "kind": f"data:{kind};base64,",
        "clips": [base64.b64encode(clip).decode() for clip in clips],
    }
    values = {"TITLE": html.escape(title), "SUMMARY": html.escape(summary), "DATA": script_json(data)}
    # One pass: a note's name may look like a placeholder.
    return re.sub("@(TITLE|SUMMARY|DATA)@", lambda match: values[match[1]], _TEMPLATE.read_text(encoding="utf-8"))


def clip(audio: np.ndarray, sample_rate: int) -> bytes:
    """Return the beginning of a note, float `[samples]`, -1..1, as a file of `clip_kind()`."""
    import soundfile

    from nsynth_vae.files import flac

    length, ramp = round(CLIP_SECONDS * sample_rate), round(FADE_SECONDS * sample_rate)
    cut = np.clip(np.pad(audio[:length], [0, max(0, length - len(audio))]), -1.0, 1.0)
    cut[-ramp:] *= np.linspace(1.0, 0.0, ramp)
    if clip_kind() == "audio/flac":
        return flac(cut, sample_rate)
    buffer = io.BytesIO()
    soundfile.write(buffer, cut, sample_rate, format="MP3", subtype="MPEG_LAYER_III")
    return buffer.getvalue()


def clip_kind() -> str:
    """Return the type of clips: MP3, which every browser plays; FLAC where libsndfile was built without MP3."""
    import soundfile

    return "audio/mpeg" if "MP3" in soundfile.available_formats() else "audio/flac"


def _column(column: Column) -> dict[str, Any]:
    head = {"title": column.title, "unit": column.unit}
    if column.categories:
        return head | {"values": column.values.tolist(), "categories": column.categories}
    low, high = column.limits()
    return head | {"values": _numbers(np.asarray(column.values, np.float64)), "low": low, "high": high}


def _numbers(values: np.ndarray) -> list:
    """Return an array as lists of floats of five significant digits; what is not finite becomes None."""
    if values.ndim > 1:
        return [_numbers(row) for row in values]
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values]


def script_json(data: Mapping[str, Any]) -> str:
    """Return JSON that ends no script element and begins no comment, whatever its strings hold."""
    text = json.dumps(data, separators=(",", ":"))
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
