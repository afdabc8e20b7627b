"""Options that mean the same in every command.

Nothing here imports numpy or TensorFlow, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from typing import TYPE_CHECKING, Any, TypeVar

from nsynth_vae.cli.sound_options import add_keep_level_option
from nsynth_vae.cli.types import (
    midi_list,
    midi_range,
    names,
    octave_shift,
    path,
    positive_float,
    positive_int,
)
from nsynth_vae.config import AnyConfig, ClassificationConfig, Config, DataConfig, SynthesisConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    _Options = TypeVar("_Options", bound=DataclassInstance)

_Config = TypeVar("_Config", Config, SynthesisConfig, ClassificationConfig)

_UNSET = argparse.SUPPRESS
"""Default of the configuration's options: what is not given is taken from `--config` or from `Config`."""

TIMBRE = "a sound file, a note of --data, an instrument or family the model knows, or an expression of these"
"""Kinds of timbres, for `--help`."""

BACKENDS = ("litert", "savedmodel")
"""What runs a model; the first is the default."""

_SOURCES = (
    "a folder in NSynth's JSON/WAV layout, .tfrecord files, tfds:nsynth/full, a folder of samples, one that prepare "
    "wrote, or starter{}; "
    "can be given more than once (default: {})"
)


def _add_source(group: argparse._ArgumentGroup, text: str, default: str | None) -> None:
    group.add_argument("--data", metavar="SRC", action="append", default=default, help=text)
    group.add_argument("--data-dir", metavar="DIR", type=path, help="TensorFlow Datasets' folder, for --data tfds:...")


def add_octave_shift_option(group: argparse._ActionsContainer, default: str | None = None) -> None:
    """Add `--octave-shift`, for commands that read the pitches of samples from their files' names."""
    group.add_argument(
        "--octave-shift",
        metavar="N",
        type=octave_shift,
        default=default,
        help="octaves to add to the pitches in the names of sound files, 1 where C3 is MIDI 60; auto: as most of an "
        "instrument's files sound; 0: as they are named (default: as they are named, an error if most sound otherwise)",
    )


def add_data_options(parser: argparse.ArgumentParser, *, features: bool = True, cache: bool = True) -> None:
    """Add the options of where notes come from and which of them are used.

    Args:
        parser: gets the options.
        features: the command keeps notes' features; else their audio.
        cache: the command reads notes repeatedly, and has options for what to keep.
    """
    group = parser.add_argument_group("notes")
    sources = _SOURCES.format(", the set that comes with the package", "starter")
    _add_source(group, f"where the notes come from: {sources}", _UNSET)
    if cache:
        text = "audio up to this many MB (0.13 a note) is kept in memory, more is read"
        if features:
            text = (
                "without --cache-dir, features up to this many MB (0.13 a note) are kept in memory, more are computed"
            )
            group.add_argument(
                "--cache-dir",
                metavar="DIR",
                type=path,
                help="keep computed features here, for this run and later ones (default: in memory)",
            )
        group.add_argument(
            "--memory-cache-mb",
            metavar="MB",
            type=float,
            default=1024.0,
            help=f"{text} anew every epoch; 0: always anew (default: %(default)g)",
        )
    for flag, metavar, parse, text in (
        ("--families", "A,B", names, "only these instrument families"),
        ("--sources", "A,B", names, "only acoustic, electronic, synthetic"),
        ("--instruments", "A,B", names, "only these instruments"),
        ("--pitches", "LOW-HIGH", midi_range, "only these MIDI pitches: 24-84 or C1-C6"),
        ("--velocities", "A,B", midi_list, "only these MIDI velocities: 25,100"),
        ("--max-notes", "N", positive_int, "at most N notes of each split (default: all)"),
    ):
        group.add_argument(flag, metavar=metavar, type=parse, default=_UNSET, help=text)
    group.add_argument(
        "--split-by",
        choices=("source", "instrument"),
        default=_UNSET,
        help="source: the source's own splits, else by instrument; instrument: split anew by a stable hash of the "
        "instrument (default: source)",
    )
    add_octave_shift_option(group, _UNSET)
    group.add_argument(
        "--on-bad-note",
        choices=("error", "skip"),
        default="error",
        help="an invalid note (unreadable, truncated, silent, not finite, misnamed or of a wrong rate) ends the run, "
        "or is left out and reported (default: %(default)s)",
    )


def add_lookup_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of where notes are looked up by their `note_str`."""
    group = parser.add_argument_group("notes")
    _add_source(group, f"where notes are looked up by name: {_SOURCES.format('', 'nowhere')}", None)
    add_octave_shift_option(group)
    add_keep_level_option(group)


def add_model_options(parser: argparse.ArgumentParser, *, backend: bool = True) -> None:
    """Add the options of the model, of where its exports are and, with `backend`, of what runs it."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        metavar="PATH",
        type=path,
        help="a model folder or an exports folder (default: the model that comes with the package)",
    )
    group.add_argument(
        "--exports",
        metavar="DIR",
        type=path,
        default=pathlib.Path("exports"),
        help="where a model folder's exports are, or SavedModels are written when first used (default: %(default)s)",
    )
    if backend:
        group.add_argument(
            "--backend",
            choices=BACKENDS,
            default=BACKENDS[0],
            help="LiteRT runs the model's TFLite files, TensorFlow its SavedModels (default: %(default)s)",
        )


def add_folder_option(parser: argparse._ActionsContainer, what: str, *, picture: bool = False) -> None:
    """Add `--output`, the folder that `what` is written to; and `--no-picture`, where a picture is part of it."""
    parser.add_argument("--output", "-o", metavar="DIR", required=True, type=path, help=f"the folder for {what}")
    if picture:
        parser.add_argument(
            "--no-picture", dest="picture", action="store_false", help="write no picture, which is a second faster"
        )


