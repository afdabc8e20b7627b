"""Configuration: frozen dataclasses, checked on creation, that go to JSON and back.

One `Config`, `SynthesisConfig` or `ClassificationConfig` is saved beside a model's weights and everything that uses the
model is rebuilt from it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import typing

from nsynth_vae.errors import InputError
from nsynth_vae.files import write_text

PEAK = 2027 / 2048
"""A louder note is scaled to this peak as a whole: just below 0.99, and exact in float16."""


def _check(condition: bool, name: str, value: object, expected: str) -> None:
    if not condition:
        raise InputError(f"{name}: found {value!r}, expected {expected}")


class _Section:
    """What the configuration's parts share: type checks on creation, and JSON both ways."""

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            hint = hints[field.name]
            allowed = typing.get_args(hint) or (hint,)
            if float in allowed and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
                object.__setattr__(self, field.name, value)
            if (isinstance(value, bool) and bool not in allowed) or not isinstance(value, allowed):
                names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in allowed)
                raise InputError(f"{field.name}: found {value!r}, expected {names}")
            if isinstance(value, float):
                _check(math.isfinite(value), field.name, value, "a finite number")
        self._check()

    def _check(self) -> None:
        """Raises InputError where a value is outside its range."""

    def to_dict(self) -> dict[str, typing.Any]:
        """Returns the fields as JSON-ready values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, typing.Any]) -> typing.Self:
        """Builds the section from `to_dict`'s output; missing fields take their defaults.

        Raises:
            InputError: for an unknown field, a wrong type or a value outside its range.
        """
        return cls().replaced(values)

    def replaced(self, values: dict[str, typing.Any]) -> typing.Self:
        """Returns the section with some fields, as in `to_dict`'s output, replaced; raises as `from_dict`."""
        known = {field.name for field in dataclasses.fields(self)}
        if not isinstance(values, dict):
            raise InputError(f"{type(self).__name__}: found {values!r}, expected a JSON object")
        for name in values:
            _check(name in known, type(self).__name__, name, f"one of {', '.join(sorted(known))}")
        return dataclasses.replace(self, **values)


@dataclasses.dataclass(frozen=True)
class AudioConfig(_Section):
    """Audio and its log-mel features. The defaults are NSynth's audio and the design's features."""

    sample_rate: int = 16000
    """Hz."""
    num_samples: int = 64000
    """Samples in a note: 4 s."""
    frame_length: int = 1024
    """Samples under one (periodic Hann) window."""
    frame_step: int = 256
    """Samples from one frame to the next."""
    fft_length: int = 1024
    """Samples of the FFT, at least `frame_length`."""
    num_mel_bins: int = 128
    lower_edge_hertz: float = 20.0
    upper_edge_hertz: float = 8000.0
    log_offset: float = 1e-4
    """Added to the linear mel magnitude before the logarithm: about the level of 16-bit noise."""
    log_mel_center: float = -4.0
    """Nats taken from ln(mel + log_offset), then ..."""
    log_mel_scale: float = 4.0
    """... divided by this many nats: fixed constants, never a batch's or a note's own."""

    def _check(self) -> None:
        for name in ("sample_rate", "num_samples", "frame_length", "frame_step", "num_mel_bins"):
            _check(getattr(self, name) > 0, name, getattr(self, name), "a positive integer")
        _check(self.frame_length % 2 == 0, "frame_length", self.frame_length, "an even number of samples")
        _check(self.frame_step <= self.frame_length, "frame_step", self.frame_step, "at most frame_length")
        _check(self.fft_length >= self.frame_length, "fft_length", self.fft_length, "at least frame_length")
        _check(self.num_samples >= self.frame_length, "num_samples", self.num_samples, "at least frame_length")
        _check(self.lower_edge_hertz >= 0, "lower_edge_hertz", self.lower_edge_hertz, "0 Hz or more")
        _check(
            self.lower_edge_hertz < self.upper_edge_hertz <= self.sample_rate / 2,
            "upper_edge_hertz",
            self.upper_edge_hertz,
            f"more than lower_edge_hertz and at most {self.sample_rate / 2} Hz",
        )
        _check(self.log_offset > 0, "log_offset", self.log_offset, "a positive number")
        _check(self.log_mel_scale > 0, "log_mel_scale", self.log_mel_scale, "a positive number")

    @property
    def num_frames(self) -> int:
        """Frames of a note: `1 + num_samples // frame_step`.

        The audio is padded by half a frame at both sides, so that frame i is centred on sample i * frame_step
        and the attack at sample 0 lies in the middle of frame 0.
        """
        return 1 + self.num_samples // self.frame_step

    @property
    def num_spectrogram_bins(self) -> int:
        """Bins of the one-sided spectrum."""
        return self.fft_length // 2 + 1


