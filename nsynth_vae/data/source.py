"""Interface of note sources: a table of labels, and a `tf.data` stream of audio."""

from __future__ import annotations

import abc
import array
import dataclasses
import os
import pathlib
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NotRequired, TypedDict

import numpy as np

from nsynth_vae.analysis.audio_reader import BEYOND, NOT_FINITE
from nsynth_vae.analysis.sound_files import SILENCE
from nsynth_vae.config import LARGEST_SAMPLE, AudioConfig
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.errors import BadNoteError, InputError
from nsynth_vae.files import broken_link
from nsynth_vae.notes import QUALITIES, UNKNOWN, Note, readable

if TYPE_CHECKING:
    import tensorflow as tf

SPLITS = ("train", "valid", "test")
"""NSynth's splits; the index is `NoteTable.split`, where `UNKNOWN` is a note without one."""


@dataclasses.dataclass
class BadNotes:
    """Treatment of invalid notes: the `--on-bad-note` policy, and the list of those left out."""

    policy: str = "error"
    """`error`: the first one ends the run; `skip`: the run continues without it."""
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)
    """File (or file and record) -> problem, in the order they were found."""

    def report(self, name: str, problem: str) -> None:
        """Record an invalid note.

        Args:
            name: the file, or the file and the record in it.
            problem: found and expected values, as a phrase.

        Raises:
            BadNoteError: under the policy `error`; names the file.
        """
        if self.policy == "error":
            raise BadNoteError(f"{name}: {problem} (--on-bad-note skip leaves such notes out)")
        self.skipped[name] = problem


class ReaderOptions(TypedDict):
    """Keyword arguments that all readers share."""

    audio: AudioConfig
    """The target sample rate and length."""
    bad_notes: BadNotes
    """Gets the notes that cannot be used."""
    log: NotRequired[Callable[[str], None]]
    """Called with each line for the user; `print` by default."""


