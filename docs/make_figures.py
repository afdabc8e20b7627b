"""Draw the figures of docs/concepts.md, and the README's, with a trained model; write the README's sounds.

    python docs/make_figures.py [--model models/nsynth-small] [--output docs/figures] [--sounds docs/sounds]

All notes shown are the starter set's. The package's own functions compute what is drawn: the script only chooses notes
and draws.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

# The script is run as a file, from a clone in which the package need not be installed.
ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from nsynth_vae import cli  # noqa: E402
from nsynth_vae.config import AudioConfig  # noqa: E402
from nsynth_vae.rendering.plots import COLOURS  # noqa: E402

if TYPE_CHECKING:
    from matplotlib.image import AxesImage

    from nsynth_vae.data.source import NoteTable
    from nsynth_vae.model.decoder import Take
    from nsynth_vae.model.vae import VAE

VIOLIN, PIANO = "string_acoustic_900-059-127", "keyboard_acoustic_900-054-100"
FLUTE, GUITAR = "flute_acoustic_901-060-100", "guitar_acoustic_900-062-127"
NAMES = {VIOLIN: "violin", PIANO: "piano", FLUTE: "flute", GUITAR: "nylon guitar"}
"""Starter notes that are shown. Violin and piano are of the test split, the flute is of valid."""

MORPH_STEPS = 7
MORPH_VELOCITY = 100
BATCH = 64
LABEL = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
COLOUR_MAP = colormaps[COLOURS].resampled(64)
"""In 64 steps, which are smooth to the eye, and small in a PNG."""
RANGE_DB = 80.0
"""Spectrograms show this much below the loudest of their figure."""


@dataclasses.dataclass(frozen=True)
class Encoded:
    """The starter set and its posteriors."""

    table: NoteTable
    """Labels of all notes."""
    audio: dict[str, np.ndarray]
    """Audio of the notes in `NAMES`, float32 `[num_samples]`."""
    z_mean: np.ndarray
    """float32 `[notes, latent_dim]`."""
    z_log_var: np.ndarray
    """float32 `[notes, latent_dim]`."""

    def row(self, note_str: str) -> int:
        """Return a note's row."""
        return int(np.flatnonzero(self.table.note_str == note_str)[0])


def make_figures(model: pathlib.Path, output: pathlib.Path, sounds: pathlib.Path) -> list[pathlib.Path]:
    """Write the six figures and the README's sounds.

    Args:
        model: a model folder.
        output: folder for the PNG files, made if missing.
        sounds: folder for the WAV files, made if missing.

    Returns:
        The files that were written.

    Raises:
        InputError: if the folder is not a model's.
    """
    from nsynth_vae.model.vae import load_model

    vae, config = load_model(model)
    notes = encode_starter_set(vae)
    output.mkdir(parents=True, exist_ok=True)
    paths = [output / f"{name}.png" for name in ("mel", "vae", "reparameterisation", "morph", "arithmetic")]
    draw_mel(notes.audio[VIOLIN], config.audio, paths[0])
    draw_vae(vae, notes, paths[1])
    draw_reparameterisation(vae, notes, paths[2])
    paths += draw_morph(vae, notes, paths[3], output / "sounds.png", sounds)
    draw_arithmetic(vae, notes, paths[4])
    return paths


def encode_starter_set(vae: VAE) -> Encoded:
    """Return the posterior of every starter note, and the audio of those that are shown."""
    import tensorflow as tf

    from nsynth_vae import features
    from nsynth_vae.data.open_sources import open_source
    from nsynth_vae.data.source import BadNotes

    config = vae.config.audio
    source = open_source("starter", audio=config, bad_notes=BadNotes())
    rows = np.arange(len(source.table))
    encode = tf.function(lambda audio: vae.encoder(features.log_mel(audio, config)), reduce_retracing=True)
    audio, means, log_vars = {}, [], []
    for batch in source.audio(rows).batch(BATCH):
        z_mean, z_log_var = encode(batch["audio"])
        means.append(z_mean.numpy())
        log_vars.append(z_log_var.numpy())
        for row, samples in zip(batch["row"].numpy(), batch["audio"].numpy(), strict=True):
            if source.table.note_str[row] in NAMES:
                audio[source.table.note_str[row]] = samples
    return Encoded(source.table, audio, np.concatenate(means), np.concatenate(log_vars))


