"""Cluster of workers that train one model together: joined, kept in step, and left at the same time.

Each worker is a process with the whole model. It computes its rows of each global batch, and the gradients are summed
(`tf.distribute.MultiWorkerMirroredStrategy`). The first worker is the chief: only it writes, and its clock, its
checkpoint and its validation count for all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import tensorflow as tf

from nsynth_vae.cli.suppress_stderr import quiet
from nsynth_vae.data.batching.base import Shard
from nsynth_vae.errors import InputError
from nsynth_vae.training.membership import Membership, find_membership

_Json = TypeVar("_Json")


class Cluster:
    """Workers that train one model together, and this process's place among them; by default, it is alone."""

    def __init__(self, strategy: tf.distribute.Strategy | None = None, index: int = 0, workers: int = 1) -> None:
        """Take the strategy (None for one device), this process's place, and the number of processes."""
        self.strategy = strategy or tf.distribute.get_strategy()
        self.index, self.workers = index, workers
        # Outside of a graph, each sum would start a pool of threads, which a lost worker would leave open.
        self._sum = tf.function(lambda values: self.strategy.reduce("SUM", values, axis=None), reduce_retracing=True)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes, and decides."""
        return self.index == 0

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of all workers' arrays, which have one shape; each waits for the others."""
        return values if self.workers == 1 else self._sum(tf.constant(values)).numpy()

    def barrier(self) -> None:
        """Wait until all workers are here."""
        self.sum(np.zeros(1, np.float32))

    def share(self, value: _Json) -> _Json:
        """Return the chief's value, of what JSON can hold."""
        if self.workers == 1:
            return value
        text = json.dumps(value).encode() if self.is_chief else b""
        content = np.zeros(int(self.sum(np.array(len(text), np.int32))), np.int32)
        content[: len(text)] = np.frombuffer(text, np.uint8)
        return json.loads(self.sum(content).astype(np.uint8).tobytes())

    def share_variables(self, variables: Sequence[tf.Variable]) -> None:
        """Set variables to the chief's values."""
        if self.workers > 1:
            for variable in variables:
                value = np.array(tf.convert_to_tensor(variable).numpy())
                variable.assign(self.sum(value if self.is_chief else np.zeros_like(value)))

    def check_same(self, what: str, value: object) -> None:
        """Compare a value, of what JSON can hold, with the chief's.

        Raises:
            InputError: on all workers, if one has another.
        """
        own = hashlib.blake2b(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
        differ = np.zeros(self.workers, np.int32)
        differ[self.index] = own != self.share(own)
        others = np.flatnonzero(self.sum(differ))
        if len(others):
            raise InputError(
                f"worker {', '.join(map(str, others))}: found other {what} than worker 0's, expected the same on all"
            )

    def agree(self, seconds: float, *, interrupted: bool) -> tuple[float, bool]:
        """Return the chief's seconds, and whether any worker was interrupted."""
        if self.workers == 1:
            return seconds, interrupted
        total = self.sum(np.array([seconds if self.is_chief else 0.0, interrupted]))
        return float(total[0]), bool(total[1])

    def batches(self, dataset: Callable[[Shard], tf.data.Dataset]) -> tf.data.Dataset:
        """Return the batches of `dataset`, which gives this worker's part of each, for the strategy's replicas.

        Replica r has the r-th contiguous part of the global batch: see `nn.replicas`.
        """
        replicas = self.strategy.num_replicas_in_sync
        whole = dataset((self.index, self.workers))
        if replicas == 1:
            return whole
        local = replicas // self.workers

        def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            size = next(iter(whole.element_spec.values())).shape[0]
            # Without the endlessness, the workers would ask each other at each step whether there is more.
            endless = whole.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
            return endless if local == 1 else endless.rebatch(size // local)

        return self.strategy.distribute_datasets_from_function(of_worker)


@contextlib.contextmanager
def joined(strategy: str) -> Iterator[Cluster]:
    """Join the cluster of `--strategy`, and leave it together with the others.

    The chief prints for all. What a worker's end raises in the others becomes one sentence.

    Raises:
        InputError: if there is no cluster, or a worker ends before the others.
    """
    if strategy != "multi-worker":
        yield Cluster(_mirrored() if strategy == "mirrored" else None)
        return
    membership = find_membership(os.environ)
    with lost_worker_named(membership):
        cluster = _connect(membership)
        if cluster.is_chief:
            yield cluster
        else:
            with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
                yield cluster
        cluster.barrier()


def _mirrored() -> tf.distribute.Strategy:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    print(f"Each batch is shared by {len(devices)} devices")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _connect(membership: Membership) -> Cluster:
    """Return the cluster once all of its workers are there."""
    index, workers = membership.index, len(membership.addresses)
    print(f"Worker {index} of {workers} at {membership.addresses[index]}: waiting for all", flush=True)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(membership.addresses)}),
        task_type="worker",
        task_id=index,
        rpc_layer="grpc",
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
    )
    with _ended_by_ctrl_c(), quiet():
        strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
    cluster = Cluster(strategy, index, workers)
    cluster.barrier()
    devices = cluster.strategy.num_replicas_in_sync
    print(f"Each batch is shared by {workers} workers with {devices} devices")
    return cluster


@contextlib.contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end the process at once: Python would only see it when all workers are there."""
    previous = None
    with contextlib.suppress(ValueError):  # Outside the main thread, signals cannot be handled.
        previous = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if previous is not None:
            signal.signal(signal.SIGINT, previous)


def _silence_tensorflow() -> None:
    """Drop what C++ writes to stderr from here on: it reports the broken cluster once more when the process ends."""
    sys.stderr.flush()
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)


@contextlib.contextmanager
def lost_worker_named(membership: Membership) -> Iterator[None]:
    """Raise InputError, of one sentence, for TensorFlow's errors of a worker that is lost."""
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
        tf.errors.FailedPreconditionError,
        tf.errors.InternalError,
    ) as error:
        _silence_tensorflow()
        problem = re.sub(r"\{\{.*?\}\} *|\n.*", "", str(error.message))[:200]
        raise InputError(
            f"worker {membership.index} of {len(membership.addresses)}: another worker has ended or cannot be reached "
            f"({problem}); the same command on all resumes from the last checkpoint"
        ) from error
