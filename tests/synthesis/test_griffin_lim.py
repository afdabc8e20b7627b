"""Griffin-Lim and the inversion of the mel matrix, against librosa, scipy and closed forms."""

import functools

import librosa
import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import AudioConfig
from nsynth_vae.synthesis import griffin_lim

CONFIG = AudioConfig()
SMALL = AudioConfig(num_samples=8000)


def make_notes(count: int, config: AudioConfig) -> np.ndarray:
    """Return decaying harmonic notes with a little noise, float32 `[count, num_samples]`."""
    rng = np.random.default_rng(3)
    time = np.arange(config.num_samples) / config.sample_rate
    notes = []
    for index in range(count):
        f0 = 110.0 * 2.0 ** (index * 5 / 12)
        partials = sum(np.sin(2 * np.pi * f0 * k * time + k) / k for k in range(1, 9))
        notes.append(0.25 * partials * np.exp(-time * (1 + index)) + 1e-3 * rng.normal(size=time.size))
    return np.stack(notes).astype(np.float32)


def spectral_convergence(audio: np.ndarray, magnitude: np.ndarray, config: AudioConfig) -> float:
    """Return |found - target| / |target| of the magnitudes (Sturmel and Daudet 2011)."""
    found = features.magnitude(tf.constant(audio), config).numpy()
    return float(np.linalg.norm(found - magnitude) / np.linalg.norm(magnitude))


def librosa_griffin_lim(
    magnitude: np.ndarray, config: AudioConfig, *, iterations: int, momentum: float, seed: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Return librosa's audio and the phases it starts from, laid out as ours."""
    phase = 2 * np.pi * np.random.RandomState(seed).random(size=magnitude.T.shape).T
    audio = librosa.griffinlim(
        magnitude.T,
        n_iter=iterations,
        hop_length=config.frame_step,
        n_fft=config.fft_length,
        length=config.num_samples,
        momentum=momentum,
        random_state=seed,
    )
    return audio, phase.astype(np.float32)


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        AudioConfig(num_samples=5001, frame_length=512, frame_step=100, fft_length=512, num_mel_bins=40),
        AudioConfig(num_samples=6000, frame_length=800, frame_step=200, fft_length=1024, num_mel_bins=40),
    ],
    ids=["default", "odd length", "fft longer than the window"],
)
def test_inverse_stft_gives_back_the_audio(config: AudioConfig) -> None:
    """Perfect reconstruction to the last sample, both ends included."""
    audio = np.random.default_rng(0).uniform(-1, 1, [2, config.num_samples]).astype(np.float32)
    back = griffin_lim.inverse_stft(features.stft(tf.constant(audio), config), config).numpy()
    assert back.shape == audio.shape
    covered = (config.num_frames - 1) * config.frame_step + config.frame_length // 2
    assert covered >= config.num_samples
    np.testing.assert_allclose(back, audio, atol=1e-5)


def test_inverse_stft_of_an_inconsistent_spectrogram_is_librosas() -> None:
    """The least-squares audio of a spectrogram that no audio has."""
    rng = np.random.default_rng(1)
    shape = [SMALL.num_frames, SMALL.num_spectrogram_bins]
    spectrogram = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    expected = librosa.istft(spectrogram.T, hop_length=SMALL.frame_step, length=SMALL.num_samples)
    found = griffin_lim.inverse_stft(tf.constant(spectrogram), SMALL).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.99])
def test_first_iterations_are_librosas(momentum: float) -> None:
    """From the same phases, sample by sample."""
    magnitude = features.magnitude(tf.constant(make_notes(1, SMALL)), SMALL).numpy()
    for iterations in (0, 1, 3):
        expected, phase = librosa_griffin_lim(magnitude[0], SMALL, iterations=iterations, momentum=momentum)
        found = griffin_lim.griffin_lim(
            magnitude, SMALL, iterations=iterations, momentum=momentum, phase=tf.constant(phase)
        ).numpy()
        np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_converges_as_librosas_does_and_faster_with_momentum() -> None:
    """From the same phases equally far, from our own about as far, and farther with momentum."""
    magnitude = features.magnitude(tf.constant(make_notes(3, SMALL)), SMALL).numpy()

    def errors(audio: np.ndarray) -> list[float]:
        return [spectral_convergence(audio[i : i + 1], magnitude[i : i + 1], SMALL) for i in range(3)]

    ends = {}
    for momentum in (0.0, 0.99):
        pairs = [librosa_griffin_lim(note, SMALL, iterations=32, momentum=momentum) for note in magnitude]
        run = tf.function(functools.partial(griffin_lim.griffin_lim, config=SMALL, momentum=momentum))
        ours = run(magnitude, phase=tf.constant(pairs[0][1])).numpy()
        librosas = errors(np.stack([audio for audio, _ in pairs]))
        np.testing.assert_allclose(errors(ours), librosas, rtol=0.02)
        ends[momentum] = np.mean(errors(run(magnitude).numpy()))
    assert ends[0.99] < 0.5 * ends[0.0]
    assert ends[0.99] < 0.1