def draw_mel(audio: np.ndarray, config: AudioConfig, path: pathlib.Path) -> None:
    """Draw audio, its STFT's magnitude, the mel filters and the log-mel."""
    from nsynth_vae import features

    spectrogram = features.magnitude(audio, config)
    log_mel = features.magnitude_to_log_mel(spectrogram, config).numpy()
    seconds = config.num_samples / config.sample_rate
    figure, axes = _subplots(2, 2, (10, 6))
    axes[0, 0].plot(np.arange(config.num_samples) / config.sample_rate, audio, linewidth=0.3)
    axes[0, 0].set(title="1. audio", xlabel="s", xlim=(0, seconds), ylim=(-1, 1))
    level = 20 * np.log10(np.maximum(spectrogram.numpy() / np.max(spectrogram), 1e-9))
    picture = axes[0, 1].imshow(
        level.T,
        origin="lower",
        aspect="auto",
        cmap=COLOUR_MAP,
        vmin=-RANGE_DB,
        extent=(0, seconds, 0, config.sample_rate / 2000),
    )
    axes[0, 1].set(title=f"2. magnitude of the STFT: {config.num_spectrogram_bins} bins", xlabel="s", ylabel="kHz")
    figure.colorbar(picture, ax=axes[0, 1], label="dB, 0 is the loudest")
    kilohertz = np.arange(config.num_spectrogram_bins) * config.sample_rate / config.fft_length / 1000
    shown = range(3, config.num_mel_bins, 8)
    for bin_ in shown:
        axes[1, 0].plot(kilohertz, features.mel_weight_matrix(config)[:, bin_], linewidth=1)
    axes[1, 0].set(
        title=f"3. mel filters: {len(shown)} of {config.num_mel_bins}", xlabel="kHz", ylabel="weight", ylim=(0, 1.1)
    )
    axes[1, 0].set_xlim(0, config.sample_rate / 2000)
    picture = axes[1, 1].imshow(
        log_mel.T, origin="lower", aspect="auto", cmap=COLOUR_MAP, extent=(0, seconds, 0, config.num_mel_bins)
    )
    axes[1, 1].set(title="4. log-mel: the input of the encoder", xlabel="s", ylabel="mel bin")
    figure.colorbar(picture, ax=axes[1, 1], label="normalised")
    _save(figure, path)


def draw_vae(vae: VAE, notes: Encoded, path: pathlib.Path) -> None:
    """Draw a note, its posterior, its reconstruction, the harmonic template, and one z at two pitches."""
    from nsynth_vae import features
    from nsynth_vae.model.decoder import harmonic_template

    config, row = vae.config.audio, notes.row(VIOLIN)
    pitch, velocity = int(notes.table.pitch[row]), int(notes.table.velocity[row])
    pitches = np.array([pitch, pitch + 12], np.int32)
    original = features.log_mel(notes.audio[VIOLIN], config).numpy()
    decoded = _decode(vae, notes.z_mean[[row, row]], pitches, velocity)
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    grid = figure.add_gridspec(2, 6, height_ratios=(1, 0.85))
    top = [figure.add_subplot(grid[0, 2 * i : 2 * i + 2]) for i in range(3)]
    picture = _spectrograms([top[0], top[2]], [original, decoded[0]], config)
    top[0].set_title(f"log-mel of a {NAMES[VIOLIN]} note, pitch {pitch}")
    top[2].set_title("reconstruction from z_mean")
    top[0].set_ylabel("mel bin")
    figure.colorbar(picture, ax=top[2], label="dB, 0 is the loudest")
    dimensions = np.arange(notes.z_mean.shape[1])
    std = np.exp(notes.z_log_var[row] / 2)
    top[1].bar(dimensions, notes.z_mean[row], color="tab:blue", alpha=0.6, label="z_mean")
    top[1].errorbar(
        dimensions, notes.z_mean[row], yerr=std, fmt="none", color="black", elinewidth=1, label="one std either side"
    )
    top[1].axhline(0, color="grey", linewidth=0.5)
    top[1].set(title="posterior: z_mean and its std", xlabel="latent dimension")
    low, high = top[1].get_ylim()
    top[1].set_ylim(low - 0.25 * (high - low), high)
    top[1].legend(fontsize=7, loc="lower right")
    bottom = [figure.add_subplot(grid[1, :3]), figure.add_subplot(grid[1, 3:])]
    decibel = 20 / np.log(10)
    frame = round(0.5 * config.sample_rate / config.frame_step)
    nats = decoded[:, frame] * config.log_mel_scale + config.log_mel_center
    for i, colour in enumerate(("tab:blue", "tab:orange")):
        bottom[0].plot(harmonic_template(config)[pitches[i]] * decibel, color=colour, label=f"pitch {pitches[i]}")
        bottom[1].plot(nats[i] * decibel, color=colour, label=f"pitch {pitches[i]}")
    bottom[0].set(title="harmonic template: where a pitch's partials are", xlabel="mel bin", ylabel="dB")
    bottom[1].set(title="the same z decoded at both pitches, at 0.5 s", xlabel="mel bin", ylabel="dB")
    for axis in bottom:
        axis.legend(fontsize=8, ncols=2, loc="upper left")
        axis.set_ylim(top=axis.get_ylim()[1] + 15)
        axis.margins(x=0)
    _save(figure, path)


