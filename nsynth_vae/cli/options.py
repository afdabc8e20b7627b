"""The options that mean the same in every command, and how a command ends.

Nothing here imports TensorFlow, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from typing import TYPE_CHECKING, TypeVar

from nsynth_vae.cli.types import names, pitch_range, positive_float, positive_int, velocity_list
from nsynth_vae.config import ClassificationConfig, Config, DataConfig, SynthesisConfig

if TYPE_CHECKING:
    pass

_Config = TypeVar("_Config", Config, SynthesisConfig, ClassificationConfig)
_Options = TypeVar("_Options")

_UNSET = argparse.SUPPRESS
"""Options of the configuration have no default of their own: what is not given is taken from `--config` or `Config`."""


def add_data_options(parser: argparse.ArgumentParser, *, features: bool = True, cache: bool = True) -> None:
    """Adds where notes come from and which of them are taken.

    Args:
        parser: gets the options.
        features: the command keeps notes' features; else their audio.
        cache: the command reads notes again and again, so that it can be told what to keep.
    """
    group = parser.add_argument_group("notes")
    group.add_argument(
        "--data",
        metavar="SRC",
        action="append",
        default=_UNSET,
        help="where the notes come from: a folder in NSynth's JSON/WAV layout, .tfrecord files, tfds:nsynth/full, "
        "a folder of samples, or starter, the set that comes with the package; can be given more than once "
        "(default: starter)",
    )
    group.add_argument("--data-dir", metavar="DIR", help="TensorFlow Datasets' folder, for --data tfds:...")
    if features and cache:
        group.add_argument(
            "--cache-dir",
            metavar="DIR",
            type=pathlib.Path,
            help="keep computed features here, for this run and later ones (default: in memory)",
        )
        text = "without --cache-dir, features up to this many MB (0.13 a note) are kept in memory, more are computed"
    else:
        text = "audio up to this many MB (0.13 a note) is kept in memory, more is read"
    if cache:
        group.add_argument(
            "--memory-cache-mb",
            metavar="MB",
            type=float,
            default=1024.0,
            help=f"{text} anew every epoch; 0: always anew (default: %(default)g)",
        )
    group.add_argument("--families", metavar="A,B", type=names, default=_UNSET, help="only these instrument families")
    group.add_argument(
        "--sources", metavar="A,B", type=names, default=_UNSET, help="only acoustic, electronic, synthetic"
    )
    group.add_argument("--instruments", metavar="A,B", type=names, default=_UNSET, help="only these instruments")
    group.add_argument(
        "--pitches", metavar="LOW-HIGH", type=pitch_range, default=_UNSET, help="only these MIDI pitches: 24-84"
    )
    group.add_argument(
        "--velocities",
        metavar="A,B",
        type=velocity_list,
        default=_UNSET,
        help="only these MIDI velocities: 25,100",
    )
    group.add_argument(
        "--max-notes",
        metavar="N",
        type=positive_int,
        default=_UNSET,
        help="at most N notes of each split (default: all)",
    )
    group.add_argument(
        "--split-by",
        choices=("source", "instrument"),
        default=_UNSET,
        help="source: the splits as they come, else by instrument; instrument: split anew by a stable hash of the "
        "instrument (default: source)",
    )
    group.add_argument(
        "--on-bad-note",
        choices=("error", "skip"),
        default="error",
        help="a note that is unreadable, truncated, silent, not finite, misnamed or of a wrong rate ends the run, or "
        "is left out and reported (default: %(default)s)",
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds which model is used, and where its exports are."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        metavar="PATH",
        type=pathlib.Path,
        help="a model folder or an exports folder (default: the model that comes with the package)",
    )
    group.add_argument(
        "--exports",
        metavar="DIR",
        type=pathlib.Path,
        default=pathlib.Path("exports"),
        help="where a model folder's exports are, or are written when it is first used (default: %(default)s)",
    )


def add_config_options(parser: argparse.ArgumentParser, kind: type[_Config] = Config) -> None:
    """Adds the options that set fields of the configuration, which is of the given kind."""
    default = kind()
    parser.add_argument("--config", metavar="FILE", help="JSON as in a model's config.json; options given here win")
    group = parser.add_argument_group("model and training")

    def add(flag: str, section: str, text: str, **keywords) -> None:
        value = getattr(getattr(default, section), flag[2:].replace("-", "_"))
        keywords = {"type": type(value)} | keywords
        group.add_argument(flag, default=_UNSET, help=f"{text} (default: {value})", **keywords)

    section, options = _SECTION_OPTIONS[kind]
    for flag, text, keywords in options:
        add(flag, section, text, **keywords)
    add("--batch-size", "train", "notes in a step, over all devices", **_POSITIVE_INT)
    add("--learning-rate", "train", "step size of Adam", type=positive_float, metavar="X")
    add("--patience", "train", "epochs without a better validation loss before training stops", **_POSITIVE_INT)
    add("--seed", "train", "decides every random number of the run", metavar="N")
    group.add_argument(
        "--start-from",
        metavar="MODEL",
        default=_UNSET,
        help="a trained model's folder, of the same layers, whose weights training starts from, on whatever notes "
        "(default: random weights)",
    )
    if kind is Config:
        add(
            "--precision",
            "train",
            "arithmetic of the convolutions; mixed_float16 is for GPUs",
            choices=("float32", "mixed_bfloat16", "mixed_float16"),
        )


_POSITIVE_INT = {"type": positive_int, "metavar": "N"}

_MODEL_OPTIONS = (
    ("--latent-dim", "dimensions of the timbre space", _POSITIVE_INT),
    ("--channels", "width of the widest convolutions, a multiple of 16", _POSITIVE_INT),
    ("--beta", "weight of the KL divergence", {"metavar": "X"}),
    ("--kl-warmup-steps", "steps over which that weight grows from 0", {"metavar": "N"}),
    ("--cross-note-share", "share of notes decoded to another note of their instrument, 0 to 1", {"metavar": "X"}),
    ("--recolored-share", "share of training notes that get a random equaliser and decay, 0 to 1", {"metavar": "X"}),
    ("--blended-share", "share of training notes blended with another instrument's, 0 to 1", {"metavar": "X"}),
    ("--transposed-copies", "copies of each training note, some semitones higher, 0 to 6", {"metavar": "N"}),
    ("--adversary-weight", "weight of the classifier that keeps the pitch out of z; 0: none", {"metavar": "X"}),
)

_SYNTHESIZER_OPTIONS = (
    ("--channels", "width of the convolutions", _POSITIVE_INT),
    ("--blocks", "residual blocks", _POSITIVE_INT),
    ("--num-harmonics", "harmonics of a note at most", _POSITIVE_INT),
)

_CLASSIFIER_OPTIONS = (
    ("--channels", "width of the first convolution over the log-mel", _POSITIVE_INT),
    ("--feature-dim", "features of a note", _POSITIVE_INT),
    ("--dropout", "share of the features that is left out in training, 0 to 1", {"metavar": "X"}),
)

_SECTION_OPTIONS = {
    Config: ("model", _MODEL_OPTIONS),
    SynthesisConfig: ("synthesizer", _SYNTHESIZER_OPTIONS),
    ClassificationConfig: ("classifier", _CLASSIFIER_OPTIONS),
}


def config_from(options: argparse.Namespace, kind: type[_Config] = Config) -> _Config:
    """Returns the configuration: the defaults, then `--config`'s file, then the options given.

    Raises:
        InputError: for a file that cannot be read or a value outside its range.
    """
    config = kind.load(options.config) if options.config else kind()
    sections = {}
    for section in dataclasses.fields(config):
        values = getattr(config, section.name)
        given = {
            field.name: getattr(options, field.name)
            for field in dataclasses.fields(values)
            if hasattr(options, field.name)
        }
        sections[section.name] = dataclasses.replace(values, **given)
    return kind(**sections)


def data_config_from(options: argparse.Namespace) -> DataConfig:
    """Returns which notes the options of `add_data_options` name; raises as `config_from`."""
    names = [field.name for field in dataclasses.fields(DataConfig)]
    return DataConfig(**{name: getattr(options, name) for name in names if hasattr(options, name)})


def options_from(options: argparse.Namespace, kind: type[_Options]) -> _Options:
    """Returns the dataclass of a command's other options, filled with the options of its fields' names."""
    return kind(**{field.name: getattr(options, field.name) for field in dataclasses.fields(kind)})


TIMBRE = "a sound file, a note of --data, an instrument or family the model knows, or an expression of these"
"""What a timbre is, for `--help`."""


def add_lookup_options(parser: argparse.ArgumentParser) -> None:
    """Adds where notes are looked up that are named by their `note_str`."""
    group = parser.add_argument_group("notes")
    group.add_argument(
        "--data",
        metavar="SRC",
        action="append",
        help="where notes are looked up by name: a folder in NSynth's JSON/WAV layout, .tfrecord files, "
        "tfds:nsynth/full, a folder of samples, or starter; can be given more than once (default: nowhere)",
    )
    group.add_argument("--data-dir", metavar="DIR", help="TensorFlow Datasets' folder, for --data tfds:...")


def add_folder_option(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds `--output`, the folder that `what` goes to."""
    parser.add_argument(
        "--output", "-o", metavar="DIR", required=True, type=pathlib.Path, help=f"the folder for {what}"
    )
