"""From `--data` to a source of notes."""

from __future__ import annotations

import glob
import os
import pathlib
from collections.abc import Callable, Sequence

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.source import BadNotes, Source
from nsynth_vae.errors import InputError

EXPECTED = (
    "`starter`, a folder in NSynth's layout, .tfrecord files (or a folder or glob of them), tfds:nsynth/full "
    "or a folder of audio files"
)


def open_source(
    spec: str | os.PathLike,
    *,
    audio: AudioConfig,
    bad_notes: BadNotes,
    data_dir: str | os.PathLike | None = None,
    log: Callable[[str], None] = print,
) -> Source:
    """Opens what one `--data` names.

    Args:
        spec: `starter`, `tfds:NAME/CONFIG[:VERSION]`, a `.tfrecord` file, a glob or a folder of them, a
            folder in NSynth's layout, or a folder of samples.
        audio: the sample rate and length that are asked for.
        bad_notes: gets the notes that cannot be used.
        data_dir: where TensorFlow Datasets keeps its data sets; None for its default.
        log: gets what a user should know.

    Returns:
        The source, with at least one note.

    Raises:
        InputError: if there is nothing of the kind; says what was found and what is expected.
        BadNoteError: for the first bad note, if the policy is `error`.
    """
    spec = os.fspath(spec)
    source = _open(spec, audio, bad_notes, data_dir, log)
    if not len(source.table):
        raise InputError(f"{spec}: no usable note in it ({len(bad_notes.skipped)} bad ones), expected at least one")
    return source


def open_sources(
    specs: Sequence[str | os.PathLike],
    *,
    audio: AudioConfig,
    bad_notes: BadNotes,
    data_dir: str | os.PathLike | None = None,
    log: Callable[[str], None] = print,
) -> Source:
    """Opens one or more `--data` and gives them as one source, in the given order; see `open_source`."""
    if not specs:
        raise InputError(f"--data: found nothing, expected {EXPECTED}")
    sources = [open_source(spec, audio=audio, bad_notes=bad_notes, data_dir=data_dir, log=log) for spec in specs]
    if len(sources) == 1:
        return sources[0]
    from nsynth_vae.data.readers.concatenated import ConcatenatedSource

    return ConcatenatedSource(sources)


def _open(
    spec: str,
    audio: AudioConfig,
    bad_notes: BadNotes,
    data_dir: str | os.PathLike | None,
    log: Callable[[str], None],
) -> Source:
    keywords = {"audio": audio, "bad_notes": bad_notes, "log": log}
    if spec == "starter":
        from nsynth_vae.data.readers.starter_set import open_starter_set

        return open_starter_set(**keywords)
    if spec.startswith("tfds:"):
        from nsynth_vae.data.readers.tfds import open_tfds

        return open_tfds(spec, data_dir=data_dir, **keywords)
    path = pathlib.Path(spec).expanduser()
    if path.is_dir():
        return _open_folder(spec, path, keywords)
    if path.is_file():
        if ".tfrecord" not in path.name:
            raise InputError(f"{spec}: found a file, expected {EXPECTED}")
        files = [str(path)]
    elif glob.has_magic(spec):
        files = sorted(name for name in glob.glob(str(path)) if os.path.isfile(name))
        if not files:
            raise InputError(f"{spec}: no file matches, expected .tfrecord files")
    else:
        raise InputError(f"{spec}: no such file or folder, expected {EXPECTED}")
    from nsynth_vae.data.readers.tfrecord import TFRecordSource

    return TFRecordSource(files, name=spec, **keywords)


def _open_folder(spec: str, path: pathlib.Path, keywords: dict) -> Source:
    from nsynth_vae.data.readers.nsynth_json import JsonAudioSource, split_folders

    if split_folders(path):
        return JsonAudioSource(path, name=spec, **keywords)
    if (path / "dataset_info.json").is_file():
        from nsynth_vae.data.readers.tfds import open_tfds_folder

        return open_tfds_folder(path, name=spec, **keywords)
    records = sorted(str(file) for file in path.glob("*.tfrecord*") if file.is_file())
    if records:
        from nsynth_vae.data.readers.tfrecord import TFRecordSource

        return TFRecordSource(records, name=spec, **keywords)
    from nsynth_vae.data.readers.samples import SamplesSource, find_audio

    if find_audio(path)[0]:
        return SamplesSource(path, name=spec, **keywords)
    entries = sorted(entry.name for entry in path.iterdir())
    listed = ", ".join(entries[:4]) + (f", ... ({len(entries)} in all)" if len(entries) > 4 else "")
    raise InputError(f"{spec}: a folder with {listed or 'nothing'} in it, expected {EXPECTED}")
