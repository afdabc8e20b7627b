"""Example figures and audio of a trained model, and the centroids of its latent space."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from nsynth_vae import features, latent
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.readers.prepared import PreparedSource
from nsynth_vae.data.source import BadNotes, NoteTable, Source
from nsynth_vae.data.streaming import stream_audio
from nsynth_vae.errors import InputError
from nsynth_vae.files import save_sound
from nsynth_vae.latent.centroids import centroids
from nsynth_vae.model.vae import VAE
from nsynth_vae.rendering import plots
from nsynth_vae.rendering.sounds import file_name, join_notes
from nsynth_vae.synthesis.griffin_lim import log_mel_to_audio
from nsynth_vae.synthesis.synthesizer import Synthesizer
from nsynth_vae.synthesis.vocoder import vocoder_for
from nsynth_vae.training.trainer import Trainer

MORPH_STEPS = 9
MORPH_VELOCITY = 100
BASELINE_ITERATIONS = 60
"""Iterations of Griffin-Lim, the baseline of a synthesizer."""


@dataclasses.dataclass(frozen=True)
class Examples:
    """A few notes for figures and sounds, of different families where there are some."""

    table: NoteTable
    audio: np.ndarray
    """float32 `[notes, num_samples]`."""
    log_mel: np.ndarray
    """float32 `[notes, frames, mel_bins]`."""


Rendering = tuple[np.ndarray, np.ndarray]
"""(audio: float32 `[notes, num_samples]`, log_mel: float32 `[notes, frames, mel_bins]`) of some examples."""


def choose_examples(source: Source, rows: np.ndarray, config: AudioConfig, count: int = 4) -> Examples:
    """Read `count` notes of different families, else of different instruments, pitches nearest to C4 first.

    Raises:
        InputError: if the source was prepared without the audio of any of them.
    """
    table = source.table
    if isinstance(source, PreparedSource):
        rows = rows[source.has_audio(rows)]
        if not len(rows):
            raise InputError(
                f"{source.name}: has the audio of no note of these, expected it prepared with --keep-audio all"
            )
    nearest = rows[np.argsort(np.abs(table.pitch[rows] - 60), kind="stable")]
    chosen: list[int] = []
    for key in (table.instrument_family, table.instrument_str, np.arange(len(table))):
        taken = {key[row] for row in chosen}
        for row in nearest:
            if len(chosen) < count and row not in chosen and key[row] not in taken:
                chosen.append(int(row))
                taken.add(key[row])
    # Invalid notes among them, if any, were reported when the features were computed.
    audio = dict(stream_audio(source, np.array(chosen), BadNotes("skip")))
    stacked = np.stack(list(audio.values()))
    return Examples(table.take(np.array(list(audio))), stacked, features.log_mel(tf.constant(stacked), config).numpy())


def reconstruct(vae: VAE, examples: Examples) -> Rendering:
    """Decode the examples from their z_mean, and synthesize the decoded log-mels."""
    pitch, velocity = tf.constant(examples.table.pitch), tf.constant(examples.table.velocity)
    z_mean, _ = vae.encoder(tf.constant(examples.log_mel))
    audio, log_mel = play(vae, z_mean, pitch, velocity)
    return audio.numpy(), log_mel.numpy()


def play(vae: VAE, z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return audio and log-mel of the first take of notes."""
    seed = tf.zeros_like(pitch)
    take = vae.decoder.take(z, pitch, velocity, seed, tf.ones(tf.shape(pitch)))
    return vocoder_for(vae.config.audio)(take.log_mel, pitch, seed, take.partials), take.log_mel


def resynthesize(synthesizer: Synthesizer, examples: Examples) -> Rendering:
    """Synthesize the examples from their own log-mels and pitches; the log-mels are those of the audio."""
    audio = synthesizer(tf.constant(examples.log_mel), tf.constant(examples.table.pitch))
    return audio.numpy(), features.log_mel(audio, synthesizer.config.audio).numpy()


