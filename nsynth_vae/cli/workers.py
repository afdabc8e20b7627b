"""Worker processes of one machine: started as a cluster, their output prefixed, ended together."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO

from nsynth_vae.cli import signals
from nsynth_vae.errors import InputError

COMMANDS = ("train", "train_synthesizer", "train_classifier")

GRACE_SECONDS = 30.0
"""Workers that have not ended so long after another failed are terminated: the loss of one is noticed in 10 s."""

_KILL_SECONDS = 5.0

_FLAG = "--strategy"


def worker_command(arguments: Sequence[str]) -> list[str]:
    """Return the command line of a worker: `train ...` as a module, with `--strategy multi-worker`.

    Raises:
        InputError: for another command, or another strategy.
    """
    name, *rest = arguments
    command = name.removeprefix("nsynth_vae.").replace("-", "_")
    if command not in COMMANDS:
        raise InputError(f"launch: found {name}, expected {', '.join(COMMANDS)} behind N and --")
    given = [value for flag, value in zip(rest, [*rest[1:], ""], strict=True) if flag == _FLAG]
    given += [word.partition("=")[2] for word in rest if word.startswith(f"{_FLAG}=")]
    if any(value != "multi-worker" for value in given):
        raise InputError(f"launch: found {_FLAG} {given[-1]}, expected multi-worker, or no {_FLAG}")
    return [sys.executable, "-m", f"nsynth_vae.{command}", *rest, *([] if given else [_FLAG, "multi-worker"])]


def run_workers(command: Sequence[str], workers: int, *, threads: int | None = None) -> int:
    """Run a command in a number of processes that `TF_CONFIG` makes a cluster, and return the exit code.

    Exit codes other than 0 are printed. Ctrl-C is handed on to all, and so is SIGTERM, as Ctrl-C: a training saves and
    ends after its step.

    Args:
        command: the command line.
        workers: number of processes.
        threads: of each process's operators; None for the cores divided by the processes.

    Returns:
        0 if all have ended with 0, else the code of the first that failed: 128 + its number after a signal.
    """
    threads = threads or max(1, usable_cores() // workers)
    addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
    processes: list[subprocess.Popen] = []
    readers: list[threading.Thread] = []
    with _handed_on(processes):
        for index in range(workers):
            # Of its own session: of a terminal's Ctrl-C it gets only what is handed on.
            process = subprocess.Popen(
                command,
                env=os.environ | worker_environment(addresses, index, threads),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            processes.append(process)
            for stream, output in ((process.stdout, sys.stdout), (process.stderr, sys.stderr)):
                reader = threading.Thread(target=_copy_lines, args=(stream, output, f"[{index}] "), daemon=True)
                reader.start()
                readers.append(reader)
        try:
            code = _wait(processes)
        finally:
            _end(processes)
    for reader in readers:
        # A process that a worker started may keep its output open.
        reader.join(_KILL_SECONDS)
    if code:
        codes = ", ".join(str(_exit_code(process)) for process in processes)
        print(f"launch: exit codes of the workers: {codes}", file=sys.stderr)
    return code


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_environment(addresses: Sequence[str], index: int, threads: int) -> dict[str, str]:
    """Return the environment variables of a worker: its cluster, its threads, and output that comes at once."""
    cluster = {"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": index}}
    counts = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), str(threads))
    return {"TF_CONFIG": json.dumps(cluster), "PYTHONUNBUFFERED": "1"} | counts


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nothing listens at, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _copy_lines(stream: IO[bytes], output: IO[str], prefix: str) -> None:
    """Print a stream's lines, each with a prefix; a progress bar's states are lines, too."""
    for line in stream:
        for part in line.decode(errors="replace").replace("\r", "\n").split("\n"):
            if part.strip():
                with contextlib.suppress(OSError, ValueError):
                    output.write(f"{prefix}{part.rstrip()}\n")
                    output.flush()


def _wait(processes: Sequence[subprocess.Popen]) -> int:
    """Wait until all have ended, or the grace after a failure is over; return the code of the first failure."""
    code, failed = 0, None
    while any(process.poll() is None for process in processes):
        for process in processes:
            if process.poll() and failed is None:
                code, failed = _exit_code(process), time.monotonic()
        if failed is not None and time.monotonic() - failed > GRACE_SECONDS:
            break
        time.sleep(0.1)
    return code or next((_exit_code(process) for process in processes if process.poll()), 0)


def _exit_code(process: subprocess.Popen) -> int:
    code = process.returncode
    return 128 - code if code < 0 else code


def _end(processes: Sequence[subprocess.Popen]) -> None:
    """Terminate what still runs, and kill what that does not end."""
    for end in (subprocess.Popen.terminate, subprocess.Popen.kill):
        for process in processes:
            if process.poll() is None:
                end(process)
        last = time.monotonic() + _KILL_SECONDS
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, last - time.monotonic()))


def _handed_on(processes: Sequence[subprocess.Popen]) -> contextlib.AbstractContextManager[None]:
    """Send SIGINT to all processes for each SIGINT or SIGTERM of this one in the block."""

    def hand_on(number: int, frame: object) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)

    return signals.handling(hand_on)
