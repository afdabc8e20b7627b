"""Opening of note sources from the arguments of `--data`."""

from __future__ import annotations

import glob
import os
import pathlib
from collections.abc import Sequence
from typing import Unpack

from nsynth_vae.analysis.sound_labels import OctaveShift
from nsynth_vae.data.readers.record_shards import check_shards, leave_out_copies
from nsynth_vae.data.source import ReaderOptions, Source
from nsynth_vae.errors import InputError
from nsynth_vae.files import broken_link

EXPECTED = (
    "`starter`, a folder in NSynth's layout, .tfrecord files (or a folder or glob of them), tfds:nsynth/full, "
    "a folder that nsynth_vae.prepare wrote or a folder of audio files"
)


def open_source(
    spec: str | os.PathLike,
    *,
    data_dir: str | os.PathLike | None = None,
    octave_shift: OctaveShift = None,
    **options: Unpack[ReaderOptions],
) -> Source:
    """Open the source that one `--data` names.

    Args:
        spec: `starter`, `tfds:NAME/CONFIG[:VERSION]`, a `.tfrecord` file, a glob or a folder of them, a folder in
            NSynth's layout, or a folder of samples.
        data_dir: TensorFlow Datasets' folder; None for its default.
        octave_shift: of the names in a folder of samples; see `sound_labels.OctaveShift`.
        options: see `ReaderOptions`.

    Returns:
        The source, with at least one note.

    Raises:
        InputError: if there is no such source.
        BadNoteError: for the first invalid note, if the policy is `error`.
    """
    spec = os.fspath(spec)
    source = _open(spec, data_dir, octave_shift, options)
    if not len(source.table):
        skipped = len(options["bad_notes"].skipped)
        found = f"no usable note in it ({skipped} invalid ones)" if skipped else "no note in it"
        raise InputError(f"{spec}: {found}, expected at least one")
    return source


def open_sources(
    specs: Sequence[str | os.PathLike],
    *,
    data_dir: str | os.PathLike | None = None,
    octave_shift: OctaveShift = None,
    **options: Unpack[ReaderOptions],
) -> Source:
    """Open one or more `--data` as one source, in the given order; see `open_source`."""
    if not specs:
        raise InputError(f"--data: found nothing, expected {EXPECTED}")
    sources = [open_source(spec, data_dir=data_dir, octave_shift=octave_shift, **options) for spec in specs]
    if len(sources) == 1:
        return sources[0]
    from nsynth_vae.data.readers.concatenated import ConcatenatedSource
    from nsynth_vae.data.readers.prepared import PreparedSource

    if prepared := next((source for source in sources if isinstance(source, PreparedSource)), None):
        raise InputError(f"{prepared.name}: holds features, expected as the only --data (prepare the others with it)")
    return ConcatenatedSource(sources)


def _open(spec: str, data_dir: str | os.PathLike | None, octave_shift: OctaveShift, options: ReaderOptions) -> Source:
    if spec == "starter":
        from nsynth_vae.data.readers.starter_set import open_starter_set

        return open_starter_set(**options)
    if spec.startswith("tfds:"):
        _require_tensorflow(spec, "a TensorFlow data set")
        from nsynth_vae.data.readers.tfds import open_tfds

        return open_tfds(spec, data_dir=data_dir, **options)
    path = pathlib.Path(spec).expanduser()
    if path.is_dir():
        return _open_folder(spec, path, octave_shift, options)
    if path.is_file():
        if ".tfrecord" not in path.name:
            raise InputError(f"{spec}: found a file, expected {EXPECTED}")
        files = [str(path)]
    elif glob.has_magic(spec):
        # `Path.glob` takes no absolute patterns.
        files = sorted(name for name in glob.glob(str(path)) if pathlib.Path(name).is_file())  # noqa: PTH207
        files = leave_out_copies(files, options.get("log", print))
        if not files:
            raise InputError(f"{spec}: no file matches, expected .tfrecord files")
    else:
        raise InputError(f"{spec}: no such file or folder, expected {EXPECTED}")
    return _open_records(files, spec, options)


def _open_records(files: list[str], spec: str, options: ReaderOptions) -> Source:
    _require_tensorflow(spec, "TFRecord")
    from nsynth_vae.data.readers.tfrecord import TFRecordSource

    # Whoever names one file means it alone.
    check_shards(files, options.get("log", print), alone=pathlib.Path(spec).expanduser().is_file())
    return TFRecordSource(files, name=spec, **options)


def _open_folder(spec: str, path: pathlib.Path, octave_shift: OctaveShift, options: ReaderOptions) -> Source:
    from nsynth_vae.data.prepared_index import INDEX
    from nsynth_vae.data.readers.nsynth_json import JsonAudioSource, split_folders
    from nsynth_vae.data.readers.prepared import PreparedSource

    if (path / INDEX).is_file():
        _require_tensorflow(spec, "a folder of prepared features")
        return PreparedSource(path, name=spec, **options)
    if split_folders(path):
        return JsonAudioSource(path, name=spec, **options)
    if (path / "dataset_info.json").is_file():
        _require_tensorflow(spec, "a TensorFlow data set")
        from nsynth_vae.data.readers.tfds import open_tfds_folder

        return open_tfds_folder(path, name=spec, **options)
    records = sorted(str(file) for file in path.glob("*.tfrecord*") if file.is_file() or broken_link(file))
    if records := leave_out_copies(records, options.get("log", print)):
        return _open_records(records, spec, options)
    from nsynth_vae.data.readers.samples import SamplesSource, find_audio

    if find_audio(path)[0]:
        return SamplesSource(path, name=spec, octave_shift=octave_shift, **options)
    entries = sorted(entry.name for entry in path.iterdir())
    listed = ", ".join(entries[:4]) + (f", ... ({len(entries)} in all)" if len(entries) > 4 else "")
    raise InputError(f"{spec}: a folder with {listed or 'nothing'} in it, expected {EXPECTED}")


def _require_tensorflow(spec: str, kind: str) -> None:
    """Check that TensorFlow can be imported.

    Raises:
        InputError: if it cannot; says which extra has it.
    """
    try:
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{spec}: is {kind}, which is read by TensorFlow, and that is not installed; "
            "pip install 'nsynth-vae[train]' on Python 3.11 to 3.13 installs it"
        ) from error
