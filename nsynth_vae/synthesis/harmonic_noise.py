"""The synthesizer: from a log-mel and its pitch to audio, by sines and filtered noise that a network controls.

A harmonic series at the given pitch and white noise are each given the level that the mel spectrogram shows where they
would lie; a small convolutional network corrects those levels, and splits them between the two. The sum's spectrum is
then scaled so that its mel matches the asked one as far as the network trusts that. docs/synthesis.md has the whole
story and the measurements.

The graph is made of operators that TFLite has built in, and the one that is trained is the one that is exported.
"""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae import features, losses, model_folder
from nsynth_vae.config import AudioConfig, SynthesisConfig
from nsynth_vae.layers import ResidualBlock
from nsynth_vae.synthesis import griffin_lim, signal
from nsynth_vae.synthesis.tables import AUDIBLE_HERTZ, NOISE_SCALES, make_tables

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "models" / "synthesizer"
"""The trained synthesizer that comes with the package."""

TFLITE = "synthesizer_float16.tflite"
"""The file in a synthesizer's folder that LiteRT runs: log_mel `[1, num_frames, mel_bins]`, pitch `[1]` to audio."""

LOSS_NAMES = ("loss", "mss", "lsd_db", "unmatched_mss", "unmatched_lsd_db")
"""What a step reports; see `DEFINITIONS`."""

DEFINITIONS = {
    "loss": "what training minimises: mss + 0.3 lsd_db, and 0.3 times the same before mel matching",
    "mss": "multi-scale spectral distance of a second of sound, frames of 2048 to 64 samples",
    "lsd_db": "log-spectral distance of a second of sound, 2048/512, floor 80 dB below the note's maximum, dB",
    "unmatched_mss": "mss before mel matching, at three of the six frame lengths",
    "unmatched_lsd_db": "lsd_db before mel matching",
}

PEAK = 507 / 512
"""A louder note is scaled to this peak as a whole: 0.99, and exact in float16."""

CROP_FRAMES, CONTEXT_FRAMES = 64, 12
"""Training hears so many frames, a second, and lets the network see so many more at both sides."""

START_SHARE = 0.4
"""Share of the training steps that hear the notes' beginnings."""

BLURRED_SHARE = 0.5
"""Share of the training notes whose log-mel is blurred as a decoder's might be."""

DRIFT_HARMONICS = 32
"""The drift of the pitch is read off the mel of so many harmonics."""

DRIFT_GAIN, DRIFT_LIMIT = 1.125, 3 / 128
"""What is read there is 0.87 of the drift of real notes; more than 40 cents are not believed to be this pitch's."""

QUIET = 2.0**-20
"""Below every amplitude that 16 bits can hold: keeps logarithms and quotients finite.

Like every number here it is one that a float16 file keeps: 1e-6 there is 1.01e-6, and adds up to another phase."""

_LIMIT = 8.0
_QUARTER_PI = float(np.float16(np.pi / 4))  # As a float16 file has it.


