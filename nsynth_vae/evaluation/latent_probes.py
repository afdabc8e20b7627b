"""What is left in z_mean, told by probes, and how many of its dimensions are used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.load_notes import Notes
from nsynth_vae.data.source import NoteTable
from nsynth_vae.evaluation import probes
from nsynth_vae.evaluation.models import BATCH, JudgedModel, in_batches, log_mels
from nsynth_vae.model.vae import ACTIVE_VARIANCE
from nsynth_vae.notes import FAMILIES

DEFINITIONS = {
    "active_dimensions": f"latent dimensions whose z_mean has a variance above {ACTIVE_VARIANCE} over the judged notes",
    "pitch": "accuracy, averaged over the pitches that both splits have, of a linear classifier and an MLP of 128 "
    f"units that learn the MIDI pitch from {probes.NOTES_A_PITCH} training notes of each, drawn with replacement, and "
    "are asked of the judged notes; from z_mean, from the one-hot true family, from log-mels averaged over time",
    "family": f"share of the judged notes whose family the {probes.NEIGHBOURS} nearest training notes vote for, and an "
    "MLP of 128 units tells; from z_mean, and from log-mels averaged over time. Chance always names the training "
    "notes' most common family",
}


def encode(notes: Notes, model: JudgedModel) -> np.ndarray:
    """Returns the judged notes' z_mean, float32 `[notes, latent_dim]`."""
    return np.concatenate(in_batches(lambda rows: model.encode(_audio(notes, rows)), _rows(notes)))


def measure(
    notes: Notes,
    model: JudgedModel,
    z: np.ndarray,
    *,
    seed: int,
    progress: Callable[[float], None] = lambda fraction: None,
) -> dict:
    """Returns the probes' figures; see `DEFINITIONS`.

    Args:
        notes: what the probes learn from, and what they are asked of.
        model: whose z_mean they are given.
        z: float32 `[notes, latent_dim]`, of the judged notes.
        seed: of the probes.
        progress: is told how much is done, 0 to 1.

    Returns:
        {`active_dimensions`, `latent_dim`, `train_notes`; `pitch`, `family`: {input: what `probes` returns}}. For what
        cannot be measured there is, instead, `pitch_missing` or `family_missing`: why.
    """
    result = {"active_dimensions": int(np.sum(z.var(axis=0) > ACTIVE_VARIANCE)), "latent_dim": int(z.shape[1])}
    count = len(notes.train_rows)
    result["train_notes"] = count
    if not count:
        missing = "the data has no training notes that are not judged themselves"
        return result | {"pitch_missing": missing, "family_missing": missing}
    tables, points, pooled = [], [], []
    for table, audio in notes.train(BATCH):
        tables.append(table)
        points.append(model.encode(audio))
        pooled.append(log_mels(audio, AudioConfig()).mean(axis=1))
        progress(sum(map(len, tables)) / count)
    train, test = NoteTable.concatenate(tables), notes.judged.table
    own = in_batches(lambda rows: log_mels(_audio(notes, rows), AudioConfig()).mean(axis=1), _rows(notes))
    inputs = {
        "z_mean": (np.concatenate(points), z),
        "one_hot_family": tuple(np.eye(len(FAMILIES) + 1)[table.instrument_family] for table in (train, test)),
        "log_mel": (np.concatenate(pooled), np.concatenate(own)),
    }
    for name, probe in (("pitch", _pitch), ("family", _family)):
        given = [each for each in inputs if (name, each) != ("family", "one_hot_family")]
        try:
            result[name] = {each: probe(*inputs[each], train, test, seed) for each in given}
        except ValueError as error:
            result[f"{name}_missing"] = str(error)
    return result


def _pitch(learnt: np.ndarray, asked: np.ndarray, train: NoteTable, test: NoteTable, seed: int) -> dict[str, float]:
    return probes.pitch_accuracy(learnt, asked, train.pitch, test.pitch, seed=seed)


def _family(learnt: np.ndarray, asked: np.ndarray, train: NoteTable, test: NoteTable, seed: int) -> dict[str, float]:
    families = [table.instrument_family for table in (train, test)]
    known = [family >= 0 for family in families]
    return probes.family_accuracy(
        learnt[known[0]], asked[known[1]], families[0][known[0]], families[1][known[1]], seed=seed
    )


def _rows(notes: Notes) -> np.ndarray:
    return np.arange(len(notes.judged.table))


def _audio(notes: Notes, rows: np.ndarray) -> np.ndarray:
    return notes.judged.read(rows)["audio"]