def invert(examples: Examples, config: AudioConfig) -> Rendering:
    """Invert the examples' log-mels by Griffin-Lim; the log-mels are those of the audio."""
    audio = log_mel_to_audio(tf.constant(examples.log_mel), config, iterations=BASELINE_ITERATIONS)
    return audio.numpy(), features.log_mel(audio, config).numpy()


def write_examples(
    examples: Examples, renderings: dict[str, Rendering], config: AudioConfig, folder: pathlib.Path, figure: str
) -> None:
    """Write the original notes and renderings of them.

    Args:
        examples: the notes.
        renderings: label in the figure -> rendering; its sounds are called by the label up to a comma.
        config: of the audio.
        folder: gets `sounds/<note>-<kind>.wav`.
        figure: name of the figure of all log-mels, in `figures/`.
    """
    names = list(examples.table.note_str)
    renderings = {"original": (examples.audio, examples.log_mel)} | renderings
    rows = [(label, list(log_mel)) for label, (_, log_mel) in renderings.items()]
    plots.plot_spectrograms(rows, names, config, folder / "figures" / figure)
    sounds = folder / "sounds"
    sounds.mkdir(exist_ok=True)
    for label, (audio, _) in renderings.items():
        kind = label.partition(",")[0].lower()
        for name, sound in zip(names, audio, strict=True):
            save_sound(sounds / f"{file_name(name, 'note')}-{kind}.wav", sound, config.sample_rate)


def write_morph(vae: VAE, examples: Examples, folder: pathlib.Path) -> None:
    """Write a morph between the first and the last example at the first one's pitch: spectrograms and one WAV."""
    config, names = vae.config.audio, examples.table.note_str
    z_mean, _ = vae.encoder(tf.constant(examples.log_mel[[0, -1]]))
    pitch = int(examples.table.pitch[0])
    path = latent.interpolate(z_mean[0].numpy(), z_mean[1].numpy(), MORPH_STEPS).astype(np.float32)
    pitches = tf.fill([MORPH_STEPS], pitch)
    audio, log_mel = play(vae, tf.constant(path), pitches, tf.fill([MORPH_STEPS], MORPH_VELOCITY))
    titles = [str(names[0]), *(f"{step / (MORPH_STEPS - 1):.0%}" for step in range(1, MORPH_STEPS - 1)), str(names[-1])]
    rows = [(f"at pitch {pitch}", list(log_mel.numpy()))]
    plots.plot_spectrograms(rows, titles, config, folder / "figures" / "interpolation.png")
    save_sound(folder / "sounds" / "morph.wav", join_notes(audio.numpy(), config), config.sample_rate)


def latent_centroids(trainer: Trainer, instruments: set[str]) -> dict[str, Any]:
    """Return the mean z_mean of every instrument and known family of the training notes, as in `attributes.json`.

    Args:
        trainer: of a VAE.
        instruments: notes of others are left out.

    Returns:
        {`format_version`, `latent_dim`, `instruments`: {name: {`centroid`: list of float, `notes`: int}}, `families`:
        likewise}.
    """
    vae, notes = trainer.model, trainer.train
    encode = tf.function(lambda log_mel: vae.encoder(log_mel)[0], reduce_retracing=True, autograph=False)
    z, rows = [], []
    for batch in notes.checked(notes.batches(trainer.config.train.batch_size)):
        kept = np.array([notes.table.instrument_str[row] in instruments for row in batch["row"].numpy()])
        if kept.any():
            z.append(encode(batch["log_mel"]).numpy()[kept])
            rows.append(batch["row"].numpy()[kept])
    # In float64, sums of many notes keep the digits that are written.
    found = centroids(np.concatenate(z).astype(np.float64), notes.table.take(np.concatenate(rows)))
    kinds = {kind: found[kind] for kind in ("instruments", "families")}
    return {"format_version": 1, "latent_dim": vae.config.model.latent_dim, **kinds}
