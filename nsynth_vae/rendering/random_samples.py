"""Random timbres, drawn from the latent space."""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.cli.types import check_midi, check_seed
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import writing
from nsynth_vae.latent.expression import find
from nsynth_vae.notes import note_name
from nsynth_vae.rendering import sounds

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import Timbre, TimbreLookup
    from nsynth_vae.timbre_model import TimbreModel


METHODS = ("mixture", "prior", "near")
DEFAULT_SPREAD = 0.5
QUIETEST = 0.01
"""Peak, of full scale, below which a sample is drawn again: there are points that hardly sound at some pitches."""
ATTEMPTS = 10
"""Times that a sample is drawn at most; the last one stays."""
Draw = Callable[[np.random.Generator], np.ndarray]
"""Returns a point, `[latent_dim]`."""


@dataclasses.dataclass(frozen=True)
class Samples:
    """New sounds."""

    model: str
    config: AudioConfig
    how: dict
    """How they were drawn: `method`, and `family`, `near` and `spread` where they apply; `seed`."""
    z: np.ndarray
    """float32 `[samples, latent_dim]`."""
    pitch: np.ndarray
    """int32 `[samples]`, MIDI."""
    velocity: int
    audio: np.ndarray
    """float32 `[samples, num_samples]`, -1..1."""

    def write(self, output: str | os.PathLike) -> None:
        """Writes `sample-00.wav`, ..., `contact-sheet.png` and `samples.json` to a folder.

        Raises:
            InputError: if it cannot be written; nothing is left then.
        """
        from nsynth_vae.rendering import plots

        count = len(self.z)
        names = sounds.numbered("sample", count)
        record = {"format_version": 1, "model": self.model, **self.how, "velocity": self.velocity}
        record["samples"] = [
            {"file": name, "pitch": int(pitch), "z": z.tolist()}
            for name, pitch, z in zip(names, self.pitch, self.z, strict=True)
        ]
        captions = [f"{number}: {note_name(int(pitch))}" for number, pitch in enumerate(self.pitch)]
        with writing(output, "samples.json", record) as folder:
            sounds.write_wavs(folder, names, self.audio, self.config)
            log_mels = sounds.log_mels(self.audio, self.config)
            columns = math.ceil(math.sqrt(count))
            plots.plot_contact_sheet(log_mels, captions, columns, self.config, folder / "contact-sheet.png")


def sample(
    points: TimbreLookup,
    count: int = 16,
    *,
    method: str | None = None,
    family: str | None = None,
    near: str | Timbre | None = None,
    spread: float | None = None,
    pitch: int | tuple[int, int] = 60,
    velocity: int = 100,
    seed: int = 0,
) -> Samples:
    """Draws points of the latent space, and decodes them.

    A sample depends on the seed and its own number only, not on how many there are. One that peaks below `QUIETEST` is
    drawn again.

    Args:
        points: the model, and what names and files stand for.
        count: of samples.
        method: `mixture`: the aggregate posterior, that is what the training notes' z_mean are like; `prior`: N(0, I);
            `near`: a normal cloud around `near`. None for `near` if that is given, else `mixture`.
        family: only what the notes of this family are like; for `mixture`.
        near: a file, a note, a name, an expression or a point; for `near`.
        spread: standard deviation of the cloud in every dimension, as a share of that of the whole space; see
            `space_deviation`. None for 0.5.
        pitch: MIDI, or (lowest, highest), from which each sample's is drawn.
        velocity: MIDI.
        seed: decides every draw.

    Raises:
        InputError: for options that do not go together or are out of range, a family or a timbre that is not known,
            and a model without a mixture where it is needed.
    """
    pitches = pitch if isinstance(pitch, tuple) else (pitch, pitch)
    method = _check(count, method, family, near, spread, pitches, velocity, seed)
    model = points.model
    how = {"method": method, "seed": seed}
    if method == "mixture":
        how |= {"family": family}
        draw_z = of_mixture(model, family)
    elif method == "prior":
        draw_z = normal(np.zeros(model.latent_dim), np.ones(model.latent_dim))
    else:
        (center,) = find([near], points)
        how |= {"near": center.name, "spread": DEFAULT_SPREAD if spread is None else spread}
        draw_z = normal(center.z, how["spread"] * space_deviation(model))
    z, drawn_pitches = draw(count, seed, draw_z, pitches)
    _check_far(z)
    audio = model.decode(z, drawn_pitches, velocity).audio
    for attempt in range(1, ATTEMPTS):
        quiet = np.flatnonzero(np.abs(audio).max(axis=1) < QUIETEST)
        if not quiet.size:
            break
        z[quiet] = [draw_z(np.random.default_rng([seed, number, attempt])) for number in quiet]
        _check_far(z)
        audio[quiet] = model.decode(z[quiet], drawn_pitches[quiet], velocity).audio
    return Samples(model.name, model.config, how, z, drawn_pitches, velocity, audio)


