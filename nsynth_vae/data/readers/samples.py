"""Reader of a folder of samples: sound files of any format, rate, length and number of channels.

`analysis.sound_files` describes how a file becomes a note.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
from collections.abc import Callable

import numpy as np

from nsynth_vae.analysis.audio_formats import EXPECTED
from nsynth_vae.analysis.sound_files import Sound, read_sound, read_sounds
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.readers.audio_files import FolderSource
from nsynth_vae.data.source import BadNotes, NoteTable
from nsynth_vae.errors import InputError
from nsynth_vae.files import AUDIO_EXTENSIONS
from nsynth_vae.notes import DEFAULT_VELOCITY, UNKNOWN, Note, format_note_str, note_name, parse_instrument_str


def find_audio(root: pathlib.Path) -> tuple[list[pathlib.Path], int]:
    """Return the folder's audio files, at any depth, sorted, and the number of other files.

    Hidden files and folders (`.name`, and macOS's `__MACOSX`) are skipped.
    """
    found, others = [], 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in names:
            if name.startswith("."):
                continue
            path = pathlib.Path(folder, name)
            if path.suffix.lower() in AUDIO_EXTENSIONS:
                found.append(path)
            else:
                others += 1
    return sorted(found), others


class SamplesSource(FolderSource):
    """Notes of a folder of audio files."""

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        audio: AudioConfig,
        bad_notes: BadNotes,
        log: Callable[[str], None] = print,
        name: str | None = None,
    ) -> None:
        """Read every file once, to check it, to report cuts and to estimate pitches that are not named.

        The instrument is the file's folder below `path` (`strings/cello` becomes `strings_cello`), else the
        file's name less pitch and velocity. Two files with the same instrument, pitch and velocity get the
        same labels; only their `note_str` differs, by `.2`, `.3`, ... after the instrument.

        Args:
            path: a folder, searched at any depth.
            audio: the target sample rate and length.
            bad_notes: gets the files that cannot be used, unpitched sounds among them.
            log: called with a line for each cut and each estimated pitch.
            name: the argument of `--data`, if it is not the path.

        Raises:
            InputError: if there is no audio in the folder.
            BadNoteError: for the first invalid file, if the policy is `error`.
        """
        path = pathlib.Path(path)
        files, others = find_audio(path)
        if not files:
            raise InputError(f"{path}: no audio in it, {EXPECTED}")
        if others:
            log(f"{path}: {others} files that are not audio are ignored")
        self.name, self.config = name or str(path), audio
        notes: list[Note] = []
        paths: list[str] = []
        counts: collections.Counter[str] = collections.Counter()
        for file, sound in zip(files, read_sounds(files, audio), strict=True):
            note = self._label(file, path, sound, bad_notes, log)
            if note is None:
                continue
            counts[note.note_str] += 1
            if counts[note.note_str] > 1:
                instrument = f"{note.instrument_str}.{counts[note.note_str]}"
                note = dataclasses.replace(note, note_str=format_note_str(instrument, note.pitch, note.velocity))
            notes.append(note)
            paths.append(str(file))
        super().__init__(self.name, NoteTable.from_notes(notes, [UNKNOWN] * len(notes)), paths, audio)

    def _label(
        self, file: pathlib.Path, root: pathlib.Path, sound: Sound, bad_notes: BadNotes, log: Callable[[str], None]
    ) -> Note | None:
        """Return a file's note, or None if it is invalid."""
        if sound.problem:
            bad_notes.report(str(file), sound.problem)
            return None
        found = sound.find_pitch(self.config)
        if found is None:
            bad_notes.report(
                str(file),
                "has no pitch in its name and none in its sound, expected NAME-PITCH-VELOCITY or a note",
            )
            return None
        pitch, hertz = found
        if hertz is not None:
            log(f"{file}: pitch {pitch} ({note_name(pitch)}, {hertz:.1f} Hz) estimated from the sound")
        for remark in sound.remarks(self.config):
            log(f"{file}: {remark}")
        named, folder = sound.named, file.parent.relative_to(root).as_posix()
        instrument = named.instrument if folder == "." else folder.replace("/", "_")
        velocity = DEFAULT_VELOCITY if named.velocity is None else named.velocity
        family, source = parse_instrument_str(instrument)
        return Note(format_note_str(instrument, pitch, velocity), pitch, velocity, instrument, family, source)

    def read(self, row: int) -> tuple[np.ndarray, str]:
        """Read the audio of one note; see `Source.read`."""
        sound = read_sound(pathlib.Path(self._paths[row]), self.config)
        return sound.audio, sound.problem
