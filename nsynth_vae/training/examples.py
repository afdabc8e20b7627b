"""What a run leaves for eyes and ears: reconstructions, a morph, resyntheses; and the latent space's centroids."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nsynth_vae import features, latent
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.batching.feature_batches import SplitFeatures
from nsynth_vae.data.source import NoteTable, Source
from nsynth_vae.files import write_wav
from nsynth_vae.model.vae import VAE
from nsynth_vae.notes import FAMILIES, UNKNOWN
from nsynth_vae.rendering import plots
from nsynth_vae.rendering.sounds import join_notes
from nsynth_vae.synthesis.griffin_lim import log_mel_to_audio
from nsynth_vae.synthesis.vocoder import sound_for

if TYPE_CHECKING:
    from nsynth_vae.synthesis.synthesizer import Synthesizer

MORPH_STEPS = 9
MORPH_VELOCITY = 100
BASELINE_ITERATIONS = 60
"""Iterations of Griffin-Lim that a synthesizer is heard beside."""


@dataclasses.dataclass(frozen=True)
class Examples:
    """A few notes, each of another family where there are some: what the pictures and sounds show."""

    table: NoteTable
    audio: np.ndarray
    """float32 `[notes, num_samples]`."""
    log_mel: np.ndarray
    """float32 `[notes, frames, mel_bins]`."""


@dataclasses.dataclass(frozen=True)
class Media:
    """What TensorBoard shows of a model, by name."""

    log_mels: dict[str, np.ndarray]
    """float32 `[frames, mel_bins]`."""
    sounds: dict[str, np.ndarray]
    """float32 `[samples]`, -1..1."""


def choose_examples(source: Source, rows: np.ndarray, config: AudioConfig, count: int = 4) -> Examples:
    """Reads `count` notes of different families, else of different instruments, pitches nearest to C4 first."""
    table = source.table
    nearest = rows[np.argsort(np.abs(table.pitch[rows] - 60), kind="stable")]
    chosen: list[int] = []
    for key in (table.instrument_family, table.instrument_str, np.arange(len(table))):
        taken = {key[row] for row in chosen}
        for row in nearest:
            if len(chosen) < count and row not in chosen and key[row] not in taken:
                chosen.append(int(row))
                taken.add(key[row])
    # Bad notes among them, if any, were reported when the features were computed.
    audio = {}
    for element in source.audio(np.array(chosen)).apply(tf.data.Dataset.ignore_errors):
        if not element["problem"].numpy():
            audio[int(element["row"])] = element["audio"].numpy()
    kept = np.array(list(audio), np.int64)
    stacked = np.stack(list(audio.values()))
    return Examples(table.take(kept), stacked, features.log_mel(tf.constant(stacked), config).numpy())


def reconstruct(vae: VAE, examples: Examples) -> tf.Tensor:
    """Returns the examples' reconstructions from their z_mean: log-mels, float32 `[notes, frames, mel_bins]`."""
    return vae(
        {
            "log_mel": tf.constant(examples.log_mel),
            "pitch": tf.constant(examples.table.pitch),
            "velocity": tf.constant(examples.table.velocity),
        }
    )


def show_reconstructions(vae: VAE, examples: Examples) -> Media:
    """Returns each example's log-mel with its reconstruction behind it, and the reconstruction's sound."""
    decoded = reconstruct(vae, examples)
    audio = sound_for(vae.config.audio)(decoded, tf.constant(examples.table.pitch)).numpy()
    names = examples.table.note_str
    pairs = np.concatenate([examples.log_mel, decoded.numpy()], axis=1)
    return Media(
        {f"original and reconstruction/{name}": pair for name, pair in zip(names, pairs, strict=True)},
        {f"reconstruction/{name}": sound for name, sound in zip(names, audio, strict=True)},
    )


def write_reconstructions(vae: VAE, examples: Examples, folder: pathlib.Path) -> None:
    """Writes originals beside reconstructions: `figures/reconstructions.png` and `sounds/*.wav`."""
    config = vae.config.audio
    decoded = reconstruct(vae, examples)
    audio = sound_for(config)(decoded, tf.constant(examples.table.pitch)).numpy()
    rows = [("original", examples.log_mel), ("reconstruction", decoded.numpy())]
    path = folder / "figures" / "reconstructions.png"
    plots.plot_spectrograms(rows, list(examples.table.note_str), config, path)
    _write_sounds({"original": examples.audio, "reconstruction": audio}, examples, config, folder)


