"""What is judged side by side: real notes, round trips of their true mel, a model's notes, a folder of sounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from nsynth_vae import latent
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.load_notes import Notes
from nsynth_vae.data.source import NoteTable
from nsynth_vae.evaluation.models import JudgedModel, log_mels
from nsynth_vae.evaluation.notes import family_names

REAL, GRIFFIN_LIM, SYNTHESIZER = "real", "griffin_lim", "synthesizer"
RECONSTRUCTION, OTHER_PITCH, INTERPOLATION, FOLDER = "reconstruction", "other_pitch", "interpolation", "audio_dir"

TITLES = {
    REAL: "real notes",
    GRIFFIN_LIM: "true mel, Griffin-Lim (non-negative, fast, 60)",
    SYNTHESIZER: "true mel, synthesizer",
    RECONSTRUCTION: "model, the note's own pitch",
    OTHER_PITCH: "model, another note's pitch",
    INTERPOLATION: "model, between families",
    FOLDER: "the folder's notes",
}

GRIFFIN_LIM_ITERATIONS = 60

STEPS = 9
"""Points of a way between two notes, their own included; the fifth is the middle."""

PAIRS = 24
"""Ways between notes of different families, where no other number is asked for."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """Sounds that a system is asked for; row r of every array is the same sound."""

    note: np.ndarray
    """int64: the judged note that it is made from; the first of two, for a way between them."""
    pitch: np.ndarray
    """int32, MIDI."""
    velocity: np.ndarray
    """int32, MIDI."""
    reference: np.ndarray | None
    """int64: the judged note that it should sound like; None if there is none."""
    ends: np.ndarray | None = None
    """int64 `[sounds, 2]`: of a way, the judged notes at its ends."""
    step: np.ndarray | None = None
    """int64: of a way, 0 to `STEPS` - 1."""

    def __len__(self) -> int:
        """Returns the number of sounds."""
        return len(self.note)

    def take(self, rows: np.ndarray | slice) -> Asked:
        """Returns some of the sounds."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return Asked(**{name: None if value is None else value[rows] for name, value in values.items()})


@dataclasses.dataclass(frozen=True)
class Played:
    """What a system makes of a few requests."""

    audio: np.ndarray
    """float32 `[sounds, num_samples]`."""
    decoded: np.ndarray | None = None
    """float32 `[sounds, frames, mel_bins]`: the decoder's own log-mels, where there is one."""
    decoder_log_mel_l1: np.ndarray | None = None
    """float `[sounds]`, nats: their mean |difference| from the references' log-mels."""


@dataclasses.dataclass(frozen=True)
class System:
    """One row of the tables: what it is asked for, and how it plays that."""

    name: str
    asked: Asked
    play: Callable[[Asked], Played]

    @property
    def title(self) -> str:
        """Returns what it is called in tables."""
        return TITLES[self.name]


def true_mel_systems(notes: Notes) -> list[System]:
    """Returns the real notes, and the two ways from their true mel, of the default features, back to sound."""
    import tensorflow as tf

    from nsynth_vae.synthesis.griffin_lim import log_mel_to_audio
    from nsynth_vae.synthesis.vocoder import load

    config = AudioConfig()
    synthesizer = load()
    log_mel = tf.TensorSpec([None, config.num_frames, config.num_mel_bins])
    synthesize = tf.function(
        synthesizer.call, input_signature=[log_mel, tf.TensorSpec([None], tf.int32)], autograph=False
    )

    def real(asked: Asked) -> Played:
        return Played(_audio(notes, asked.note))

    def griffin_lim(asked: Asked) -> Played:
        mels = log_mels(_audio(notes, asked.note), config)
        return Played(log_mel_to_audio(mels, config, iterations=GRIFFIN_LIM_ITERATIONS).numpy())

    def synthesized(asked: Asked) -> Played:
        return Played(synthesize(log_mels(_audio(notes, asked.note), config), asked.pitch).numpy())

    asked = ask_for_own(notes.judged.table)
    return [
        System(name, asked, play)
        for name, play in ((REAL, real), (GRIFFIN_LIM, griffin_lim), (SYNTHESIZER, synthesized))
    ]


