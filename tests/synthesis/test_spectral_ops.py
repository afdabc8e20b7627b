"""The synthesizer's signal processing, against closed forms, NumPy, SciPy and `tf.signal`."""

import numpy as np
import pytest
import scipy.signal
import scipy.stats
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.synthesis import spectral_ops
from nsynth_vae.synthesis.filtered_noise import NOISE_BANDS, NOISE_LENGTH, filtered_noise

CONFIG = AudioConfig()
RATE = CONFIG.sample_rate


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def play(hertz, amplitude, *, controls: int = 251, phase: float = 0.0) -> np.ndarray:
    """Return one note of `harmonics` with steady sines at these frequencies."""
    frequency = np.atleast_1d(hertz).astype(np.float64) / RATE
    index = np.arange(controls)[:, None] * spectral_ops.CONTROL_STEP
    cycles = (phase + index * frequency) % 1.0
    level = np.broadcast_to(amplitude, [controls, frequency.size])
    given = (level[None], cycles[None], frequency[None])
    return spectral_ops.harmonics(*(tf.constant(value, tf.float32) for value in given)).numpy()[0]


@pytest.mark.parametrize(("length", "step"), [(8, 2), (6, 6), (256, 64)])
def test_frames_and_their_sum_are_those_of_tf_signal(length, step):
    audio, frames = normal(2, 20 * step), normal(2, 7, length)
    np.testing.assert_array_equal(
        spectral_ops.split_frames(tf.constant(audio), length, step), tf.signal.frame(audio, length, step)
    )
    np.testing.assert_allclose(
        spectral_ops.overlap_add(tf.constant(frames), step), tf.signal.overlap_and_add(frames, step), atol=1e-5
    )


def test_frames_that_do_not_fit_the_step():
    with pytest.raises(ValueError, match=r"^frames: found length 7, expected a multiple of the step 2$"):
        spectral_ops.overlap_add(tf.zeros([1, 3, 7]), 2)