def draw(count: int, seed: int, draw_z: Draw, pitches: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draws points and pitches, each sample from random numbers of its own.

    Args:
        count: of samples.
        seed: decides them, together with a sample's number.
        draw_z: returns a point, `[latent_dim]`, of a generator.
        pitches: (lowest, highest), both included.

    Returns:
        (z: float32 `[count, latent_dim]`, pitch: int32 `[count]`).
    """
    generators = [np.random.default_rng([seed, number]) for number in range(count)]
    z = np.array([draw_z(generator) for generator in generators], np.float32)
    low, high = pitches
    return z, np.array([generator.integers(low, high, endpoint=True) for generator in generators], np.int32)


def space_deviation(model: TimbreModel) -> np.ndarray:
    """Returns how far z_mean of the training notes spread in each dimension: standard deviations `[latent_dim]`.

    They are those of the model's mixture, by the law of total variance; without a mixture those of the prior, 1.
    """
    mixture = model.attributes.get("mixture")
    if not mixture:
        return np.ones(model.latent_dim)
    weights, means, deviations = (
        np.asarray(mixture[name], np.float64) for name in ("weights", "means", "standard_deviations")
    )
    return np.sqrt(weights @ (deviations**2 + (means - weights @ means) ** 2))


def normal(center: np.ndarray, deviation: np.ndarray) -> Draw:
    """Returns a function that draws a point around a center, both `[latent_dim]`, with this standard deviation."""
    return lambda generator: center + deviation * generator.standard_normal(len(center))


def of_mixture(model: TimbreModel, family: str | None) -> Draw:
    """Returns a function that draws a point of the model's mixture.

    Raises:
        InputError: if it has none, or none of the family.
    """
    found = model.attributes.get("mixture")
    if not found:
        raise InputError(
            f"{model.name}: has no mixture to sample from; `python -m nsynth_vae.attributes --model ...` learns it, "
            "--method prior needs none"
        )
    families = found["families"]
    if family is not None and family not in families:
        close = difflib.get_close_matches(family, families, n=3, cutoff=0.5) or sorted(families)
        raise InputError(f"--family: found {family!r}, expected one that {model.name} knows: {', '.join(close)}")
    from nsynth_vae.latent import gaussian_mixture as mixture

    return lambda generator: mixture.sample(found, 1, generator, family=family)[0]


def _check(
    count: int,
    method: str | None,
    family: str | None,
    near: str | Timbre | None,
    spread: float | None,
    pitch: tuple[int, int],
    velocity: int,
    seed: int,
) -> str:
    """Returns the method; raises InputError for what `sample` says."""
    if method is None:
        method = METHODS[0] if near is None else "near"
    if not 1 <= count <= sounds.MOST_NOTES:
        raise InputError(f"--count: found {count}, expected 1 to {sounds.MOST_NOTES}")
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
    for value in pitch:
        check_midi("--pitch", value)
    if pitch[0] > pitch[1]:
        raise InputError(f"--pitch: found {pitch[0]}-{pitch[1]}, expected LOW-HIGH")
    if spread is not None and not 0 < spread < math.inf:
        raise InputError(f"--spread: found {spread}, expected a positive number")
    check_midi("--velocity", velocity)
    check_seed(seed)
    return method


def _check_far(z: np.ndarray) -> None:
    from nsynth_vae.config import LARGEST_Z

    farthest = np.max(np.abs(z))
    if not farthest <= LARGEST_Z:
        raise InputError(f"--spread: leads {farthest:.3g} from the middle of the space, expected a smaller one")