def model_systems(notes: Notes, model: JudgedModel, z: np.ndarray, *, seed: int, pairs: int = PAIRS) -> list[System]:
    """Returns what a model makes of the notes' z_mean: at their own pitch, at others, and between them.

    Args:
        notes: what is judged.
        model: what is judged.
        z: float32 `[notes, latent_dim]`, z_mean of the judged notes.
        seed: chooses the other pitches and the pairs.
        pairs: ways between families.
    """
    table = notes.judged.table

    def play(asked: Asked) -> Played:
        points = z[asked.note]
        if asked.ends is not None:
            fraction = asked.step[:, None] / (STEPS - 1)
            points = latent.lerp(z[asked.ends[:, 0]], z[asked.ends[:, 1]], fraction).astype(np.float32)
        decoded, audio = model.decode(points, asked.pitch, asked.velocity)
        if asked.reference is None:
            return Played(audio, decoded)
        error = np.abs(decoded - log_mels(_audio(notes, asked.reference), model.config)).mean(axis=(1, 2))
        return Played(audio, decoded, error * model.config.log_mel_scale)

    asked = {
        RECONSTRUCTION: ask_for_own(table),
        OTHER_PITCH: ask_for_other_pitches(table, seed),
        INTERPOLATION: ask_for_ways(table, seed, pairs),
    }
    return [System(name, sounds, play) for name, sounds in asked.items() if len(sounds)]


def folder_system(notes: Notes, sounds: Mapping[str, np.ndarray]) -> System:
    """Returns sounds that were made elsewhere, by `note_str`, as a system."""
    names = notes.judged.table.note_str
    return System(
        FOLDER,
        ask_for_own(notes.judged.table),
        lambda asked: Played(np.stack([sounds[names[note]] for note in asked.note])),
    )


def ask_for_own(table: NoteTable) -> Asked:
    """Returns each note, at its own pitch and velocity."""
    rows = np.arange(len(table))
    return Asked(rows, table.pitch, table.velocity, rows)


def ask_for_other_pitches(table: NoteTable, seed: int) -> Asked:
    """Returns each note at the pitch and velocity of another note of its instrument, of another pitch, by chance.

    Notes of instruments with one pitch are left out.
    """
    generator = np.random.default_rng([seed, 1])
    pairs = []
    for row in range(len(table)):
        others = np.flatnonzero((table.instrument_str == table.instrument_str[row]) & (table.pitch != table.pitch[row]))
        if others.size:
            pairs.append((row, generator.choice(others)))
    note, other = np.array(pairs, np.int64).reshape(-1, 2).T
    return Asked(note, table.pitch[other], table.velocity[other], other)


def ask_for_ways(table: NoteTable, seed: int, count: int) -> Asked:
    """Returns the points of ways between two notes of different families at one pitch, all by chance.

    A pitch that two families have, two of these, and a note of each are drawn, each alike likely. Both notes' mean
    velocity, rounded, is asked for. None if no pitch has notes of two families.
    """
    generator, families = np.random.default_rng([seed, 2]), family_names(table)
    pitches = [pitch for pitch in np.unique(table.pitch) if len(set(families[table.pitch == pitch])) > 1]
    ends = []
    for _ in range(count if pitches else 0):
        there = table.pitch == generator.choice(pitches)
        two = generator.choice(np.unique(families[there]), 2, replace=False)
        ends.append([generator.choice(np.flatnonzero(there & (families == family))) for family in two])
    ends = np.repeat(np.array(ends, np.int64).reshape(-1, 2), STEPS, axis=0)
    velocity = np.rint(table.velocity[ends].mean(axis=1)).astype(np.int32)
    step = np.tile(np.arange(STEPS), len(ends) // STEPS)
    return Asked(ends[:, 0], table.pitch[ends[:, 0]], velocity, None, ends, step)


def _audio(notes: Notes, rows: np.ndarray) -> np.ndarray:
    return notes.judged.read(rows)["audio"]
