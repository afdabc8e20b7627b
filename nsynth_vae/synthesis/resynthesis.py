"""Resynthesis of sound files through their log-mel and pitch."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from nsynth_vae.analysis.pitch import in_tune
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.readers.samples import Sound, read_sounds
from nsynth_vae.errors import InputError
from nsynth_vae.notes import note_name

METHODS = ("synthesizer", "griffin-lim")
GRIFFIN_LIM_ITERATIONS = 60


def resynthesize(
    paths: Sequence[str | os.PathLike],
    output: str | os.PathLike,
    *,
    pitch: int | None = None,
    method: str = "synthesizer",
    model: str | os.PathLike | None = None,
    report: Callable[[str], None] = print,
) -> list[pathlib.Path]:
    """Sends notes through log-mel and synthesizer, each by itself, and writes what comes out.

    All files are read and checked before the first is written.

    Args:
        paths: audio files, as in a folder of samples: any rate, channels and length.
        output: the folder for `NAME.wav`, one a file: 16 kHz, 16 bits, mono, 64,000 samples. Made if it is not
            there; results of an earlier run are replaced.
        pitch: the MIDI pitch to play every note at, formants kept; None for a note's own, from its file's name or
            else from its sound. Griffin-Lim knows no pitch: for it there can be none.
        method: `synthesizer` or `griffin-lim`.
        model: the synthesizer's model folder; None for the shipped one.
        report: gets a line for each sound that is cut and one for each note written.

    Returns:
        The files written, in the order of `paths`.

    Raises:
        InputError: for the first bad file or option; then nothing is written.
    """
    paths, output = [pathlib.Path(path) for path in paths], pathlib.Path(output)
    _check_options(pitch, method, model)
    targets = _check_paths(paths, output)
    config = AudioConfig()
    synthesize = _load_synthesizer(method, model, config)
    notes = []
    for path, sound in zip(paths, read_sounds(paths, config, whole=True), strict=True):
        if sound.problem:
            raise InputError(f"{path}: {sound.problem}")
        notes.append((_log_mel(sound, config), *_pitches_of(path, sound, config, pitch=pitch, method=method)))
        if sound.cut(config):
            report(f"{path}: {sound.cut(config)}")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output}: cannot be made ({error.strerror}), expected a folder to write to") from error
    for path, target, (log_mel, own, asked, description) in zip(paths, targets, notes, strict=True):
        _write(target, synthesize(log_mel, own, asked), config)
        report(f"{path}: {description} -> {target}")
    return targets


def _check_options(pitch: int | None, method: str, model: str | os.PathLike | None) -> None:
    if method not in METHODS:
        raise InputError(f"--method: found {method!r}, expected {' or '.join(METHODS)}")
    if pitch is not None and not 0 <= pitch <= 127:
        raise InputError(f"--pitch: found {pitch}, expected a MIDI pitch, 0 to 127")
    for flag, value in (("--pitch", pitch), ("--model", model)):
        if value is not None and method == "griffin-lim":
            raise InputError(f"{flag}: found {value} with --method griffin-lim, expected --method synthesizer")


def _check_paths(paths: Sequence[pathlib.Path], output: pathlib.Path) -> list[pathlib.Path]:
    """Returns where each file's note goes.

    Raises:
        InputError: for what is no file or cannot be opened, and where a note cannot go: into what is no folder,
            over another note or over one of the files.
    """
    for path in (output, *paths):
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            name = str(path).encode("utf-8", "backslashreplace").decode()
            raise InputError(f"{name}: is no UTF-8, expected a name that is") from error
    above = next(folder for folder in (output, *output.parents) if os.path.lexists(folder))
    if not os.path.isdir(above):
        raise InputError(f"{output}: {above} is no folder, expected a folder to write to")
    for path in paths:
        _check_input(path)
    inputs = {_identity(path): path for path in paths}
    sources: dict[str, pathlib.Path] = {}
    for path in paths:
        target = output / f"{path.stem}.wav"
        # Disks of macOS take names that differ in case for the same.
        other = sources.get(target.name.casefold())
        if other is not None:
            raise InputError(f"{path}: would be written to {target}, as {other} is, expected files of different names")
        sources[target.name.casefold()] = path
        if os.path.isdir(target):
            raise InputError(f"{target}: found a folder, expected a place for the note of {path}")
        if os.path.exists(target) and _identity(target) in inputs:
            raise InputError(
                f"{target}: is to be written, and read as {inputs[_identity(target)]}, expected another --output"
            )
    return [output / f"{path.stem}.wav" for path in paths]


def _check_input(path: pathlib.Path) -> None:
    expected = "expected a WAV, FLAC, Ogg Vorbis or MP3 file"
    try:
        # Neither a folder nor a pipe, which would be waited for, is opened.
        found = "a folder" if path.is_dir() else None if path.is_file() or not path.exists() else "no regular file"
        if found is None:
            path.open("rb").close()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), {expected}") from error
    if found is not None:
        raise InputError(f"{path}: is {found}, {expected}")


def _identity(path: pathlib.Path) -> tuple[int, int]:
    """Returns what is the same for all paths of one file."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _load_synthesizer(
    method: str, model: str | os.PathLike | None, config: AudioConfig
) -> Callable[[np.ndarray, int | None, int | None], np.ndarray]:
    """Returns a function of a note's log-mel, float32 `[frames, mel_bins]`, its own and the asked pitch.

    It returns audio, float32 `[num_samples]`.

    Raises:
        InputError: if there is no synthesizer in `model`, or one of other features.
    """
    import tensorflow as tf

    if method == "griffin-lim":
        from nsynth_vae.synthesis.griffin_lim import log_mel_to_audio

        return lambda log_mel, own, asked: log_mel_to_audio(log_mel[None], config, iterations=GRIFFIN_LIM_ITERATIONS)[
            0
        ].numpy()
    from nsynth_vae.synthesis.vocoder import load

    synthesizer = load(model)
    if synthesizer.audio != config:
        raise InputError(f"{model}: a synthesizer of other features than the default ones, expected the default ones")
    play, transpose = (tf.function(each, autograph=False) for each in (synthesizer.call, synthesizer.transpose))

    def synthesize(log_mel: np.ndarray, own: int | None, asked: int | None) -> np.ndarray:
        one, pitches = tf.constant(log_mel[None]), [tf.constant([pitch], tf.int32) for pitch in (own, asked)]
        audio = play(one, pitches[0]) if own == asked else transpose(one, *pitches)
        return audio[0].numpy()

    return synthesize


