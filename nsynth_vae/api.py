"""Public Python API: a model that encodes, decodes, and plays its latent space."""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nsynth_vae import timbre_model
from nsynth_vae.cli.options import BACKENDS
from nsynth_vae.cli.parser import missing_training_packages, prepare_tensorflow
from nsynth_vae.errors import InputError
from nsynth_vae.rendering.model import RenderingModel, TimbreLike, check_take

if TYPE_CHECKING:
    from nsynth_vae.analysis.sound_labels import OctaveShift
    from nsynth_vae.instruments.performance import Performance
    from nsynth_vae.instruments.sampled_instrument import Instrument
    from nsynth_vae.latent.lookup import TimbreLookup
    from nsynth_vae.rendering.resynthesis import Resynthesis


def load_model(
    path: str | os.PathLike[str] | None = None,
    *,
    backend: str = BACKENDS[0],
    exports: str | os.PathLike[str] = "exports",
    data: str | Sequence[str] = (),
    data_dir: str | None = None,
    octave_shift: OctaveShift = None,
    take: int = 0,
    motion: float = 1.0,
    keep_level: bool = False,
    report: Callable[[str], None] = print,
) -> TimbreModel:
    """Load a model; a model folder without the files to play it is exported first, once, where TensorFlow is installed.

    Args:
        path: a model folder or an exports folder; None for the shipped model.
        backend: `litert` plays the TFLite files in the folder, `savedmodel` SavedModels in TensorFlow.
        exports: folder of a model folder's exports; its SavedModels are written there.
        data: where notes are found by name: a folder in NSynth's layout, `.tfrecord` files, `tfds:nsynth/full`, a
            folder of samples, or `starter`; or several of these.
        data_dir: TensorFlow Datasets' folder, for `tfds:...`.
        octave_shift: octaves to add to the pitches in the names of sound files, 1 where C3 is MIDI 60; `auto`: as they
            sound; None: as they are named.
        take: which of a note's many takes is played where none is asked for, any integer of 32 bits.
        motion: factor of the motion of notes where none is asked for, 0 for steady notes, 1 as learnt, to 2.
        keep_level: encode sound files at their own level, instead of that of NSynth's notes.
        report: called with a line if the model is exported.

    Raises:
        InputError: for what cannot be opened; for a take or motion out of range.

    >>> import nsynth_vae
    >>> model = nsynth_vae.load_model(data="starter")
    """
    model = _open(path, backend, exports, report)
    source = None
    if data:
        from nsynth_vae.data.open_sources import open_sources
        from nsynth_vae.data.source import BadNotes

        # Single notes are looked up: messages about the others are of no use.
        source = open_sources(
            [data] if isinstance(data, str) else data,
            audio=model.config,
            bad_notes=BadNotes("skip"),
            data_dir=data_dir,
            octave_shift=octave_shift,
            log=lambda line: None,
        )
    check_take(take, motion)
    fields = {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}
    fields |= {"take": take, "motion": motion, "keep_level": keep_level}
    return TimbreModel(**fields, source=source, octave_shift=octave_shift)


def _open(
    path: str | os.PathLike[str] | None, backend: str, exports: str | os.PathLike[str], report: Callable[[str], None]
) -> timbre_model.TimbreModel:
    """Open a model; the only function by which playing comes to TensorFlow."""
    if backend not in BACKENDS:
        raise InputError(f"backend: found {backend!r}, expected {' or '.join(BACKENDS)}")
    if backend == "savedmodel":
        prepare_tensorflow("--backend savedmodel")
        from nsynth_vae.exporters import saved_model_backend

        return saved_model_backend.open_model(path, exports, report=report)

    def export(folder: pathlib.Path) -> None:
        prepare_tensorflow("an export")
        from nsynth_vae.exporters.model_export import export_for_player

        export_for_player(folder)

    can_export = not missing_training_packages()
    return timbre_model.open_model(path, exports, export=export if can_export else None, report=report)


