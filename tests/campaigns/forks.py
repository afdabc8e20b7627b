"""Commands in forks of a process that has imported what they need, to be killed at any moment.

A fork begins in a hundredth of the time that the imports of TensorFlow take. TensorFlow must not have computed anything
before.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

_MODULES = ("matplotlib.backends.backend_agg", "soundfile", "soxr", "nsynth_vae.api", "ai_edge_litert.interpreter")
_LEARNER = ("tensorflow", "keras", "tensorboard", "nsynth_vae.training.vae_run", "nsynth_vae.exporters.tflite")


def serve(pipe: Any, learner: bool) -> None:
    """Import the packages, then fork a command for each request, until the pipe ends."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    for module in (*_MODULES, *(_LEARNER if learner else ())):
        importlib.import_module(module)
    # Tracing makes much garbage: collecting it need not search the modules each time, nor forks copy their pages.
    gc.freeze()
    pipe.send("ready")
    while True:
        try:
            arguments, log, setup = pipe.recv()
        except EOFError:
            return
        child = os.fork()
        if child == 0:
            _run(arguments, log, setup)
        pipe.send(child)
        _, status = os.waitpid(child, 0)
        pipe.send(os.waitstatus_to_exitcode(status))


def _run(arguments: Sequence[str], log: str, setup: Callable[[], None] | None) -> None:
    code = 1
    try:
        from nsynth_vae import __main__

        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(file, stream)
        if setup is not None:
            setup()
        code = __main__.main(arguments)
    finally:
        os._exit(code)


class Forks:
    """A process that forks commands."""

    def __init__(self, *, learner: bool) -> None:
        """Start the process; `learner`: it imports TensorFlow as well."""
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=serve, args=(end, learner), daemon=True)
        self._process.start()
        end.close()
        assert self._pipe.recv() == "ready"

    def run(
        self,
        arguments: Sequence[str],
        log: pathlib.Path,
        kill_after: float | None = None,
        setup: Callable | None = None,
    ) -> tuple[int, float]:
        """Run a command; kill it after some seconds unless it has ended by then.

        Returns:
            (exit code, -9 if it was killed; seconds).
        """
        started = time.monotonic()
        self._pipe.send((list(map(str, arguments)), str(log), setup))
        child = self._pipe.recv()
        if kill_after is not None and not self._pipe.poll(kill_after):
            os.kill(child, 9)
        return self._pipe.recv(), time.monotonic() - started

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(10)
