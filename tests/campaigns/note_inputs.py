"""Mutants of notes: sound files, NSynth's labels, TFRecord files and MIDI files."""

from __future__ import annotations

import contextlib
import io
import pathlib
import random

import numpy as np
import soundfile
import synthetic
from campaigns.target import Target, check_line, tone

SOUNDS = {
    "wav": [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAVEX", "PCM_16"), ("WAV", "IMA_ADPCM")],
    "flac": [("FLAC", "PCM_16"), ("FLAC", "PCM_24")],
    "ogg": [("OGG", "VORBIS"), ("OGG", "OPUS")],
    "mp3": [("MP3", "MPEG_LAYER_III")],
    "aiff": [("AIFF", "PCM_16"), ("AIFF", "FLOAT")],
}
"""Kind -> libsndfile's formats of it."""


class Sound(Target):
    """Sound files that `encode` reads, and every tenth one as a note of a folder."""

    kind = "wav"

    def make(self) -> list[bytes]:
        made = []
        for file_format, subtype in SOUNDS[self.kind]:
            buffer = io.BytesIO()
            rate = 48000 if subtype == "OPUS" else 22050
            soundfile.write(buffer, tone(), rate, format=file_format, subtype=subtype)
            made.append(buffer.getvalue())
        return made

    def use(self, mutant: bytes, number: random.Random) -> str:
        from nsynth_vae import encode

        file = self.folder / "note.wav"
        file.write_bytes(mutant)
        ended = self.command(encode.main, str(file), output="z.json")
        if number.random() < 0.1:
            _read_folder(self.folder, ended)
        file.unlink()
        return ended


def _read_folder(folder: pathlib.Path, ended: str) -> None:
    """Read a mutant as the note of a folder of samples: what `encode` refuses is no note."""
    from nsynth_vae.config import AudioConfig
    from nsynth_vae.data.open_sources import open_source
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.errors import InputError

    try:
        source = open_source(folder, audio=AudioConfig(), bad_notes=BadNotes("skip"), log=lambda line: None)
    except InputError:
        return
    assert ended == "ok"
    audio, problem = source.read(0)
    assert np.isfinite(audio).all()
    assert "\n" not in problem


class Flac(Sound):
    kind = "flac"


class Ogg(Sound):
    kind = "ogg"


class Mp3(Sound):
    kind = "mp3"


class Aiff(Sound):
    kind = "aiff"


class Labels(Target):
    """`examples.json` of NSynth's layout."""

    json = True

    def make(self) -> list[bytes]:
        synthetic.write_split(
            self.folder / "data", {"guitar_acoustic_001": (1.0, 0.5), "flute_synthetic_002": (1.0,)}, [60, 64]
        )
        return [(self.folder / "data" / "examples.json").read_bytes()]

    def use(self, mutant: bytes, number: random.Random) -> str:
        from nsynth_vae.config import AudioConfig
        from nsynth_vae.data.open_sources import open_source
        from nsynth_vae.data.source import BadNotes
        from nsynth_vae.errors import InputError

        (self.folder / "data" / "examples.json").write_bytes(mutant)
        bad_notes = BadNotes(number.choice(("error", "skip")))
        try:
            source = open_source(self.folder / "data", audio=AudioConfig(), bad_notes=bad_notes, log=lambda line: None)
        except InputError as error:
            check_line(str(error))
            return "error"
        for row in range(len(source.table)):
            audio, problem = source.read(row)
            assert np.isfinite(audio).all()
            check_line(problem)
        for problem in bad_notes.skipped.values():
            check_line(problem)
        return "ok"


class Records(Target):
    """TFRecord files, plain and GZIP-compressed, read by TensorFlow."""

    def make(self) -> list[bytes]:
        import gzip

        import tensorflow as tf

        def feature(value: object) -> tf.train.Feature:
            if isinstance(value, bytes):
                return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
            if isinstance(value, int):
                return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
            return tf.train.Feature(float_list=tf.train.FloatList(value=value))

        path = self.folder / "notes.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for pitch in (60, 64, 67):
                values = {
                    "note_str": f"flute_synthetic_000-{pitch:03d}-100".encode(),
                    "instrument_str": b"flute_synthetic_000",
                    "pitch": pitch,
                    "velocity": 100,
                    "sample_rate": 16000,
                    "audio": synthetic.tone(pitch).tolist(),
                }
                features = tf.train.Features(feature={name: feature(value) for name, value in values.items()})
                writer.write(tf.train.Example(features=features).SerializeToString())
        plain = path.read_bytes()
        path.unlink()
        return [plain, gzip.compress(plain, 1)]

    def use(self, mutant: bytes, number: random.Random) -> str:
        from nsynth_vae.config import AudioConfig
        from nsynth_vae.data.open_sources import open_source
        from nsynth_vae.data.source import BadNotes
        from nsynth_vae.data.streaming import read_notes
        from nsynth_vae.errors import InputError

        file = self.folder / "notes.tfrecord"
        file.write_bytes(mutant)
        bad_notes = BadNotes(number.choice(("error", "skip")))
        try:
            source = open_source(file, audio=AudioConfig(), bad_notes=bad_notes, log=lambda line: None)
            for _, audio in read_notes(source, np.arange(len(source.table)), bad_notes):
                assert np.isfinite(audio).all()
        except InputError as error:
            check_line(str(error))
            return "error"
        for problem in bad_notes.skipped.values():
            check_line(problem)
        return "ok"


class Midi(Target):
    """MIDI files that `play` plays; those that last more than a minute are only read."""

    def make(self) -> list[bytes]:
        import mido

        made = []
        for kind in (0, 1):
            file = mido.MidiFile(type=kind, ticks_per_beat=96)
            track = mido.MidiTrack()
            track.append(mido.MetaMessage("set_tempo", tempo=400_000))
            track.append(mido.MetaMessage("time_signature", numerator=3, denominator=4))
            track.append(mido.Message("program_change", program=40))
            track.append(mido.Message("control_change", control=64, value=127))
            for pitch in (60, 64, 67):
                track.append(mido.Message("note_on", note=pitch, velocity=80, time=12))
                track.append(mido.Message("pitchwheel", pitch=2000))
                track.append(mido.Message("note_off", note=pitch, time=48))
            file.tracks.append(track)
            buffer = io.BytesIO()
            file.save(file=buffer)
            made.append(buffer.getvalue())
        return made

    def use(self, mutant: bytes, number: random.Random) -> str:
        from nsynth_vae import play
        from nsynth_vae.errors import InputError
        from nsynth_vae.instruments.midi import read_midi

        file = self.folder / "melody.mid"
        file.write_bytes(mutant)
        with contextlib.suppress(InputError):
            if max(note.end for note in read_midi(file).notes) > 60.0:
                # An hour of music takes more than the seconds of a hang.
                return "ok"
        return self.command(play.main, str(file), "--timbre", "flute", output="melody.wav")
