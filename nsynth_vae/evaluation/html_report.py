"""HTML report in one self-contained file: tables, spectrograms and audio players."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.evaluation.examples import Example, Section
from nsynth_vae.files import flac

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1180px; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; } td, th { border: 1px solid #ccc; padding: .2em .6em; }
td { text-align: right; } td:first-child, th { text-align: left; } th { background: #f3f3f3; }
figure { display: inline-block; margin: 0 .6em .8em 0; vertical-align: top; } figcaption { font-size: 12px; }
img { display: block; width: 215px; height: 130px; image-rendering: auto; } audio { width: 215px; height: 32px; }
h3 { margin-bottom: .3em; font-size: 15px; } code { background: #f3f3f3; }
"""

_DECIBELS = 80.0


def page(report: str, sections: Sequence[Section], config: AudioConfig) -> str:
    """Return the HTML of the Markdown report and of examples, whose log-mels have this configuration."""
    title = html.escape(report.split("\n", 1)[0].lstrip("# "))
    seconds = config.num_samples / config.sample_rate
    legend = (
        f"Pictures: log-mel spectrograms, 0 to {seconds:g} s from left to right, {config.lower_edge_hertz:g} Hz to "
        f"{config.upper_edge_hertz / 1000:g} kHz from bottom to top, {_DECIBELS:g} dB from black to yellow below the "
        "loudest of the row. Players: FLAC, 16 bits, nothing normalised."
    )
    parts = [f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>']
    parts += [f"<style>{_STYLE}</style></head><body>", to_html(report)]
    if sections:
        parts += ["<h2>Notes to look at and to listen to</h2>", f"<p>{legend}</p>"]
    for section in sections:
        parts.append(f"<h2>{html.escape(section.title)}</h2>")
        parts += [_row(example, config) for example in section.examples]
    return "\n".join([*parts, "</body></html>\n"])


def to_html(markdown: str) -> str:
    """Return the HTML of the Markdown that reports use: headings, paragraphs, tables, inline code."""
    parts = []
    for block in markdown.strip().split("\n\n"):
        heading = re.fullmatch(r"(#+) (.+)", block)
        if heading:
            level = len(heading[1])
            parts.append(f"<h{level}>{_inline(heading[2])}</h{level}>")
        elif block.startswith("|"):
            rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
            lines = [_cells(rows[0], "th"), *(_cells(row, "td") for row in rows[2:])]
            parts.append("<table>\n" + "\n".join(lines) + "\n</table>")
        else:
            parts.append(f"<p>{_inline(block)}</p>")
    return "\n".join(parts)


def png(log_mel: np.ndarray, loudest: float, config: AudioConfig) -> bytes:
    """Return a log-mel, float32 `[frames, mel_bins]`, as a PNG: `loudest` is yellow, `_DECIBELS` below it black."""
    from matplotlib import colormaps, image

    span = _DECIBELS / 20.0 * np.log(10.0) / config.log_mel_scale
    level = np.clip((log_mel.T[::-1] - loudest) / span + 1.0, 0.0, 1.0)
    colours = colormaps["magma"](level, bytes=True)[..., :3]
    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"Software": None}
    image.imsave(buffer, np.ascontiguousarray(colours), format="png", metadata=metadata)
    return buffer.getvalue()


def _row(example: Example, config: AudioConfig) -> str:
    """Return an example's spectrograms and players in a row."""
    finite = [np.nan_to_num(sound.log_mel, nan=-9.0, posinf=9.0, neginf=-9.0) for sound in example.sounds]
    loudest = max(float(log_mel.max()) for log_mel in finite)
    cells = []
    for sound, log_mel in zip(example.sounds, finite, strict=True):
        caption = html.escape(sound.caption)
        cell = f'<img alt="spectrogram: {caption}" src="{_inlined("image/png", png(log_mel, loudest, config))}">'
        if sound.audio is not None:
            source = _inlined("audio/flac", flac(sound.audio, config.sample_rate))
            cell += f'<audio controls preload="none" src="{source}"></audio>'
        cells.append(f"<figure>{cell}<figcaption>{caption}</figcaption></figure>")
    return f"<h3>{_inline(example.title)}</h3>\n<div>{''.join(cells)}</div>"


def _inlined(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def _cells(values: Sequence[str], kind: str) -> str:
    return "<tr>" + "".join(f"<{kind}>{_inline(value)}</{kind}>" for value in values) + "</tr>"
