"""What the tools of the latent space share: how timbres and notes are asked for, and what is left in a folder.

That is WAVs, a PNG and one JSON file that lists them; all of them or none.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.config import AudioConfig, InputError, write_text
from nsynth_vae.data.readers.audio_files import AUDIO_EXTENSIONS

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import Point, Points

MOST_NOTES = 1024
"""Notes that one command makes at most: half a gigabyte of audio and log-mels."""

LINE = 120
"""Characters of a line of JSON that more than one item may stand in."""

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


def open_points(options: argparse.Namespace) -> Points:
    """Opens the model and the notes that `cli.add_model_options` and `add_lookup_options` name.

    Raises:
        InputError: for what cannot be opened.
    """
    from nsynth_vae.latent.lookup import Points
    from nsynth_vae.timbre_model import open_model

    model = open_model(options.model, options.exports)
    if not options.data:
        return Points(model)
    from nsynth_vae.data.open_sources import open_sources
    from nsynth_vae.data.source import BadNotes

    # One note of them is asked for: what is wrong with others, or is cut of them, is of no interest.
    source = open_sources(
        options.data, audio=model.config, bad_notes=BadNotes("skip"), data_dir=options.data_dir, log=lambda line: None
    )
    return Points(model, source)


def find(timbres: Sequence[str | Point], points: Points) -> list[Point]:
    """Returns the points that files, names and expressions stand for; a point is itself."""
    from nsynth_vae.latent.expression import timbre

    return [timbre(one, points) if isinstance(one, str) else one for one in timbres]


def check_midi(flag: str, value: int) -> None:
    """Raises InputError for a pitch or velocity that MIDI does not have."""
    if not 0 <= value <= 127:
        raise InputError(f"{flag}: found {value}, expected a MIDI number, 0 to 127")


def check_seed(seed: int) -> None:
    """Raises InputError for a seed that is no integer of 31 bits."""
    if not 0 <= seed < 2**31:
        raise InputError(f"--seed: found {seed}, expected an integer from 0 to 2147483647")


def describe_all(audio: np.ndarray, pitch: Sequence[int], config: AudioConfig) -> list[dict[str, float]]:
    """Returns `descriptors.describe` of each sound, float32 `[sounds, samples]`, at its MIDI pitch."""
    from nsynth_vae.analysis.descriptors import describe

    return [describe(sound, int(each), config.sample_rate) for sound, each in zip(audio, pitch, strict=True)]


def log_mels(audio: np.ndarray, config: AudioConfig) -> np.ndarray:
    """Returns the log-mels, float32 `[sounds, frames, mel_bins]`, of sounds, float32 `[sounds, num_samples]`."""
    from nsynth_vae import features

    parts = np.array_split(audio, -(-len(audio) // 32))
    return np.concatenate([features.log_mel(part, config).numpy() for part in parts])


def label(name: str, length: int = 32) -> str:
    """Returns a timbre's name as a figure can show it: of a file its own, one line, its middle left out if long."""
    if name.lower().endswith(AUDIO_EXTENSIONS) and '"' not in name:
        name = pathlib.PurePath(name).name
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    return name if len(name) <= length else f"{name[: length // 2 - 1]}…{name[-(length // 2) :]}"


def numbered(stem: str, *counts: int) -> list[str]:
    """Returns the names of that many WAVs: `step-00.wav`, ...; of two counts `step-00-00.wav`, row by row."""
    widths = [max(2, len(str(count - 1))) for count in counts]
    numbers = (
        "-".join(f"{i:0{width}}" for i, width in zip(index, widths, strict=True)) for index in np.ndindex(counts)
    )
    return [f"{stem}-{number}.wav" for number in numbers]


def check_output(output: str | os.PathLike) -> None:
    """Checks, before anything is computed, that a folder is there or can be made.

    Raises:
        InputError: if it or what it would be in is something else.
    """
    output = pathlib.Path(output)
    above = next(path for path in (output, *output.parents) if os.path.lexists(path))
    if not above.is_dir():
        raise InputError(f"{output}: {above} is no folder, expected a folder to write to")


