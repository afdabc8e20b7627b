"""Draw the figures of docs/synthesis.md and write its sounds, with the synthesizer that comes with the package.

    python docs/make_synthesis_figures.py [--output docs/figures] [--sounds docs/sounds]

The notes are the starter set's, of instruments that the synthesizer was not trained on.
"""

from __future__ import annotations

import argparse
import io
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

# The script is run as a file, from a clone in which the package need not be installed.
ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from nsynth_vae import cli  # noqa: E402

if TYPE_CHECKING:
    from nsynth_vae.config import AudioConfig

NOTES = {
    "guitar_acoustic_903": "a pluck: banjo",
    "mallet_acoustic_904": "a mallet: marimba",
    "string_acoustic_900": "a bowed string: violin",
    "vocal_acoustic_900": "a voice: choir",
}
"""Instruments of the starter set's test split that are shown, each by its note nearest to C4."""

ITERATIONS = 60
FRAME, STEP = 1024, 160
RANGE_DB = 80.0
HIGHEST_HERTZ = 6000.0
SHOWN_SECONDS = 2.0


def make_figures(output: pathlib.Path, sounds: pathlib.Path) -> list[pathlib.Path]:
    """Write `synthesis.png` and `parts.png`, and a WAV of each system.

    Args:
        output: folder of the PNGs.
        sounds: folder of the WAVs: the four notes one after the other, two seconds of each.

    Returns:
        The files written.
    """
    import tensorflow as tf

    from nsynth_vae import features
    from nsynth_vae.config import AudioConfig
    from nsynth_vae.files import write_wav
    from nsynth_vae.rendering.sounds import join_notes
    from nsynth_vae.synthesis import griffin_lim
    from nsynth_vae.synthesis.vocoder import load_synthesizer

    config = AudioConfig()
    names, audio, pitch = read_notes(config)
    log_mel, synthesizer = features.log_mel(tf.constant(audio), config), load_synthesizer()
    systems = {
        "original": audio,
        "Griffin-Lim": griffin_lim.log_mel_to_audio(log_mel, config, iterations=ITERATIONS).numpy(),
        "synthesizer": synthesizer(log_mel, tf.constant(pitch)).numpy(),
    }
    for folder in (output, sounds):
        folder.mkdir(parents=True, exist_ok=True)
    written = [output / "synthesis.png", output / "parts.png"]
    draw_spectrograms(names, systems, written[0], config.sample_rate)
    mel = synthesizer.mel(log_mel)
    harmonic, noise, _ = synthesizer.parts(log_mel, mel, tf.constant(pitch), start=0)
    parts = {"harmonics": harmonic.numpy(), "noise": noise.numpy(), "sum, matched to the mel": systems["synthesizer"]}
    draw_spectrograms(names, parts, written[1], config.sample_rate, loudest_of=audio)
    for system, notes in systems.items():
        path = sounds / f"synthesis-{system.lower()}.wav"
        write_wav(path, join_notes(notes, config, seconds=SHOWN_SECONDS), config.sample_rate)
        written.append(path)
    return written


def read_notes(config: AudioConfig) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return names, audio (float32 `[notes, samples]`) and pitches (int32 `[notes]`) of the notes shown."""
    from nsynth_vae.data.open_sources import open_sources
    from nsynth_vae.data.source import BadNotes

    source = open_sources(("starter",), audio=config, bad_notes=BadNotes(), log=lambda line: None)
    table = source.table
    rows = []
    for instrument in NOTES:
        own = np.flatnonzero(table.instrument_str == instrument)
        rows.append(int(own[np.lexsort((-table.velocity[own], np.abs(table.pitch[own] - 60)))[0]]))
    found = {int(note["row"]): note["audio"].numpy() for note in source.audio(np.array(rows))}
    names = [f"{NOTES[table.instrument_str[row]]}\n{table.note_str[row]}" for row in rows]
    return names, np.stack([found[row] for row in rows]), table.pitch[rows].astype(np.int32)


def draw_spectrograms(
    names: Sequence[str],
    systems: dict[str, np.ndarray],
    path: pathlib.Path,
    sample_rate: int,
    *,
    loudest_of: np.ndarray | None = None,
) -> None:
    """Draw the first seconds of every note (a column) of every system (a row), in dB below the note's loudest."""
    import PIL.Image
    import scipy.signal
    from matplotlib.figure import Figure

    from nsynth_vae.rendering.plots import COLOURS

    figure = Figure(figsize=(13, 2.5 * len(systems)), layout="constrained")
    axes = figure.subplots(len(systems), len(names), sharex=True, sharey=True)

    def level(audio: np.ndarray) -> np.ndarray:
        part = audio[: int(SHOWN_SECONDS * sample_rate)]
        spectrum = scipy.signal.stft(part, sample_rate, nperseg=FRAME, noverlap=FRAME - STEP, nfft=2048)[2]
        return 20 * np.log10(np.abs(spectrum) + 1e-9)

    reference = next(iter(systems.values())) if loudest_of is None else loudest_of
    for row, (system, notes) in enumerate(systems.items()):
        for column, audio in enumerate(notes):
            axis = axes[row, column]
            picture = axis.imshow(
                level(audio) - level(reference[column]).max(),
                origin="lower",
                aspect="auto",
                cmap=COLOURS,
                vmin=-RANGE_DB,
                vmax=0,
                extent=(0, SHOWN_SECONDS, 0, sample_rate / 2000),
            )
            axis.set_ylim(0, HIGHEST_HERTZ / 1000)
            if row == 0:
                axis.set_title(names[column], fontsize=10)
        axes[row, 0].set_ylabel(f"{system}\nkHz")
    for axis in axes[-1]:
        axis.set_xlabel("s")
    figure.colorbar(picture, ax=axes, pad=0.01, aspect=40, label="dB below the original's loudest")
    with io.BytesIO() as file:
        figure.savefig(file, dpi=100)
        # A palette of 256 colours is a third of the size of a plain PNG.
        PIL.Image.open(file).convert("RGB").quantize(256, PIL.Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description="Draws the figures of docs/synthesis.md and writes its sounds.")
    for name, default in (("output", "docs/figures"), ("sounds", "docs/sounds")):
        parser.add_argument(
            f"--{name}", type=pathlib.Path, default=ROOT / default, help="where they go (default: %(default)s)"
        )

    def draw(options: argparse.Namespace) -> None:
        for path in make_figures(options.output, options.sounds):
            print(path)

    return cli.run(draw, parser, arguments)


if __name__ == "__main__":
    sys.exit(main())
