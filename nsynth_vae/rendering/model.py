"""Timbre model that renders its latent space: encoding, decoding, interpolation, arithmetic and sampling."""

from __future__ import annotations

import dataclasses
import functools
import os
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import timbre_model
from nsynth_vae.analysis.audio_reader import check_peak
from nsynth_vae.config import LARGEST_Z
from nsynth_vae.errors import InputError
from nsynth_vae.latent.expression import evaluate
from nsynth_vae.latent.lookup import Timbre, TimbreLookup
from nsynth_vae.latent.refinement import refine_note
from nsynth_vae.notes import MIDDLE_C
from nsynth_vae.rendering import morph, random_samples, timbre_sum
from nsynth_vae.rendering.arguments import check_take, pitch_of, sound_of
from nsynth_vae.rendering.decoded_notes import DecodedNotes

if TYPE_CHECKING:
    from nsynth_vae.analysis.sound_labels import OctaveShift
    from nsynth_vae.data.source import Source

TimbreLike = str | os.PathLike[str] | np.ndarray | Timbre
"""A timbre: a sound file, a note of `data`, an instrument, a family, an expression of these, or a latent vector."""


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class RenderingModel(timbre_model.TimbreModel):
    """A timbre model whose latent space is rendered by name.

    It is the part of `nsynth_vae.TimbreModel` that needs only notes; that class says which timbres are accepted.
    """

    source: Source | None = None
    """Notes that are found by name."""
    octave_shift: OctaveShift = None
    """Of the names of sound files; see `sound_labels.OctaveShift`."""

    def __repr__(self) -> str:
        """Return name and size; the attributes are thousands of numbers."""
        return f"<{type(self).__name__} {self.name}: {self.latent_dim} dimensions, {len(self.instruments)} instruments>"

    @functools.cached_property
    def lookup(self) -> TimbreLookup:
        """Timbres and directions by name."""
        return TimbreLookup(self, source=self.source, octave_shift=self.octave_shift)

    @property
    def instruments(self) -> tuple[str, ...]:
        """Names of the instruments that the model knows."""
        return tuple(self.attributes.get("instruments", {}))

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the instrument families that the model knows."""
        return tuple(self.attributes.get("families", {}))

    @property
    def directions(self) -> tuple[str, ...]:
        """Names of the directions that the model has learnt, such as `bright`."""
        return tuple(self.attributes.get("directions", {}))

    def encode(
        self,
        audio: np.ndarray | TimbreLike,
        *,
        refine: int = 0,
        pitch: int | None = None,
        velocity: int = 100,
    ) -> np.ndarray:
        """Return the latent vectors of notes: the posterior means.

        Args:
            audio: float `[samples]` or `[notes, samples]`, -1..1, at `config.sample_rate`, from the onset; padded or
                cut to `config.num_samples`. Or a sound file of any rate and length, or another timbre.
            refine: steps at most from the encoder's answer to a nearer one, 0.1 s each; for a sound file, or audio.
            pitch: MIDI, of all the notes, to refine them at; None to find it in the sound.
            velocity: MIDI, likewise.

        Returns:
            float32 `[latent_dim]` or `[notes, latent_dim]`.

        Raises:
            InputError: for audio of another shape or that is not finite; for a file that cannot be used; for a sound to
                refine whose pitch is neither given nor found, and a timbre that has no sound.

        >>> z = model.encode("my voice.wav")
        >>> model.encode(model.decode(z, pitch=48).audio).shape == z.shape
        True
        """
        if not isinstance(audio, np.ndarray):
            if not refine:
                return self.timbre(audio).z
            audio = sound_of(audio, self.config, keep_level=self.keep_level)
        if audio.ndim not in (1, 2) or not audio.size:
            raise InputError(f"audio: found shape {audio.shape}, expected [samples] or [notes, samples]")
        if problem := check_peak(float(np.abs(audio).max())):
            raise InputError(f"audio: {problem}")
        missing = max(0, self.config.num_samples - audio.shape[-1])
        padded = np.pad(audio[..., : self.config.num_samples], [*[(0, 0)] * (audio.ndim - 1), (0, missing)])
        notes = np.atleast_2d(padded)
        z = super().encode(notes)
        if refine:
            z = np.stack(
                [
                    refine_note(self, row, sound, pitch=pitch_of(sound, pitch), velocity=velocity, steps=refine)[0]
                    for row, sound in zip(z, notes, strict=True)
                ]
            )
        return z.reshape(*audio.shape[:-1], self.latent_dim)

    def decode(
        self,
        z: np.ndarray,
        pitch: np.ndarray | int = MIDDLE_C,
        velocity: np.ndarray | int = 100,
        *,
        take: np.ndarray | int | None = None,
        motion: np.ndarray | float | None = None,
    ) -> DecodedNotes:
        """Decode latent vectors to notes of 4 s.

        Args:
            z: float `[latent_dim]` or `[notes, latent_dim]`.
            pitch: MIDI, 0..127: one, or `[notes]`.
            velocity: MIDI, 0..127: one, or `[notes]`.
            take: which of a note's many takes, any integer of 32 bits: one, or `[notes]`; None for the model's `take`.
            motion: factor of the motion, 0 for steady notes, 1 as learnt, to 2: one, or `[notes]`; None for the
                model's `motion`.

        Returns:
            The notes; `audio` is float32 `[notes, num_samples]`, or `[num_samples]` if no argument has such an axis.

        Raises:
            InputError: for arguments of other shapes or outside their range.

        >>> note = model.decode(model.encode("flute"), pitch=48, velocity=100)
        >>> note.save("note")
        """
        z = np.asarray(z, np.float32)
        if z.ndim not in (1, 2) or z.shape[-1] != self.latent_dim:
            raise InputError(f"z: found shape {z.shape}, expected [{self.latent_dim}] or [notes, {self.latent_dim}]")
        if not np.all(np.abs(z) <= LARGEST_Z):
            raise InputError(f"z: found {z.flat[np.argmax(np.abs(z))]:.3g}, expected -{LARGEST_Z:g} to {LARGEST_Z:g}")
        numbers = {"pitch": np.asarray(pitch), "velocity": np.asarray(velocity)}
        for name, value in numbers.items():
            if value.dtype.kind not in "iu" or value.ndim > 1 or np.any((value < 0) | (value > 127)):
                raise InputError(f"{name}: found {value}, expected MIDI numbers, 0 to 127")
        numbers |= check_take(self.take if take is None else take, self.motion if motion is None else motion)
        try:
            shape = np.broadcast_shapes(z.shape[:-1], *(value.shape for value in numbers.values()))
        except ValueError as error:
            raise InputError(f"z, pitch, velocity, take, motion: found different numbers of notes ({error})") from error
        rows = np.broadcast_to(z, (*shape, self.latent_dim)).reshape(-1, self.latent_dim)
        given = {name: np.broadcast_to(value, shape).reshape(-1) for name, value in numbers.items()}
        pitches, velocities = (given.pop(name).astype(np.int32) for name in ("pitch", "velocity"))
        notes = super().decode(rows, pitches, velocities, **given)
        return DecodedNotes(
            log_mel=notes.log_mel.reshape(*shape, *notes.log_mel.shape[1:]),
            audio=notes.audio.reshape(*shape, -1),
            model=self.name,
            config=self.config,
            z=rows,
            pitch=pitches,
            velocity=velocities,
        )

    def interpolate(
        self,
        *timbres: TimbreLike,
        steps: int = 9,
        pitch: int | None = None,
        velocity: int = 100,
        method: str = "lerp",
        equalize: bool = True,
        compare: bool = False,
    ) -> morph.Morph:
        """Interpolate between two timbres, or over a grid of four.

        Args:
            timbres: two, or the four corners of a grid.
            steps: notes of the path, the ends among them; of a grid: rows, and columns.
            pitch: MIDI; None for the pitch of the notes among the timbres, if they have one in common, else 60.
            velocity: MIDI.
            method: `lerp`, linear interpolation, or `slerp`, along the arc; a grid is bilinear.
            equalize: equalise the notes between the timbres, so that brightness changes monotonically.
            compare: cross-fade the decoded timbres in audio too.

        Returns:
            The morph; `audio` is float32 `[notes, num_samples]`, row by row for a grid.

        Raises:
            InputError: for another number of timbres or steps, an unknown timbre, and options out of range.

        >>> morph = model.interpolate("flute", "guitar", steps=3, pitch=60)
        >>> morph.save("morph")
        """
        return morph.interpolate(
            self.lookup,
            [self.timbre(timbre) for timbre in timbres],
            steps=steps,
            pitch=pitch,
            velocity=velocity,
            method=method,
            equalize=equalize,
            compare=compare,
        )

    def arithmetic(self, expression: str, *, pitch: int | None = None, velocity: int = 100) -> timbre_sum.Result:
        """Add up timbres and directions; the weights of the timbres add to 1.

        Args:
            expression: such as `violin + bright - dark` or `0.5*flute + 0.5*"my voice.wav"`.
            pitch: MIDI; None for the pitch of the notes in it, if they have one in common, else 60.
            velocity: MIDI.

        Returns:
            The sum; `audio` is float32 `[notes, num_samples]`: each timbre in it, and the sum as the last note.

        Raises:
            InputError: for an invalid expression, unknown names, and a pitch or velocity outside 0 to 127.

        >>> result = model.arithmetic("violin + bright - dark")
        >>> result.save("violin")
        """
        return timbre_sum.arithmetic(self.lookup, expression, pitch=pitch, velocity=velocity)

    def sample(
        self,
        count: int = 16,
        *,
        method: str | None = None,
        family: str | None = None,
        near: TimbreLike | None = None,
        spread: float | None = None,
        pitch: int | tuple[int, int] = MIDDLE_C,
        velocity: int = 100,
        seed: int = 0,
    ) -> random_samples.Samples:
        """Draw random timbres.

        Args:
            count: of samples.
            method: `mixture`, the distribution of the training notes; `prior`, N(0, I); `near`, around a timbre. None
                for `near` if that is given, else `mixture`.
            family: of the mixture, the part of this instrument family.
            near: the timbre that `near` draws around.
            spread: standard deviation around `near`, as a fraction of that of the training notes; None for 0.5.
            pitch: MIDI, or (lowest, highest), from which each sample's is drawn.
            velocity: MIDI.
            seed: decides every draw.

        Returns:
            The samples; `audio` is float32 `[count, num_samples]`.

        Raises:
            InputError: for options that do not go together or are out of range, and a model without a mixture.

        >>> samples = model.sample(4, near="flute", spread=0.3, pitch=(48, 72))
        >>> samples.save("samples")
        """
        return random_samples.sample(
            self.lookup,
            count,
            method=method,
            family=family,
            near=None if near is None else self.timbre(near),
            spread=spread,
            pitch=pitch,
            velocity=velocity,
            seed=seed,
        )

    def timbre(self, timbre: TimbreLike) -> Timbre:
        """Return a timbre by name, file, expression or latent vector, with its description."""
        if isinstance(timbre, Timbre):
            return timbre
        if not isinstance(timbre, np.ndarray):
            return evaluate(os.fspath(timbre), self.lookup)
        if timbre.shape != (self.latent_dim,) or not np.all(np.isfinite(timbre)):
            raise InputError(f"timbre: found shape {timbre.shape}, expected a finite latent vector [{self.latent_dim}]")
        return Timbre("latent vector", timbre.astype(np.float32), description="latent vector")
