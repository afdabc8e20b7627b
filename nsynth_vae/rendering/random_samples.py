"""Random timbres, drawn from the latent space."""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nsynth_vae.cli.types import check_midi, check_seed
from nsynth_vae.config import LARGEST_Z, AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import writing
from nsynth_vae.latent import gaussian_mixture
from nsynth_vae.latent.expression import find_timbres
from nsynth_vae.notes import MIDDLE_C, note_name
from nsynth_vae.rendering.notebook import NotebookDisplay
from nsynth_vae.rendering.sounds import MOST_NOTES, numbered, write_wavs

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import Timbre, TimbreLookup
    from nsynth_vae.rendering.plots import Target
    from nsynth_vae.timbre_model import TimbreModel

METHODS = ("mixture", "prior", "near")
DEFAULT_SPREAD = 0.5
QUIETEST = 0.01
"""Peak, of full scale, below which a sample is drawn again: some latent vectors are almost silent at some pitches."""
ATTEMPTS = 10
"""Most draws of a sample; the last one stays."""
Draw = Callable[[np.random.Generator], np.ndarray]
"""Returns a latent vector, `[latent_dim]`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Samples(NotebookDisplay):
    """Notes of random timbres."""

    model: str
    config: AudioConfig
    drawn: dict[str, Any]
    """How they were drawn: `method`, and `family`, `near` and `spread` where they apply; `seed`."""
    z: np.ndarray
    """float32 `[samples, latent_dim]`."""
    pitch: np.ndarray
    """int32 `[samples]`, MIDI."""
    velocity: int
    audio: np.ndarray
    """float32 `[samples, num_samples]`, -1..1."""

    def save(self, output: str | os.PathLike, *, picture: bool = True) -> None:
        """Write `sample-00.wav`, ..., `samples.json` and the picture `contact-sheet.png` to a folder.

        Raises:
            InputError: if it cannot be written; nothing is left then.
        """
        names = numbered("sample", len(self.z))
        record = {"format_version": 1, "model": self.model, **self.drawn, "velocity": self.velocity}
        record["samples"] = [
            {"file": name, "pitch": int(pitch), "z": z.tolist()}
            for name, pitch, z in zip(names, self.pitch, self.z, strict=True)
        ]
        with writing(output, "samples.json", record) as folder:
            write_wavs(folder, names, self.audio, self.config)
            if picture:
                self.plot(folder / "contact-sheet.png")

    def plot(self, target: Target) -> None:
        """Write a contact sheet of spectrograms, as PNG to a path or a binary file."""
        from nsynth_vae.analysis import spectra
        from nsynth_vae.rendering import plots

        captions = [f"{number}: {note_name(int(pitch))}" for number, pitch in enumerate(self.pitch)]
        columns = math.ceil(math.sqrt(len(captions)))
        plots.plot_contact_sheet(spectra.log_mel(self.audio, self.config), captions, columns, self.config, target)


def sample(
    lookup: TimbreLookup,
    count: int = 16,
    *,
    method: str | None = None,
    family: str | None = None,
    near: str | Timbre | None = None,
    spread: float | None = None,
    pitch: int | tuple[int, int] = MIDDLE_C,
    velocity: int = 100,
    seed: int = 0,
) -> Samples:
    """Draw latent vectors, and decode them; one that peaks below `QUIETEST` is drawn again.

    A sample depends on the seed and its own number only, not on the count. Arguments and errors are those of
    `rendering.model.RenderingModel.sample`.
    """
    method = check_arguments(count, method, family, near, spread, pitch, velocity, seed)
    model = lookup.model
    drawn: dict[str, Any] = {"method": method, "seed": seed}
    if method == "mixture":
        drawn |= {"family": family}
        draw_z = mixture_draw(model, family)
    elif near is None:
        draw_z = normal_draw(np.zeros(model.latent_dim), np.ones(model.latent_dim))
    else:
        (center,) = find_timbres([near], lookup)
        drawn |= {"near": center.name, "spread": DEFAULT_SPREAD if spread is None else spread}
        draw_z = normal_draw(center.z, drawn["spread"] * latent_standard_deviation(model))
    z, pitches = draw(count, seed, draw_z, pitch if isinstance(pitch, tuple) else (pitch, pitch))
    _check_range(z)
    audio = model.decode(z, pitches, velocity).audio
    for attempt in range(1, ATTEMPTS):
        quiet = np.flatnonzero(np.abs(audio).max(axis=1) < QUIETEST)
        if not quiet.size:
            break
        z[quiet] = [draw_z(np.random.default_rng([seed, number, attempt])) for number in quiet]
        _check_range(z)
        audio[quiet] = model.decode(z[quiet], pitches[quiet], velocity).audio
    return Samples(
        model=model.name, config=model.config, drawn=drawn, z=z, pitch=pitches, velocity=velocity, audio=audio
    )


def draw(count: int, seed: int, draw_z: Draw, pitches: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw latent vectors and pitches, each sample from random numbers of its own.

    Args:
        count: of samples.
        seed: decides them, together with a sample's number.
        draw_z: draws a latent vector, `[latent_dim]`.
        pitches: (lowest, highest), both included.

    Returns:
        (z: float32 `[count, latent_dim]`, pitch: int32 `[count]`).
    """
    generators = [np.random.default_rng([seed, number]) for number in range(count)]
    z = np.array([draw_z(generator) for generator in generators], np.float32)
    low, high = pitches
    return z, np.array([generator.integers(low, high, endpoint=True) for generator in generators], np.int32)


