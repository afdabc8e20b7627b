"""Configuration of models and training: frozen dataclasses, validated on creation, with a JSON form.

One `Config`, `SynthesisConfig` or `ClassificationConfig` is saved beside a model's weights. Everything that uses the
model is rebuilt from it.
"""

from __future__ import annotations

import dataclasses

from nsynth_vae.config.base import Document, Section, require
from nsynth_vae.config.limits import MOVING_SAMPLES

MOST_SEMITONES = 6
"""Most semitones that pitch-shift augmentation shifts a note up by."""

MOST_CHANNELS = 4096
"""Most channels, mel bins and dimensions of a model: a damaged configuration asks for more memory than there is."""


def check_seed(seed: int, name: str = "seed") -> None:
    """Raise InputError for a seed that is no integer of 31 bits; `name` is the field or option."""
    require(0 <= seed < 2**31, name, seed, "an integer from 0 to 2147483647")


@dataclasses.dataclass(frozen=True)
class AudioConfig(Section):
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
    """Nats subtracted from ln(mel + log_offset), then ..."""
    log_mel_scale: float = 4.0
    """... divided by this many nats: fixed constants, never a batch's or a note's own."""

    def _check(self) -> None:
        self.require_positive("sample_rate", most=768_000)
        self.require_positive("num_samples", most=2**24)
        self.require_positive("frame_length", "frame_step", "fft_length", most=2**20)
        self.require_positive("num_mel_bins", most=MOST_CHANNELS)
        self.require("an even number of samples", lambda length: length % 2 == 0, "frame_length")
        self.require("at most frame_length", lambda step: step <= self.frame_length, "frame_step")
        self.require("at least frame_length", lambda size: size >= self.frame_length, "fft_length", "num_samples")
        self.require("0 Hz or more", lambda hertz: hertz >= 0, "lower_edge_hertz")
        self.require(
            f"more than lower_edge_hertz and at most {self.sample_rate / 2} Hz",
            lambda hertz: self.lower_edge_hertz < hertz <= self.sample_rate / 2,
            "upper_edge_hertz",
        )
        self.require("a positive number", lambda value: value > 0, "log_offset", "log_mel_scale")

    @property
    def num_frames(self) -> int:
        """Frames of a note: `1 + num_samples // frame_step`.

        The audio is padded by half a frame at both sides. So frame i is centred on sample i * frame_step, and the
        attack at sample 0 lies in the middle of frame 0.
        """
        return 1 + self.num_samples // self.frame_step

    @property
    def num_spectrogram_bins(self) -> int:
        """Bins of the one-sided spectrum."""
        return self.fft_length // 2 + 1


@dataclasses.dataclass(frozen=True)
class DataConfig(Section):
    """Notes that a model is trained on: the `--data` and filter options."""

    data: tuple[str, ...] = ("starter",)
    families: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    instruments: tuple[str, ...] | None = None
    pitches: tuple[int, int] | None = None
    """(lowest, highest), both included."""
    velocities: tuple[int, ...] | None = None
    max_notes: int | None = None
    """At most this many notes of each split."""
    split_by: str = "source"
    """`source`: the source's own splits; `instrument`: by a stable hash of the instrument."""
    octave_shift: int | str | None = None
    """Octaves by which the names of a folder of samples are wrong, or `auto`; None: that they are is an error."""

    def _check(self) -> None:
        self.require("at least one source of notes", lambda data: len(data) > 0, "data")
        self.require("source or instrument", lambda value: value in ("source", "instrument"), "split_by")
        if self.max_notes is not None:
            self.require_positive("max_notes")
        self.require("octaves, -4 to 4, or auto", lambda n: n in (None, "auto", *range(-4, 5)), "octave_shift")
        if self.pitches is not None:
            self.require(
                "two MIDI pitches, 0 to 127, low-high",
                lambda pitches: len(pitches) == 2 and 0 <= pitches[0] <= pitches[1] <= 127,
                "pitches",
            )


