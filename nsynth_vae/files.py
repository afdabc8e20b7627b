"""Atomic writes of files and folders: to a temporary place, then renamed."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    import numpy as np

AUDIO_EXTENSIONS = tuple(
    ".wav .wave .bwf .rf64 .w64 .flac .ogg .oga .opus .mp3 .mp2 .aif .aiff .aifc .au .snd .caf .voc "
    ".m4a .m4b .aac .wma .ape .wv .mpc .tta .amr .ra .mka .ac3 .dts .dsf .dff".split()
)
"""File name extensions of audio, in lower case; those of the second line are recognised, but must be converted."""

LINE = 120
"""Characters of a line of JSON with more than one item, at most."""

_TEMPORARY_FOLDER = ".writing-"
_ABANDONED_SECONDS = 3600.0


@contextlib.contextmanager
def atomic_write(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give a temporary path to write a file to, which is renamed to `path` when the block ends.

    A reader never finds half of the file. If the block raises, nothing is left; what a killed process leaves is hidden,
    see `remove_abandoned`.
    """
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_abandoned(folder: pathlib.Path) -> None:
    """Remove the temporary files of `atomic_write` that killed processes of this machine left in a folder."""
    for path in folder.glob(".tmp-*-*"):
        process = path.name.split("-")[1]
        try:
            os.kill(int(process) if process.isdigit() else 0, 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)
        except OSError:
            pass


@contextlib.contextmanager
def temporary_folder(exports_dir: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give a folder to write in, outside of those that a server watches, and remove it in the end."""
    try:
        exports_dir.mkdir(parents=True, exist_ok=True)
        folder = pathlib.Path(tempfile.mkdtemp(prefix=_TEMPORARY_FOLDER, dir=exports_dir))
    except OSError as error:
        raise InputError(f"{exports_dir}: {error.strerror}, expected a folder that can be written") from error
    for other in exports_dir.glob(f"{_TEMPORARY_FOLDER}*"):
        # Left by a killed export; a younger one may belong to an export that is running.
        with contextlib.suppress(OSError):
            if time.time() - other.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def atomic_rename(source: pathlib.Path, path: pathlib.Path) -> None:
    """Rename a complete file or folder to its place; never replace a folder that has anything in it."""
    try:
        path.parent.mkdir(exist_ok=True)
        source.replace(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected to write it new") from error


def atomic_rename_all(places: dict[pathlib.Path, pathlib.Path]) -> None:
    """Rename sources to their places in turn; if one fails, take the folders before it back."""
    done = []
    try:
        for source, path in places.items():
            atomic_rename(source, path)
            done.append((source, path))
    except InputError:
        for source, path in reversed(done):
            if path.is_dir():
                path.replace(source)
        raise


def write_text(path: pathlib.Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_write(pathlib.Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def save_json(path: str | os.PathLike, record: dict) -> None:
    """Write a JSON file atomically; numbers as in `writing`.

    Raises:
        InputError: if it cannot be written; nothing is left then.
    """
    try:
        write_text(pathlib.Path(path), to_json(rounded(record)) + "\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}), expected a place for a JSON file") from error


def read_json(path: str | os.PathLike) -> Any:
    """Return the content of a JSON file, with Windows' line ends and byte order mark or without.

    Raises:
        OSError, ValueError: if it cannot be read.
    """
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8-sig"))


def write_wav(path: pathlib.Path, audio: np.ndarray, sample_rate: int) -> None:
    """Write audio, float `[samples]`, -1..1, as a 16-bit mono WAV."""
    import numpy as np
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.clip(audio, -1.0, 1.0), sample_rate, subtype="PCM_16", format="WAV")


def save_wav(path: str | os.PathLike, audio: np.ndarray, sample_rate: int) -> None:
    """Write audio as `write_wav` does, but atomically.

    Raises:
        InputError: if it cannot be written; nothing is left then.
    """
    import soundfile

    path = pathlib.Path(path)
    try:
        with atomic_write(path) as temporary:
            write_wav(temporary, audio, sample_rate)
    except (OSError, soundfile.SoundFileError) as error:
        problem = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be written ({problem}), expected a place for a WAV") from error


def check_output(output: str | os.PathLike) -> None:
    """Check, before anything is computed, that a folder exists or can be made.

    Raises:
        InputError: if it or the folder above it is something else.
    """
    output = pathlib.Path(output)
    above = next(path for path in (output, *output.parents) if os.path.lexists(path))
    if not above.is_dir():
        raise InputError(f"{output}: {above} is no folder, expected a folder to write to")


def check_output_file(output: pathlib.Path, kind: str) -> None:
    """Check as `check_output` does that a file can be written; `kind` of file, for the message."""
    check_output(output.parent)
    if output.is_dir():
        raise InputError(f"{output}: is a folder, expected the name of a {kind} to write")


@contextlib.contextmanager
def writing(output: str | os.PathLike, record_name: str, record: dict) -> Iterator[pathlib.Path]:
    """Give a folder to write files to, which are moved to `output` together with a JSON file when the block ends.

    The files of a former run of the same command, listed in its JSON file's `files`, are replaced or removed. Nothing
    else is touched.

    Args:
        output: the folder, made if it is not there.
        record_name: name of the JSON file.
        record: its content; `files` is added. Floats are rounded to six digits; non-finite ones become null.

    Yields:
        An empty folder; it can get folders.

    Raises:
        InputError: if a file cannot be written, or would replace one that the command has not made; nothing is
            written then.
    """
    import soundfile

    output = pathlib.Path(output)
    check_output(output)
    there = output.is_dir()
    folder = output / f".{record_name}.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True)
        yield folder
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        write_text(folder / record_name, to_json(rounded(record | {"files": names})) + "\n")
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
            (folder / name).replace(output / name)
    except (OSError, soundfile.SoundFileError) as error:
        problem = getattr(error, "strerror", None) or error
        raise InputError(f"{output}: cannot be written ({problem}), expected a folder to write to") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not there:
            with contextlib.suppress(OSError):
                output.rmdir()


def to_json(value: object, indent: str = "") -> str:
    """Return JSON with one line for each item of values that do not fit in one; numbers stand side by side."""
    line = json.dumps(value)
    inside = indent + "  "
    if isinstance(value, dict) and len(indent + line) > LINE:
        parts = [f"{json.dumps(name)}: {to_json(one, inside)}" for name, one in value.items()]
        return "{\n" + ",\n".join(inside + part for part in parts) + f"\n{indent}}}"
    if isinstance(value, list) and len(indent + line) > LINE and not all(isinstance(one, float) for one in value):
        return "[\n" + ",\n".join(inside + to_json(one, inside) for one in value) + f"\n{indent}]"
    return line


def _former(record: pathlib.Path) -> set[str]:
    """Return the existing files that a former run's JSON file lists; none if there is no such file."""
    try:
        names = read_json(record)["files"]
        plain = [name for name in names if _is_inside(pathlib.PureWindowsPath(name))]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in plain if (record.parent / name).is_file()}


def _is_inside(path: pathlib.PureWindowsPath) -> bool:
    """Return whether a relative path stays in its folder; Windows' rules include those of other systems."""
    return not path.anchor and ".." not in path.parts


def rounded(value: Any) -> Any:
    """Return JSON-ready values, floats with six significant digits; non-finite ones become None."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def flac(audio: np.ndarray, sample_rate: int) -> bytes:
    """Return audio, float `[samples]`, -1..1, as a FLAC file of 16 bits."""
    import numpy as np
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(np.nan_to_num(audio), -1.0, 1.0), sample_rate, subtype="PCM_16", format="FLAC")
    return buffer.getvalue()