def latent_standard_deviation(model: TimbreModel) -> np.ndarray:
    """Return the standard deviation of the training notes' z_mean in each dimension, `[latent_dim]`.

    It is that of the model's mixture, by the law of total variance; without a mixture that of the prior, 1.
    """
    mixture = model.attributes.get("mixture")
    if not mixture:
        return np.ones(model.latent_dim)
    weights, means, deviations = (
        np.asarray(mixture[name], np.float64) for name in ("weights", "means", "standard_deviations")
    )
    return np.sqrt(weights @ (deviations**2 + (means - weights @ means) ** 2))


def normal_draw(mean: np.ndarray, standard_deviation: np.ndarray) -> Draw:
    """Return a function that draws from a normal distribution; both arguments are `[latent_dim]`."""
    return lambda generator: mean + standard_deviation * generator.standard_normal(len(mean))


def mixture_draw(model: TimbreModel, family: str | None) -> Draw:
    """Return a function that draws from the model's mixture.

    Raises:
        InputError: if it has none, or none of the family.
    """
    mixture = model.attributes.get("mixture")
    if not mixture:
        raise InputError(
            f"{model.name}: has no mixture to sample from; `python -m nsynth_vae.attributes --model ...` learns it, "
            "--method prior needs none"
        )
    families = mixture["families"]
    if family is not None and family not in families:
        close = difflib.get_close_matches(family, families, n=3, cutoff=0.5) or sorted(families)
        raise InputError(f"--family: found {family!r}, expected one that {model.name} knows: {', '.join(close)}")
    return lambda generator: gaussian_mixture.sample(mixture, 1, generator, family=family)[0]


def check_arguments(
    count: int,
    method: str | None,
    family: str | None,
    near: str | Timbre | None,
    spread: float | None,
    pitch: int | tuple[int, int],
    velocity: int,
    seed: int,
) -> str:
    """Return the method; raise InputError for arguments that `sample` does not take."""
    if method is None:
        method = METHODS[0] if near is None else "near"
    if not 1 <= count <= MOST_NOTES:
        raise InputError(f"--count: found {count}, expected 1 to {MOST_NOTES}")
    if method not in METHODS:
        raise InputError(f"--method: found {method!r}, expected {', '.join(METHODS)}")
    if method == "near" and near is None:
        raise InputError("--method: found near without --near, expected the timbre that sounds are to be near")
    for flag, value, needed in (
        ("--family", family, "mixture"),
        ("--near", near, "near"),
        ("--spread", spread, "near"),
    ):
        if value is not None and method != needed:
            raise InputError(f"{flag}: found it with --method {method}, expected --method {needed}")
    low, high = pitch if isinstance(pitch, tuple) else (pitch, pitch)
    check_midi("--pitch", low)
    check_midi("--pitch", high)
    if low > high:
        raise InputError(f"--pitch: found {low}-{high}, expected LOW-HIGH")
    if spread is not None and not 0 < spread < math.inf:
        raise InputError(f"--spread: found {spread}, expected a positive number")
    check_midi("--velocity", velocity)
    check_seed(seed)
    return method


def _check_range(z: np.ndarray) -> None:
    farthest = np.max(np.abs(z))
    if not farthest <= LARGEST_Z:
        raise InputError(f"--spread: leads {farthest:.3g} from the middle of the space, expected a smaller one")