_N = {"metavar": "N"}
_X = {"metavar": "X"}
_POSITIVE_INT = {"type": positive_int, "metavar": "N"}

_SECTIONS: dict[type[AnyConfig], tuple[str, dict[str, tuple[str, dict[str, Any]]]]] = {
    Config: (
        "model",
        {
            "latent_dim": ("dimensions of the latent space", _POSITIVE_INT),
            "channels": ("width of the widest convolutions, a multiple of 16", _POSITIVE_INT),
            "beta": ("weight of the KL divergence", _X),
            "kl_warmup_steps": ("steps over which that weight grows from 0", _N),
            "eq_augmentation_probability": ("probability of EQ augmentation: a random equaliser and decay", _X),
            "floor_augmentation_probability": ("probability that a note lies in noise when it is encoded", _X),
            "mixup_probability": ("probability of mixup with another instrument's note of the pitch", _X),
            "velocity_pair_probability": (
                "probability that a note is decoded to its instrument's note of another velocity",
                _X,
            ),
            "instrument_balance": ("balance of instruments in training, 0: by notes, to 1: all alike", _X),
            "pitch_shift_copies": ("pitch-shifted copies of each training note, some semitones higher, 0 to 6", _N),
            "band_weight": ("weight of the levels of 8 frequency bands, against the log-mel's likelihood", _X),
            "adversary_weight": ("weight of the adversary that keeps the pitch out of z; 0: none", _X),
        },
    ),
    SynthesisConfig: (
        "synthesizer",
        {
            "channels": ("width of the convolutions", _POSITIVE_INT),
            "blocks": ("residual blocks", _POSITIVE_INT),
            "num_harmonics": ("harmonics of a note at most", _POSITIVE_INT),
        },
    ),
    ClassificationConfig: (
        "classifier",
        {
            "channels": ("width of the first convolution over the log-mel", _POSITIVE_INT),
            "feature_dim": ("features of a note", _POSITIVE_INT),
            "dropout": ("fraction of the features that is dropped in training, 0 to 1", _X),
        },
    ),
}
"""Options of each kind's own section: its name, then field -> (help text, keywords of the option)."""

_TRAIN_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "batch_size": ("notes in a step, over all devices", _POSITIVE_INT),
    "learning_rate": ("step size of Adam", {"type": positive_float, "metavar": "X"}),
    "patience": ("epochs without a better validation loss before training stops", _POSITIVE_INT),
    "seed": ("decides every random number of the run", _N),
}


_CONFIG_FILE: dict[str, Any] = {"metavar": "FILE", "type": path}


def add_feature_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the configuration that decide a VAE's features."""
    group = parser.add_argument_group("features")
    group.add_argument(
        "--config", help="JSON as in a model's config.json: its audio; options given here win", **_CONFIG_FILE
    )
    for values, name, (text, keywords) in (
        (Config().model, "pitch_shift_copies", _SECTIONS[Config][1]["pitch_shift_copies"]),
        (Config().train, "seed", ("decides the semitones of the copies", _N)),
    ):
        default = getattr(values, name)
        given: dict[str, Any] = {"type": int, "default": _UNSET, "help": f"{text} (default: {default})"} | keywords
        group.add_argument(f"--{name.replace('_', '-')}", **given)


def add_config_options(parser: argparse.ArgumentParser, kind: type[AnyConfig]) -> None:
    """Add the options that set fields of the configuration, which is of the given kind."""
    parser.add_argument("--config", help="JSON as in a model's config.json; options given here win", **_CONFIG_FILE)
    group = parser.add_argument_group("model and training")
    section, options = _SECTIONS[kind]
    for values, fields in ((getattr(kind(), section), options), (kind().train, _TRAIN_OPTIONS)):
        for name, (text, keywords) in fields.items():
            default = getattr(values, name)
            given: dict[str, Any] = {"type": type(default), "help": f"{text} (default: {default})"} | keywords
            group.add_argument(f"--{name.replace('_', '-')}", default=_UNSET, **given)
    group.add_argument(
        "--start-from",
        metavar="MODEL",
        default=_UNSET,
        help="a trained model's folder, of the same layers, whose weights training starts from, on whatever notes "
        "(default: random weights)",
    )
    if kind is Config:
        group.add_argument(
            "--precision",
            choices=("float32", "mixed_bfloat16", "mixed_float16"),
            default=_UNSET,
            help="arithmetic of the convolutions; mixed_float16 is for GPUs (default: float32)",
        )


def config_from(options: argparse.Namespace, kind: type[_Config]) -> _Config:
    """Return the configuration: the defaults, then `--config`'s file, then the options given.

    Raises:
        InputError: for a file that cannot be read or a value outside its range.
    """
    config = kind.load(options.config) if options.config else kind()
    sections = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return kind(**{name: dataclasses.replace(values, **_given(options, values)) for name, values in sections.items()})


def data_config_from(options: argparse.Namespace) -> DataConfig:
    """Return the selection of notes by the options of `add_data_options`; raises as `config_from`."""
    return DataConfig(**_given(options, DataConfig))


def _given(options: argparse.Namespace, section: DataclassInstance | type[DataclassInstance]) -> dict[str, Any]:
    """Return the options that are fields of a dataclass and were given."""
    return {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(section)
        if hasattr(options, field.name)
    }


def options_from(options: argparse.Namespace, kind: type[_Options]) -> _Options:
    """Return the dataclass of a command's other options, filled with the options of its fields' names."""
    return kind(**{field.name: getattr(options, field.name) for field in dataclasses.fields(kind)})
