"""Resynthesis of sound files through their log-mel and pitch."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import files as sound_files
from nsynth_vae import pretrained
from nsynth_vae.analysis import griffin_lim, spectra
from nsynth_vae.analysis.pitch import in_tune
from nsynth_vae.analysis.sound_files import Sound, read_sounds
from nsynth_vae.analysis.sound_labels import NO_PITCH, OctaveShift, SoundLabel, label_sounds
from nsynth_vae.cli.types import check_midi
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.notes import note_name
from nsynth_vae.rendering.notebook import NotebookDisplay
from nsynth_vae.rendering.sounds import label
from nsynth_vae.rendering.synthesizer import open_synthesizer

if TYPE_CHECKING:
    from nsynth_vae.rendering.plots import Target

METHODS = ("synthesizer", "griffin-lim")
ITERATIONS = 60
"""Of Griffin-Lim."""

CONFIG = AudioConfig()
"""Configuration of the log-mels."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resynthesis(NotebookDisplay):
    """Sound files after resynthesis."""

    files: tuple[pathlib.Path, ...]
    pitches: tuple[int | None, ...]
    """MIDI pitch that each note is played at; None where Griffin-Lim needs none and none was found."""
    audio: np.ndarray
    """float32 `[files, num_samples]`, -1..1."""
    config: AudioConfig = CONFIG

    def save(self, output: str | os.PathLike) -> None:
        """Write `NAME.wav`, one a file, to a folder, which is made if need be.

        Raises:
            InputError: if one cannot be written, or two files have one name.
        """
        targets = _output_paths(self.files, pathlib.Path(output))
        _check_folder(output)
        for target, audio in zip(targets, self.audio, strict=True):
            sound_files.save_sound(target, audio, self.config.sample_rate)

    def plot(self, target: Target) -> None:
        """Write the notes' spectrograms, as PNG to a path or a binary file."""
        from nsynth_vae.rendering import plots

        names = [label(file.name) for file in self.files]
        plots.plot_contact_sheet(
            [*spectra.log_mel(self.audio, self.config)], names, min(len(names), 6), self.config, target
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Note:
    log_mel: np.ndarray
    """float32 `[frames, mel_bins]`."""
    own: int | None
    """MIDI pitch of the partials in the log-mel."""
    target: int | None
    """MIDI pitch to play it at."""
    description: str


def resynthesize(
    files: Sequence[str | os.PathLike],
    output: str | os.PathLike | None = None,
    *,
    pitch: int | None = None,
    method: str = "synthesizer",
    model: str | os.PathLike | None = None,
    octave_shift: OctaveShift = None,
    report: Callable[[str], None] = print,
) -> Resynthesis:
    """Turn sound files into log-mels, and these back into sound, each note by itself.

    All files are read and checked before the first is synthesised.

    Args:
        files: audio files, as in a folder of samples: any rate, channels and length.
        output: the folder for `NAME.wav`, one a file, each written as soon as it is done, so that Ctrl-C leaves the
            notes that are whole. Made if it is not there; results of an earlier run are replaced. None: none.
        pitch: the MIDI pitch to play every note at, formants kept; None for a note's own, by its file's name or else
            estimated. Griffin-Lim plays the log-mel as it is: for it there can be none.
        method: `synthesizer` or `griffin-lim`.
        model: the synthesizer's model folder; None for the shipped one.
        octave_shift: of the files' names; see `sound_labels.OctaveShift`.
        report: called with a line for each sound that is cut and one for each note written.

    Raises:
        InputError: for the first invalid file or option; then nothing is written.

    >>> resynthesis = resynthesize(["bell A3.wav"], pitch=62)
    >>> resynthesis.save("resynthesized")
    """
    paths = tuple(map(pathlib.Path, files))
    _check_options(pitch, method, model)
    _check_inputs(paths)
    targets = _output_paths(paths, pathlib.Path(output)) if output is not None else []
    synthesize = _load_synthesizer(method, model)
    sounds, examined = [], []
    for path, sound in zip(paths, read_sounds(paths, CONFIG, whole=True), strict=True):
        if sound.problem:
            raise InputError(f"{path}: {sound.problem}")
        sounds.append(sound)
        examined.append(sound.examine(CONFIG))
    where = str(paths[0].parent) if paths else ""
    notes = []
    labels = label_sounds(examined, octave_shift=octave_shift, where=where)
    for path, sound, labelled in zip(paths, sounds, labels, strict=True):
        notes.append(_make_note(path, sound, labelled, pitch, method))
        for remark in (*sound.remarks(CONFIG), *labelled.warnings):
            report(f"{path}: {remark}")
    if output is not None:
        _check_folder(output)
    audio = np.empty([len(paths), CONFIG.num_samples], np.float32)
    for index, note in enumerate(notes):
        audio[index] = synthesize(note)
        if targets:
            sound_files.save_sound(targets[index], audio[index], CONFIG.sample_rate)
            report(f"{paths[index]}: {note.description} -> {targets[index]}")
    return Resynthesis(files=paths, pitches=tuple(note.target for note in notes), audio=audio)


def _check_options(pitch: int | None, method: str, model: str | os.PathLike | None) -> None:
    if method not in METHODS:
        raise InputError(f"--method: found {method!r}, expected {' or '.join(METHODS)}")
    if pitch is not None:
        check_midi("--pitch", pitch)
    for flag, value in (("--pitch", pitch), ("--model", model)):
        if value is not None and method == "griffin-lim":
            raise InputError(f"{flag}: found {value} with --method griffin-lim, expected --method synthesizer")


def _check_inputs(paths: Sequence[pathlib.Path]) -> None:
    """Raise InputError for the first path that is no UTF-8; files that cannot be read are found when they are read."""
    for path in paths:
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            name = str(path).encode("utf-8", "backslashreplace").decode()
            raise InputError(f"{name}: is no UTF-8, expected a name that is") from error


def _output_paths(paths: Sequence[pathlib.Path], output: pathlib.Path) -> list[pathlib.Path]:
    """Return the file of each path's note.

    Raises:
        InputError: if a note would be written into what is no folder, over another note or over one of the paths.
    """
    sound_files.check_output(output)
    # pathlib's methods raise for a name that is too long.
    inputs = {_identity(path): path for path in paths if os.path.exists(path)}  # noqa: PTH110
    sources: dict[str, pathlib.Path] = {}
    targets = [output / f"{path.stem}.wav" for path in paths]
    for path, target in zip(paths, targets, strict=True):
        # Disks of macOS take names that differ in case for the same.
        if other := sources.get(target.name.casefold()):
            raise InputError(f"{path}: would be written to {target}, as {other} is, expected files of different names")
        sources[target.name.casefold()] = path
        if os.path.isdir(target):  # noqa: PTH112
            raise InputError(f"{target}: found a folder, expected a place for the note of {path}")
        if os.path.exists(target) and (source := inputs.get(_identity(target))):  # noqa: PTH110
            raise InputError(f"{target}: is to be written, and read as {source}, expected another --output")
    return targets


def _identity(path: pathlib.Path) -> tuple[int, int]:
    """Return the device and inode, which all paths of one file have in common."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _load_synthesizer(method: str, model: str | os.PathLike | None) -> Callable[[_Note], np.ndarray]:
    """Return a function of a note that returns its audio, float32 `[num_samples]`.

    Raises:
        InputError: if there is no synthesizer in `model`, or one of other features.
    """
    if method == "griffin-lim":
        return lambda note: griffin_lim.log_mel_to_audio(note.log_mel[None], CONFIG, iterations=ITERATIONS)[0]
    synthesize = open_synthesizer(pretrained.SYNTHESIZER if model is None else model, CONFIG)

    def play(note: _Note) -> np.ndarray:
        assert note.own is not None
        assert note.target is not None
        return synthesize(note.log_mel, note.own, note.target)

    return play


def _make_note(path: pathlib.Path, sound: Sound, labelled: SoundLabel, pitch: int | None, method: str) -> _Note:
    """Compute the log-mel of a file, and choose the pitch to play it at.

    Raises:
        InputError: if the file has no pitch and the method needs one.
    """
    target, own = pitch, labelled.pitch
    if own is None:
        if method == "synthesizer" and pitch is None:
            expected = "expected a name such as `bell A#3` or --pitch P"
            raise InputError(f"{path}: {NO_PITCH}, {expected}")
        own = pitch
        description = "no pitch" if pitch is None else f"pitch {pitch} ({note_name(pitch)}, --pitch)"
    elif pitch not in (None, own) and labelled.source == "name" and in_tune(sound.audio, pitch, CONFIG.sample_rate):
        # The name is wrong, or means something else: the sound already has the target pitch.
        description = f"pitch {pitch} ({note_name(pitch)}, estimated; the name says {own})"
        own = pitch
    else:
        source = (
            f"from its {labelled.source}"
            if labelled.hertz is None
            else f"{labelled.hertz:.1f} Hz, estimated from the sound"
        )
        target = own if pitch is None else pitch
        played = "" if target == own else f", played at {target} ({note_name(target)})"
        description = f"pitch {own} ({note_name(own)}, {source}){played}"
    log_mel = spectra.log_mel(sound.audio, CONFIG)
    return _Note(log_mel=log_mel, own=own, target=target, description=description)


def _check_folder(output: str | os.PathLike) -> None:
    """Raise InputError for a folder that cannot be made; one that can is only left when a note is written to it."""
    try:
        with sound_files.made(pathlib.Path(output)):
            pass
    except OSError as error:
        raise InputError(f"{output}: cannot be made ({error.strerror}), expected a folder to write to") from error