@pytest.mark.parametrize("length", [2048, 1024, 256, 192, 12, 4])
def test_transforms_are_numpys(length):
    frames, order = normal(2, 3, length), spectral_ops.bin_order(length)
    assert sorted(order) == list(range(length // 2 + 1))
    real, imaginary = spectral_ops.real_dft(tf.constant(frames))
    expected = np.fft.rfft(frames)[..., order]
    np.testing.assert_allclose(real, expected.real, atol=2e-4)
    np.testing.assert_allclose(imaginary, expected.imag, atol=2e-4)
    np.testing.assert_allclose(spectral_ops.inverse_real_dft(real, imaginary), frames, atol=1e-5)
    other = normal(2, 3, length // 2 + 1), normal(2, 3, length // 2 + 1, seed=1)
    ordered = [tf.constant(part[..., order]) for part in other]
    np.testing.assert_allclose(
        spectral_ops.inverse_real_dft(*ordered), np.fft.irfft(other[0] + 1j * other[1], length), atol=1e-5
    )


@pytest.mark.parametrize(
    "config", [CONFIG, AudioConfig(num_samples=4096, frame_length=512, frame_step=64, fft_length=512, num_mel_bins=40)]
)
def test_the_spectrogram_is_the_features_and_comes_back_as_the_audio(config):
    audio = np.random.default_rng(0).uniform(-1, 1, [2, config.num_samples]).astype(np.float32)
    real, imaginary = spectral_ops.stft(tf.constant(audio), config)
    expected = features.stft(audio, config).numpy()[..., spectral_ops.bin_order(config.fft_length)]
    np.testing.assert_allclose(real, expected.real, atol=2e-4)
    np.testing.assert_allclose(imaginary, expected.imag, atol=2e-4)
    np.testing.assert_allclose(spectral_ops.inverse_stft(real, imaginary, config), audio, atol=1e-5)


@pytest.mark.parametrize("hertz", [27.5, 440.0, 1234.5, 7790.0])
def test_one_harmonic_is_a_sine_of_its_frequency_amplitude_and_phase(hertz):
    time = np.arange(250 * spectral_ops.CONTROL_STEP) / RATE
    found = play(hertz, 0.3, phase=0.2)
    np.testing.assert_allclose(found, 0.3 * np.sin(2 * np.pi * (hertz * time + 0.2)), atol=2e-4)


def test_amplitudes_are_interpolated_between_control_points():
    ramp = np.linspace(0.0, 1.0, 251)[:, None]
    found = play(2000.0, ramp)
    envelope = np.abs(scipy.signal.hilbert(found))[1000:-1000]
    expected = np.linspace(0.0, 1.0, found.size + 1)[1000:-1001]
    np.testing.assert_allclose(envelope, expected, atol=0.01)


def test_sines_add_up():
    np.testing.assert_allclose(play([200.0, 330.0], [0.3, 0.5]), play(200.0, 0.3) + play(330.0, 0.5), atol=1e-5)


@pytest.mark.parametrize(("hertz", "error"), [(220.0, 0.001), (3000.0, 0.12)])
def test_a_drifting_phase_is_continuous(hertz, error):
    """A vibrato of 20 cents, 5 times a second, against the integral of its frequency in float64.

    The stretches around two control points are half a control step apart in phase, at most, where they are cross-faded:
    the level dips to the cosine of that, 1 dB at 3 kHz.
    """
    controls, depth = 251, 20 * np.log(2) / 1200
    sample = np.arange((controls - 1) * spectral_ops.CONTROL_STEP + 1)
    phase = hertz * (sample / RATE - depth * (np.cos(2 * np.pi * 5 * sample / RATE) - 1) / (2 * np.pi * 5))
    cycles = (phase[:: spectral_ops.CONTROL_STEP] % 1.0)[None, :, None]
    found = spectral_ops.harmonics(
        tf.ones([1, controls, 1]), tf.constant(cycles, tf.float32), tf.constant([[hertz / RATE]], tf.float32)
    ).numpy()[0]
    np.testing.assert_allclose(found, np.sin(2 * np.pi * phase[:-1]), atol=error)
    # Nothing jumps: no step is larger than the sine's own steepest.
    assert np.abs(np.diff(found)).max() < 2 * np.sin(np.pi * hertz * (1 + depth) / RATE) + error


def test_a_float16_file_would_keep_constants():
    x, values = normal(100), np.append(np.random.default_rng(1).uniform(0, 7, 99), 2 * np.pi)
    high = values.astype(np.float16)
    kept = high.astype(np.float64) + (values - high).astype(np.float16)
    np.testing.assert_allclose(kept, values, rtol=1e-6)
    np.testing.assert_allclose(spectral_ops.times(tf.constant(x), values), x * values, atol=3e-6)


def test_noise_has_the_requested_power_in_every_band():
    controls, samples = 1001, 64000
    noise = tf.constant(normal(1, samples + NOISE_LENGTH))
    flat = filtered_noise(tf.fill([1, controls, NOISE_BANDS], 0.5), noise).numpy()[0]
    assert flat.size == samples
    assert np.std(flat) == pytest.approx(0.5, rel=0.01)
    np.testing.assert_allclose(flat[300:-300], 0.5 * noise.numpy()[0, 128:-128][300:-300], atol=1e-5)
    gain = np.zeros([1, controls, NOISE_BANDS], np.float32)
    gain[:, :, 40:61] = 0.1  # 2,500 to 3,750 Hz.
    ordered = gain[:, :, spectral_ops.bin_order(NOISE_LENGTH)]
    band = filtered_noise(tf.constant(ordered), noise).numpy()[0]
    frequency, density = scipy.signal.welch(band, RATE, nperseg=2048)
    expected = 0.1**2 / (RATE / 2)
    inside = density[(frequency > 2650) & (frequency < 3600)].mean()
    assert inside == pytest.approx(expected, rel=0.05)
    assert density[(frequency < 2250) | (frequency > 4000)].max() < 1e-3 * expected


def test_noise_starts_within_one_control_step_of_its_gain():
    gain = np.zeros([1, 101, NOISE_BANDS], np.float32)
    gain[:, 50:] = 1.0
    noise = tf.constant(normal(1, 100 * spectral_ops.CONTROL_STEP + NOISE_LENGTH))
    power = filtered_noise(tf.constant(gain), noise).numpy()[0] ** 2
    onset, half = 50 * spectral_ops.CONTROL_STEP, NOISE_LENGTH // 2
    assert power[: onset - half].max() == 0.0
    assert power[onset + half : onset + 1000].mean() == pytest.approx(1.0, abs=0.2)


def test_upsampling_is_linear_interpolation():
    values = normal(2, 6, 3)
    found = spectral_ops.upsample(tf.constant(values), 4).numpy()
    place = np.arange(21) / 4
    for note in range(2):
        for column in range(3):
            np.testing.assert_allclose(
                found[note, :, column], np.interp(place, np.arange(6), values[note, :, column]), atol=1e-6
            )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (AudioConfig(fft_length=2048), "fft_length 2048: the synthesizer needs frames as long as the FFT"),
        (AudioConfig(frame_step=300), "frame_step 300, .* an even multiple of frame_step"),
        (
            AudioConfig(frame_length=1000, fft_length=1000, frame_step=250, num_mel_bins=64),
            "^frame_step: found 250, the synthesizer needs a multiple of 64$",
        ),
        (AudioConfig(num_samples=64001), "^num_samples: found 64001, the synthesizer needs a multiple of 256$"),
    ],
)
def test_frames_that_the_synthesizer_cannot_use(config, message):
    with pytest.raises(InputError, match=message):
        spectral_ops.check_frames(config)
