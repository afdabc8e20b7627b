"""Prepared notes without Apache Beam: the workers' own function, called here, one file after the other."""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Mapping

from nsynth_vae.config import Config, DataConfig, ModelConfig
from nsynth_vae.data.preparation.run import PrepareOptions, prepare_by
from nsynth_vae.data.preparation.worker import Task, compute_file


def compute(messages: list[bytes]) -> Mapping[str, int]:
    """Compute all files, as a runner does, and return its metrics."""
    metrics = collections.Counter()
    for message in messages:
        notes, invalid = compute_file(Task.from_bytes(message))
        metrics += {"notes": notes, "invalid_notes": len(invalid), "files": 1}
    return metrics


def config_of(*data: str | pathlib.Path, copies: int = 0, **fields) -> Config:
    """Return a configuration of some sources and pitch-shifted copies."""
    data_config = DataConfig(data=tuple(map(str, data)), **fields)
    return Config(data=data_config, model=ModelConfig(pitch_shift_copies=copies))


def prepare(output: pathlib.Path, *data: str | pathlib.Path, copies: int = 0, **options) -> pathlib.Path:
    """Prepare all notes of some sources."""
    return prepare_by(compute, config_of(*data, copies=copies), PrepareOptions(output, **options))
