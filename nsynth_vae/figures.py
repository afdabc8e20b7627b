"""Pictures and sound files of a model: loss curves, spectrograms side by side, WAVs."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import matplotlib
import numpy as np

from nsynth_vae.config import AudioConfig

matplotlib.use("Agg")  # Figures go to files: no display is needed or asked for.

import matplotlib.pyplot as plt  # noqa: E402 (the backend has to be chosen first)

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


def write_wav(path: pathlib.Path, audio: np.ndarray, sample_rate: int) -> None:
    """Writes audio, float `[samples]`, -1..1, as a 16-bit mono WAV."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.clip(audio, -1.0, 1.0), sample_rate, subtype="PCM_16", format="WAV")


def _save(figure, path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    plt.close(figure)
