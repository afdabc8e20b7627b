"""How exports are written: aside, then renamed, and without a library's chatter."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import math
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    import numpy as np

_ASIDE = ".writing-"
_ABANDONED_SECONDS = 3600.0


@contextlib.contextmanager
def temporary_folder(exports_dir: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a folder to write in, outside of those that a server watches, and removes it in the end."""
    try:
        exports_dir.mkdir(parents=True, exist_ok=True)
        folder = pathlib.Path(tempfile.mkdtemp(prefix=_ASIDE, dir=exports_dir))
    except OSError as error:
        raise InputError(f"{exports_dir}: {error.strerror}, expected a folder that can be written") from error
    for other in exports_dir.glob(f"{_ASIDE}*"):
        # What a killed export has left; a younger one may belong to an export that is running.
        with contextlib.suppress(OSError):
            if time.time() - other.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def atomic_rename(source: pathlib.Path, path: pathlib.Path) -> None:
    """Renames what is whole to its place; never replaces a folder that has anything in it."""
    try:
        path.parent.mkdir(exist_ok=True)
        source.replace(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected to write it new") from error


def atomic_rename_all(places: dict[pathlib.Path, pathlib.Path]) -> None:
    """Renames sources to their places in turn; if one fails, the folders before it are taken back."""
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


@contextlib.contextmanager
def exclusive_lock(folder: pathlib.Path) -> Iterator[None]:
    """Waits until no other process is in this block with the same folder."""
    place = os.open(folder, os.O_RDONLY)
    try:
        # Some network disks have no locks.
        with contextlib.suppress(OSError):
            fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a text file aside and renames it, so that a reader never sees half of it."""
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_wav(path: pathlib.Path, audio: np.ndarray, sample_rate: int) -> None:
    """Writes audio, float `[samples]`, -1..1, as a 16-bit mono WAV."""
    import numpy as np
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.clip(audio, -1.0, 1.0), sample_rate, subtype="PCM_16", format="WAV")


def save_wav(path: str | os.PathLike, audio: np.ndarray, sample_rate: int) -> None:
    """Write audio as `write_wav` does, to a temporary file that is renamed.

    Raises:
        InputError: if it cannot be written; nothing is left then.
    """
    import soundfile

    path = pathlib.Path(path)
    temporary = path.with_name(f".{os.getpid()}.wav.tmp")
    try:
        write_wav(temporary, audio, sample_rate)
        temporary.replace(path)
    except (OSError, soundfile.SoundFileError) as error:
        problem = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be written ({problem}), expected a place for a WAV") from error
    finally:
        temporary.unlink(missing_ok=True)


LINE = 120
"""Characters of a line of JSON that more than one item may stand in."""


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

    pass

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
    """Returns JSON with a line for each item of what does not fit in one; numbers stand side by side."""
    line = json.dumps(value)
    inside = indent + "  "
    if isinstance(value, dict) and len(indent + line) > LINE:
        parts = [f"{json.dumps(name)}: {to_json(one, inside)}" for name, one in value.items()]
        return "{\n" + ",\n".join(inside + part for part in parts) + f"\n{indent}}}"
    if isinstance(value, list) and len(indent + line) > LINE and not all(isinstance(one, float) for one in value):
        return "[\n" + ",\n".join(inside + to_json(one, inside) for one in value) + f"\n{indent}]"
    return line


def _former(record: pathlib.Path) -> set[str]:
    """Returns the files that a JSON file of a former run lists, those that are there; none if there is no such file."""
    try:
        names = json.loads(record.read_text(encoding="utf-8"))["files"]
        plain = [name for name in names if not pathlib.PurePath(name).is_absolute() and ".." not in name.split("/")]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in plain if (record.parent / name).is_file()}


def rounded(value):
    """Returns JSON-ready values, floats with six significant digits; what is not finite becomes None."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def flac(audio: np.ndarray, sample_rate: int) -> bytes:
    """Returns audio, float `[samples]`, -1..1, as a FLAC file of 16 bits."""
    import numpy as np
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(np.nan_to_num(audio), -1.0, 1.0), sample_rate, subtype="PCM_16", format="FLAC")
    return buffer.getvalue()


AUDIO_EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3")
"""File name extensions of audio, in lower case."""
