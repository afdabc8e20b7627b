"""Examples for a report: notes as each system plays them, and the steps of an interpolation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.source import NoteTable
from nsynth_vae.evaluation.measure import Measured
from nsynth_vae.evaluation.systems import FOLDER, INTERPOLATION, RECONSTRUCTION, STEPS, System
from nsynth_vae.features import log_mels
from nsynth_vae.timbre_model import in_batches

SHOWN = 10
"""Notes of each kind: best, median, worst."""


@dataclasses.dataclass(frozen=True)
class ExampleSound:
    """A spectrogram, and its audio if there is any."""

    caption: str
    log_mel: np.ndarray
    """float32 `[frames, mel_bins]`."""
    audio: np.ndarray | None
    """float32 `[num_samples]`."""


@dataclasses.dataclass(frozen=True)
class Example:
    """One note by several systems, or one interpolation step by step."""

    title: str
    sounds: Sequence[ExampleSound]


@dataclasses.dataclass(frozen=True)
class Section:
    """Examples of one kind."""

    title: str
    examples: Sequence[Example]


def choose(values: Sequence[float]) -> dict[str, np.ndarray]:
    """Return the indices of the best, the middle and the worst values; less is better.

    Returns:
        {`best`, `median`, `worst`: int64, `SHOWN` indices each, or a third of all if these are fewer}.
    """
    order = np.argsort(np.asarray(values), kind="stable")
    count = min(SHOWN, max(1, len(order) // 3))
    middle = (len(order) - count) // 2
    return {"best": order[:count], "median": order[middle : middle + count], "worst": order[::-1][:count]}


def make_sections(systems: Sequence[System], measured: Mapping[str, Measured], table: NoteTable) -> list[Section]:
    """Return the best, the median and the worst notes of the model (or of the folder), and an interpolation.

    Args:
        systems: the evaluated systems.
        measured: their measures, by system.
        table: the labels of the evaluated notes.
    """
    sections = []
    for ranked, measure, whose in (
        (RECONSTRUCTION, "decoder_log_mel_l1", "the model's reconstructions"),
        (FOLDER, "log_mel_l1", "the folder's notes"),
    ):
        if ranked in measured:
            values = [record[measure] for record in measured[ranked].records]
            for kind, notes in choose(values).items():
                titles = [f"`{table.note_str[note]}` {measure} {values[note]:.3f}" for note in notes]
                title = f"The {len(notes)} {kind} of {whose}, by {measure}"
                sections.append(Section(title, _side_by_side(systems, notes, len(table), titles)))
            break
    for system in systems:
        if system.name == INTERPOLATION:
            sections.append(Section("A morph, step by step", [_morph(system, table)]))
    return sections


def _side_by_side(systems: Sequence[System], notes: np.ndarray, count: int, titles: Sequence[str]) -> list[Example]:
    """Return the systems' sounds of some of the `count` evaluated notes, an example for each note."""
    sounds: list[list[ExampleSound]] = [[] for _ in notes]
    for system in systems:
        reference = system.requests.reference
        if reference is None or not np.array_equal(reference, np.arange(count)):
            continue  # Not compared with the notes that the sounds are made from.
        outputs = in_batches(lambda rows, system=system: system.play(system.requests.take(rows)), notes)
        audio = np.concatenate([output.audio for output in outputs])
        for own, log_mel, samples in zip(sounds, log_mels(audio, AudioConfig()), audio, strict=True):
            own.append(ExampleSound(system.title, log_mel, samples))
        decoded = [output.log_mel for output in outputs if output.log_mel is not None]
        if decoded and decoded[0].shape[1:] == sounds[0][0].log_mel.shape:
            for own, log_mel in zip(sounds, np.concatenate(decoded), strict=True):
                own.append(ExampleSound("the decoder's own log-mel", log_mel, None))
    return [Example(title, own) for title, own in zip(titles, sounds, strict=True)]


def _morph(system: System, table: NoteTable) -> Example:
    requests = system.requests.take(slice(0, STEPS))
    assert requests.ends is not None
    audio = np.concatenate(in_batches(lambda rows: system.play(requests.take(rows)).audio, np.arange(STEPS)))
    captions = [f"{step / (STEPS - 1):.0%}" for step in range(STEPS)]
    sounds = [ExampleSound(*parts) for parts in zip(captions, log_mels(audio, AudioConfig()), audio, strict=True)]
    first, last = table.note_str[requests.ends[0]]
    return Example(f"`{first}` to `{last}` at pitch {requests.pitch[0]}", sounds)