def test_mel_to_magnitude_is_a_non_negative_solution() -> None:
    """As exact as the least-squares solvers, and nearer to the magnitude that was."""
    magnitude = features.magnitude(tf.constant(make_notes(1, SMALL)), SMALL).numpy()[0, 10:14]
    weights = features.mel_weight_matrix(SMALL)
    mel = magnitude @ weights

    def residual(solution: np.ndarray) -> float:
        return float(np.linalg.norm(solution @ weights - mel) / np.linalg.norm(mel))

    few = griffin_lim.mel_to_magnitude(mel, SMALL).numpy()
    many = griffin_lim.mel_to_magnitude(mel, SMALL, iterations=300).numpy()
    cheap = griffin_lim.mel_to_magnitude(mel, SMALL, method="pseudo_inverse").numpy()
    scipys = np.stack([scipy.optimize.nnls(weights.T.astype(float), frame.astype(float))[0] for frame in mel])
    librosas = librosa.util.nnls(weights.T, mel.T).T
    assert min(few.min(), many.min(), cheap.min()) >= 0
    assert few.shape == (4, SMALL.num_spectrogram_bins)
    assert residual(scipys) < 1e-6
    assert residual(few) < 0.01
    assert residual(many) < max(1e-4, residual(librosas))
    assert residual(cheap) > 3 * residual(few)
    np.testing.assert_allclose(cheap, np.maximum(mel @ np.linalg.pinv(weights.astype(float)), 0), atol=1e-4)
    # Undetermined details are nearer to the truth than the sparse corner that a least-squares solve finds.
    assert np.linalg.norm(few - magnitude) < np.linalg.norm(scipys - magnitude)


def test_mel_to_magnitude_of_an_impossible_mel_lowers_the_divergence() -> None:
    """Each update lowers the divergence, in the end below the least-squares solution's."""
    weights = features.mel_weight_matrix(SMALL).astype(float)
    mel = np.random.default_rng(4).exponential(size=[3, SMALL.num_mel_bins]).astype(np.float32)

    def divergence(solution: np.ndarray) -> float:
        found = np.maximum(solution.astype(float) @ weights, 1e-12)
        return float(np.sum(mel * np.log(mel / found) - mel + found))

    steps = [divergence(griffin_lim.mel_to_magnitude(mel, SMALL, iterations=n).numpy()) for n in (0, 5, 20, 1000)]
    scipys = np.stack([scipy.optimize.nnls(weights.T, frame.astype(float))[0] for frame in mel])
    assert steps[0] > steps[1] > steps[2] > steps[3] > 0
    assert steps[3] < divergence(scipys)


def test_bins_below_the_first_filter_are_silent() -> None:
    """They have no part in the mel, and no 0 / 0 either."""
    config = AudioConfig(num_samples=8000, lower_edge_hertz=500.0, num_mel_bins=64)
    magnitude = griffin_lim.mel_to_magnitude(tf.ones([1, 2, 64]), config).numpy()
    bins = np.arange(config.num_spectrogram_bins) * config.sample_rate / config.fft_length
    assert np.all(magnitude[..., bins < 500.0] == 0)
    assert np.all(np.isfinite(magnitude))
    assert magnitude.max() > 0


