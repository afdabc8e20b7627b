"""Places of files and folders: `~`, symbolic links, and checks before anything is written."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import stat
from collections.abc import Callable, Iterator

from nsynth_vae.errors import InputError


def expand(path: str | os.PathLike) -> pathlib.Path:
    """Return a path with the home folder for a leading `~`, which shells leave in `--output=~/morph`."""
    # `Path.expanduser` raises RuntimeError for `~name` of no user, which a file may be called.
    return pathlib.Path(os.path.expanduser(path))  # noqa: PTH111


def check_output(output: str | os.PathLike) -> None:
    """Check, before anything is computed, that a folder exists or can be made.

    Raises:
        InputError: if it or the folder above it is something else.
    """
    output = expand(output)
    above = next(path for path in (output, *output.parents) if os.path.lexists(path))
    if problem := broken_link(above):
        raise InputError(f"{output}: {above} {problem}, expected a folder to write to")
    if not above.is_dir():
        raise InputError(f"{output}: {above} is no folder, expected a folder to write to")


def check_output_file(output: str | os.PathLike, kind: str) -> None:
    """Check as `check_output` does that a file can be written; `kind` of file, for the message."""
    output = expand(output)
    check_output(output.parent)
    file_to_replace(output, kind)


def file_to_replace(output: str | os.PathLike, kind: str) -> pathlib.Path:
    """Return the file that is written for a path: the target of a symbolic link, else the path itself.

    Raises:
        InputError: if renaming a file to it would replace something else: a folder, a device, a pipe or a broken link.
    """
    output = expand(output)
    problem = broken_link(output)
    if output.is_dir():
        problem = "is a folder"
    elif output.exists() and not output.is_file():
        problem = "is a device or pipe"
    if problem:
        raise InputError(f"{output}: {problem}, expected the name of a {kind} to write")
    return output.resolve() if output.is_symlink() else output


@contextlib.contextmanager
def made(folder: pathlib.Path) -> Iterator[None]:
    """Make a folder, and those above it, if they are missing; remove what was made and is empty when the block ends."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        # It can fail half-way, as for a name that is too long.
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()


def check_working_directory(folder: str | os.PathLike, flag: str) -> None:
    """Check that a relative folder, such as the default of `flag`, is not to be made in the root of the file system.

    A service's working directory often is `/`, where no one looks for `/exports`.

    Raises:
        InputError: if it is.
    """
    here = pathlib.Path.cwd()
    if here == here.parent and not expand(folder).is_absolute():
        raise InputError(
            f"{flag} {folder}: the working directory is {here}, expected another one, or {flag} with an absolute path"
        )


def is_no_file(path: pathlib.Path) -> bool:
    """Return whether what is at a path, if anything is, is no file: a link, also to one, a folder, device or pipe."""
    try:
        return not stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def broken_link(path: pathlib.Path) -> str:
    """Return what is wrong with a symbolic link whose target is not there, in words; empty for any other path."""
    if not os.path.islink(path):  # noqa: PTH114 (`Path.is_symlink` raises for a name that is too long)
        return ""
    try:
        path.stat()
    except OSError as error:
        wrong = "which leads back to it" if error.errno == errno.ELOOP else "which is not there"
        return "" if error.errno == errno.EACCES else f"is a link to {path.readlink()}, {wrong}"
    return ""


def walk(root: pathlib.Path, skip: Callable[[str], bool] = lambda name: False) -> Iterator[pathlib.Path]:
    """Yield the files below a folder, at any depth; links to folders are followed, each folder is visited once.

    Folders that are really there come before those that links lead to, so that a folder with two names keeps its own.
    A broken link is yielded as it is, see `broken_link`.

    Args:
        root: the folder.
        skip: tells by its name whether a file or folder is passed over.

    Raises:
        OSError: for a folder that cannot be read.
    """
    visited, waiting = set(), [root]
    while waiting:
        for folder, folders, names in os.walk(waiting.pop(0), onerror=_fail):
            status = os.stat(folder)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in visited:
                folders.clear()
                continue
            visited.add((status.st_dev, status.st_ino))
            folders[:] = sorted(name for name in folders if not skip(name))
            paths = [pathlib.Path(folder, name) for name in folders]
            waiting += [path for path in paths if path.is_symlink()]
            yield from (pathlib.Path(folder, name) for name in sorted(names) if not skip(name))


def _fail(error: OSError) -> None:
    raise error