@dataclasses.dataclass(frozen=True)
class DataConfig(_Section):
    """Which notes a model is trained on: the `--data` and filter options."""

    data: tuple = ("starter",)
    families: tuple | None = None
    sources: tuple | None = None
    instruments: tuple | None = None
    pitches: tuple | None = None
    """(lowest, highest), both included."""
    velocities: tuple | None = None
    max_notes: int | None = None
    """At most this many notes of each split."""
    split_by: str = "source"
    """`source`: the splits as they come; `instrument`: by a stable hash of the instrument."""

    def __post_init__(self) -> None:
        """Makes tuples of JSON's lists, then checks as the others do."""
        for field in dataclasses.fields(self):
            if isinstance(getattr(self, field.name), list):
                object.__setattr__(self, field.name, tuple(getattr(self, field.name)))
        super().__post_init__()

    def _check(self) -> None:
        _check(len(self.data) > 0, "data", self.data, "at least one source of notes")
        _check(self.split_by in ("source", "instrument"), "split_by", self.split_by, "source or instrument")
        if self.max_notes is not None:
            _check(self.max_notes > 0, "max_notes", self.max_notes, "a positive integer")
        if self.pitches is not None:
            low, high = self.pitches
            _check(0 <= low <= high <= 127, "pitches", self.pitches, "two MIDI pitches, 0 to 127, low-high")


