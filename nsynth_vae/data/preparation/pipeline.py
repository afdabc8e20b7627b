"""Apache Beam pipeline of a preparation: a file of features an element, on any runner."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.options import pipeline_options
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners import create_runner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineState

from nsynth_vae.cli.suppress_stderr import quiet
from nsynth_vae.errors import InputError

NAMESPACE = "nsynth_vae.prepare"
"""Namespace of the metrics: the counters `notes`, `invalid_notes` and `files`, and the set of strings `invalid`."""

LOCAL = "DirectRunner"

MOST_LISTED = 1000
"""Invalid notes that a worker lists at most: Beam keeps a megabyte of such strings."""


class ComputeFile(beam.DoFn):
    """Computes and writes the file of features of a task."""

    def setup(self) -> None:
        """Set TensorFlow up, once a process."""
        from nsynth_vae.cli.parser import silence_tensorflow

        silence_tensorflow()
        from nsynth_vae.data.preparation.worker import use_one_thread

        use_one_thread()
        self._listed = 0

    def process(self, message: bytes) -> Iterator[str]:
        """Compute one file; yield its name."""
        from nsynth_vae.data.preparation.worker import Task, compute_file

        task = Task.from_bytes(message)
        notes, invalid = compute_file(task)
        Metrics.counter(NAMESPACE, "files").inc()
        Metrics.counter(NAMESPACE, "notes").inc(notes)
        Metrics.counter(NAMESPACE, "invalid_notes").inc(len(invalid))
        for location, problem in invalid.items():
            if self._listed < MOST_LISTED:
                self._listed += 1
                Metrics.string_set(NAMESPACE, "invalid").add(f"{location}: {problem}")
        yield task.path.name


def make_options(runner: str, workers: int, given: Sequence[str]) -> PipelineOptions:
    """Return Beam's options: processes of this machine for the local runner, and what was given, which wins.

    Raises:
        InputError: for an option that Beam does not have.
    """
    local = [f"--direct_num_workers={workers}", "--direct_running_mode=multi_processing"] * (runner == LOCAL)
    flags = [*local, *given]
    parser = pipeline_options._BeamArgumentParser(allow_abbrev=False, add_help=False)
    for kind in dict.fromkeys(PipelineOptions.__subclasses__()):
        kind._add_argparse_args(parser)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            _, unknown = parser.parse_known_args(flags)
    except SystemExit as error:
        raise InputError(
            f"Beam's options: {said.getvalue().strip().splitlines()[-1].partition('error: ')[2]}"
        ) from error
    if unknown:
        raise InputError(f"{unknown[0]}: no option of this command, nor of Apache Beam's; --help lists the first kind")
    return PipelineOptions(flags, runner=runner)


def run_pipeline(messages: Sequence[bytes], runner: str, options: PipelineOptions) -> dict[str, Any]:
    """Compute files of features.

    Args:
        messages: the tasks, as `Task.to_bytes` gives them.
        runner: name of Beam's runner.
        options: those of `make_options`.

    Returns:
        The metrics: name -> value; only those that the runner reports.

    Raises:
        InputError: if there is no such runner, or it fails.
    """
    # Beam's tracebacks are those of its own threads; what a worker raised is in the error that `run` raises.
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    try:
        # DirectRunner proper tries Prism first, whose program it downloads.
        chosen = FnApiRunner() if runner == LOCAL else create_runner(runner)
    except (ValueError, ImportError) as error:
        raise InputError(f"--runner {runner}: {error}, expected one of Beam's runners") from error
    try:
        # The local workers' log, of their connections, is in the error if there is one.
        with quiet() if runner == LOCAL else contextlib.nullcontext():
            pipeline = beam.Pipeline(runner=chosen, options=options)
            _ = pipeline | beam.Create(messages) | beam.Reshuffle() | beam.ParDo(ComputeFile())
            result = pipeline.run()
            state = result.wait_until_finish()
    except Exception as error:
        raise InputError(_problem(runner, str(error))) from error
    if state != PipelineState.DONE:
        raise InputError(f"--runner {runner}: the pipeline ended as {state}, expected {PipelineState.DONE}")
    found = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))
    results = [each for kind in ("counters", "string_sets") for each in found.get(kind, ())]
    # Some runners report none of what a pipeline has done until it is committed, the local job service for one.
    return {each.key.metric.name: each.result for each in results if each.result is not None}


def _problem(runner: str, text: str) -> str:
    """Return what ended a pipeline, in a line: a worker's own error, if there is one."""
    own = re.findall(r"nsynth_vae\.errors\.\w+: (.*?)(?: \[while running.*)?$", text, re.MULTILINE)
    if own:
        return own[-1]
    lines = [line for line in text.splitlines() if line.strip()] or ["no message"]
    return f"--runner {runner}: failed ({lines[-1].strip()[:200]}), expected the pipeline to end; --debug shows more"


def available_workers() -> int:
    """Return the number of processes that are used if none is given: the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