def resynthesize(synthesizer: Synthesizer, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Returns what a synthesizer makes of the examples' own log-mels and pitches, and the log-mels of that.

    Returns:
        (audio: float32 `[notes, samples]`, log_mel: float32 `[notes, frames, mel_bins]`).
    """
    audio = synthesizer(tf.constant(examples.log_mel), tf.constant(examples.table.pitch))
    return audio.numpy(), features.log_mel(audio, synthesizer.config.audio).numpy()


def show_resyntheses(synthesizer: Synthesizer, examples: Examples) -> Media:
    """Returns each example's log-mel with its resynthesis's behind it, and the resynthesis's sound."""
    audio, log_mel = resynthesize(synthesizer, examples)
    names = examples.table.note_str
    pairs = np.concatenate([examples.log_mel, log_mel], axis=1)
    return Media(
        {f"original and resynthesis/{name}": pair for name, pair in zip(names, pairs, strict=True)},
        {f"resynthesis/{name}": sound for name, sound in zip(names, audio, strict=True)},
    )


def write_resyntheses(synthesizer: Synthesizer, examples: Examples, folder: pathlib.Path) -> None:
    """Writes originals beside Griffin-Lim and the synthesizer: `figures/resynthesis.png` and `sounds/*.wav`."""
    config = synthesizer.config.audio
    audio, log_mel = resynthesize(synthesizer, examples)
    baseline = log_mel_to_audio(tf.constant(examples.log_mel), config, iterations=BASELINE_ITERATIONS)
    rows = [
        ("original", examples.log_mel),
        (f"Griffin-Lim, {BASELINE_ITERATIONS} iterations", features.log_mel(baseline, config).numpy()),
        ("synthesizer", log_mel),
    ]
    path = folder / "figures" / "resynthesis.png"
    plots.plot_spectrograms(rows, list(examples.table.note_str), config, path)
    sounds = {"original": examples.audio, "griffin-lim": baseline.numpy(), "synthesizer": audio}
    _write_sounds(sounds, examples, config, folder)


def _write_sounds(sounds: dict[str, np.ndarray], examples: Examples, config: AudioConfig, folder: pathlib.Path) -> None:
    """Writes `sounds/<note>-<kind>.wav` of each kind of sounds, float32 `[notes, samples]`."""
    for kind, audio in sounds.items():
        for name, sound in zip(examples.table.note_str, audio, strict=True):
            path = folder / "sounds" / f"{name.replace('/', '_')}-{kind}.wav"
            write_wav(path, sound, config.sample_rate)


def write_morph(vae: VAE, examples: Examples, folder: pathlib.Path) -> None:
    """Writes a morph between the first two examples at the first one's pitch: a strip of spectrograms and one WAV."""
    config = vae.config.audio
    z_mean, _ = vae.encoder(tf.constant(examples.log_mel[[0, -1]]))
    pitch = int(examples.table.pitch[0])
    path = latent.interpolate(z_mean[0].numpy(), z_mean[1].numpy(), MORPH_STEPS).astype(np.float32)
    pitches = tf.fill([MORPH_STEPS], pitch)
    log_mel = vae.decoder(tf.constant(path), pitches, tf.fill([MORPH_STEPS], MORPH_VELOCITY)).numpy()
    titles = [f"{step / (MORPH_STEPS - 1):.0%}" for step in range(MORPH_STEPS)]
    ends = [str(examples.table.note_str[i]) for i in (0, -1)]
    titles[0], titles[-1] = ends
    plots.plot_spectrograms([(f"at pitch {pitch}", log_mel)], titles, config, folder / "figures" / "interpolation.png")
    audio = sound_for(config)(tf.constant(log_mel), pitches).numpy()
    write_wav(folder / "sounds" / "morph.wav", join_notes(audio, config), config.sample_rate)


def latent_centroids(vae: VAE, notes: SplitFeatures, batch_size: int, *, instruments: set[str]) -> dict:
    """Returns the mean z_mean of every instrument and every known family: what `attributes.json` holds.

    Args:
        vae: encodes the notes.
        notes: of instruments and families.
        batch_size: notes that are encoded together.
        instruments: notes of others, transposed copies that is, are left out.

    Returns:
        {`latent_dim`, `instruments`: {name: {`centroid`: list of float, `notes`: int}}, `families`: likewise}.
    """
    table = notes.table
    dim = vae.config.model.latent_dim
    encode = tf.function(lambda log_mel: vae.encoder(log_mel)[0], reduce_retracing=True, autograph=False)
    sums: dict[str, np.ndarray] = {}
    counts: dict[str, int] = {}
    for batch in notes.checked(notes.batches(batch_size)):
        for z, row in zip(encode(batch["log_mel"]).numpy(), batch["row"].numpy(), strict=True):
            if table.instrument_str[row] not in instruments:
                continue
            keys = [f"instruments/{table.instrument_str[row]}"]
            if table.instrument_family[row] != UNKNOWN:
                keys.append(f"families/{FAMILIES[table.instrument_family[row]]}")
            for key in keys:
                sums[key] = sums.get(key, np.zeros(dim)) + z
                counts[key] = counts.get(key, 0) + 1
    result: dict = {"format_version": 1, "latent_dim": dim, "instruments": {}, "families": {}}
    for key in sorted(sums):
        kind, name = key.split("/", 1)
        centroid = [round(float(value), 5) for value in sums[key] / counts[key]]
        result[kind][name] = {"centroid": centroid, "notes": counts[key]}
    return result
