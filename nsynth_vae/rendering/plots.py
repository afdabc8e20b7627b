"""Pictures and sound files of a model: loss curves, spectrograms side by side, WAVs."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import matplotlib
import numpy as np

from nsynth_vae.config import AudioConfig

matplotlib.use("Agg")  # Figures go to files: no display is needed or asked for.

import matplotlib.pyplot as plt

COLOURS = "magma"


def plot_losses(history: Sequence[dict], panels: Sequence[tuple[str, str]], path: pathlib.Path) -> None:
    """Draws losses of training and validation over the steps.

    Args:
        history: a trainer's.
        panels: (name in the history's records, title).
        path: where the PNG goes.
    """
    steps = [record["step"] for record in history]
    figure, axes = plt.subplots(1, len(panels), figsize=(4 * len(panels), 3.2), squeeze=False, layout="constrained")
    axes = axes[0]
    for axis, (name, title) in zip(axes, panels, strict=True):
        for split, style in (("train", "-"), ("valid", "--")):
            axis.plot(steps, [record[split][name] for record in history], style, marker=".", label=split)
        axis.set(title=title, xlabel="step")
        axis.grid(alpha=0.3)
    axes[0].legend()
    _save(figure, path)


def plot_spectrograms(
    rows: Sequence[tuple[str, Sequence[np.ndarray]]],
    titles: Sequence[str],
    config: AudioConfig,
    path: pathlib.Path,
) -> None:
    """Draws log-mels in a grid, all in one colour scale.

    Args:
        rows: (label, log-mels float32 `[frames, mel_bins]`), each of `len(titles)` log-mels.
        titles: of the columns.
        config: the audio configuration, for the axes.
        path: where the PNG goes.
    """
    nats = config.log_mel_scale
    columns = len(titles)
    size = (1.2 + 1.9 * columns, 0.5 + 1.9 * len(rows))
    figure, axes = plt.subplots(
        len(rows), columns, figsize=size, squeeze=False, layout="constrained", sharex=True, sharey=True
    )
    seconds = config.num_frames * config.frame_step / config.sample_rate
    low = (np.log(config.log_offset) - config.log_mel_center) / nats
    high = max(float(np.max(log_mels)) for _, log_mels in rows)
    picture = None
    for row, (label, log_mels) in enumerate(rows):
        for column, log_mel in enumerate(log_mels):
            axis = axes[row, column]
            picture = axis.imshow(
                (log_mel.T - high) * nats * 20 / np.log(10),
                origin="lower",
                aspect="auto",
                cmap=COLOURS,
                vmin=(low - high) * nats * 20 / np.log(10),
                vmax=0.0,
                extent=(0, seconds, 0, config.num_mel_bins),
            )
            if row == 0:
                axis.set_title(titles[column], fontsize=8)
            if column == 0:
                axis.set_ylabel(label, fontsize=8)
            axis.tick_params(labelsize=7)
            if row == len(rows) - 1:
                axis.set_xlabel("s", fontsize=8)
    figure.colorbar(picture, ax=axes, shrink=0.8, label="dB below the loudest")
    _save(figure, path)


def plot_confusion(counts: np.ndarray, names: Sequence[str], path: pathlib.Path) -> None:
    """Draws which classes are taken for which, in percent of each class's notes; classes without notes are left out.

    Args:
        counts: int `[classes, classes]`, of the notes of a class (row) that are told to be of another (column).
        names: of the classes.
        path: where the PNG goes.
    """
    there = np.flatnonzero(counts.sum(axis=1))
    percent = 100.0 * counts[there] / np.maximum(counts[there].sum(axis=1, keepdims=True), 1)
    figure, axis = plt.subplots(figsize=(2 + 0.5 * len(names), 1.5 + 0.4 * max(len(there), 1)), layout="constrained")
    axis.imshow(percent, cmap="Blues", vmin=0.0, vmax=100.0, aspect="auto")
    for (row, column), value in np.ndenumerate(percent):
        if value:
            axis.text(
                column, row, f"{value:.0f}", ha="center", va="center", color="w" if value > 50 else "k", fontsize=8
            )
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    axis.set_yticks(range(len(there)), [f"{names[i]} ({counts[i].sum()})" for i in there], fontsize=8)
    axis.set(xlabel="told", ylabel="is (notes)", title="percent")
    _save(figure, path)


def plot_contact_sheet(
    log_mels: Sequence[np.ndarray], captions: Sequence[str], columns: int, config: AudioConfig, path: pathlib.Path
) -> None:
    """Draws log-mels row by row, each under its caption, all in one colour scale.

    Args:
        log_mels: float32 `[frames, mel_bins]`.
        captions: one each.
        columns: in a row.
        config: the audio configuration, for the axes.
        path: where the PNG goes.
    """
    rows = -(-len(log_mels) // columns)
    # What a sheet of many notes can show is their order, and a PNG has at most 65,535 pixels a side.
    width, height = (max(0.4, min(size, 120.0 / max(rows, columns))) for size in (1.9, 1.7))
    size = (max(width * columns, 4.0) + 1.1, height * rows + 0.6)
    figure, (axis, bar) = plt.subplots(
        1, 2, figsize=size, layout="constrained", gridspec_kw={"width_ratios": [size[0] - 1.1, 0.15]}
    )
    picture = _draw_cells(axis, log_mels, columns, config)
    for number, caption in enumerate(captions):
        axis.text(
            number % columns, number // columns - 0.46, caption, fontsize=8, ha="center", va="bottom", parse_math=False
        )
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.set_xlabel(_cell_axes(config), fontsize=8)
    figure.colorbar(picture, cax=bar, label="dB below the loudest")
    _save(figure, path)


def plot_morph(
    rows: Sequence[tuple[str, np.ndarray]],
    titles: Sequence[str],
    lines: Sequence[tuple[str, Sequence[np.ndarray]]],
    config: AudioConfig,
    path: pathlib.Path,
) -> None:
    """Draws the spectrograms of a way through the latent space in rows, and measures of the sounds under them.

    Args:
        rows: (label, log-mels float32 `[steps, frames, mel_bins]`).
        titles: of the steps.
        lines: (name of a measure and its unit, values `[steps]` of each of `rows`); NaN leaves a gap.
        config: the audio configuration, for the axes.
        path: where the PNG goes.
    """
    steps = len(titles)
    width = max(steps * max(0.15, min(1.9, 22.0 / steps)), 6.0)
    heights = [1.8 * len(rows), *[1.2] * len(lines)]
    figure, axes = plt.subplots(
        len(heights),
        2,
        figsize=(width + 2.2, sum(heights) + 0.9),
        layout="constrained",
        squeeze=False,
        gridspec_kw={"height_ratios": heights, "width_ratios": [width, 0.15]},
    )
    (strip, *panels), (bar, *unused) = axes.T
    for axis in unused:
        axis.remove()
    picture = _draw_cells(strip, np.concatenate([log_mels for _, log_mels in rows]), steps, config)
    figure.colorbar(picture, cax=bar, label="dB below the loudest")
    few = 1 + (steps - 1) // 16
    strip.set_xticks(range(0, steps, few), titles[::few], fontsize=8, parse_math=False)
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
        axis.set_xticks(range(0, steps, few), titles[::few] if axis is panels[-1] else [], fontsize=8, parse_math=False)
        axis.tick_params(labelsize=8)
        axis.ticklabel_format(axis="y", useOffset=False)
        axis.grid(alpha=0.3)
    if panels and len(rows) > 1:
        panels[0].legend(fontsize=8)
    _save(figure, path)


def plot_map(
    places: np.ndarray,
    panels: Sequence[tuple[str, np.ndarray, Sequence[tuple[str, str]], tuple[float, float]]],
    title: str,
    path: pathlib.Path,
) -> None:
    """Draws one map of notes several times, each time coloured by something else.

    Args:
        places: float `[notes, 2]`.
        panels: (title, values `[notes]`, categories as (name, colour), limits): numbers, NaN where not known, coloured
            between the limits; or places in the categories, if there are any.
        title: of the figure.
        path: where the PNG goes.
    """
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    # Each panel with a place of its own for its legend, so that all are of one size: about the shape of the map.
    width, height = np.maximum(np.ptp(places, axis=0), 1e-9)
    figsize = (5.2 * columns, (0.4 + 3.9 * np.clip(height / width, 0.6, 1.5)) * rows + 0.4)
    figure = plt.figure(figsize=figsize, layout="constrained")
    figure.suptitle(title)
    grid = figure.add_gridspec(rows, 2 * columns, width_ratios=[4.0, 1.2] * columns)
    dots = {"s": max(4.0, min(40.0, 12000.0 / len(places))), "linewidths": 0}
    for number, (name, values, categories, limits) in enumerate(panels):
        row, column = divmod(number, columns)
        axis, side = (figure.add_subplot(grid[row, 2 * column + part]) for part in (0, 1))
        side.set_axis_off()
        axis.set(xticks=[], yticks=[])
        axis.axis("equal")
        axis.set_title(name, fontsize=10)
        if categories:
            for index, (category, colour) in enumerate(categories):
                of = values == index
                axis.scatter(*places[of].T, color=colour, label=f"{category} ({of.sum()})", alpha=0.85, **dots)
            handles, labels = axis.get_legend_handles_labels()
            legend = side.legend(handles, labels, fontsize=7, loc="center left", borderaxespad=0, frameon=False)
            for handle in legend.legend_handles:
                handle.set_sizes([40.0])
            continue
        known = np.isfinite(values)
        axis.scatter(*places[~known].T, color="#bbbbbb", **dots)
        picture = axis.scatter(*places[known].T, c=values[known], cmap="viridis", alpha=0.85, **dots)
        picture.set_clim(*limits)
        figure.colorbar(picture, cax=side.inset_axes([0.0, 0.1, 0.12, 0.8])).ax.tick_params(labelsize=7)
    _save(figure, path)


def _draw_cells(axis: plt.Axes, log_mels: Sequence[np.ndarray], columns: int, config: AudioConfig):
    """Draws log-mels as tiles: that of column c and row r, counted from the top, is around the point (c, r)."""
    nats = config.log_mel_scale
    low = (np.log(config.log_offset) - config.log_mel_center) / nats
    high = max(float(np.max(log_mel)) for log_mel in log_mels)
    to_decibels = nats * 20 / np.log(10)
    picture = None
    for number, log_mel in enumerate(log_mels):
        row, column = divmod(number, columns)
        picture = axis.imshow(
            (log_mel.T - high) * to_decibels,
            origin="lower",
            aspect="auto",
            cmap=COLOURS,
            vmin=(low - high) * to_decibels,
            vmax=0.0,
            extent=(column - 0.47, column + 0.47, row + 0.45, row - 0.45),
        )
    axis.set_xlim(-0.5, columns - 0.5)
    axis.set_ylim(-(-len(log_mels) // columns) - 0.5, -0.5)
    return picture


def _cell_axes(config: AudioConfig) -> str:
    seconds, low, high = config.num_samples / config.sample_rate, config.lower_edge_hertz, config.upper_edge_hertz
    return f"each 0 to {seconds:g} s from left to right, {low:g} Hz to {high / 1000:g} kHz, in mel, from bottom to top"


def _save(figure, path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    plt.close(figure)