@dataclasses.dataclass(frozen=True)
class NoteTable:
    """The labels of many notes, one array a field; row r of every array is the same note."""

    note_str: np.ndarray
    """object (str) `[notes]`; of prepared notes `PackedStrings`, which are read alike."""
    pitch: np.ndarray
    """int32 `[notes]`, MIDI."""
    velocity: np.ndarray
    """int32 `[notes]`."""
    instrument_str: np.ndarray
    """object (str) `[notes]`."""
    instrument_family: np.ndarray
    """int32 `[notes]`, index in `notes.FAMILIES` or `UNKNOWN`."""
    instrument_source: np.ndarray
    """int32 `[notes]`, index in `notes.SOURCES` or `UNKNOWN`."""
    qualities: np.ndarray
    """int8 `[notes, 10]`, 0, 1 or `UNKNOWN`."""
    sample_group: np.ndarray
    """object (str) `[notes]`: group that a split by instrument keeps together; the instrument if not known."""
    split: np.ndarray
    """int8 `[notes]`, index in `SPLITS` or `UNKNOWN`."""

    @classmethod
    def from_notes(cls, notes: Iterable[Note], split: Sequence[int]) -> NoteTable:
        """Build the table from notes, each asked for once, and their splits (index in `SPLITS`, or `UNKNOWN`).

        The splits are read after the notes.
        """
        strings: dict[str, list[str]] = {"note_str": [], "instrument_str": [], "sample_group": []}
        integers = {name: array.array("i") for name in ("pitch", "velocity", "instrument_family", "instrument_source")}
        qualities, unknown = array.array("b"), (UNKNOWN,) * len(QUALITIES)
        for note in notes:
            strings["note_str"].append(readable(note.note_str))
            strings["instrument_str"].append(sys.intern(readable(note.instrument_str)))
            strings["sample_group"].append(sys.intern(readable(note.sample_group or note.instrument_str)))
            for name, values in integers.items():
                value = getattr(note, name)
                values.append(UNKNOWN if value is None else value)
            qualities.extend(note.qualities or unknown)

        def objects(values: list[str]) -> np.ndarray:
            result = np.empty(len(values), dtype=object)
            result[:] = values
            return result

        return cls(
            **{name: objects(values) for name, values in strings.items()},
            **{name: np.array(values, np.int32) for name, values in integers.items()},
            qualities=np.array(qualities, np.int8).reshape(-1, len(QUALITIES)),
            split=np.array(split, np.int8),
        )

    @classmethod
    def concatenate(cls, tables: Sequence[NoteTable]) -> NoteTable:
        """Return the tables' notes, one table after the other."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: np.concatenate([getattr(table, name) for table in tables]) for name in names})

    def __len__(self) -> int:
        """Return the number of notes."""
        return len(self.pitch)

    def take(self, rows: np.ndarray) -> NoteTable:
        """Return the table of the given rows, in their order."""
        names = [field.name for field in dataclasses.fields(self)]
        # A run of rows, as a prepared split's, is a view: it takes no memory.
        run = (
            len(rows) > 0 and rows.dtype != bool and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all()
        )
        key = slice(int(rows[0]), int(rows[-1]) + 1) if run else rows
        return NoteTable(**{name: getattr(self, name)[key] for name in names})

    def with_split(self, split: np.ndarray) -> NoteTable:
        """Return the table with other splits (int8 `[notes]`)."""
        return dataclasses.replace(self, split=split)


class Source(abc.ABC):
    """Notes from one place.

    `table` has every valid note, of all splits. `audio` streams the audio of some of its rows.
    """

    name: str
    """The argument of `--data`."""
    table: NoteTable
    needs_tensorflow: bool = True
    """Whether `read` needs TensorFlow."""
    random_access: bool = False
    """Whether any note is read as fast as the next one."""

    @abc.abstractmethod
    def fingerprint(self, row: int) -> str:
        """Return an identifier of one note's audio: its file's path, size and time (and record)."""

    @abc.abstractmethod
    def location(self, row: int) -> str:
        """Return the file (or file and record) of a note, for error messages."""

    @abc.abstractmethod
    def audio(self, rows: np.ndarray, order: tuple[int, int] | None = None) -> tf.data.Dataset:
        """Stream the audio of some notes, each once, read and decoded in the graph, in parallel.

        Args:
            rows: int64 `[n]`, rows of `table`.
            order: None for the order of `rows`; (seed, epoch) for an order that is a pure function of them.

        Returns:
            A dataset of {`row`: int64 [], `audio`: float32 `[num_samples]`, `problem`: string []}: `problem`
            is empty for a valid note, else describes what is wrong with it (`audio` is then zeros). Where decoding
            itself fails, the dataset raises `tf.errors.OpError` in that element's place, and can be iterated
            further.
        """

    def subset(self, rows: np.ndarray) -> Source:
        """Return a source of some rows alone, in ascending order, small enough to be sent to another process."""
        raise NotImplementedError(f"{self.name} is read as a whole")

    def read(self, row: int) -> tuple[np.ndarray, str]:
        """Read the audio of one note; without TensorFlow unless `needs_tensorflow`.

        Returns:
            (audio: float32 `[num_samples]`, zeros if the note is invalid; what is wrong with it, else empty).
        """
        import tensorflow as tf

        try:
            (note,) = self.audio(np.array([row]))
        except tf.errors.OpError as error:
            return np.zeros(0, np.float32), f"cannot be decoded ({error_text(error)})"
        return note["audio"].numpy(), note["problem"].numpy().decode()

    def order_of(self, rows: np.ndarray, order: tuple[int, int] | None) -> np.ndarray | None:
        """Return the rows in the order in which `audio` streams them; None where it is not known before."""
        return rows if order is None else None


def shuffled(rows: np.ndarray, order: tuple[int, int] | None) -> np.ndarray:
    """Return the rows in an order that is a pure function of (seed, epoch); unchanged for None."""
    if order is None:
        return rows
    return np.random.default_rng(stable_hash("order", *order)).permutation(rows)


def file_fingerprint(path: str | os.PathLike, expected: str) -> str:
    """Return an identifier of a file: its path, size in bytes and time in ns.

    Raises:
        InputError: if the file is not there; `expected` is what should be.
    """
    try:
        status = pathlib.Path(path).stat()
    except OSError as error:
        problem = broken_link(pathlib.Path(path)) or error.strerror
        raise InputError(f"{path}: {problem}, expected {expected}") from error
    # Without `..`, which `Path.absolute` keeps, and without following links.
    return f"{os.path.abspath(path)}:{status.st_size}:{status.st_mtime_ns}"  # noqa: PTH100


def error_text(error: tf.errors.OpError) -> str:
    """Return TensorFlow's message as one line, without the names of nodes, operators, functions and iterators."""
    own = re.sub(r"\{\{.*?\}\}|\[Op:.*|Error in user-defined function .*? with iterator: \S+ ", "", str(error.message))
    return textwrap.shorten(own, 160, placeholder=" ...")


def check_audio(audio: tf.Tensor, config: AudioConfig) -> tuple[tf.Tensor, tf.Tensor]:
    """Check one note's audio in the graph.

    Args:
        audio: float32 `[samples]`.
        config: gives the expected number of samples.

    Returns:
        (audio `[num_samples]`, zeros if invalid; problem: string [], empty if valid).
    """
    import tensorflow as tf

    found, peak = tf.size(audio), tf.reduce_max(tf.abs(audio))

    def beyond() -> tf.Tensor:
        before, after = BEYOND.split("{}")
        return tf.strings.join([before, tf.strings.as_string(peak, precision=6, shortest=True), after])

    length = tf.strings.format(f"holds {{}} samples, expected {config.num_samples} (truncated?)", found)
    problem = tf.case(
        [
            (tf.equal(found, 0), lambda: tf.constant(f"has no audio, expected {config.num_samples} samples")),
            (tf.not_equal(found, config.num_samples), lambda: length),
            (tf.logical_not(tf.reduce_all(tf.math.is_finite(audio))), lambda: tf.constant(NOT_FINITE)),
            (peak > LARGEST_SAMPLE, beyond),
            (peak < SILENCE, lambda: tf.constant(f"is silent, expected a peak of at least {SILENCE}")),
        ],
        default=lambda: tf.constant(""),
    )
    good = tf.equal(problem, "")
    audio = tf.cond(good, lambda: audio, lambda: tf.zeros([config.num_samples]))
    return tf.ensure_shape(audio, [config.num_samples]), problem
