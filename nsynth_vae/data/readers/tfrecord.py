"""NSynth's TFRecord files: `tf.train.Example` with the fields of the official `nsynth-train.tfrecord`.

`audio`: float `[64000]`; `pitch`, `velocity`, `sample_rate`, `instrument_family`, `instrument_source`: int64;
`qualities`: int64 `[10]`; `note_str`, `instrument_str`: bytes. All but `audio`, `pitch` and one of the two
names may be missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.readers.nsynth_json import split_of
from nsynth_vae.data.readers.record_files import RecordSource, Shard
from nsynth_vae.data.source import BadNotes
from nsynth_vae.notes import UNKNOWN

if TYPE_CHECKING:
    import tensorflow as tf


class TFRecordSource(RecordSource):
    """NSynth's TFRecord files; a file's split is a word of its name, as in `nsynth-train.tfrecord`."""

    def __init__(
        self,
        files: Sequence[str],
        *,
        audio: AudioConfig,
        bad_notes: BadNotes,
        log: Callable[[str], None] = print,
        name: str | None = None,
    ) -> None:
        """Reads the labels; see `RecordSource`."""
        shards = [Shard(os.fspath(file), split_of(os.path.basename(file))) for file in files]
        super().__init__(name or ", ".join(map(str, files)), shards, audio=audio, bad_notes=bad_notes, log=log)

    def _parse(self, record: tf.Tensor) -> dict[str, tf.Tensor]:
        import tensorflow as tf

        def values(dtype: tf.DType) -> tf.io.FixedLenSequenceFeature:
            return tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True)

        integers = {
            "pitch": "pitch",
            "velocity": "velocity",
            "sample_rate": "sample_rate",
            "family": "instrument_family",
            "source": "instrument_source",
        }
        strings = ("note_str", "instrument_str")
        fields = {"audio": values(tf.float32), "qualities": values(tf.int64)}
        fields |= {key: values(tf.int64) for key in integers.values()} | {key: values(tf.string) for key in strings}
        found = tf.io.parse_single_example(record, fields)
        labels = {name: tf.concat([found[key], [UNKNOWN]], 0)[0] for name, key in integers.items()}
        labels |= {key: tf.concat([found[key], [""]], 0)[0] for key in strings}
        return labels | {"audio": found["audio"], "qualities": found["qualities"]}