def _log_mel(sound: Sound, config: AudioConfig) -> np.ndarray:
    from nsynth_vae import features

    return features.log_mel(sound.audio, config).numpy()


def _pitches_of(
    path: pathlib.Path, sound: Sound, config: AudioConfig, *, pitch: int | None, method: str
) -> tuple[int | None, int | None, str]:
    """Returns a note's own pitch, the pitch it is to be played at, and what to say of it.

    Raises:
        InputError: if it has no pitch and the method needs one.
    """
    found = sound.find_pitch(path.stem, config)
    if found is None and method == "synthesizer" and pitch is None:
        raise InputError(
            f"{path}: has no pitch in its name and none in its sound, expected a name such as `bell A#3` or --pitch P"
        )
    if found is None:
        return pitch, pitch, "no pitch" if pitch is None else f"pitch {pitch} ({note_name(pitch)}, --pitch)"
    own, hertz = found
    source = "from its name" if hertz is None else f"{hertz:.1f} Hz, estimated from the sound"
    if pitch is None or pitch == own:
        return own, own, f"pitch {own} ({note_name(own)}, {source})"
    if hertz is None and in_tune(sound.audio, pitch, config.sample_rate):
        # The name is wrong, or means something else: the sound already has the pitch asked for.
        return pitch, pitch, f"pitch {pitch} ({note_name(pitch)}, heard; the name says {own})"
    return own, pitch, f"pitch {own} ({note_name(own)}, {source}), played at {pitch} ({note_name(pitch)})"


def _write(path: pathlib.Path, audio: np.ndarray, config: AudioConfig) -> None:
    """Writes a note, float32 `[num_samples]`, -1..1, aside and renames it.

    Raises:
        InputError: if that fails; nothing of it is left.
    """
    import soundfile

    from nsynth_vae.files import write_wav

    aside = path.with_name(f".{os.getpid()}.wav.tmp")
    try:
        write_wav(aside, audio, config.sample_rate)
        aside.replace(path)
    except (OSError, soundfile.SoundFileError) as error:
        problem = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be written ({problem}), expected a folder to write to") from error
    finally:
        aside.unlink(missing_ok=True)
