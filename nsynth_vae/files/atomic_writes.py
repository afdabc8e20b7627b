"""Atomic writes of files and folders: to a temporary place, then renamed."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator

from nsynth_vae.errors import InputError
from nsynth_vae.files.json_files import read_json, rounded, to_json
from nsynth_vae.files.places import check_output, expand, file_to_replace, is_no_file, made
from nsynth_vae.files.processes import HOST, is_running

_HOST_HASH = f"{zlib.crc32(HOST.encode()):08x}"

_TEMPORARY = re.compile(rf"\.tmp-(\d+)-{_HOST_HASH}-.*", re.DOTALL)


def _prefix() -> str:
    """Return what the names of this process's temporary files and folders begin with: they are hidden."""
    return f".tmp-{os.getpid()}-{_HOST_HASH}-"


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, kind: str = "file") -> Iterator[pathlib.Path]:
    """Give a temporary path to write a file to, which is renamed to `path` when the block ends; make its folder.

    A reader never finds half of the file. If the block raises, nothing is left; what a killed process leaves is hidden,
    and removed when the file is written again. A symbolic link stays: its target is replaced.

    Args:
        path: the file.
        kind: what it is, for the message.

    Raises:
        InputError: if the file cannot be written, or is no file: see `file_to_replace`.
    """
    path = expand(path)
    try:
        file = file_to_replace(path, kind)
        # The end of the name, with its suffix: all of it and the prefix could be too long.
        temporary = file.with_name(_prefix() + file.name[-50:])
        with made(file.parent):
            try:
                yield temporary
                temporary.replace(file)
                _remove_abandoned_file(file)
            finally:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:
        # libsndfile's and HDF5's errors of a full disk are RuntimeErrors.
        raise InputError(f"{path}: cannot be written ({_problem(error)}), expected a place for a {kind}") from error


def _remove_abandoned_file(file: pathlib.Path) -> None:
    """Remove what killed processes of this machine left of a file."""
    with contextlib.suppress(OSError):
        for left in _abandoned(file.parent):
            # A folder is one of `writing`, which still has to read it.
            if left.name.endswith(f"-{file.name[-50:]}") and not left.is_dir():
                left.unlink(missing_ok=True)


def _problem(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:200]


def remove_abandoned(folder: pathlib.Path) -> None:
    """Remove the temporary files and folders that killed processes of this machine left in a folder."""
    for path in _abandoned(folder):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


def _abandoned(folder: pathlib.Path) -> list[pathlib.Path]:
    """Return what killed processes of this machine left in a folder."""
    found = [(path, _TEMPORARY.fullmatch(path.name)) for path in folder.glob(".tmp-*")]
    return [path for path, match in found if match and not is_running(int(match[1]))]


@contextlib.contextmanager
def temporary_folder(parent: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give a hidden folder to write in, in one that is made as by `made`, and remove it in the end.

    Raises:
        InputError: if it cannot be made, or something in it not be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(made(parent))
            remove_abandoned(parent)
            folder = pathlib.Path(tempfile.mkdtemp(prefix=_prefix(), dir=parent))
        except OSError as error:
            raise InputError(f"{parent}: {error.strerror}, expected a folder that can be written") from error
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


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


def write_text(path: str | os.PathLike, text: str, kind: str = "file") -> None:
    """Write a text file atomically; raises as `atomic_write`."""
    with atomic_write(path, kind) as temporary:
        # Names that are no UTF-8 are written escaped.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def save_json(path: str | os.PathLike, record: dict) -> None:
    """Write a JSON file atomically, with numbers as in `writing`; raises as `atomic_write`."""
    write_text(path, to_json(rounded(record)) + "\n", "JSON file")


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

    output = expand(output)
    check_output(output)
    if is_no_file(output / record_name):
        raise InputError(f"{output / record_name}: is a folder, link, device or pipe, expected a place for a file")
    folder = output / f"{_prefix()}{record_name}"
    try:
        with made(output):
            try:
                folder.mkdir()
                # A run that was killed while it moved its files has not moved their record.
                former = {name for path in _abandoned(output) for name in _former(path / record_name, output)}
                yield folder
                names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
                write_text(folder / record_name, to_json(rounded(record | {"files": names})) + "\n")
                former |= _former(output / record_name, output)
                for name in names:
                    if os.path.lexists(output / name) and name not in former:
                        raise InputError(
                            f"{output / name}: is there, and not of a former run (no {record_name} lists it), "
                            "expected another --output"
                        )
                for name in former - set(names):
                    (output / name).unlink(missing_ok=True)
                for name in [*names, record_name]:
                    (output / name).parent.mkdir(exist_ok=True)
                    (folder / name).replace(output / name)
                remove_abandoned(output)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except InputError as error:
        # The hidden folder means nothing to whoever reads the message.
        raise InputError(str(error).replace(f"{folder}{os.sep}", f"{output}{os.sep}")) from error
    except (OSError, soundfile.SoundFileError) as error:
        raise InputError(f"{output}: cannot be written ({_problem(error)}), expected a folder to write to") from error


def _former(record: pathlib.Path, output: pathlib.Path) -> set[str]:
    """Return the files in `output` that a former run's JSON file lists; none if there is no such file."""
    try:
        names = read_json(record)["files"]
        plain = [name for name in names if _is_inside(pathlib.PureWindowsPath(name))]
        return {name for name in plain if (output / name).is_file() and not is_no_file(output / name)}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _is_inside(path: pathlib.PureWindowsPath) -> bool:
    """Return whether a relative path stays in its folder; Windows' rules include those of other systems."""
    return not path.anchor and ".." not in path.parts
