"""Notes per second of this package's feature pipeline, compared with librosa and a bare FFT of the same frames.

    python benchmarks/features.py [--data DIR] [--notes N] [--repetitions N]

All get the same notes, the first two from the same WAV files, and return their numbers as numpy arrays:

- pipeline: `nsynth_vae.data.batching.feature_cache.stream_features`, with which a training run reads its notes: read,
  check, decode, log-mel, in parallel;
- librosa: `soundfile.read`, `librosa.feature.melspectrogram` with the same parameters, logarithm; one note after the
  other, as a script does it;
- bare FFT: only a real FFT of the note's frames, without window, files or mel; by `tf.signal` in a `tf.data` pipeline
  and by `scipy.fft` in threads, of which the faster counts.

The methods take turns, so that a machine that is busy for a while slows all of them. A method's rate is counted from
its first notes on; the time to build its graph has a column of its own. The processor time of a note, of all cores
together, hardly depends on the machine's other load: where the machine is not idle, look at that.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

import common
import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.source import BadNotes, Source

TARGETS = {"librosa": 8.0, "bare FFT": 1 / 3}
"""Target of the pipeline's rate, as a multiple of the others'."""

_CHUNK = 16

Method = Callable[[], Iterator[np.ndarray]]
"""Starts one pass over all notes; yields an array for every note, in order."""


@dataclasses.dataclass(frozen=True)
class Result:
    """Measurements of each method, one a repetition."""

    rates: dict[str, list[float]]
    """Notes per second."""
    starts: dict[str, list[float]]
    """Seconds from the start of a pass to the first note."""
    cpu: dict[str, list[float]]
    """Milliseconds of processor time a note, of all cores together."""

    def rate(self, method: str) -> float:
        """Return the median rate in notes per second."""
        return statistics.median(self.rates[method])

    @property
    def bare_fft(self) -> str:
        """The faster of the two bare FFTs."""
        return max((method for method in self.rates if method.startswith("bare FFT")), key=self.rate)

    def ratio(self, method: str) -> float:
        """Return the median over repetitions of the pipeline's rate over another's; `bare FFT` is the faster one."""
        other = self.bare_fft if method == "bare FFT" else method
        pairs = zip(self.rates["pipeline"], self.rates[other], strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    def passed(self) -> bool:
        """Return whether all targets are reached."""
        return all(self.ratio(target) >= least for target, least in TARGETS.items())

    def markdown(self) -> str:
        """Return the measurements and the targets as Markdown tables."""
        from nsynth_vae.evaluation.tables import table

        rows, targets = [], []
        for method, rates in self.rates.items():
            spread, cpu = f"{min(rates):,.0f} to {max(rates):,.0f}", f"{statistics.median(self.cpu[method]):.2f}"
            start, ratio = f"{statistics.median(self.starts[method]):.2f} s", f"{self.ratio(method):.2f}"
            rows.append([method, f"{self.rate(method):,.0f}", spread, cpu, start, ratio])
        for target, least in TARGETS.items():
            found = self.ratio(target)
            verdict = "pass" if found >= least else "**FAIL**"
            targets.append([f"pipeline / {target}", f"{least:.2f}", f"{found:.2f}", verdict])
        header = ["method", "notes/s", "slowest to fastest", "CPU ms a note", "to the first note", "pipeline / this"]
        tables = f"{table(header, rows)}\n\n{table(['target', 'to reach', 'found', ''], targets)}"
        return f"{tables}\n\nThe faster {self.bare_fft} counts."


def write_wavs(source: Source, rows: np.ndarray, folder: pathlib.Path) -> None:
    """Write notes as 16-bit WAV files in NSynth's layout: the folder `notes-train` in `folder`."""
    from nsynth_vae.files import write_wav

    split, table, examples = folder / "notes-train", source.table, {}
    for note in source.audio(rows):
        row = int(note["row"])
        if problem := note["problem"].numpy().decode():
            raise ValueError(f"{source.location(row)}: {problem}")
        name = str(table.note_str[row])
        write_wav(split / "audio" / f"{name}.wav", note["audio"].numpy(), source.config.sample_rate)
        examples[name] = {
            "pitch": int(table.pitch[row]),
            "velocity": int(table.velocity[row]),
            "instrument_str": str(table.instrument_str[row]),
        }
    (split / "examples.json").write_text(json.dumps(examples), encoding="utf-8")


def methods_to_measure(folder: pathlib.Path, config: AudioConfig) -> dict[str, Method]:
    """Return the methods by name, over the WAV files that `write_wavs` wrote.

    `pipeline` and `librosa` yield log-mels float32 `[frames, mel_bins]`, the others complex spectra without window
    `[frames, fft_length // 2 + 1]`.
    """
    from nsynth_vae.data.readers.nsynth_json import JsonAudioSource

    source = JsonAudioSource(folder, audio=config, bad_notes=BadNotes())
    paths = tuple(source.location(row) for row in range(len(source.table)))
    return {
        "pipeline": functools.partial(_pipeline, source, config),
        "librosa": functools.partial(_librosa, paths, config),
        "bare FFT, tf.signal": functools.partial(_tensorflow_fft, paths, config),
        "bare FFT, scipy": functools.partial(_scipy_fft, paths, config),
    }


def _pipeline(source: Source, config: AudioConfig) -> Iterator[np.ndarray]:
    from nsynth_vae.data.batching.feature_cache import stream_features

    for _, log_mel in stream_features(source, np.arange(len(source.table)), config, BadNotes()):
        yield log_mel