@contextlib.contextmanager
def writing(output: str | os.PathLike, record_name: str, record: dict) -> Iterator[pathlib.Path]:
    """Gives a folder to write files to, which go to `output` together when the block ends, and writes the JSON file.

    What the former run of the same command left there is replaced, the files that are not written again included: the
    JSON file's `files` say which they are. Nothing else is touched.

    Args:
        output: the folder, made if it is not there.
        record_name: of the JSON file.
        record: what it holds; `files` is added. Floats are rounded to six digits; what is not finite becomes null.

    Yields:
        An empty folder; there can be folders in it.

    Raises:
        InputError: if something cannot be written, or would replace what the command has not made; nothing is left
            of it then.
    """
    import soundfile

    from nsynth_vae.evaluation.summary import rounded

    output = pathlib.Path(output)
    check_output(output)
    there = output.is_dir()
    aside = output / f".{record_name}.{os.getpid()}.tmp"
    try:
        aside.mkdir(parents=True)
        yield aside
        names = sorted(path.relative_to(aside).as_posix() for path in aside.rglob("*") if path.is_file())
        write_text(aside / record_name, to_json(rounded(record | {"files": names})) + "\n")
        former = _former(output / record_name)
        for name in names:
            if os.path.lexists(output / name) and name not in former:
                raise InputError(
                    f"{output / name}: is there, and not of a former run (no {record_name} lists it), "
                    "expected another --output"
                )
        if (output / record_name).is_dir():
            raise InputError(f"{output / record_name}: found a folder, expected a place for a file")
        for name in former - set(names):
            (output / name).unlink(missing_ok=True)
        for name in [*names, record_name]:
            (output / name).parent.mkdir(exist_ok=True)
            (aside / name).replace(output / name)
    except (OSError, soundfile.SoundFileError) as error:
        problem = getattr(error, "strerror", None) or error
        raise InputError(f"{output}: cannot be written ({problem}), expected a folder to write to") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if not there:
            with contextlib.suppress(OSError):
                output.rmdir()


def to_json(value: object, indent: str = "") -> str:
    """Returns JSON with a line for each item of what does not fit in one; numbers stand side by side."""
    line = json.dumps(value)
    inside = indent + "  "
    if isinstance(value, dict) and len(indent + line) > LINE:
        parts = [f"{json.dumps(name)}: {to_json(one, inside)}" for name, one in value.items()]
        return "{\n" + ",\n".join(inside + part for part in parts) + f"\n{indent}}}"
    if isinstance(value, list) and len(indent + line) > LINE and not all(isinstance(one, float) for one in value):
        return "[\n" + ",\n".join(inside + to_json(one, inside) for one in value) + f"\n{indent}]"
    return line


def write_wavs(folder: pathlib.Path, names: Sequence[str], audio: np.ndarray, config: AudioConfig) -> None:
    """Writes sounds, float `[sounds, samples]`, -1..1, as 16-bit WAVs of these names."""
    from nsynth_vae.rendering.plots import write_wav

    for name, sound in zip(names, audio, strict=True):
        write_wav(folder / name, sound, config.sample_rate)


def write_joined(path: pathlib.Path, audio: np.ndarray, config: AudioConfig) -> None:
    """Writes the beginnings of sounds, float32 `[sounds, samples]`, one after the other, as one WAV."""
    from nsynth_vae.rendering.plots import write_wav
    from nsynth_vae.training.examples import join_notes

    write_wav(path, join_notes(audio, config), config.sample_rate)


def _former(record: pathlib.Path) -> set[str]:
    """Returns the files that a JSON file of a former run lists, those that are there; none if there is no such file."""
    try:
        names = json.loads(record.read_text(encoding="utf-8"))["files"]
        plain = [name for name in names if not pathlib.PurePath(name).is_absolute() and ".." not in name.split("/")]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in plain if (record.parent / name).is_file()}