SMALLEST_DIVIDED = 8
"""Latent dimensions from which on some are the level's and the motion's; fewer are all the timbre's."""


@dataclasses.dataclass(frozen=True)
class ModelConfig(Section):
    """The variational autoencoder. See docs/model.md for the comparison behind the defaults."""

    latent_dim: int = 29
    """Dimensions of z."""
    channels: int = 192
    """Channels of the widest convolutions; the outer, longer layers have half as many."""
    beta: float = 1.0
    """Weight of the KL divergence, per note, against the reconstruction's negative log-likelihood."""
    free_nats: float = 0.05
    """KL that each latent dimension has for free, against posterior collapse."""
    kl_warmup_steps: int = 500
    eq_augmentation_probability: float = 0.75
    """Probability of EQ augmentation: a random equaliser and decay; see `features.augmentation`."""
    floor_augmentation_probability: float = 0.5
    """Probability that a training note lies in noise when it is encoded; see `features.augmentation`."""
    mixup_probability: float = 0.5
    """Probability of mixup with another instrument's note of the pitch; see `data.batching.epoch_plan`."""
    pitch_shift_copies: int = 2
    """Copies of each training note some semitones higher, formants included; see `data.readers.transposed`."""
    velocity_pair_probability: float = 0.3
    """Probability that a training note is decoded to the same pitch of its instrument at another velocity."""
    instrument_balance: float = 0.5
    """Instruments of n training notes are drawn n^(1 - balance) times as often: 0 by notes, 1 all alike."""
    adversary_weight: float = 1000.0
    """Weight, against the KL's nats, of the adversary that predicts the pitch from z; 0 for none."""
    inharmonic_partials: bool = True
    """Whether the decoder has an envelope over the ratio to the pitch, for partials that are at no multiple of it."""
    band_weight: float = 0.3
    """Weight of the levels of 8 bands of mel bins in each frame, against the log-mel's likelihood."""
    motion_dim: int = 4
    """Last dimensions of z, which describe how a sustained note moves; 0 for none. See `model.motion`."""
    level_coordinate: bool = True
    """Whether the first dimension of z is the note's level in closed form; see `model.level`."""

    def _check(self) -> None:
        self.require_positive("latent_dim", "channels", most=MOST_CHANNELS)
        self.require("a multiple of 16", lambda channels: channels % 16 == 0, "channels")
        weights = ("beta", "free_nats", "kl_warmup_steps", "adversary_weight", "band_weight")
        self.require("0 or more, below 2**31", lambda value: 0 <= value < 2**31, *weights)
        self.require(f"0 to {MOST_SEMITONES}", lambda copies: 0 <= copies <= MOST_SEMITONES, "pitch_shift_copies")
        probabilities = [field.name for field in dataclasses.fields(self) if field.name.endswith("probability")]
        self.require("a number from 0 to 1", lambda value: 0 <= value <= 1, *probabilities, "instrument_balance")
        self.require(f"0 to {SMALLEST_DIVIDED - 2}", lambda n: 0 <= n <= SMALLEST_DIVIDED - 2, "motion_dim")

    @property
    def level(self) -> bool:
        """Whether the first dimension of z is the level."""
        return self.level_coordinate and self.latent_dim >= SMALLEST_DIVIDED

    @property
    def motion(self) -> int:
        """Number of the last dimensions of z that are the motion's."""
        return self.motion_dim if self.latent_dim >= SMALLEST_DIVIDED else 0

    @property
    def timbre(self) -> slice:
        """The timbre's dimensions of z: all others."""
        return slice(int(self.level), self.latent_dim - self.motion)

    @property
    def timbre_dim(self) -> int:
        """Number of the timbre's dimensions."""
        return self.timbre.stop - self.timbre.start