def _librosa(paths: tuple[str, ...], config: AudioConfig) -> Iterator[np.ndarray]:
    import librosa
    import soundfile

    for path in paths:
        audio, sample_rate = soundfile.read(path, dtype="float32")
        mel = librosa.feature.melspectrogram(
            y=audio,
            sr=sample_rate,
            n_fft=config.fft_length,
            hop_length=config.frame_step,
            win_length=config.frame_length,
            center=True,
            pad_mode="constant",
            power=1.0,
            n_mels=config.num_mel_bins,
            fmin=config.lower_edge_hertz,
            fmax=config.upper_edge_hertz,
            htk=True,
            norm=None,
        )
        yield ((np.log(mel + config.log_offset) - config.log_mel_center) / config.log_mel_scale).T


@functools.lru_cache(maxsize=1)
def _padded_audio(paths: tuple[str, ...], config: AudioConfig) -> np.ndarray:
    """Return float32 `[notes, samples]`, with half a frame of zeros at both ends, as the features have it."""
    import soundfile

    half = config.frame_length // 2
    return np.stack([np.pad(soundfile.read(path, dtype="float32")[0], half) for path in paths])


def _tensorflow_fft(paths: tuple[str, ...], config: AudioConfig) -> Iterator[np.ndarray]:
    import tensorflow as tf

    def transform(audio: tf.Tensor) -> tf.Tensor:
        frames = tf.signal.frame(audio, config.frame_length, config.frame_step)
        return tf.signal.rfft(frames, [config.fft_length])

    workers = os.cpu_count() or 1
    dataset = tf.data.Dataset.from_tensor_slices(_padded_audio(paths, config))
    for spectrum in dataset.map(transform, num_parallel_calls=workers).prefetch(2 * workers):
        yield spectrum.numpy()


def _scipy_fft(paths: tuple[str, ...], config: AudioConfig) -> Iterator[np.ndarray]:
    import scipy.fft

    audio = _padded_audio(paths, config)
    for start in range(0, len(audio), _CHUNK):
        part = audio[start : start + _CHUNK]
        frames = np.lib.stride_tricks.sliding_window_view(part, config.frame_length, axis=1)[:, :: config.frame_step]
        yield from scipy.fft.rfft(frames, config.fft_length, workers=os.cpu_count() or 1)


def measure(methods: dict[str, Method], repetitions: int, report: Callable[[str], None] = common.say) -> Result:
    """Measure the methods in turn.

    Args:
        methods: by name; see `methods_to_measure`.
        repetitions: passes of each method, after one that is not counted.
        report: called with one line for every pass.
    """
    result = Result(*({method: [] for method in methods} for _ in range(3)))
    for repetition in range(-1, repetitions):
        for name, method in methods.items():
            rate, start, cpu = _time(method)
            counted = "warm-up" if repetition < 0 else f"{repetition + 1} of {repetitions}"
            report(f"  {counted:8} {name:20} {rate:8,.0f} notes/s")
            if repetition >= 0:
                result.rates[name].append(rate)
                result.starts[name].append(start)
                result.cpu[name].append(cpu)
    return result


def _time(method: Method) -> tuple[float, float, float]:
    """Return (notes per second, seconds to the first note, CPU ms a note) of a pass.

    Rate and CPU time are of the notes after the first `_CHUNK`, unless there are hardly more.
    """
    marks, notes = {0: (time.perf_counter(), time.process_time())}, 0
    for notes, _ in enumerate(method(), start=1):  # Their number is used below.
        if notes in (1, _CHUNK):
            marks[notes] = time.perf_counter(), time.process_time()
    ended, cpu_ended = time.perf_counter(), time.process_time()
    skipped = _CHUNK if notes > 2 * _CHUNK else 0
    since, cpu_since = marks[skipped]
    counted = notes - skipped
    return counted / (ended - since), marks[1][0] - marks[0][0], 1000 * (cpu_ended - cpu_since) / counted


def run(data: str, notes: int, repetitions: int, report: Callable[[str], None] = common.say) -> Result:
    """Make WAV files of notes and measure all methods over them.

    Args:
        data: as `--data` of every command.
        notes: at most so many.
        repetitions: passes of each method.
        report: called with one line of progress.
    """
    from nsynth_vae.data.open_sources import open_source

    config = AudioConfig()
    source = open_source(data, audio=config, bad_notes=BadNotes(), log=report)
    # Evenly from the whole table: all instruments, all splits.
    rows = np.unique(np.linspace(0, len(source.table) - 1, min(notes, len(source.table))).astype(np.int64))
    with tempfile.TemporaryDirectory() as folder:
        report(f"Writing {len(rows):,} notes of {data} as WAV files")
        write_wavs(source, rows, pathlib.Path(folder))
        report("Measuring, the methods in turn")
        return measure(methods_to_measure(pathlib.Path(folder), config), repetitions, report)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 if all targets are reached, else 1."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--data", metavar="SRC", default="starter", help="source of the notes (default: starter)")
    parser.add_argument("--notes", metavar="N", type=int, default=512, help="at most N notes (default: %(default)s)")
    parser.add_argument("--repetitions", metavar="N", type=int, default=5, help="passes (default: %(default)s)")
    options = parser.parse_args(arguments)
    result = run(options.data, options.notes, options.repetitions)
    import librosa
    import scipy
    import tensorflow as tf

    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{os.cpu_count()} CPU cores ({platform.machine()}{load}), medians of {options.repetitions} passes in turn;")
    print(f"TensorFlow {tf.__version__}, librosa {librosa.__version__}, scipy {scipy.__version__}\n")
    print(result.markdown())
    return 0 if result.passed() else 1


if __name__ == "__main__":
    sys.exit(main())
