"""Systems that an evaluation compares: real notes, round trips of their true mel, a model, a folder of sounds."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping

import numpy as np

from nsynth_vae import latent
from nsynth_vae.analysis.sound_files import read_sounds
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.load_notes import Notes
from nsynth_vae.data.source import NoteTable
from nsynth_vae.errors import InputError
from nsynth_vae.features import log_mels
from nsynth_vae.notes import FAMILIES, UNKNOWN
from nsynth_vae.timbre_model import TimbreModel

REAL, GRIFFIN_LIM, SYNTHESIZER = "real", "griffin_lim", "synthesizer"
RECONSTRUCTION, OTHER_PITCH, INTERPOLATION, FOLDER = "reconstruction", "other_pitch", "interpolation", "audio_dir"

OWN_NOTES = (GRIFFIN_LIM, SYNTHESIZER, RECONSTRUCTION, FOLDER)
"""Systems that play every evaluated note at its own pitch."""

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
"""Latent vectors of an interpolation path, its ends included; the fifth is the middle."""


@dataclasses.dataclass(frozen=True)
class Requests:
    """Sounds requested of a system; row r of every array is the same sound."""

    note: np.ndarray
    """int64: the evaluated note that it is made from; of an interpolation path, the first one."""
    pitch: np.ndarray
    """int32, MIDI."""
    velocity: np.ndarray
    """int32, MIDI."""
    reference: np.ndarray | None
    """int64: the evaluated note that it is compared with; None if there is none."""
    ends: np.ndarray | None = None
    """int64 `[sounds, 2]`: of an interpolation path, the evaluated notes at its ends."""
    step: np.ndarray | None = None
    """int64: of an interpolation path, 0 to `STEPS` - 1."""

    def __len__(self) -> int:
        """Return the number of sounds."""
        return len(self.note)

    def take(self, rows: np.ndarray | slice) -> Requests:
        """Return some of the sounds."""
        taken = {name: value[rows] for name, value in vars(self).items() if value is not None}
        return dataclasses.replace(self, **taken)


@dataclasses.dataclass(frozen=True)
class SystemOutput:
    """Sounds that a system made for a few requests."""

    audio: np.ndarray
    """float32 `[sounds, num_samples]`."""
    log_mel: np.ndarray | None = None
    """float32 `[sounds, frames, mel_bins]`: the decoder's own log-mels, if it has any."""
    decoder_log_mel_l1: np.ndarray | None = None
    """float `[sounds]`, nats: their mean |difference| from the references' log-mels."""


@dataclasses.dataclass(frozen=True)
class System:
    """One row of the tables: the sounds requested of a system, and how it makes them."""

    name: str
    requests: Requests
    play: Callable[[Requests], SystemOutput]

    @property
    def title(self) -> str:
        """The system's name in tables."""
        return TITLES[self.name]


def true_mel_systems(notes: Notes) -> list[System]:
    """Return the real notes, and the two round trips of their true mel, of the default features."""
    import tensorflow as tf

    from nsynth_vae.synthesis.griffin_lim import log_mel_to_audio
    from nsynth_vae.synthesis.vocoder import load_synthesizer

    config = AudioConfig()
    specs = [tf.TensorSpec([None, config.num_frames, config.num_mel_bins]), tf.TensorSpec([None], tf.int32)]
    synthesize = tf.function(load_synthesizer().call, input_signature=specs, autograph=False)

    def griffin_lim(requests: Requests) -> SystemOutput:
        mels = log_mels(audio_of(notes, requests.note), config)
        return SystemOutput(log_mel_to_audio(mels, config, iterations=GRIFFIN_LIM_ITERATIONS).numpy())

    def synthesizer(requests: Requests) -> SystemOutput:
        return SystemOutput(synthesize(log_mels(audio_of(notes, requests.note), config), requests.pitch).numpy())

    requests = request_own(notes.loaded.table)
    round_trips = [System(GRIFFIN_LIM, requests, griffin_lim), System(SYNTHESIZER, requests, synthesizer)]
    return [real_system(notes), *round_trips]


def real_system(notes: Notes) -> System:
    """Return the real notes as a system."""
    requests = request_own(notes.loaded.table)
    return System(REAL, requests, lambda requests: SystemOutput(audio_of(notes, requests.note)))