@dataclasses.dataclass(frozen=True)
class TrainConfig(Section):
    """Settings that decide a training run's numbers. Budgets are not among them, so that a run can be given more."""

    seed: int = 0
    batch_size: int = 32
    """Notes in a global batch, over all replicas."""
    learning_rate: float = 1e-3
    ema_decay: float = 0.995
    """Decay, per step, of the exponential moving average of the weights that is validated and kept; 0 for none."""
    patience: int = 30
    """Epochs without a better validation loss before training stops."""
    precision: str = "float32"
    start_from: str | None = None
    """A model folder whose weights training starts from; None for random ones."""

    def _check(self) -> None:
        check_seed(self.seed)
        self.require_positive("batch_size", "patience")
        self.require("a positive number", lambda rate: rate > 0, "learning_rate")
        self.require("at least 0 and below 1", lambda decay: 0 <= decay < 1, "ema_decay")
        allowed = ("float32", "mixed_bfloat16", "mixed_float16")
        self.require(" or ".join(allowed), lambda precision: precision in allowed, "precision")

    def check_float32(self, model: str) -> None:
        """Raise InputError unless the precision is float32, the only one of some models."""
        self.require(f"float32, a {model}'s only one", lambda precision: precision == "float32", "precision")


@dataclasses.dataclass(frozen=True)
class SynthesizerConfig(Section):
    """The harmonic-plus-noise synthesizer."""

    channels: int = 192
    """Channels of the convolutions."""
    blocks: int = 4
    """Residual blocks."""
    num_harmonics: int = 128
    """Harmonics of a note, the fundamental included; those above half the sample rate are silent."""

    def _check(self) -> None:
        self.require_positive("channels", "blocks", "num_harmonics", most=MOST_CHANNELS)


@dataclasses.dataclass(frozen=True)
class ClassifierConfig(Section):
    """The classifier of pitch, family and source that evaluations measure with."""

    channels: int = 16
    """Channels of the first convolution over the log-mel; the deeper ones have up to eight times as many."""
    feature_dim: int = 64
    """Features of a note: family and source are predicted from them, and Frechet distance and NDB measured on them."""
    dropout: float = 0.3
    """Fraction of the features that is dropped in training."""

    def _check(self) -> None:
        self.require_positive("channels", "feature_dim", most=MOST_CHANNELS)
        self.require("at least 0 and below 1", lambda dropout: 0 <= dropout < 1, "dropout")


@dataclasses.dataclass(frozen=True)
class Config(Document):
    """A timbre model's whole configuration: `models/<name>/config.json`."""

    audio: AudioConfig = AudioConfig()
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()

    def _check(self) -> None:
        audio = self.audio
        if audio.sample_rate != 16000 or audio.num_samples < MOVING_SAMPLES:
            expected = f"0 for notes of {audio.num_samples} samples at {audio.sample_rate} Hz: motion is measured in "
            expected += f"{MOVING_SAMPLES} samples at 16000 Hz"
            require(not self.model.motion, "motion_dim", self.model.motion_dim, expected)


@dataclasses.dataclass(frozen=True)
class SynthesisConfig(Document):
    """A synthesizer's whole configuration: its folder's `config.json`."""

    audio: AudioConfig = AudioConfig()
    data: DataConfig = DataConfig()
    synthesizer: SynthesizerConfig = SynthesizerConfig()
    train: TrainConfig = TrainConfig(batch_size=16, ema_decay=0.999)

    def _check(self) -> None:
        self.train.check_float32("synthesizer")


@dataclasses.dataclass(frozen=True)
class ClassificationConfig(Document):
    """A classifier's whole configuration: its folder's `config.json`."""

    audio: AudioConfig = AudioConfig()
    data: DataConfig = DataConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    train: TrainConfig = TrainConfig(ema_decay=0.99)

    def _check(self) -> None:
        self.train.check_float32("classifier")
        require(self.audio.sample_rate == 16000, "sample_rate", self.audio.sample_rate, "16000 Hz, a classifier's only")


AnyConfig = Config | SynthesisConfig | ClassificationConfig
"""The kinds of a model folder's `config.json`."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """The end of training, whichever limit comes first; None is no limit. It can be raised, so it is not saved."""

    steps: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    """Minutes of training, over all resumed pieces; reading the data and exporting are not counted."""
