"""Ends of commands: one line on standard error and an exit code for whatever is raised, and a log of the unexpected."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import pathlib
import re
import sys
from collections.abc import Callable

from nsynth_vae.errors import InputError

LOGGED_PACKAGES = ("numpy", "soundfile", "ai-edge-litert", "tensorflow", "keras", "tensorflow-io")
"""Packages whose versions are in the log of an unexpected error."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_NO_MEMORY = re.compile(r"failed to map segment|[Cc]annot allocate memory|std::bad_alloc|can't start new thread")
"""What the loader of libraries, LiteRT and threads say, in an ImportError or RuntimeError."""

_LOOP = re.compile(r"Symlink loop from '(.*)'", re.DOTALL)
"""What `Path.resolve` says, in a RuntimeError, before Python 3.13."""


def guarded(action: Callable[[], int | None], command: str, *, debug: bool) -> int:
    """Call a function, and return the exit code of the command that it is.

    Args:
        action: the command; what it returns is the exit code, 0 for None.
        command: its name, for the log.
        debug: print the traceback of whatever ends it.

    Returns:
        0 when done, 1 for an unexpected error, 2 for bad input, full disks and the like, 130 after Ctrl-C.
    """
    open_closed_streams()
    print_any_character()
    try:
        code = action() or 0
        sys.stdout.flush()
    except SystemExit:
        _end_output()
        raise
    except (Exception, KeyboardInterrupt) as error:
        code = _report(error, command, debug=debug)
        _end_output()
    return code


def open_closed_streams() -> None:
    """Open nothing as the standard input, output and error stream where who started the process has closed them.

    The next files that are opened would be these, also for what C++ reads and writes.
    """
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            # It gets the lowest number that is free.
            os.open(os.devnull, os.O_RDWR)


def print_any_character() -> None:
    """Let characters that the console's encoding lacks, such as those of cp1252, be printed escaped."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Closed by who started the process.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 (open to the end)
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _report(error: BaseException, command: str, *, debug: bool) -> int:
    """Print what ended a command, and return its exit code."""
    if isinstance(error, BrokenPipeError):
        # The output's reader, such as head, has what it wanted.
        return 0
    with contextlib.suppress(OSError):
        if progress := sys.modules.get("nsynth_vae.cli.progress"):
            progress.end_bars()
    with contextlib.suppress(OSError):
        if debug:
            import traceback

            traceback.print_exception(error)
        if isinstance(error, KeyboardInterrupt):
            print(f"\nInterrupted. {error}".rstrip(), file=sys.stderr)
        elif problem := _foreseen(error):
            print(f"error: {_one_line(problem + _no_directory())}", file=sys.stderr)
        else:
            kind = f"{type(error).__name__}: {error}".rstrip(": ")
            print(f"error: {command} failed unexpectedly ({_one_line(kind)}); {_logged(error)}", file=sys.stderr)
            return 1
    return 130 if isinstance(error, KeyboardInterrupt) else 2


def _foreseen(error: BaseException) -> str:
    """Return the message for an error that has a cause outside of this package; empty for any other."""
    tensorflow, soundfile = sys.modules.get("tensorflow"), sys.modules.get("soundfile")
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
        return f"memory: found too little ({str(error) or 'for what is computed'}), expected more, or smaller inputs"
    if isinstance(error, OSError):
        expected = "room on the disk" if error.errno in _NO_ROOM else "a file or folder that can be read or written"
        names = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        return f"{names or 'a file or output'}: {error.strerror or error}, expected {expected}"
    if loop := _LOOP.match(str(error)):
        return f"{loop[1]}: is a link that leads back to itself, expected a file or folder"
    if isinstance(error, UnicodeError):
        text = repr(error.object)[:80] if isinstance(error, UnicodeDecodeError | UnicodeEncodeError) else "a name"
        return f"{text}: {error.args[-1]}, expected a name or text in UTF-8"
    if soundfile is not None and isinstance(error, soundfile.SoundFileError):
        return f"a sound file: {error}, expected one that can be read or written"
    if tensorflow is not None and isinstance(error, tensorflow.errors.OpError):
        text = re.sub(r"\{\{.*?\}\}|\[Op:.*|\n.*", "", str(error.message))
        room = isinstance(error, tensorflow.errors.ResourceExhaustedError)
        expected = "more memory, a smaller --batch-size, or room on the disk" if room else "files that can be used"
        return f"TensorFlow: {text}, expected {expected}"
    return ""


def _no_directory() -> str:
    """Return that the working directory has been removed, if it has: no file with a relative path can be there."""
    try:
        pathlib.Path.cwd()
    except FileNotFoundError:
        return "; the working directory has been removed"
    return ""


def _one_line(text: str) -> str:
    """Return a text of at most 500 printable characters: names of files may have any, and TensorFlow many."""
    line = " ".join(text.split())
    line = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)
    return line if len(line) <= 500 else f"{line[:497]}..."


def _logged(error: BaseException) -> str:
    """Write the log of an unexpected error, and return where it is and what to do with it."""
    import importlib.metadata
    import platform
    import shlex
    import tempfile
    import traceback

    from nsynth_vae import __version__

    found = []
    for package in LOGGED_PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append(f"{package} {importlib.metadata.version(package)}")
    python = f"Python {platform.python_version()}, {platform.platform()}"
    lines = [f"nsynth-vae {__version__}, {python}", ", ".join(found), shlex.join(sys.argv)]
    text = "\n".join([*lines, "", *traceback.format_exception(error)])
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="nsynth-vae-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(text)
    except OSError as problem:
        where = f"its log cannot be written ({problem.strerror}), --debug shows it"
    else:
        where = f"its log is {file.name}, --debug shows it"
    return f"{where}; please report it with that log, the command and, if possible, its input (docs/reliability.md)"


def _end_output() -> None:
    """Write what is left of the output, or drop it: Python would report at its end what cannot be written."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
