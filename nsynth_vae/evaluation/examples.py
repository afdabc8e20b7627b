"""Which notes a report shows, and what each system makes of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.source import NoteTable
from nsynth_vae.evaluation.measure import Judged
from nsynth_vae.evaluation.models import in_batches, log_mels
from nsynth_vae.evaluation.systems import FOLDER, INTERPOLATION, RECONSTRUCTION, STEPS, System

SHOWN = 10
"""Notes of each kind: best, median, worst."""


@dataclasses.dataclass(frozen=True)
class ExampleSound:
    """A picture, and a sound where there is one."""

    caption: str
    log_mel: np.ndarray
    """float32 `[frames, mel_bins]`."""
    audio: np.ndarray | None
    """float32 `[num_samples]`."""


@dataclasses.dataclass(frozen=True)
class Example:
    """One note, by several systems; or one way, point by point."""

    title: str
    sounds: Sequence[ExampleSound]


@dataclasses.dataclass(frozen=True)
class Section:
    """Examples of one kind."""

    title: str
    examples: Sequence[Example]


def choose(values: Sequence[float]) -> dict[str, np.ndarray]:
    """Returns the places of the best, the middle and the worst values; less is better.

    Returns:
        {`best`, `median`, `worst`: int64, `SHOWN` places each, or a third of all if these are fewer}.
    """
    order = np.argsort(np.asarray(values), kind="stable")
    count = min(SHOWN, max(1, len(order) // 3))
    middle = (len(order) - count) // 2
    return {"best": order[:count], "median": order[middle : middle + count], "worst": order[::-1][:count]}


def make_sections(systems: Sequence[System], judged: Mapping[str, Judged], table: NoteTable) -> list[Section]:
    """Returns the best, the median and the worst notes of the model (or of the folder), and a morph.

    Args:
        systems: what is judged.
        judged: their measures, by system.
        table: the labels of the judged notes.
    """
    ranked = next((name for name in (RECONSTRUCTION, FOLDER) if name in judged), None)
    sections = []
    if ranked:
        measure = "decoder_log_mel_l1" if ranked == RECONSTRUCTION else "log_mel_l1"
        records = judged[ranked].records
        whose = "the model's reconstructions" if ranked == RECONSTRUCTION else "the folder's notes"
        for kind, places in choose([record[measure] for record in records]).items():
            values = [records[place][measure] for place in places]
            examples = _side_by_side([one for one in systems if one.asked.ends is None], places, table, values, measure)
            sections.append(Section(f"The {len(places)} {kind} of {whose}, by {measure}", examples))
    for system in systems:
        if system.name == INTERPOLATION:
            sections.append(Section("A morph, step by step", [_morph(system, table)]))
    return sections


def _side_by_side(
    systems: Sequence[System], notes: np.ndarray, table: NoteTable, values: Sequence[float], measure: str
) -> list[Example]:
    config = AudioConfig()
    sounds: list[list[ExampleSound]] = [[] for _ in notes]
    for system in systems:
        if not np.array_equal(system.asked.reference, np.arange(len(table))):
            continue  # Made from the notes, but to sound like others.
        for start in range(0, len(notes), 8):
            rows = notes[start : start + 8]
            played = system.play(system.asked.take(rows))
            pictures = log_mels(played.audio, config)
            for number in range(len(rows)):
                here = sounds[start + number]
                here.append(ExampleSound(system.title, pictures[number], played.audio[number]))
                if played.decoded is not None and played.decoded.shape == pictures.shape:
                    here.append(ExampleSound("the decoder's own log-mel", played.decoded[number], None))
    titles = [f"`{table.note_str[note]}` {measure} {value:.3f}" for note, value in zip(notes, values, strict=True)]
    return [Example(title, one) for title, one in zip(titles, sounds, strict=True)]


def _morph(system: System, table: NoteTable) -> Example:
    asked = system.asked.take(slice(0, STEPS))
    audio = np.concatenate(in_batches(lambda rows: system.play(asked.take(rows)).audio, np.arange(STEPS)))
    first, second = (str(table.note_str[end]) for end in asked.ends[0])
    captions = [f"{step / (STEPS - 1):.0%}" for step in range(STEPS)]
    pictures = log_mels(audio, AudioConfig())
    sounds = [ExampleSound(*parts) for parts in zip(captions, pictures, audio, strict=True)]
    return Example(f"`{first}` to `{second}` at pitch {int(asked.pitch[0])}", sounds)