def model_systems(notes: Notes, model: TimbreModel, z: np.ndarray, *, seed: int, pairs: int) -> list[System]:
    """Return the notes' z_mean decoded at their own pitch, at another note's, and between notes.

    Args:
        notes: the evaluated notes.
        model: the evaluated model.
        z: float32 `[notes, latent_dim]`, z_mean of the evaluated notes.
        seed: chooses the other pitches and the pairs.
        pairs: interpolation paths between families.
    """
    table = notes.loaded.table

    def play(requests: Requests) -> SystemOutput:
        vectors = z[requests.note]
        if requests.ends is not None and requests.step is not None:
            fraction = requests.step[:, None] / (STEPS - 1)
            vectors = latent.lerp(z[requests.ends[:, 0]], z[requests.ends[:, 1]], fraction).astype(np.float32)
        decoded = model.decode(vectors, requests.pitch, requests.velocity, take=requests.note)
        if requests.reference is None:
            return SystemOutput(decoded.audio, decoded.log_mel)
        target = log_mels(audio_of(notes, requests.reference), model.config)
        median = model.decode_log_mel(vectors, requests.pitch, requests.velocity)
        error = np.abs(median - target).mean(axis=(1, 2)) * model.config.log_mel_scale
        return SystemOutput(decoded.audio, decoded.log_mel, error)

    requests = {
        RECONSTRUCTION: request_own(table),
        OTHER_PITCH: request_other_pitches(table, seed),
        INTERPOLATION: request_interpolations(table, seed, pairs),
    }
    return [System(name, each, play) for name, each in requests.items() if len(each)]


def folder_system(notes: Notes, sounds: Mapping[str, np.ndarray]) -> System:
    """Return the sounds of `read_folder` as a system."""
    names = notes.loaded.table.note_str
    return System(
        FOLDER,
        request_own(notes.loaded.table),
        lambda requests: SystemOutput(np.stack([sounds[names[note]] for note in requests.note])),
    )


def read_folder(
    folder: pathlib.Path, audio: AudioConfig, *, log: Callable[[str], None] = print
) -> dict[str, np.ndarray]:
    """Read a folder of a system's notes.

    Args:
        folder: with `NOTE_STR.wav`, of any rate and number of channels; they are mixed to mono, resampled and padded.
        audio: the sample rate and length to convert to.
        log: called with a line for each sound that is cut.

    Returns:
        {note_str: audio float32 `[num_samples]`}.

    Raises:
        InputError: if there is no WAV file in it, or one cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, expected one of WAV files named like notes")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".wav" and path.name[0] != ".")
    if not paths:
        raise InputError(f"{folder}: found no WAV file, expected files named like notes, INSTRUMENT-PPP-VVV.wav")
    found = {}
    for path, sound in zip(paths, read_sounds(paths, audio, whole=True, as_is=True), strict=True):
        if sound.problem:
            raise InputError(f"{path}: {sound.problem}")
        for remark in sound.remarks(audio):
            log(f"{path}: {remark}")
        found[path.stem] = sound.audio
    return found


def family_names(table: NoteTable) -> np.ndarray:
    """Return the notes' family names, `other` where it is not known: str `[notes]`."""
    assert UNKNOWN == -1
    return np.array([*FAMILIES, "other"])[table.instrument_family]


def request_own(table: NoteTable) -> Requests:
    """Request each note at its own pitch and velocity."""
    rows = np.arange(len(table))
    return Requests(rows, table.pitch, table.velocity, rows)


def request_other_pitches(table: NoteTable, seed: int) -> Requests:
    """Request each note at the pitch and velocity of a random note of its instrument with another pitch.

    Notes of instruments with one pitch are left out.
    """
    generator = np.random.default_rng([seed, 1])
    pairs = []
    for row in range(len(table)):
        others = np.flatnonzero((table.instrument_str == table.instrument_str[row]) & (table.pitch != table.pitch[row]))
        if others.size:
            pairs.append((row, generator.choice(others)))
    note, other = np.array(pairs, np.int64).reshape(-1, 2).T
    return Requests(note, table.pitch[other], table.velocity[other], other)


def request_interpolations(table: NoteTable, seed: int, count: int) -> Requests:
    """Request the steps of interpolation paths between random notes of different families at one pitch.

    A pitch that two families have, two of these families, and a note of each are drawn uniformly. The velocity is both
    notes' mean, rounded. There are no paths if no pitch has notes of two families.
    """
    generator, families = np.random.default_rng([seed, 2]), family_names(table)
    pitches = [pitch for pitch in np.unique(table.pitch) if len(set(families[table.pitch == pitch])) > 1]
    pairs = []
    for _ in range(count if pitches else 0):
        there = table.pitch == generator.choice(pitches)
        two = generator.choice(np.unique(families[there]), 2, replace=False)
        pairs.append([generator.choice(np.flatnonzero(there & (families == family))) for family in two])
    ends = np.repeat(np.array(pairs, np.int64).reshape(-1, 2), STEPS, axis=0)
    velocity = np.rint(table.velocity[ends].mean(axis=1)).astype(np.int32)
    step = np.tile(np.arange(STEPS), len(pairs))
    return Requests(ends[:, 0], table.pitch[ends[:, 0]], velocity, None, ends, step)


def audio_of(notes: Notes, rows: np.ndarray) -> np.ndarray:
    """Return the audio `[rows, num_samples]` of some of the evaluated notes."""
    return notes.loaded.read(rows)["audio"]