def test_a_note_sounds_as_it_was() -> None:
    """The log-mel, the level and the pitch of the round trip."""
    notes = make_notes(2, CONFIG)
    log_mel = features.log_mel(tf.constant(notes), CONFIG)
    audio = griffin_lim.log_mel_to_audio(log_mel, CONFIG)
    assert audio.shape == (2, CONFIG.num_samples)
    assert audio.dtype == tf.float32
    error = tf.abs(features.log_mel(audio, CONFIG) - log_mel) * CONFIG.log_mel_scale
    assert float(tf.reduce_mean(error)) < 0.2
    level = np.sqrt(np.mean(audio.numpy() ** 2, axis=1) / np.mean(notes**2, axis=1))
    np.testing.assert_allclose(level, 1.0, atol=0.05)
    spectrum = np.abs(np.fft.rfft(audio.numpy()[0] * np.hanning(CONFIG.num_samples)))
    assert abs(np.argmax(spectrum) * CONFIG.sample_rate / CONFIG.num_samples - 110.0) < 3.0


def test_a_note_depends_on_nothing_but_itself() -> None:
    """Alone, in a batch, reversed and again: bit for bit the same."""
    log_mel = features.log_mel(tf.constant(make_notes(7, SMALL)), SMALL)
    synthesize = functools.partial(griffin_lim.log_mel_to_audio, config=SMALL, iterations=16)
    batched = synthesize(log_mel).numpy()
    np.testing.assert_array_equal(batched, synthesize(log_mel).numpy())
    np.testing.assert_array_equal(batched, np.concatenate([synthesize(note[None]) for note in log_mel]))
    np.testing.assert_array_equal(batched[::-1], synthesize(log_mel[::-1]).numpy())
    np.testing.assert_array_equal(batched, tf.function(synthesize)(log_mel).numpy())
    assert synthesize(log_mel[:0]).shape == (0, SMALL.num_samples)


def test_silence_stays_silent_and_no_note_clips() -> None:
    """From below silence to far above full scale, in one batch."""
    silence = features.log_mel(tf.zeros([1, SMALL.num_samples]), SMALL)
    note = features.log_mel(tf.constant(make_notes(1, SMALL)), SMALL)
    cases = tf.concat([silence, silence - 5.0, note, note + 1.0, tf.fill(note.shape, 100.0)], axis=0)
    audio = griffin_lim.log_mel_to_audio(cases, SMALL, iterations=16).numpy()
    assert np.all(np.isfinite(audio))
    peaks = np.max(np.abs(audio), axis=1)
    assert peaks[0] < 1e-6
    assert peaks[1] == 0.0
    assert 0.1 < peaks[2] < 1.0
    # Scaled as a whole, not clipped: one sample at the top, not many.
    np.testing.assert_allclose(peaks[3:], 1.0, atol=1e-6)
    assert np.sum(np.abs(audio[3]) > 0.999) < 5


def test_the_graph_does_not_grow_with_the_iterations() -> None:
    """One loop, not unrolled."""

    def operations(iterations: int) -> int:
        spec = tf.TensorSpec([None, SMALL.num_frames, SMALL.num_mel_bins])
        graph = tf.function(lambda x: griffin_lim.log_mel_to_audio(x, SMALL, iterations=iterations))
        definition = graph.get_concrete_function(spec).graph.as_graph_def()
        return len(definition.node) + sum(len(function.node_def) for function in definition.library.function)

    assert operations(2) == operations(100) > 100


def test_options_outside_their_range_are_refused() -> None:
    """Every message, word for word."""
    magnitude = tf.zeros([1, SMALL.num_frames, SMALL.num_spectrogram_bins])
    mel = tf.zeros([1, SMALL.num_frames, SMALL.num_mel_bins])
    with pytest.raises(ValueError, match="iterations: found -1, expected 0 or more"):
        griffin_lim.griffin_lim(magnitude, SMALL, iterations=-1)
    with pytest.raises(ValueError, match=r"momentum: found 1.5, expected a number from 0 to 1"):
        griffin_lim.griffin_lim(magnitude, SMALL, momentum=1.5)
    with pytest.raises(ValueError, match="method: found 'magic', expected nonnegative or pseudo_inverse"):
        griffin_lim.log_mel_to_audio(mel, SMALL, method="magic")
    with pytest.raises(ValueError, match="iterations: found -2, expected 0 or more"):
        griffin_lim.mel_to_magnitude(mel, SMALL, iterations=-2)
    expected = f"magnitude: found shape \\[1, {SMALL.num_frames - 1}, 513\\], expected \\[None, "
    with pytest.raises(ValueError, match=expected):
        griffin_lim.griffin_lim(magnitude[:, 1:], SMALL)
    with pytest.raises(ValueError, match=r"log_mel: found shape .*, expected .None, "):
        griffin_lim.log_mel_to_audio(mel[0], SMALL)
