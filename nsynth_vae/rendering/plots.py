"""Figures: loss curves, spectrograms, confusion matrices, morphs and maps of notes, as PNG."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from nsynth_vae.config import AudioConfig
from nsynth_vae.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from nsynth_vae.rendering.map_page import Column

COLOURS = "magma"
"""Colour map of spectrograms."""

NUMBER_COLOURS = "viridis"
"""Colour map of the numbers that a map is coloured by."""

LogMels = Sequence[np.ndarray] | np.ndarray
"""Log-mels, float32 `[frames, mel_bins]` each."""

Target = str | os.PathLike | BinaryIO
"""Where a PNG is written: a path, whose folder is made if missing, or a binary file."""


def plot_losses(history: Sequence[dict], panels: Sequence[tuple[str, str]], target: Target) -> None:
    """Plot training and validation losses over the steps.

    Args:
        history: records of a trainer.
        panels: (name in the records, title).
        target: where the PNG is written.
    """
    steps = [record["step"] for record in history]
    figure = Figure(figsize=(4 * len(panels), 3.2), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (name, title) in zip(axes, panels, strict=True):
        for split, style in (("train", "-"), ("valid", "--")):
            axis.plot(steps, [record[split][name] for record in history], style, marker=".", label=split)
        axis.set(title=title, xlabel="step")
        axis.grid(alpha=0.3)
    axes[0].legend()
    _save(figure, target)


def plot_spectrograms(
    rows: Sequence[tuple[str, LogMels]], titles: Sequence[str], config: AudioConfig, target: Target
) -> None:
    """Plot log-mels in a grid with time and mel axes, all in one colour scale.

    Args:
        rows: (label, log-mels float32 `[frames, mel_bins]`), each of `len(titles)` log-mels.
        titles: of the columns.
        config: the audio configuration, for the axes.
        target: where the PNG is written.
    """
    columns = len(titles)
    figure = Figure(figsize=(1.2 + 1.9 * columns, 0.5 + 1.9 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False, sharex=True, sharey=True)
    extent = (0, config.num_frames * config.frame_step / config.sample_rate, 0, config.num_mel_bins)
    high = max(float(np.max(log_mels)) for _, log_mels in rows)
    for row, (label, log_mels) in enumerate(rows):
        for column, log_mel in enumerate(log_mels):
            axis = axes[row, column]
            picture = _draw_log_mel(axis, log_mel, high, extent, config)
            if row == 0:
                axis.set_title(titles[column], fontsize=8)
            if column == 0:
                axis.set_ylabel(label, fontsize=8)
            axis.tick_params(labelsize=7)
            if row == len(rows) - 1:
                axis.set_xlabel("s", fontsize=8)
    figure.colorbar(picture, ax=axes, shrink=0.8, label="dB below the loudest")
    _save(figure, target)


def plot_confusion(counts: np.ndarray, names: Sequence[str], target: Target) -> None:
    """Plot a confusion matrix in percent of each class's notes; classes without notes are left out.

    Args:
        counts: int `[classes, classes]`, notes of a class (row) that are predicted to be of another (column).
        names: of the classes.
        target: where the PNG is written.
    """
    present = np.flatnonzero(counts.sum(axis=1))
    percent = 100.0 * counts[present] / np.maximum(counts[present].sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(2 + 0.5 * len(names), 1.5 + 0.4 * max(len(present), 1)), layout="constrained")
    axis = figure.subplots()
    axis.imshow(percent, cmap="Blues", vmin=0.0, vmax=100.0, aspect="auto")
    text: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8}
    for (row, column), value in np.ndenumerate(percent):
        if value:
            axis.text(column, row, f"{value:.0f}", color="w" if value > 50 else "k", **text)
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    axis.set_yticks(range(len(present)), [f"{names[i]} ({counts[i].sum()})" for i in present], fontsize=8)
    axis.set(xlabel="predicted", ylabel="true (notes)", title="percent")
    _save(figure, target)


def plot_contact_sheet(
    log_mels: LogMels, captions: Sequence[str], columns: int, config: AudioConfig, target: Target
) -> None:
    """Plot log-mels row by row, each under its caption, all in one colour scale.

    Args:
        log_mels: float32 `[frames, mel_bins]`.
        captions: one each.
        columns: in a row.
        config: the audio configuration, for the axes.
        target: where the PNG is written.
    """
    rows = -(-len(log_mels) // columns)
    # A PNG has at most 65,535 pixels a side: 120 inches of 100 dots are far below.
    width, height = (max(0.4, min(size, 120.0 / max(rows, columns))) for size in (1.9, 1.7))
    # The label of the axes is 4.3 inches long.
    size = (max(width * columns, 4.4) + 1.1, height * rows + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    axis, bar = figure.subplots(1, 2, gridspec_kw={"width_ratios": [size[0] - 1.1, 0.15]})
    picture = _draw_cells(axis, log_mels, columns, config)
    text: dict[str, Any] = {"fontsize": 8, "ha": "center", "va": "bottom", "parse_math": False}
    for number, caption in enumerate(captions):
        axis.text(number % columns, number // columns - 0.46, caption, **text)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.set_xlabel(_cell_axes(config), fontsize=8)
    figure.colorbar(picture, cax=bar, label="dB below the loudest")
    _save(figure, target)


def plot_morph(
    rows: Sequence[tuple[str, np.ndarray]],
    titles: Sequence[str],
    lines: Sequence[tuple[str, Sequence[np.ndarray]]],
    config: AudioConfig,
    target: Target,
) -> None:
    """Plot the spectrograms of an interpolation path in rows, and descriptors of the sounds under them.

    Args:
        rows: (label, log-mels float32 `[steps, frames, mel_bins]`).
        titles: of the steps.
        lines: (name of a descriptor and its unit, values `[steps]` of each of `rows`); NaN leaves a gap.
        config: the audio configuration, for the axes.
        target: where the PNG is written.
    """
    steps = len(titles)
    width = max(steps * max(0.15, min(1.9, 22.0 / steps)), 6.0)
    heights = [1.8 * len(rows), *[1.2] * len(lines)]
    figure = Figure(figsize=(width + 2.2, sum(heights) + 0.9), layout="constrained")
    ratios = {"height_ratios": heights, "width_ratios": [width, 0.15]}
    (strip, *panels), (bar, *unused) = figure.subplots(len(heights), 2, squeeze=False, gridspec_kw=ratios).T
    for axis in unused:
        axis.remove()
    picture = _draw_cells(strip, np.concatenate([log_mels for _, log_mels in rows]), steps, config)
    figure.colorbar(picture, cax=bar, label="dB below the loudest")
    every = 1 + (steps - 1) // 16
    ticks = range(0, steps, every)
    strip.set_xticks(ticks, titles[::every], fontsize=8, parse_math=False)
    strip.xaxis.tick_top()
    strip.set_yticks(range(len(rows)), [label for label, _ in rows], fontsize=8, rotation=90, va="center")
    strip.tick_params(length=0)
    strip.spines[:].set_visible(False)
    strip.set_xlabel(_cell_axes(config), fontsize=8)
    for axis, (name, values) in zip(panels, lines, strict=True):
        for number, ((label, _), line) in enumerate(zip(rows, values, strict=True)):
            axis.plot(range(steps), line, ("-", "--")[number % 2], marker="o", markersize=4, label=label)
        axis.set_ylabel(name, fontsize=8)
        axis.set_xlim(-0.5, steps - 0.5)
        axis.set_xticks(ticks, titles[::every] if axis is panels[-1] else [], fontsize=8, parse_math=False)
        axis.tick_params(labelsize=8)
        axis.ticklabel_format(axis="y", useOffset=False)
        axis.grid(alpha=0.3)
    if panels and len(rows) > 1:
        panels[0].legend(fontsize=8)
    _save(figure, target)


def plot_map(positions: np.ndarray, columns: Sequence[Column], title: str, target: Target) -> None:
    """Plot one map of notes several times, each time coloured by another column.

    Args:
        positions: float `[notes, 2]`.
        columns: what the notes are coloured by.
        title: of the figure.
        target: where the PNG is written.
    """
    across = min(len(columns), 3)
    rows = -(-len(columns) // across)
    # Every panel leaves the same space for its legend, so that all maps have one size, about the shape of the map.
    width, height = np.maximum(np.ptp(positions, axis=0), 1e-9)
    figsize = (5.2 * across, (0.4 + 3.9 * np.clip(height / width, 0.6, 1.5)) * rows + 0.4)
    figure = Figure(figsize=figsize, layout="constrained")
    figure.suptitle(title)
    grid = figure.add_gridspec(rows, 2 * across, width_ratios=[4.0, 1.2] * across)
    dots: dict[str, Any] = {"s": max(4.0, min(40.0, 12000.0 / len(positions))), "linewidths": 0}
    for number, column in enumerate(columns):
        row, place = divmod(number, across)
        axis, side = (figure.add_subplot(grid[row, 2 * place + part]) for part in (0, 1))
        side.set_axis_off()
        axis.set(xticks=[], yticks=[])
        axis.axis("equal")
        axis.set_title(", ".join(filter(None, (column.title, column.unit))), fontsize=10)
        for index, (category, colour) in enumerate(column.categories):
            of = column.values == index
            axis.scatter(*positions[of].T, color=colour, label=f"{category} ({of.sum()})", alpha=0.85, **dots)
        if column.categories:
            handles, labels = axis.get_legend_handles_labels()
            legend = side.legend(handles, labels, fontsize=7, loc="center left", borderaxespad=0, frameon=False)
            for handle in legend.legend_handles:
                if isinstance(handle, PathCollection):
                    handle.set_sizes([40.0])
            continue
        known = np.isfinite(column.values)
        axis.scatter(*positions[~known].T, color="#bbbbbb", **dots)
        x, y = positions[known].T
        picture = axis.scatter(x, y, c=column.values[known], cmap=NUMBER_COLOURS, alpha=0.85, **dots)
        picture.set_clim(*column.limits())
        figure.colorbar(picture, cax=side.inset_axes((0.0, 0.1, 0.12, 0.8))).ax.tick_params(labelsize=7)
    _save(figure, target)


def _draw_cells(axis: Axes, log_mels: LogMels, columns: int, config: AudioConfig) -> AxesImage:
    """Draw log-mels as tiles: that of column c and row r, counted from the top, is centred on (c, r)."""
    high = max(float(np.max(log_mel)) for log_mel in log_mels)
    for number, log_mel in enumerate(log_mels):
        row, column = divmod(number, columns)
        extent = (column - 0.47, column + 0.47, row + 0.45, row - 0.45)
        picture = _draw_log_mel(axis, log_mel, high, extent, config)
    axis.set_xlim(-0.5, columns - 0.5)
    axis.set_ylim(-(-len(log_mels) // columns) - 0.5, -0.5)
    return picture


def _draw_log_mel(
    axis: Axes, log_mel: np.ndarray, high: float, extent: tuple[float, float, float, float], config: AudioConfig
) -> AxesImage:
    """Draw a log-mel in decibels below `high`, down to the log-mel's floor; return the picture, for a colour bar."""
    nats = config.log_mel_scale
    low = (np.log(config.log_offset) - config.log_mel_center) / nats
    return axis.imshow(
        (log_mel.T - high) * nats * 20 / np.log(10),
        origin="lower",
        aspect="auto",
        cmap=COLOURS,
        # Of silence, too, a range is left.
        vmin=min((low - high) * nats * 20 / np.log(10), -1.0),
        vmax=0.0,
        extent=extent,
    )


def _cell_axes(config: AudioConfig) -> str:
    seconds, low, high = config.num_samples / config.sample_rate, config.lower_edge_hertz, config.upper_edge_hertz
    return f"each 0 to {seconds:g} s from left to right, {low:g} Hz to {high / 1000:g} kHz, in mel, from bottom to top"


def _save(figure: Figure, target: Target) -> None:
    if not isinstance(target, str | os.PathLike):
        figure.savefig(target, dpi=100, format="png")
        return
    with atomic_write(target, "picture") as temporary:
        figure.savefig(temporary, dpi=100, format="png")
