"""Members of a cluster of workers, as `TF_CONFIG` or SLURM name them in the environment."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from nsynth_vae.errors import InputError
from nsynth_vae.files import parse_json

TF_CONFIG = "TF_CONFIG"

SLURM = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE")
"""Variables of a task that srun started."""

SLURM_PORT = 8888
"""Port of the first worker on each node; the next have the next ones. `NSYNTH_VAE_PORT` is another."""

_EXPECTED = """{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}"""


@dataclasses.dataclass(frozen=True)
class Membership:
    """Addresses of a cluster's workers, and which of them this process is."""

    addresses: tuple[str, ...]
    """`host:port` of each worker; the first one is the chief."""
    index: int
    """This process's place among them."""


def find_membership(environment: Mapping[str, str]) -> Membership:
    """Return the cluster that the environment names: by `TF_CONFIG`, else by SLURM.

    Raises:
        InputError: if it names none, or what it says cannot be used.
    """
    if TF_CONFIG in environment:
        return parse_tf_config(environment[TF_CONFIG])
    if SLURM[0] in environment:
        return read_slurm(environment)
    raise InputError(
        f"--strategy multi-worker: found neither {TF_CONFIG} nor {SLURM[0]} in the environment, expected one of them: "
        "on one machine, python -m nsynth_vae.launch 2 -- COMMAND sets it"
    )


def parse_tf_config(text: str) -> Membership:
    """Return the cluster of a `TF_CONFIG`, such as Kubeflow's: of jobs `chief` (one at most) and `worker`.

    Example:
        >>> parse_tf_config('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}')
        Membership(addresses=('a:1', 'b:1'), index=1)

    Raises:
        InputError: if it is not JSON of that form; parameter servers and evaluators have nothing to do here.
    """
    try:
        found = parse_json(text)
        jobs, task = found["cluster"], found["task"]
        jobs, kind, index = {name: list(hosts) for name, hosts in jobs.items()}, task["type"], task["index"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{TF_CONFIG}: found {_short(text)}, expected {_EXPECTED}") from error
    others = sorted(name for name, hosts in jobs.items() if hosts and name not in ("chief", "worker"))
    if others or len(jobs.get("chief", [])) > 1:
        what = ", ".join(others) or "several chiefs"
        raise InputError(f"{TF_CONFIG}: found {what}, expected only workers, and a chief at most")
    addresses = tuple(jobs.get("chief", []) + jobs.get("worker", []))
    for address in addresses:
        if not isinstance(address, str) or not re.fullmatch(r"\S+:\d{1,5}", address):
            raise InputError(f"{TF_CONFIG}: found the address {_short(str(address))}, expected host:port")
    if len(set(addresses)) < len(addresses):
        raise InputError(f"{TF_CONFIG}: found an address twice, expected one of its own for each worker")
    own = jobs.get(kind, []) if isinstance(kind, str) else []
    if type(index) is not int or not 0 <= index < len(own):
        raise InputError(
            f"{TF_CONFIG}: found task {index} of {_short(str(kind))}, expected one of the cluster's: "
            + (", ".join(f"{name} 0 to {len(hosts) - 1}" for name, hosts in jobs.items() if hosts) or "it has none")
        )
    return Membership(addresses, index if kind == "chief" else index + len(jobs.get("chief", [])))


def read_slurm(environment: Mapping[str, str]) -> Membership:
    """Return the cluster of a SLURM step, by `tf.distribute.cluster_resolver.SlurmClusterResolver`.

    Args:
        environment: `os.environ`, which the resolver reads by itself, with `SLURM`'s variables.

    Raises:
        InputError: if a variable is missing, or is none of SLURM's form.
    """
    import tensorflow as tf
    from tensorflow.python.distribute.cluster_resolver.slurm_cluster_resolver import expand_hostlist

    missing = [name for name in SLURM if name not in environment]
    if missing:
        raise InputError(f"SLURM: found no {', '.join(missing)}, expected a task that srun started")
    try:
        port = int(environment.get("NSYNTH_VAE_PORT", SLURM_PORT))
        tasks = int(environment["SLURM_STEP_NUM_TASKS"])
        # GPUs are those that SLURM lets a task see: the resolver needs a number, and is not to set any.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=port, gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
        )
        addresses = resolver.cluster_spec().job_tasks("worker")
        # It sorts nodes by name, node10 before node9; SLURM numbers tasks in the order of its list.
        nodes = expand_hostlist(environment["SLURM_STEP_NODELIST"])
        addresses = sorted(addresses, key=lambda address: nodes.index(address.rpartition(":")[0]))
        index = int(environment["SLURM_PROCID"])
        if not 0 <= index < len(addresses):
            raise ValueError(f"task {index} of {len(addresses)}")
    except (ValueError, RuntimeError) as error:
        values = ", ".join(f"{name}={environment[name]}" for name in SLURM)
        raise InputError(f"SLURM: found {values} ({error}), expected those of a task that srun started") from error
    return Membership(tuple(addresses), index)


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
