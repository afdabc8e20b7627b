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
from nsynth_vae.analysis.evidence import Evidence
from nsynth_vae.analysis.file_names import parse_path
from nsynth_vae.analysis.sound_files import read_sound, read_sounds
from nsynth_vae.analysis.sound_labels import NO_PITCH, OctaveShift, SoundLabel, label_sounds
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.readers.audio_files import FolderSource
from nsynth_vae.data.source import BadNotes, NoteTable
from nsynth_vae.errors import InputError
from nsynth_vae.files import AUDIO_EXTENSIONS, broken_link, walk
from nsynth_vae.notes import DEFAULT_VELOCITY, UNKNOWN, Note, format_note_str, parse_instrument_str


def find_audio(root: pathlib.Path) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """Return the folder's audio files, at any depth, sorted, and its other files.

    Hidden files and folders (`.name`, and macOS's `__MACOSX`) are skipped; links to folders are followed, see `walk`.
    """
    found: list[pathlib.Path] = []
    others: list[pathlib.Path] = []
    for path in walk(root, skip=lambda name: name.startswith((".", "__MACOSX"))):
        (found if path.suffix.lower() in AUDIO_EXTENSIONS else others).append(path)
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
        octave_shift: OctaveShift = None,
    ) -> None:
        """Read every file once, to check it and to compare the pitch of its name with its sound.

        The instrument is the file's folder below `path` (`strings/cello` becomes `strings_cello`), else the
        file's name less pitch and velocity. Two files with the same instrument, pitch and velocity get the
        same labels; only their `note_str` differs, by `.2`, `.3`, ... after the instrument.

        Args:
            path: a folder, searched at any depth.
            audio: the target sample rate and length.
            bad_notes: gets the files that cannot be used, unpitched sounds among them.
            log: called with a line for each cut, and for each pitch that is not the one of the name.
            name: the argument of `--data`, if it is not the path.
            octave_shift: see `sound_labels.OctaveShift`.

        Raises:
            InputError: if there is no audio in the folder, or most files sound octaves off their names.
            BadNoteError: for the first invalid file, if the policy is `error`.
        """
        path = pathlib.Path(path)
        files, others = find_audio(path)
        if not files:
            raise InputError(f"{path}: no audio in it, {EXPECTED}")
        if others:
            log(f"{path}: {len(others)} files that are not audio are ignored")
        for file in others:
            if problem := broken_link(file):
                log(f"{file}: {problem}")
        self.name, self.config = name or str(path), audio
        examined: list[tuple[pathlib.Path, Evidence]] = []
        for file, sound in zip(files, read_sounds(files, audio), strict=True):
            if sound.problem:
                bad_notes.report(str(file), broken_link(file) or sound.problem)
                continue
            for remark in sound.remarks(audio):
                log(f"{file}: {remark}")
            sound = dataclasses.replace(sound, named=parse_path(file.relative_to(path)))
            examined.append((file, sound.examine(audio)))
        labels = label_sounds([one for _, one in examined], octave_shift=octave_shift, where=str(path))
        notes: list[Note] = []
        paths: list[str] = []
        counts: collections.Counter[str] = collections.Counter()
        for (file, _), label in zip(examined, labels, strict=True):
            for remark in label.remarks():
                log(f"{file}: {remark}")
            if label.pitch is None:
                bad_notes.report(str(file), f"{NO_PITCH}, expected a name such as `bell A#3`, or a note")
                continue
            note = _make_note(label, label.pitch)
            counts[note.note_str] += 1
            if counts[note.note_str] > 1:
                instrument = f"{note.instrument_str}.{counts[note.note_str]}"
                note = dataclasses.replace(note, note_str=format_note_str(instrument, note.pitch, note.velocity))
            notes.append(note)
            paths.append(str(file))
        pitches: dict[str, set[int]] = collections.defaultdict(set)
        for note in notes:
            pitches[note.instrument_str].add(note.pitch)
        alone = sum(len(of_instrument) == 1 for of_instrument in pitches.values())
        if alone > 1 and alone * 2 > len(pitches):
            log(
                f"{path}: {alone} of its {len(pitches)} instruments by folders and names have notes of one pitch only; "
                "the files of one instrument belong into a folder of its name"
            )
        super().__init__(self.name, NoteTable.from_notes(notes, [UNKNOWN] * len(notes)), paths, audio)

    def read(self, row: int) -> tuple[np.ndarray, str]:
        """Read the audio of one note; see `Source.read`."""
        sound = read_sound(pathlib.Path(self._paths[row]), self.config)
        return sound.audio, sound.problem


def _make_note(label: SoundLabel, pitch: int) -> Note:
    velocity = DEFAULT_VELOCITY if label.velocity is None else label.velocity
    family, source = parse_instrument_str(label.instrument)
    note_str = format_note_str(label.instrument, pitch, velocity)
    return Note(note_str, pitch, velocity, label.instrument, family, source)