def draw_reparameterisation(vae: VAE, notes: Encoded, path: pathlib.Path, samples: int = 200, arrows: int = 12) -> None:
    """Draw noise, the samples of two posteriors from it, and the loss's gradient at some z of the first note."""
    rows = [notes.row(VIOLIN), notes.row(PIANO)]
    first, second = _widest(notes.z_mean)
    noise = np.random.default_rng(0).standard_normal((samples, notes.z_mean.shape[1])).astype(np.float32)
    z = [vae.sampling(notes.z_mean[[row]], notes.z_log_var[[row]], noise).numpy() for row in rows]
    angle = np.arctan2(noise[:, second], noise[:, first])
    figure, axes = _subplots(1, 3, (12, 4.1))
    marks = {"c": angle, "cmap": "hsv", "s": 9, "vmin": -np.pi, "vmax": np.pi}
    axes[0].scatter(noise[:, first], noise[:, second], **marks)
    axes[0].set_title("noise from N(0, 1), coloured by direction")
    axes[1].scatter(notes.z_mean[:, first], notes.z_mean[:, second], s=4, color="lightgrey")
    for row, points in zip(rows, z, strict=True):
        axes[1].scatter(points[:, first], points[:, second], **marks)
        mean = notes.z_mean[row, [first, second]]
        axes[1].annotate(
            NAMES[notes.table.note_str[row]], mean, (0, 14), textcoords="offset points", ha="center", bbox=LABEL
        )
    axes[1].set_title("z = z_mean + exp(z_log_var / 2) · noise")
    axes[1].margins(0.1)
    gradient = _descent(vae, notes, rows[0], z[0])
    axes[2].scatter(z[0][:, first], z[0][:, second], **marks, alpha=0.4)
    scale = np.exp(notes.z_log_var[rows[0], [first, second]] / 2)
    longest = np.max(np.linalg.norm(gradient[:arrows, [first, second]], axis=1))
    steps = gradient[:, [first, second]] / max(longest, 1e-12) * np.max(scale) * 1.2
    quiver = {"angles": "xy", "scale_units": "xy", "scale": 1}
    points = z[0][:arrows, [first, second]]
    axes[2].quiver(*points.T, *steps[:arrows].T, **quiver, width=0.005)
    mean = notes.z_mean[rows[0], [first, second]]
    axes[2].plot(*mean, "k+", markersize=14, markeredgewidth=2)
    axes[2].set_title(f"{NAMES[VIOLIN]}: where {arrows} of its z are pulled")
    axes[2].set_aspect("equal", adjustable="datalim")
    for axis in axes[:2]:
        axis.set_aspect("equal", adjustable="datalim")
    axes[0].set(xlabel=f"noise of dimension {first}", ylabel=f"noise of dimension {second}")
    for axis in axes[1:]:
        axis.set(xlabel=f"z, dimension {first}", ylabel=f"z, dimension {second}")
    _save(figure, path)