@dataclasses.dataclass(frozen=True)
class ModelConfig(_Section):
    """The variational autoencoder. See docs/model.md for the comparison behind the defaults."""

    latent_dim: int = 16
    """Dimensions of z."""
    channels: int = 192
    """Channels of the widest convolutions; the outer, longer layers have half as many."""
    beta: float = 1.0
    """Weight of the KL divergence, per note, against the reconstruction's negative log-likelihood."""
    free_nats: float = 0.05
    """KL each latent dimension is given for free: the guard against posterior collapse."""
    kl_warmup_steps: int = 500
    cross_note_share: float = 0.0
    """Share of a batch that is decoded to another note of the encoded note's instrument."""
    recolored_share: float = 0.75
    """Share of a training batch that gets a random timbre: an equaliser and a decay; see `augmentation`."""
    blended_share: float = 0.5
    """Share of a training batch that is blended with another instrument's note of the pitch; see `data.epochs`."""
    transposed_copies: int = 2
    """Copies of each training note, each a few semitones higher, formants included; see `data.transposed`."""
    adversary_weight: float = 1000.0
    """Weight, against the KL's nats, of what a classifier can tell of the pitch from z; 0 for no such classifier."""

    def _check(self) -> None:
        for name in ("latent_dim", "channels"):
            _check(getattr(self, name) > 0, name, getattr(self, name), "a positive integer")
        _check(self.channels % 16 == 0, "channels", self.channels, "a multiple of 16")
        for name in ("beta", "free_nats", "kl_warmup_steps", "adversary_weight"):
            _check(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        most = 6  # features.MOST_SEMITONES
        _check(0 <= self.transposed_copies <= most, "transposed_copies", self.transposed_copies, f"0 to {most}")
        for name in ("cross_note_share", "recolored_share", "blended_share"):
            _check(0 <= getattr(self, name) <= 1, name, getattr(self, name), "a number from 0 to 1")


@dataclasses.dataclass(frozen=True)
class TrainConfig(_Section):
    """What decides a training run's numbers; budgets are not part of it, so that a run can be given more."""

    seed: int = 0
    batch_size: int = 32
    """Notes in a global batch, over all replicas."""
    learning_rate: float = 1e-3
    weight_average: float = 0.995
    """Decay a step of the running mean of the weights that is validated and kept; 0 for none."""
    patience: int = 30
    """Epochs without a better validation loss before training stops."""
    precision: str = "float32"
    start_from: str | None = None
    """A model folder whose weights training starts from; None for random ones."""

    def _check(self) -> None:
        _check(0 <= self.seed < 2**31, "seed", self.seed, "an integer from 0 to 2147483647")
        _check(self.batch_size > 0, "batch_size", self.batch_size, "a positive integer")
        _check(self.learning_rate > 0, "learning_rate", self.learning_rate, "a positive number")
        _check(0 <= self.weight_average < 1, "weight_average", self.weight_average, "at least 0 and below 1")
        _check(self.patience > 0, "patience", self.patience, "a positive integer")
        allowed = ("float32", "mixed_bfloat16", "mixed_float16")
        _check(self.precision in allowed, "precision", self.precision, " or ".join(allowed))


@dataclasses.dataclass(frozen=True)
class SynthesizerConfig(_Section):
    """The harmonic-plus-noise synthesizer."""

    channels: int = 192
    """Channels of the convolutions."""
    blocks: int = 4
    """Residual blocks."""
    num_harmonics: int = 128
    """Harmonics of a note, the fundamental included; those above half the sample rate are silent."""

    def _check(self) -> None:
        for name in ("channels", "blocks", "num_harmonics"):
            _check(getattr(self, name) > 0, name, getattr(self, name), "a positive integer")


@dataclasses.dataclass(frozen=True)
class ClassifierConfig(_Section):
    """The classifier of pitch, family and source that evaluations measure with."""

    channels: int = 16
    """Channels of the first convolution over the log-mel; the deeper ones have up to eight times as many."""
    feature_dim: int = 64
    """Features of a note: what family and source are told from, and Frechet distance and NDB measured on."""
    dropout: float = 0.3
    """Share of the features that is left out in training."""

    def _check(self) -> None:
        for name in ("channels", "feature_dim"):
            _check(getattr(self, name) > 0, name, getattr(self, name), "a positive integer")
        _check(0 <= self.dropout < 1, "dropout", self.dropout, "at least 0 and below 1")


class _Document(_Section):
    """What configurations of a whole model share: sections, and a file."""

    @classmethod
    def from_dict(cls, values: dict[str, typing.Any]) -> typing.Self:
        """Builds the configuration from nested objects; missing sections and fields take their defaults."""
        sections = {field.name: field.default for field in dataclasses.fields(cls)}
        if not isinstance(values, dict):
            raise InputError(f"config: found {values!r}, expected a JSON object")
        for name in values:
            _check(name in sections, "config", name, f"one of {', '.join(sections)}")
        return cls(**{name: sections[name].replaced(section) for name, section in values.items()})

    def save(self, path: pathlib.Path) -> None:
        """Writes the configuration as JSON, aside and then renamed."""
        write_text(path, json.dumps(self.to_dict(), indent=2) + "\n")

    @classmethod
    def load(cls, path: pathlib.Path) -> typing.Self:
        """Reads what `save` wrote, or a part of it.

        Raises:
            InputError: if the file cannot be read, is not JSON or holds a wrong value; names the file.
        """
        try:
            return cls.from_dict(json.loads(pathlib.Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}, expected a JSON configuration file") from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not JSON ({error}), expected a JSON configuration file") from error
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


@dataclasses.dataclass(frozen=True)
class Config(_Document):
    """All of a timbre model's configuration: `models/<name>/config.json`."""

    audio: AudioConfig = AudioConfig()
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()


@dataclasses.dataclass(frozen=True)
class SynthesisConfig(_Document):
    """All of a synthesizer's configuration: its folder's `config.json`."""

    audio: AudioConfig = AudioConfig()
    data: DataConfig = DataConfig()
    synthesizer: SynthesizerConfig = SynthesizerConfig()
    train: TrainConfig = dataclasses.replace(TrainConfig(), batch_size=16, learning_rate=1e-3, weight_average=0.999)

    def _check(self) -> None:
        precision = self.train.precision
        _check(precision == "float32", "precision", precision, "float32, a synthesizer's only one")


@dataclasses.dataclass(frozen=True)
class ClassificationConfig(_Document):
    """All of a classifier's configuration: its folder's `config.json`."""

    audio: AudioConfig = AudioConfig()
    data: DataConfig = DataConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    train: TrainConfig = dataclasses.replace(TrainConfig(), batch_size=32, weight_average=0.99)

    def _check(self) -> None:
        precision = self.train.precision
        _check(precision == "float32", "precision", precision, "float32, a classifier's only one")
        _check(self.audio.sample_rate == 16000, "sample_rate", self.audio.sample_rate, "16000 Hz, a classifier's only")


AnyConfig = Config | SynthesisConfig | ClassificationConfig
"""What a model folder's `config.json` can be."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """When training ends, whichever comes first; None is no limit. Not part of the configuration: it can be raised."""

    steps: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    """Minutes of training, over all resumed pieces; reading the data and exporting are not counted."""


LARGEST_Z = 100.0
"""The prior is N(0, 1): no way between timbres, or beyond them, leads this far out."""
