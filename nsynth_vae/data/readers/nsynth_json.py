"""Reader of NSynth's JSON/audio layout: `*-train`, `*-valid` and `*-test` folders of examples.json and audio/NOTE.wav.

The audio may also be FLAC or Ogg Vorbis. The extra key `sample_group` names instruments that share
recordings.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.analysis import sound_files
from nsynth_vae.analysis.audio_reader import read_audio
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.readers.audio_files import FolderSource
from nsynth_vae.data.source import SPLITS, BadNotes, NoteTable, check_audio
from nsynth_vae.errors import InputError
from nsynth_vae.files import parse_json
from nsynth_vae.notes import FAMILIES, SOURCES, UNKNOWN, Note, parse_note_str

if TYPE_CHECKING:
    import tensorflow as tf

EXTENSIONS = (".wav", ".flac", ".ogg")
"""Extensions of a note's audio; where there are several files, the first of these is taken."""

_KEYS = [
    "note_str",
    "pitch",
    "velocity",
    "instrument_str",
    "instrument_family",
    "instrument_family_str",
    "instrument_source",
    "instrument_source_str",
    "qualities",
    "sample_rate",
    "sample_group",
]


class JsonAudioSource(FolderSource):
    """Notes of a folder in NSynth's JSON/audio layout, by split and then by name."""

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        audio: AudioConfig,
        bad_notes: BadNotes,
        log: Callable[[str], None] = print,
        name: str | None = None,
    ) -> None:
        """Read the labels and list the files; no audio is read yet.

        Args:
            path: a folder of split folders, or one split folder.
            audio: the expected sample rate and length.
            bad_notes: gets misnamed notes and those without a file.
            log: called with each line for the user.
            name: the argument of `--data`, if it is not the path.

        Raises:
            InputError: if the path is not of this layout, or examples.json cannot be read.
            BadNoteError: for the first invalid note, if the policy is `error`.
        """
        folders = split_folders(pathlib.Path(path))
        if not folders:
            raise InputError(f"{path}: no examples.json in it or in a folder of it, expected NSynth's layout")
        notes: list[Note] = []
        splits: list[int] = []
        paths: list[str] = []
        for folder in folders:
            split = split_of(folder.name)
            for note, file in _read_folder(folder, audio, bad_notes, log):
                notes.append(note)
                splits.append(split)
                paths.append(file)
        super().__init__(name or str(path), NoteTable.from_notes(notes, splits), paths, audio)

    def read(self, row: int) -> tuple[np.ndarray, str]:
        """Read the audio of one note; see `Source.read`."""
        try:
            found = read_audio(pathlib.Path(self._paths[row]))
        except ValueError as error:
            return np.zeros(self.config.num_samples, np.float32), str(error)
        return sound_files.check_format(found.samples, found.sample_rate, self.config)

    def _stream(self, row: tf.Tensor, path: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        from nsynth_vae.data.decoding.decode import decode

        audio, sample_rate, problem = decode(tf.io.read_file(path))
        nothing = tf.zeros([self.config.num_samples])
        return tf.cond(tf.equal(problem, ""), lambda: self._check(audio, sample_rate), lambda: (nothing, problem))

    def _check(self, audio: tf.Tensor, sample_rate: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Check a note in the graph, as `sound_files.check_format` does."""
        import tensorflow as tf

        config, channels = self.config, tf.shape(audio)[1]
        nothing = tf.zeros([config.num_samples])
        rate = tf.strings.format(f"has a sample rate of {{}} Hz, expected {config.sample_rate}", sample_rate)
        count = tf.strings.format("has {} channels, expected 1", channels)
        return tf.case(
            [
                (tf.not_equal(sample_rate, config.sample_rate), lambda: (nothing, rate)),
                (tf.not_equal(channels, 1), lambda: (nothing, count)),
            ],
            default=lambda: check_audio(audio[:, 0], config),
        )


def split_folders(path: pathlib.Path) -> list[pathlib.Path]:
    """Return the folders with examples.json, the folder itself or those in it, in the splits' order."""
    if (path / "examples.json").is_file():
        return [path.resolve()] if path.name in ("", ".", "..") else [path]
    if not path.is_dir():
        return []
    found = [child for child in path.iterdir() if (child / "examples.json").is_file()]
    return sorted(found, key=lambda child: (split_of(child.name) % 4, child.name))


def split_of(name: str) -> int:
    """Return the split (index in `SPLITS`) that is a word of a folder's or file's name, or `UNKNOWN`."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word in SPLITS]
    return SPLITS.index(words[-1]) if words else UNKNOWN


def _read_folder(
    folder: pathlib.Path, config: AudioConfig, bad_notes: BadNotes, log: Callable[[str], None]
) -> list[tuple[Note, str]]:
    """Return the valid notes of one split folder and their files, sorted by name."""
    labels = _read_json(folder / "examples.json")
    audio, others = folder / "audio", 0
    files: dict[str, tuple[int, str]] = {}
    try:
        names = sorted(path.name for path in audio.iterdir())
    except OSError as error:
        raise InputError(f"{audio}: {error.strerror}, expected a folder of NOTE.wav files") from error
    for name in map(pathlib.PurePath, names):
        if name.suffix.lower() not in EXTENSIONS:
            continue
        if name.stem not in labels:
            others += 1
            continue
        # The first of several extensions, and of several names that differ in case, wins.
        found_at = EXTENSIONS.index(name.suffix.lower()), name.name
        files[name.stem] = min(files.get(name.stem, found_at), found_at)
    if others:
        log(f"{audio}: {others} audio files are not in examples.json and are ignored")
    found = []
    for note_str in sorted(labels):
        file = str(audio / (files[note_str][1] if note_str in files else f"{note_str}.wav"))
        if note_str not in files:
            bad_notes.report(file, "is in examples.json, but there is no such file (nor .flac, .ogg)")
            continue
        try:
            found.append((_to_note(note_str, labels[note_str], config), file))
        except InputError as error:
            bad_notes.report(file, str(error))
    return found


def _read_json(path: pathlib.Path) -> dict[str, tuple | object]:
    """Return examples.json as note_str -> values of `_KEYS`; the rest of what can be 150 MB is dropped."""

    def keep(values: dict) -> object:
        return tuple(values.get(key) for key in _KEYS) if "pitch" in values else values

    def number(text: str) -> int | float:
        # Whoever converts labels by way of pandas gets 60.0 for 60.
        value = float(text)
        return int(value) if value.is_integer() and abs(value) < 2**31 else value

    try:
        # Of bytes, json finds out the encoding: UTF-8 with a byte order mark or without, and Windows' UTF-16.
        labels = parse_json(path.read_bytes(), object_hook=keep, parse_float=number)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected NSynth's labels") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}), expected NSynth's labels") from error
    if not isinstance(labels, dict):
        kind = "one note" if isinstance(labels, tuple) else type(labels).__name__
        raise InputError(f"{path}: found {kind}, expected a JSON object of note_str: labels")
    return labels


def _to_note(note_str: str, values: tuple | object, config: AudioConfig) -> Note:
    """Return the note of one entry of examples.json.

    Raises:
        InputError: if the labels are invalid, or contradict the name.
    """
    if not isinstance(values, tuple):
        raise InputError(
            f"its entry in examples.json is {str(values)[:40]!r}, expected an object with pitch, velocity, ..."
        )
    labels = dict(zip(_KEYS, values, strict=True))
    named = parse_note_str(note_str)
    for key in ("note_str", "pitch", "velocity", "instrument_str"):
        found, expected = labels[key], getattr(named, key)
        if found is not None and (type(found) is not type(expected) or found != expected):
            raise InputError(f"{key} in examples.json is {found!r}, expected {expected!r} by its name")
    if labels["sample_rate"] not in (None, config.sample_rate):
        raise InputError(f"sample_rate in examples.json is {labels['sample_rate']!r}, expected {config.sample_rate}")
    qualities = labels["qualities"]
    if qualities is not None:
        if not isinstance(qualities, list):
            raise InputError(f"qualities in examples.json are {qualities!r}, expected a list of flags or null")
        qualities = tuple(UNKNOWN if flag is None else flag for flag in qualities) or None
    return Note(
        note_str,
        named.pitch,
        named.velocity,
        named.instrument_str,
        _label(labels, "instrument_family", FAMILIES, named.instrument_family),
        _label(labels, "instrument_source", SOURCES, named.instrument_source),
        qualities,
        None if labels["sample_group"] is None else str(labels["sample_group"]),
    )


def _label(labels: dict, key: str, names: tuple[str, ...], named: int | None) -> int | None:
    """Return a family or source by its number, else its string, else by the instrument's name."""
    number, string = labels[key], labels[key + "_str"]
    if string is not None and string not in names:
        raise InputError(f"{key}_str in examples.json is {string!r}, expected one of {', '.join(names)}")
    if number is None:
        return named if string is None else names.index(string)
    if type(number) is not int or number not in range(len(names)):
        raise InputError(f"{key} in examples.json is {number!r}, expected 0 to {len(names) - 1} or null")
    if string is not None and names[number] != string:
        raise InputError(f"{key} in examples.json is {number}, but {key}_str is {string!r} ({names.index(string)})")
    return number