class TimbreModel(RenderingModel):
    """A model and the tools that play its latent space.

    Wherever a timbre is expected, it is one of: a name (`"flute"`), an expression (`"violin + bright - dark"`), a sound
    file (`"my voice.wav"`), a note of `data` (`"guitar_acoustic_010-055-025"`), a latent vector, float `[latent_dim]`,
    or a `Timbre`. Results have their sound as `.audio`, are written by `.save(path)`, and play in notebooks.
    """

    def play(
        self,
        melody: str | os.PathLike[str],
        timbre: TimbreLike | None = None,
        *,
        channels: Mapping[int, TimbreLike] | None = None,
        programs: bool = False,
        morph_to: TimbreLike | None = None,
        dynamics: float = 1.0,
    ) -> Performance:
        """Play a MIDI file.

        Args:
            melody: a Standard MIDI File.
            timbre: of the notes of all channels that have no other.
            channels: timbres of single channels, 1 to 16; the drums, channel 10, are only played with one.
            programs: channels that have no timbre in `channels` have the family of their General MIDI program; where
                they set none, `timbre`, or else the family of program 1.
            morph_to: timbre of the last note; those before it move there from `timbre` by their times. None: no morph.
            dynamics: a note's amplitude is multiplied by (velocity / 127) to this power; 0 leaves levels to the model.

        Returns:
            The performance; `audio` is float32 `[samples]`.

        Raises:
            InputError: for a MIDI file or a timbre that cannot be used, notes without a timbre, and dynamics below 0.

        >>> performance = model.play("melody.mid", "flute", morph_to="guitar")
        >>> performance.save("melody.wav")
        """
        from nsynth_vae.instruments import performance

        return performance.play(
            self.lookup,
            melody,
            None if timbre is None else self.timbre(timbre),
            channels={number: self.timbre(one) for number, one in (channels or {}).items()},
            programs=programs,
            morph_to=None if morph_to is None else self.timbre(morph_to),
            dynamics=dynamics,
        )

    def instrument(
        self,
        timbre: TimbreLike,
        *,
        pitches: tuple[int, int] = (36, 84),
        velocities: Sequence[int] = (50, 100, 127),
        round_robin: int = 1,
    ) -> Instrument:
        """Sample a timbre at every third semitone, as an instrument for samplers: SFZ, DecentSampler or SoundFont 2.

        Args:
            timbre: to sample.
            pitches: MIDI, the lowest key sampled, and the highest at most.
            velocities: MIDI, in any order.
            round_robin: takes of each note, 1 to 16, which samplers play in turn; SoundFonts have the first only.

        Returns:
            The instrument; `audio` is float32 `[keys, num_samples]`, of the highest velocity.

        Raises:
            InputError: for an unknown timbre, pitches or velocities outside 0 to 127, and takes outside 1 to 16.

        >>> instrument = model.instrument("0.5*flute + 0.5*guitar", pitches=(60, 63), velocities=[100])
        >>> path = instrument.save("my instrument", formats=["sfz", "sf2"])
        """
        from nsynth_vae.instruments import sampled_instrument

        return sampled_instrument.make_instrument(
            self.lookup, self.timbre(timbre), pitches=pitches, velocities=velocities, round_robin=round_robin
        )

    def resynthesize(
        self, files: Sequence[str | os.PathLike[str]], *, pitch: int | None = None, method: str = "synthesizer"
    ) -> Resynthesis:
        """Turn sound files into log-mels and back into sound, without the latent space between them.

        Args:
            files: sound files of any format that libsndfile reads.
            pitch: MIDI, to play every note at; None for a note's own, by its file's name or else estimated.
            method: `synthesizer`, harmonics of the pitch and noise, or `griffin-lim`, without a pitch.

        Returns:
            The notes; `audio` is float32 `[files, num_samples]`.

        Raises:
            InputError: for the first bad file or option.

        >>> resynthesis = model.resynthesize(["my voice.wav"], pitch=62)
        >>> resynthesis.save("resynthesized")
        """
        from nsynth_vae.rendering.resynthesis import resynthesize

        return resynthesize(files, pitch=pitch, method=method, octave_shift=self.octave_shift)


def open_model(options: argparse.Namespace) -> TimbreModel:
    """Open the model of a command's `--model`, `--backend` and `--exports`.

    Raises:
        InputError: for what cannot be opened.
    """
    return load_model(options.model, backend=options.backend, exports=options.exports, **_sound(options))


def open_lookup(options: argparse.Namespace) -> TimbreLookup:
    """Open the model of `open_model`, and the notes of a command's `--data` and `--data-dir`.

    Raises:
        InputError: for what cannot be opened.
    """
    return load_model(
        options.model,
        backend=options.backend,
        exports=options.exports,
        data=options.data or (),
        data_dir=options.data_dir,
        octave_shift=options.octave_shift,
        **_sound(options),
    ).lookup


def _sound(options: argparse.Namespace) -> dict[str, Any]:
    """Return those of `--take`, `--motion` and `--keep-level` that a command has."""
    return {name: getattr(options, name) for name in ("take", "motion", "keep_level") if name in options}