class Synthesizer(keras.Model):
    """(log-mel, pitch) -> audio. Trained on batches of {`audio` `[batch, num_samples]`, `pitch` `[batch]`}."""

    def __init__(self, config: SynthesisConfig | dict, *, make_noise: bool = True, **kwargs) -> None:
        """Makes the layers.

        Args:
            config: the whole configuration.
            make_noise: whether `build` makes the noise, which takes a second or two and is not needed before weights
                are loaded: it is one of them.
            **kwargs: Keras's.

        Raises:
            InputError: for an audio configuration that the synthesizer cannot be built for.
        """
        super().__init__(**kwargs)
        self.config = config if isinstance(config, SynthesisConfig) else SynthesisConfig.from_dict(config)
        self.audio = self.config.audio
        self.make_noise = make_noise
        signal.check_frames(self.audio)
        options = self.config.synthesizer
        self.tables = make_tables(self.audio, options.num_harmonics)
        self.sub_frames = self.audio.frame_step // signal.CONTROL_STEP
        self.condition = keras.layers.Dense(options.channels, activation="silu", name="condition")
        self.start = keras.layers.Conv1D(options.channels, 3, padding="same", name="start")
        self.blocks = [
            ResidualBlock(options.channels, conditioned=True, name=f"block_{i}") for i in range(options.blocks)
        ]
        # All zero: an untrained synthesizer already plays the levels that the mel shows.
        heads = {
            "harmonic": (options.num_harmonics, 0.0),
            "noise": (NOISE_SCALES, -1.5),
            "gate": (2 * self.sub_frames, 0.0),
            "stiffness": (1, 0.0),
            "trust": (self.audio.num_mel_bins, 1.0),
        }
        self.heads = {
            name: keras.layers.Dense(
                width, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(bias), name=name
            )
            for name, (width, bias) in heads.items()
        }
        self.step_losses = [keras.metrics.Mean(name=name) for name in LOSS_NAMES]

    def build(self, input_shape=None) -> None:
        """Makes all weights, and the noise, which is kept with them: every copy of a model plays the same."""
        options, mels = self.config.synthesizer, self.audio.num_mel_bins
        self.condition.build((None, 1 + 2 * self.tables["octaves"].size))
        self.start.build((None, None, mels + options.num_harmonics))
        shape = (None, None, options.channels)
        for block in self.blocks:
            block.build((shape, (None, options.channels)))
        for head in self.heads.values():
            head.build(shape)
        samples = (self.audio.num_frames - 1) * self.audio.frame_step + signal.NOISE_LENGTH
        self.noise = self.add_weight(shape=(samples,), initializer="zeros", trainable=False, name="noise")
        if self.make_noise:
            self.noise.assign(_half(signal.flat_noise(samples)))
        self.built = True

    def round_weights(self) -> None:
        """Rounds all weights to float16, so that a float16 file plays what this model plays.

        Phases add up over a note: a drift that is off by float16's half a thousandth is off by radians in the end.
        """
        for weight in self.weights:
            weight.assign(_half(weight))

    def call(self, log_mel, pitch):
        """Returns the sound of a log-mel at its pitch, each note by itself, always the same.

        Args:
            log_mel: float32 `[batch, num_frames, mel_bins]`, as `features.log_mel` returns it.
            pitch: int32 `[batch]`, MIDI, 0 to 127: where the log-mel's partials are.

        Returns:
            float32 `[batch, num_samples]`, within -`PEAK`..`PEAK`. Silence gives silence. A log-mel above what
            full-scale audio can have is taken as that limit.
        """
        mel = self._mel(log_mel)
        harmonic, noise, trust = self._parts(log_mel, mel, pitch, start=0)
        return self._finish(self._match(harmonic + noise, mel, trust))

    def transpose(self, log_mel, pitch, to_pitch):
        """Returns the sound of a log-mel with its partials moved from one pitch to another, formants kept.

        The levels of the partials over frequency are those of the original; nothing is matched to its mel.

        Args:
            log_mel: float32 `[batch, num_frames, mel_bins]`.
            pitch: int32 `[batch]`, MIDI, where the log-mel's partials are.
            to_pitch: int32 `[batch]`, MIDI, where they are to be.

        Returns:
            float32 `[batch, num_samples]`, within -`PEAK`..`PEAK`.
        """
        mel = self._mel(log_mel)
        harmonic, noise, _ = self._parts(log_mel, mel, pitch, start=0, to_pitch=to_pitch)
        return self._finish(harmonic + noise)

    def _mel(self, log_mel):
        limited = tf.minimum(log_mel, self.tables["loudest"])
        return features.log_mel_to_mel(limited, self.audio)

    def _parts(self, log_mel, mel, pitch, *, start, to_pitch=None):
        """Returns the harmonic part, the noise, and the trust in the mel.

        The first two are float32 `[batch, (frames - 1) * frame_step]`, the trust is `[batch, frames, mel_bins]`, 0 to 1.

        Args:
            log_mel: float32 `[batch, frames, mel_bins]`.
            mel: the linear mel of the same.
            pitch: int32 `[batch]`.
            start: the first frame's place in the note, an integer tensor or int.
            to_pitch: int32 `[batch]`, to play the levels found at another pitch.
        """
        tables, frames = self.tables, log_mel.shape[1]
        f0 = self._cycles(pitch)
        template, slope = self._template(f0)
        level = _levels(mel, template)
        drift = _drift(mel, level, template, slope)
        heard = (tf.math.log(level + QUIET) + 6.0) * 0.25
        outputs = self._network(tf.concat([log_mel, heard], axis=-1), pitch)
        amplitude = level * tf.exp(_limited(outputs["harmonic"]))
        band = tf.matmul(mel * tables["noise_share"], tables["mel_to_band"])
        band *= tf.exp(tf.matmul(_limited(outputs["noise"]), tables["scale_to_band"]))
        if to_pitch is not None:
            target = self._cycles(to_pitch)
            amplitude = _moved(amplitude, target / f0)
            f0 = target
        gate = tf.reshape(tf.exp(_limited(outputs["gate"])), [-1, frames * self.sub_frames, 2])
        controls = (frames - 1) * self.sub_frames + 1
        gate = gate[:, :controls]
        amplitude = signal.upsample(amplitude, self.sub_frames) * gate[..., :1]
        band = signal.upsample(band, self.sub_frames) * gate[..., 1:]
        cycles, frequency = self._phases(f0, drift, outputs["stiffness"][..., 0], mel, controls)
        amplitude *= tf.cast(frequency < 0.5 - 1 / 256, tf.float32)[:, None]
        samples = (frames - 1) * self.audio.frame_step + signal.NOISE_LENGTH
        noise = self.noise if samples == self.noise.shape[0] else self._noise_from(start, samples)
        harmonic = signal.harmonics(amplitude, cycles, tf.minimum(frequency, 0.5))
        return harmonic, signal.filtered_noise(band, noise), tf.sigmoid(outputs["trust"])

    def _noise_from(self, start, samples):
        piece = tf.slice(self.noise, [start * self.audio.frame_step], [samples])
        return tf.ensure_shape(piece, [samples])

    def _network(self, x, pitch):
        """Returns the heads' outputs by name, `[batch, frames, n]` each."""
        p = tf.cast(pitch, tf.float32)[:, None]
        angle = p * self.tables["octaves"]
        condition = self.condition(tf.concat([(p - 64.0) * 0.03125, tf.sin(angle), tf.cos(angle)], axis=-1))
        x = self.start(x) + condition[:, None]
        for block in self.blocks:
            x = block((x, condition))
        x = tf.nn.silu(x)
        return {name: head(x) for name, head in self.heads.items()}

    def _cycles(self, pitch):
        """Returns the pitches' frequencies in cycles a sample, `[batch]`, exact in a float16 file too.

        Float constants are rounded to 11 bits there, half a cent; whole numbers are not.
        """
        high, low = (tf.cast(tf.gather(self.tables[part], pitch), tf.float32) for part in ("f0_high", "f0_low"))
        return (high + low * 2.0**-14) * 2.0**-14

    def _template(self, f0):
        """Returns the mel of every harmonic at amplitude 1, and how that changes with the logarithm of the pitch.

        A Hann window's main lobe is taken as cos^2(pi x / 4), x in FFT bins: right to 0.025 of its peak. Inaudible
        harmonics have 0.

        Returns:
            float32 `[batch, harmonics, mel_bins]`, and `[batch, DRIFT_HARMONICS, mel_bins]` of the first harmonics.
        """
        tables, count = self.tables, self.config.synthesizer.num_harmonics
        frequency = f0[:, None] * tables["number"]
        place = frequency[:, :, None] * float(self.audio.fft_length)
        distance = place - tables["bins"]
        angle = tf.clip_by_value(distance, -2.0, 2.0) * _QUARTER_PI
        audible = tf.cast(frequency < AUDIBLE_HERTZ / self.audio.sample_rate, tf.float32)[:, :, None]
        lobe = tf.square(tf.cos(angle)) * audible * (self.audio.frame_length / 4)
        low = slice(0, DRIFT_HARMONICS)
        inside = tf.cast(tf.abs(distance[:, low]) < 2.0, tf.float32)
        slope = tf.sin(angle[:, low] * 2.0) * place[:, low] * audible[:, low] * inside
        slope *= -_QUARTER_PI * self.audio.frame_length / 4
        mel = tf.matmul(tf.reshape(tf.concat([lobe, slope], axis=1), [-1, lobe.shape[2]]), tables["mel_weights"])
        mel = tf.reshape(mel, [-1, count + DRIFT_HARMONICS, self.audio.num_mel_bins])
        return mel[:, :count], mel[:, count:]

    def _phases(self, f0, drift, stiffness, mel, controls):
        """Returns each harmonic's phase at the control points, in periods, and its frequency, cycles a sample.

        Partial k is at k f0 sqrt(1 + B k^2), as on a stiff string (Fletcher and Rossing, The Physics of Musical
        Instruments, equation 2.67), and all drift together.

        Returns:
            float32 `[batch, controls, harmonics]` and `[batch, harmonics]`.
        """
        tables = self.tables
        number, index = tables["number"], np.arange(controls, dtype=np.float32)
        loudness = tf.reduce_sum(mel, axis=-1)
        weight = loudness / (tf.reduce_sum(loudness, axis=1, keepdims=True) + QUIET)
        stiffness = tf.nn.softplus(tf.reduce_sum(weight * stiffness, axis=1) - 6.0)
        # A high partial has turned thousands of times in the end: a last bit of B that differs between TensorFlow and
        # LiteRT would be heard as another phase. Steps of 2^-20 are not: a cent at the 40th partial.
        stiffness = tf.grad_pass_through(tf.round)(stiffness * 2.0**9) * 2.0**-20
        stretch = tf.sqrt(1.0 + stiffness[:, None] * tf.square(number)) - 1.0
        step = f0 * float(signal.CONTROL_STEP)
        drift = signal.upsample(drift[..., None], self.sub_frames)[..., 0]
        # Whole periods are dropped before the number of the harmonic multiplies what is left of rounding.
        fundamental = (step - tf.floor(step))[:, None] * index + step[:, None] * tf.cumsum(drift, 1, exclusive=True)
        fundamental -= tf.floor(fundamental)
        stretched = (stretch * number * step[:, None])[:, None] * index[:, None]
        cycles = fundamental[:, :, None] * number + stretched + tables["phase"]
        return cycles, f0[:, None] * number * (1.0 + stretch)

    def _match(self, audio, mel, trust):
        """Returns the audio with its spectrum scaled towards the asked mel, once.

        The gain of an FFT bin is the weighted geometric mean of asked / found over the mel bins that see it, each to
        the power of its trust.
        """
        tables = self.tables
        real, imaginary = signal.stft(audio, self.audio)
        magnitude = tf.sqrt(tf.square(real) + tf.square(imaginary) + QUIET**2)
        found = tf.matmul(magnitude, tables["mel_weights"])
        ratio = (mel + 16.0 * QUIET) / (found + 16.0 * QUIET)
        gain = tf.exp(tf.matmul(trust * tf.math.log(tf.clip_by_value(ratio, 2.0**-10, 2.0**10)), tables["mel_to_bin"]))
        return signal.inverse_stft(real * gain, imaginary * gain, self.audio)

    def _finish(self, audio):
        """Returns the audio faded in and out and within -`PEAK`..`PEAK`, `[batch, num_samples]`."""
        audio *= self.tables["fade"]
        peak = tf.reduce_max(tf.abs(audio), axis=1, keepdims=True)
        return audio * (PEAK / tf.maximum(peak, PEAK))

    def train_step(self, data: dict) -> dict:
        """Takes one optimizer step. Returns the means of `LOSS_NAMES` over this replica's notes of this batch."""
        step = tf.cast(self.optimizer.iterations, tf.int32)
        count = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape() as tape:
            values = self._distances(data, step)
            # The optimizer adds the replicas' gradients up: each replica gives its share of the global mean.
            loss = self.optimizer.scale_loss(tf.reduce_mean(values["loss"]) / count)
        variables = self.trainable_variables
        # Clipped is the sum over the replicas; the optimizer sums again, so each then gives its share.
        gradients = tape.gradient(loss, variables)
        if count > 1:
            gradients = tf.distribute.get_replica_context().all_reduce("SUM", gradients)
        gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
        self.optimizer.apply([gradient / count for gradient in gradients], variables)
        return {name: tf.reduce_mean(value) for name, value in values.items()}

    def assess(self, data: dict) -> tuple[dict, tf.Tensor]:
        """Adds the first second of notes to the running means of `LOSS_NAMES`; returns these, and each note's loss."""
        values = self._distances(data, None)
        for metric in self.step_losses:
            metric.update_state(values[metric.name])
        return {metric.name: metric.result() for metric in self.step_losses}, values["loss"]

    def test_step(self, data: dict) -> dict:
        """Returns the running means of `LOSS_NAMES` over the notes' first second."""
        return self.assess(data)[0]

    @property
    def metrics(self) -> list:
        """Returns the running means that `evaluate` resets."""
        return self.step_losses

    def _distances(self, data, step) -> dict:
        """Returns `LOSS_NAMES`, `[batch]` each: of a random second and blurred input in training, else of the first."""
        frames = CROP_FRAMES + 2 * CONTEXT_FRAMES
        audio, pitch = data["audio"], data["pitch"]
        magnitude = features.magnitude(audio, self.audio)
        log_mel = features.magnitude_to_log_mel(magnitude, self.audio)
        start, offset = tf.constant(0), tf.constant(0)
        if step is not None:
            seed = tf.stack([tf.constant(self.config.train.seed, tf.int32), step])
            log_mel = blurred(log_mel, seed, share=BLURRED_SHARE)
            chance, place = tf.unstack(tf.random.stateless_uniform([2], seed))
            last = self.audio.num_frames - frames
            middle = 1 + tf.cast(place * float(last), tf.int32)
            start = tf.where(chance < START_SHARE, 0, tf.minimum(middle, last))
            offset = tf.where(start == 0, 0, CONTEXT_FRAMES * self.audio.frame_step)
        log_mel = _cut(log_mel, start, frames)
        samples = CROP_FRAMES * self.audio.frame_step
        first = start * self.audio.frame_step + offset
        target = _cut(audio, first, samples)
        mel = self._mel(log_mel)
        harmonic, noise, trust = self._parts(log_mel, mel, pitch, start=start)
        unmatched = harmonic + noise
        matched = self._match(unmatched, mel, trust)
        matched, unmatched = (_cut(part, offset, samples) for part in (matched, unmatched))
        # A Hann window of 2048 sees a steady sine at twice the magnitude that one of frame_length 1024 does.
        loudest = tf.reduce_max(magnitude, axis=[1, 2]) * (2048 / self.audio.frame_length)
        mss, lsd = losses.spectral_losses(target, matched, loudest)
        mss_before, lsd_before = losses.spectral_losses(target, unmatched, loudest, frame_lengths=(2048, 512, 128))
        total = mss + 0.3 * lsd + 0.3 * (mss_before + 0.3 * lsd_before)
        return dict(zip(LOSS_NAMES, (total, mss, lsd, mss_before, lsd_before), strict=True))

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {"config": self.config.to_dict()}