def draw_morph(
    vae: VAE, notes: Encoded, path: pathlib.Path, ends_and_middle: pathlib.Path, sounds: pathlib.Path
) -> list[pathlib.Path]:
    """Draw the morph from flute to guitar and a cross-fade, and the morph's ends and middle by themselves.

    Write the morph as one sound, and the three as a sound each. Return the files but for `path`.
    """
    import tensorflow as tf

    from nsynth_vae import features, latent
    from nsynth_vae.files import write_wav
    from nsynth_vae.rendering.sounds import join_notes
    from nsynth_vae.synthesis.vocoder import vocoder_for

    config, rows = vae.config.audio, [notes.row(FLUTE), notes.row(GUITAR)]
    pitch = int(notes.table.pitch[rows[0]])
    z = latent.interpolate(notes.z_mean[rows[0]], notes.z_mean[rows[1]], MORPH_STEPS).astype(np.float32)
    take = _take(vae, z, pitch, MORPH_VELOCITY)
    morph = take.log_mel.numpy()
    # A cross-fade adds the two sounds; here their mel magnitudes, which leaves out how their phases meet.
    fractions = np.linspace(0, 1, MORPH_STEPS)[:, None, None]
    ends = features.log_mel_to_mel(morph[[0, -1]], config).numpy()
    mixed = (1 - fractions) * ends[0] + fractions * ends[1]
    fade = (np.log(mixed + config.log_offset) - config.log_mel_center) / config.log_mel_scale
    figure, axes = _subplots(2, MORPH_STEPS, (12, 4.2), shared=True)
    picture = _spectrograms(axes.flat, [*morph, *fade], config)
    figure.colorbar(picture, ax=axes, pad=0.01, aspect=40, label="dB, 0 is the loudest")
    titles = [f"{fraction:.0%}" for fraction in fractions.flat]
    titles[0], titles[-1] = NAMES[FLUTE], NAMES[GUITAR]
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title)
    axes[0, 0].set_ylabel("morph")
    axes[1, 0].set_ylabel("cross-fade")
    _save(figure, path)
    pitches, seeds = tf.fill([MORPH_STEPS], pitch), tf.zeros([MORPH_STEPS], tf.int32)
    audio = vocoder_for(config)(take.log_mel, pitches, seeds, take.partials).numpy()
    three = {"flute": 0, "half-way": MORPH_STEPS // 2, "guitar": MORPH_STEPS - 1}
    figure, axes = _subplots(1, 3, (12, 2.8), shared=True)
    picture = _spectrograms(axes, morph[list(three.values())], config)
    figure.colorbar(picture, ax=axes, pad=0.01, aspect=20, label="dB, 0 is the loudest")
    for axis, name in zip(axes, three, strict=True):
        axis.set_title(f"{name}.wav")
    axes[0].set_ylabel("mel bin")
    _save(figure, ends_and_middle)
    written = {sounds / "morph.wav": audio, **{sounds / f"{name}.wav": audio[[i]] for name, i in three.items()}}
    for sound, steps in written.items():
        write_wav(sound, join_notes(steps, config, seconds=1.5), config.sample_rate)
    return [ends_and_middle, *written]


def draw_arithmetic(vae: VAE, notes: Encoded, path: pathlib.Path) -> None:
    """Draw two notes moved along the direction from dark to bright notes, with their spectral centroids."""
    config = vae.config.audio
    direction = quality_mean(notes, "bright") - quality_mean(notes, "dark")
    amounts = np.array([-1.0, -0.5, 0.0, 0.5, 1.0], np.float32)
    shown = (FLUTE, PIANO)
    figure, axes = _subplots(len(shown), len(amounts), (11, 5), shared=True)
    decoded = []
    for note_str in shown:
        row = notes.row(note_str)
        z = (notes.z_mean[row] + amounts[:, None] * direction).astype(np.float32)
        decoded.extend(_decode(vae, z, notes.table.pitch[row], notes.table.velocity[row]))
    picture = _spectrograms(axes.flat, decoded, config)
    for axis, log_mel in zip(axes.flat, decoded, strict=True):
        axis.set_xlabel(f"centroid {spectral_centroid(log_mel, config):,.0f} Hz")
    for i, note_str in enumerate(shown):
        axes[i, 0].set_ylabel(NAMES[note_str])
    for axis, amount in zip(axes[0], amounts, strict=True):
        axis.set_title("z_mean" if not amount else f"{amount:+g} x direction")
    figure.colorbar(picture, ax=axes, pad=0.01, aspect=40, label="dB, 0 is the loudest")
    _save(figure, path)


def quality_mean(notes: Encoded, quality: str) -> np.ndarray:
    """Return the mean z_mean of the training notes that have a quality: float `[latent_dim]`."""
    from nsynth_vae.data.source import SPLITS
    from nsynth_vae.notes import QUALITIES

    labelled = notes.table.qualities[:, QUALITIES.index(quality)] == 1
    return notes.z_mean[labelled & (notes.table.split == SPLITS.index("train"))].mean(axis=0)


def spectral_centroid(log_mel: np.ndarray, config: AudioConfig) -> float:
    """Return the mean frequency, weighted by magnitude, of a note, in Hz.

    Args:
        log_mel: float32 `[frames, mel_bins]`; a mel bin stands for the mean frequency of its filter.
        config: the audio configuration.
    """
    from nsynth_vae import features

    weights = features.mel_weight_matrix(config)
    hertz = np.arange(config.num_spectrogram_bins) * config.sample_rate / config.fft_length
    centres = hertz @ weights / weights.sum(axis=0)
    mel = features.log_mel_to_mel(log_mel, config).numpy().sum(axis=0)
    return float(mel @ centres / max(mel.sum(), 1e-12))


def _descent(vae: VAE, notes: Encoded, row: int, z: np.ndarray) -> np.ndarray:
    """Return minus the gradient of the note's reconstruction loss at every z: `[samples, latent_dim]`."""
    import tensorflow as tf

    from nsynth_vae import features
    from nsynth_vae.nn import losses

    target = features.log_mel(tf.constant(notes.audio[notes.table.note_str[row]]), vae.config.audio)[None]
    pitch, velocity = (tf.fill([len(z)], int(v[row])) for v in (notes.table.pitch, notes.table.velocity))
    z = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = losses.laplace_nll(target, vae.decoder(z, pitch, velocity), tf.constant(vae.log_scale.numpy()))
    return -tape.gradient(loss, z).numpy()


def _take(vae: VAE, z: np.ndarray, pitch: np.ndarray | int, velocity: int) -> Take:
    """Return latent vectors `[notes, latent_dim]` as they are played: take 0."""
    import tensorflow as tf

    pitches, velocities = (tf.constant(np.broadcast_to(value, len(z)), tf.int32) for value in (pitch, velocity))
    return vae.decoder.take(tf.constant(z), pitches, velocities, tf.zeros_like(pitches), tf.ones(len(z)))


def _decode(vae: VAE, z: np.ndarray, pitch: np.ndarray | int, velocity: int) -> np.ndarray:
    """Return the log-mels of latent vectors as they are played: float32 `[notes, frames, mel_bins]`."""
    return _take(vae, z, pitch, velocity).log_mel.numpy()


def _widest(z_mean: np.ndarray) -> tuple[int, int]:
    """Return the two latent dimensions in which notes differ most."""
    order = np.argsort(-z_mean.var(axis=0))
    return int(order[0]), int(order[1])


def _spectrograms(axes: Sequence, log_mels: Sequence[np.ndarray], config: AudioConfig) -> AxesImage:
    """Draw log-mels in decibels, all in one colour scale; return the last picture, for a colour bar."""
    loudest = max(float(np.max(log_mel)) for log_mel in log_mels)
    seconds = config.num_samples / config.sample_rate
    for axis, log_mel in zip(axes, log_mels, strict=True):
        picture = axis.imshow(
            (log_mel.T - loudest) * config.log_mel_scale * 20 / np.log(10),
            origin="lower",
            aspect="auto",
            cmap=COLOUR_MAP,
            vmin=-RANGE_DB,
            vmax=0.0,
            extent=(0, seconds, 0, config.num_mel_bins),
        )
        axis.set_xticks(
            range(0, int(seconds) + 1), [f"{second} s" if second else "0" for second in range(0, int(seconds) + 1)]
        )
        axis.tick_params(labelsize=8)
    return picture


def _subplots(rows: int, columns: int, size: tuple[float, float], *, shared: bool = False) -> tuple[Figure, Any]:
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, sharex=shared, sharey=shared)


def _save(figure: Figure, path: pathlib.Path) -> None:
    """Write the figure as a PNG with a palette of 256 colours, a third of the size of a plain one."""
    import PIL.Image

    with io.BytesIO() as file:
        figure.savefig(file, dpi=100)
        PIL.Image.open(file).convert("RGB").quantize(256, PIL.Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def make_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(description="Draws the figures of docs/concepts.md with a trained model.")
    add = parser.add_argument
    add("--model", type=pathlib.Path, default=ROOT / "models/nsynth-small", help="model folder (default: %(default)s)")
    add("--output", type=pathlib.Path, default=ROOT / "docs/figures", help="PNG folder (default: %(default)s)")
    add("--sounds", type=pathlib.Path, default=ROOT / "docs/sounds", help="WAV folder (default: %(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def draw(options: argparse.Namespace) -> None:
        for path in make_figures(options.model, options.output, options.sounds):
            print(path)

    return cli.run(draw, make_parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
