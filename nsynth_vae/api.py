"""Public Python API: a model that encodes, decodes, and plays its latent space."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import timbre_model
from nsynth_vae.cli.parser import prepare_tensorflow
from nsynth_vae.config import LARGEST_Z
from nsynth_vae.errors import InputError
from nsynth_vae.latent.lookup import Timbre, TimbreLookup
from nsynth_vae.notes import MIDDLE_C
from nsynth_vae.rendering.decoded_notes import DecodedNotes

if TYPE_CHECKING:
    from nsynth_vae.data.source import Source
    from nsynth_vae.instruments.performance import Performance
    from nsynth_vae.instruments.sampled_instrument import Instrument
    from nsynth_vae.rendering.morph import Morph
    from nsynth_vae.rendering.random_samples import Samples
    from nsynth_vae.rendering.timbre_sum import Result
    from nsynth_vae.synthesis.resynthesis import Resynthesis

TimbreLike = str | os.PathLike[str] | np.ndarray | Timbre
"""A timbre: a sound file, a note of `data`, an instrument, a family, an expression of these, or a latent vector."""


def load_model(
    path: str | os.PathLike[str] | None = None,
    *,
    exports: str | os.PathLike[str] = "exports",
    data: Sequence[str] = (),
    data_dir: str | None = None,
    report: Callable[[str], None] = print,
) -> TimbreModel:
    """Load a model; a model folder without exports is exported first, once.

    Args:
        path: a model folder or an exports folder; None for the shipped model.
        exports: folder for the exports of a model folder.
        data: where notes are found by name: folders in NSynth's layout, `.tfrecord` files, `tfds:nsynth/full`, folders
            of samples, or `starter`.
        data_dir: TensorFlow Datasets' folder, for `tfds:...`.
        report: called with a line if the model is exported.

    Raises:
        InputError: for what cannot be opened.

    >>> import nsynth_vae
    >>> model = nsynth_vae.load_model(data=["starter"])
    """
    from nsynth_vae.exporters.model_export import export_folder

    prepare_tensorflow()
    model = timbre_model.open_model(path, exports, export=export_folder, report=report)
    source = None
    if data:
        from nsynth_vae.data.open_sources import open_sources
        from nsynth_vae.data.source import BadNotes

        # Single notes are looked up: invalid others are reported when they are used.
        bad_notes = BadNotes("skip")
        source = open_sources(data, audio=model.config, bad_notes=bad_notes, data_dir=data_dir, log=lambda line: None)
    fields = {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}
    return TimbreModel(**fields, source=source)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimbreModel(timbre_model.TimbreModel):
    """A model and the tools that play its latent space.

    Wherever a timbre is expected, it is one of: a name (`"flute"`), an expression (`"violin + bright - dark"`), a sound
    file (`"my voice.wav"`), a note of `data` (`"guitar_acoustic_010-055-025"`), a latent vector, float `[latent_dim]`,
    or a `Timbre`. Results have their sound as `.audio`, are written by `.save(path)`, and play in notebooks.
    """

    source: Source | None = None
    """Notes that are found by name."""

    @functools.cached_property
    def lookup(self) -> TimbreLookup:
        """Timbres and directions by name."""
        from nsynth_vae.data.readers.samples import read_sounds

        return TimbreLookup(self, source=self.source, read_sounds=read_sounds)

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

    def encode(self, audio: np.ndarray | TimbreLike) -> np.ndarray:
        """Return the latent vectors of notes: the posterior means.

        Args:
            audio: float `[samples]` or `[notes, samples]`, -1..1, at `config.sample_rate`, from the onset; padded or cut
                to `config.num_samples`. Or a sound file of any rate and length, or another timbre.

        Returns:
            float32 `[latent_dim]` or `[notes, latent_dim]`.

        Raises:
            InputError: for audio of another shape or that is not finite; for a file that cannot be used.

        >>> z = model.encode("my voice.wav")
        >>> model.encode(model.decode(z, pitch=48).audio).shape == z.shape
        True
        """
        if not isinstance(audio, np.ndarray):
            return self._timbre(audio).z
        if audio.ndim not in (1, 2) or not audio.size or not np.all(np.isfinite(audio)):
            raise InputError(f"audio: found shape {audio.shape}, expected finite [samples] or [notes, samples]")
        missing = max(0, self.config.num_samples - audio.shape[-1])
        padded = np.pad(audio[..., : self.config.num_samples], [*[(0, 0)] * (audio.ndim - 1), (0, missing)])
        z = super().encode(np.atleast_2d(padded))
        return z.reshape(*audio.shape[:-1], self.latent_dim)

    def decode(
        self, z: np.ndarray, pitch: np.ndarray | int = MIDDLE_C, velocity: np.ndarray | int = 100
    ) -> DecodedNotes:
        """Decode latent vectors to notes of 4 s.

        Args:
            z: float `[latent_dim]` or `[notes, latent_dim]`.
            pitch: MIDI, 0..127: one, or `[notes]`.
            velocity: MIDI, 0..127: one, or `[notes]`.

        Returns:
            The notes; `audio` is float32 `[notes, num_samples]`, or `[num_samples]` if no argument has an axis of notes.

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
        try:
            shape = np.broadcast_shapes(z.shape[:-1], *(value.shape for value in numbers.values()))
        except ValueError as error:
            raise InputError(f"z, pitch, velocity: found different numbers of notes ({error})") from error
        rows = np.broadcast_to(z, (*shape, self.latent_dim)).reshape(-1, self.latent_dim)
        pitches, velocities = (np.broadcast_to(v.astype(np.int32), len(rows)) for v in numbers.values())
        notes = super().decode(rows, pitches, velocities)
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
    ) -> Morph:
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
        from nsynth_vae.rendering import morph

        return morph.interpolate(
            self.lookup,
            [self._timbre(timbre) for timbre in timbres],
            steps=steps,
            pitch=pitch,
            velocity=velocity,
            method=method,
            equalize=equalize,
            compare=compare,
        )

    def arithmetic(self, expression: str, *, pitch: int | None = None, velocity: int = 100) -> Result:
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
        from nsynth_vae.rendering import timbre_sum

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
    ) -> Samples:
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
        from nsynth_vae.rendering import random_samples

        return random_samples.sample(
            self.lookup,
            count,
            method=method,
            family=family,
            near=None if near is None else self._timbre(near),
            spread=spread,
            pitch=pitch,
            velocity=velocity,
            seed=seed,
        )

    def play(
        self,
        melody: str | os.PathLike[str],
        timbre: TimbreLike,
        *,
        morph_to: TimbreLike | None = None,
        dynamics: float = 1.0,
    ) -> Performance:
        """Play a MIDI file.

        Args:
            melody: a Standard MIDI File of type 0 or 1.
            timbre: of the notes.
            morph_to: timbre of the last note; those before it move there from `timbre` by their times. None: one timbre.
            dynamics: a note's amplitude is multiplied by (velocity / 127) to this power; 0 leaves levels to the model.

        Returns:
            The performance; `audio` is float32 `[samples]`.

        Raises:
            InputError: for a MIDI file or a timbre that cannot be used, and dynamics below 0.

        >>> performance = model.play("melody.mid", "flute", morph_to="guitar")
        >>> performance.save("melody.wav")
        """
        from nsynth_vae.instruments import performance

        last = None if morph_to is None else self._timbre(morph_to)
        return performance.play(self.lookup, melody, self._timbre(timbre), morph_to=last, dynamics=dynamics)

    def instrument(
        self, timbre: TimbreLike, *, pitches: tuple[int, int] = (36, 84), velocities: Sequence[int] = (50, 100, 127)
    ) -> Instrument:
        """Sample a timbre at every third semitone, as an SFZ instrument for samplers.

        Args:
            timbre: to sample.
            pitches: MIDI, the lowest key sampled, and the highest at most.
            velocities: MIDI, in any order.

        Returns:
            The instrument; `audio` is float32 `[keys, num_samples]`, of the highest velocity.

        Raises:
            InputError: for an unknown timbre, and pitches or velocities outside 0 to 127.

        >>> instrument = model.instrument("0.5*flute + 0.5*guitar", pitches=(60, 63), velocities=[100])
        >>> path = instrument.save("my instrument")
        """
        from nsynth_vae.instruments import sampled_instrument

        return sampled_instrument.make_instrument(
            self.lookup, self._timbre(timbre), pitches=pitches, velocities=velocities
        )

    def resynthesize(
        self, files: Sequence[str | os.PathLike[str]], *, pitch: int | None = None, method: str = "synthesizer"
    ) -> Resynthesis:
        """Turn sound files into log-mels and back into sound, without the latent space between them.

        Args:
            files: WAV, FLAC, Ogg Vorbis or MP3.
            pitch: MIDI, to play every note at; None for a note's own, by its file's name or else estimated.
            method: `synthesizer`, harmonics of the pitch and noise, or `griffin-lim`, without a pitch.

        Returns:
            The notes; `audio` is float32 `[files, num_samples]`.

        Raises:
            InputError: for the first bad file or option.

        >>> resynthesis = model.resynthesize(["my voice.wav"], pitch=62)
        >>> resynthesis.save("resynthesized")
        """
        from nsynth_vae.synthesis.resynthesis import resynthesize

        return resynthesize(files, pitch=pitch, method=method)

    def _timbre(self, timbre: TimbreLike) -> Timbre:
        from nsynth_vae.latent.expression import evaluate

        if isinstance(timbre, Timbre):
            return timbre
        if not isinstance(timbre, np.ndarray):
            return evaluate(os.fspath(timbre), self.lookup)
        if timbre.shape != (self.latent_dim,) or not np.all(np.isfinite(timbre)):
            raise InputError(f"timbre: found shape {timbre.shape}, expected a finite latent vector [{self.latent_dim}]")
        return Timbre("latent vector", timbre.astype(np.float32), description="latent vector")


def open_lookup(options: argparse.Namespace) -> TimbreLookup:
    """Open the model and the notes of a command's `--model`, `--exports`, `--data` and `--data-dir`.

    Raises:
        InputError: for what cannot be opened.
    """
    data = options.data or ()
    return load_model(options.model, exports=options.exports, data=data, data_dir=options.data_dir).lookup