def load(folder: str | os.PathLike | None = None) -> Synthesizer:
    """Returns the trained synthesizer of a folder; by default the one that comes with the package.

    Raises:
        InputError: if the folder or a file is missing or broken, or the weights are another synthesizer's.
    """
    synthesizer, _ = model_folder.load(
        SHIPPED if folder is None else folder,
        SynthesisConfig.load,
        lambda config: Synthesizer(config, make_noise=False),
        kind="synthesizer",
        expected="a synthesizer's",
    )
    return synthesizer


@functools.lru_cache(maxsize=4)
def shipped_for(config: AudioConfig) -> Synthesizer | None:
    """Returns the shipped synthesizer, loaded once, or None if it was trained on other features than these."""
    synthesizer = load()
    return synthesizer if synthesizer.audio == config else None


@functools.lru_cache(maxsize=4)
def sound_for(config: AudioConfig) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Returns what turns log-mels of these features and their pitches into audio, for a model that decodes them.

    The shipped synthesizer, where the features are those that it was trained on; else Griffin-Lim, which takes any and
    does not listen to the pitch. Both are called with float32 `[batch, num_frames, mel_bins]` and int32 `[batch]`, and
    return float32 `[batch, num_samples]`.
    """
    synthesizer = shipped_for(config)

    def sound(log_mel: tf.Tensor, pitch: tf.Tensor) -> tf.Tensor:
        return synthesizer(log_mel, pitch) if synthesizer else griffin_lim.log_mel_to_audio(log_mel, config)

    shape = [None, config.num_frames, config.num_mel_bins]
    signature = [tf.TensorSpec(shape, tf.float32), tf.TensorSpec([None], tf.int32)]
    return tf.function(sound, input_signature=signature, autograph=False)


def blurred(log_mel: tf.Tensor, seed: tf.Tensor, *, share: float) -> tf.Tensor:
    """Returns log-mels of which a share is smoothed over time and frequency and bent, as a decoder's are.

    A smoothed note is a random mix of itself, its mean over 7 frames and over 3 bins, plus a random surface that is
    smooth over 16 frames and 8 bins, of a standard deviation of up to 0.1 (0.4 nats).

    Args:
        log_mel: float32 `[batch, frames, mel_bins]`.
        seed: int32 `[2]`; the same seed blurs the same way.
        share: of the notes, 0 to 1.
    """
    batch, frames, bins = tf.shape(log_mel)[0], log_mel.shape[1], log_mel.shape[2]
    # This replica's rows of the global batch's draws.
    replica = tf.distribute.get_replica_context()
    total = batch * replica.num_replicas_in_sync
    first = batch * tf.cast(replica.replica_id_in_sync_group, tf.int32)
    draw = tf.random.stateless_uniform([4, total, 1, 1], seed + [0, 1 << 28])[:, first : first + batch]
    over_time = tf.nn.avg_pool1d(log_mel, 7, 1, "SAME")
    over_bins = tf.transpose(tf.nn.avg_pool1d(tf.transpose(log_mel, [0, 2, 1]), 3, 1, "SAME"), [0, 2, 1])
    smooth = draw[0] * over_time + (1.0 - draw[0]) * over_bins
    surface = tf.random.stateless_normal([total, frames // 16 + 1, bins // 8], seed + [1, 1 << 28])
    surface = tf.matmul(_bicubic(frames // 16 + 1, frames), surface[first : first + batch])
    surface = tf.matmul(surface, _bicubic(bins // 8, bins), transpose_b=True)
    changed = log_mel + draw[1] * (smooth - log_mel) + draw[2] * 0.1 * surface
    return tf.where(draw[3] < share, changed, log_mel)


def _half(values) -> np.ndarray:
    """Returns values rounded to float16, as float32."""
    return np.asarray(values).astype(np.float16).astype(np.float32)


def _limited(x):
    """Returns x, bounded to -8..8 smoothly: no exponential of it can overflow."""
    return _LIMIT * tf.tanh(x * (1.0 / _LIMIT))


def _levels(mel, template):
    """Returns the amplitude that the mel shows at each harmonic, `[batch, frames, harmonics]`.

    One multiplicative update of a non-negative factorisation (Lee and Seung 2000, equation 5) that starts from equal
    harmonics: exact for a harmonic that has its mel bins to itself.

    Args:
        mel: float32 `[batch, frames, mel_bins]`.
        template: float32 `[batch, harmonics, mel_bins]`, the mel of each at amplitude 1.
    """
    ratio = mel / (tf.reduce_sum(template, axis=1) + 2.0**-10)[:, None]
    share = template / (tf.reduce_sum(template, axis=2, keepdims=True) + QUIET)
    return tf.matmul(ratio, share, transpose_b=True)


def _drift(mel, level, template, slope):
    """Returns how far the mel shows the pitch to be from its nominal one: frequency over nominal, less 1.

    One Gauss-Newton step from the nominal pitch: the drift d that leaves the least squares of
    mel - level (template + d slope), frame by frame.

    Args:
        mel: float32 `[batch, frames, mel_bins]`.
        level: float32 `[batch, frames, harmonics]`.
        template: float32 `[batch, harmonics, mel_bins]`.
        slope: float32 `[batch, DRIFT_HARMONICS, mel_bins]`, the template's derivative by the logarithm of the pitch.

    Returns:
        float32 `[batch, frames]`, within -`DRIFT_LIMIT`..`DRIFT_LIMIT`; 0 in silence.
    """
    rest = mel - tf.matmul(level, template)
    change = tf.matmul(level[:, :, : slope.shape[1]], slope)
    power = tf.reduce_sum(tf.square(change), axis=-1)
    # Frames that are 60 dB below the loudest, and silence, stay where they are.
    floor = QUIET * tf.reduce_max(power, axis=1, keepdims=True) + QUIET
    drift = tf.reduce_sum(rest * change, axis=-1) / (power + floor)
    return tf.clip_by_value(drift * DRIFT_GAIN, -DRIFT_LIMIT, DRIFT_LIMIT)


def _moved(amplitude, ratio):
    """Returns the harmonics' levels at another pitch: those of the old ones, interpolated in dB over frequency.

    Args:
        amplitude: float32 `[batch, frames, harmonics]`.
        ratio: float32 `[batch]`, new frequency over old.
    """
    count = amplitude.shape[2]
    place = ratio[:, None] * np.arange(1, count + 1, dtype=np.float32) - 1.0
    inside = tf.cast(place <= count - 1, tf.float32)
    place = tf.clip_by_value(place, 0.0, float(count - 1))
    old = np.arange(count, dtype=np.float32)[None, :, None]
    weights = tf.maximum(1.0 - tf.abs(place[:, None, :] - old), 0.0) * inside[:, None, :]
    return (tf.exp(tf.matmul(tf.math.log(amplitude + QUIET), weights)) - QUIET) * inside[:, None, :]


@functools.lru_cache(maxsize=8)
def _bicubic(points: int, size: int) -> np.ndarray:
    """Returns the matrix `[size, points]` of `tf.image.resize`'s bicubic interpolation, which XLA cannot compile."""
    with tf.init_scope():
        return tf.image.resize(tf.eye(points)[None, :, :, None], [size, points], "bicubic")[0, :, :, 0].numpy()


def _cut(x, start, length):
    """Returns x[:, start : start + length], in a way that XLA can compile for a start that is not constant."""
    piece = tf.slice(x, [0, start] + [0] * (x.shape.rank - 2), [tf.shape(x)[0], length, *x.shape[2:]])
    return tf.ensure_shape(piece, [x.shape[0], length, *x.shape[2:]])
