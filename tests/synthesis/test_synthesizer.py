"""The synthesizer: untrained, at the edges, in training, and from its file."""

import dataclasses

import keras
import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.analysis import metrics
from nsynth_vae.analysis.pitch import in_tune
from nsynth_vae.config import AudioConfig, SynthesisConfig, SynthesizerConfig
from nsynth_vae.errors import InputError
from nsynth_vae.nn.draws import PartialMotion
from nsynth_vae.nn.float16 import round_weights
from nsynth_vae.notes import pitch_to_hertz
from nsynth_vae.synthesis import harmonic_analysis, losses
from nsynth_vae.synthesis.constants import make_constants
from nsynth_vae.synthesis.losses import spectral_losses
from nsynth_vae.synthesis.synthesizer import PEAK, Synthesizer
from nsynth_vae.synthesis.vocoder import load_synthesizer

CONFIG = SynthesisConfig(synthesizer=SynthesizerConfig(channels=16, blocks=1, num_harmonics=60))
AUDIO = CONFIG.audio


def make_notes(pitches: list[int], noise: float = 0.0) -> np.ndarray:
    """Return decaying harmonic notes with noise, float32 `[notes, 64000]`."""
    rng, time = np.random.default_rng(3), np.arange(64000) / 16000
    notes = []
    for pitch in pitches:
        f0 = pitch_to_hertz(pitch)
        partials = sum(np.sin(2 * np.pi * f0 * k * time + k) / k for k in range(1, 13) if k * f0 < 7500)
        notes.append(
            (0.25 * partials * np.minimum(time / 0.003, 1) + noise * rng.normal(size=time.size)) * np.exp(-time)
        )
    return np.stack(notes).astype(np.float32)


def log_mel_of(audio: np.ndarray) -> tf.Tensor:
    return features.log_mel(tf.constant(audio), AUDIO)


def make(config: SynthesisConfig = CONFIG, *, trained: bool = False) -> Synthesizer:
    """Return a synthesizer; `trained`: with heads that are not zero, the same ones every time."""
    keras.utils.set_random_seed(1)
    synthesizer = Synthesizer(config)
    synthesizer.build()
    if trained:
        rng = np.random.default_rng(5)
        for head in synthesizer.heads.values():
            head.kernel.assign(0.2 * rng.standard_normal(head.kernel.shape))
    return synthesizer


def deviation_of(synthesizer: Synthesizer, log_mel: tf.Tensor, pitch: int) -> np.ndarray:
    mel, f0 = synthesizer.mel(log_mel), synthesizer._cycles(tf.constant([pitch]))
    template, slope = harmonic_analysis.harmonic_templates(f0, synthesizer.constants, AUDIO)
    return harmonic_analysis.f0_deviation(
        mel, harmonic_analysis.harmonic_levels(mel, template), template, slope
    ).numpy()


@pytest.fixture(scope="module")
def untrained() -> Synthesizer:
    return make()


@pytest.fixture(scope="module")
def trained() -> Synthesizer:
    return make(trained=True)


def test_without_training_it_already_plays_the_levels_of_the_mel(untrained):
    pitches = [33, 57, 76, 95]
    notes = make_notes(pitches, noise=0.003)
    found = untrained(log_mel_of(notes), tf.constant(pitches)).numpy()
    assert found.shape == notes.shape
    for note, sound, pitch in zip(notes, found, pitches, strict=True):
        assert in_tune(sound, pitch)
        # The decoy: a note that is quieter by 6 dB has 0.69.
        assert metrics.log_mel_l1(note, sound) < 0.5
        assert metrics.lsd_db(note, sound) < 7


def test_a_single_partial_comes_back_at_its_level(untrained):
    time = np.arange(64000) / 16000
    note = (0.4 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[None]
    sound = untrained(log_mel_of(note), tf.constant([69])).numpy()[0]
    spectrum = np.abs(np.fft.rfft(sound[16000:48000] * np.hanning(32000))) / 8000
    assert spectrum.argmax() / 2 == pytest.approx(440, abs=0.5)
    assert spectrum.max() == pytest.approx(0.4, rel=0.03)


@pytest.mark.parametrize(
    ("pitch", "shift", "depth"), [(45, 0.0, 8.0), (57, -12.0, 15.0), (72, 6.0, 20.0), (84, 0.0, 0.0)]
)
def test_detuning_and_vibrato_are_estimated_from_the_mel_and_played(untrained, pitch, shift, depth):
    """A note `shift` cents off, with a vibrato of `depth` cents, 5 times a second."""
    time = np.arange(64000) / 16000
    cents = shift + depth * np.sin(2 * np.pi * 5 * time)
    phase = 2 * np.pi * np.cumsum(pitch_to_hertz(pitch) * 2 ** (cents / 1200)) / 16000
    note = sum(0.3 * np.sin(k * phase + k) / k for k in range(1, 13) if pitch_to_hertz(pitch) * k < 7500)
    log_mel = log_mel_of(note.astype(np.float32)[None])
    deviation = deviation_of(untrained, log_mel, pitch)[0]
    # A frame of 64 ms measures the mean of a vibrato of 200 ms over itself: a few per cent less of it.
    np.testing.assert_allclose(1200 * np.log2(1 + deviation[4:246]), cents[::256][4:246], atol=3.0 + 0.1 * depth)
    sound = untrained(log_mel, tf.constant([pitch])).numpy()[0]
    assert metrics.wobble_cents(sound, pitch) == pytest.approx(depth / np.sqrt(2), abs=1.0 + 0.1 * depth)
    found = 1200 * np.log2(metrics.note_f0(sound, pitch) / pitch_to_hertz(pitch))
    assert found == pytest.approx(shift, abs=3.0)


def test_motion_is_played_as_it_is_given(untrained):
    """The f0 10 cents up, and the phase of the second partial turning by 3 periods a second: it alone is 3 Hz up."""
    time = np.arange(64000) / 16000
    note = sum(0.2 * np.sin(2 * np.pi * 440 * k * time) for k in (1, 2, 3)).astype(np.float32)[None]
    phase = np.zeros([1, AUDIO.num_frames, CONFIG.synthesizer.num_harmonics], np.float32)
    phase[0, :, 1] = 2 * np.pi * 3 * np.arange(AUDIO.num_frames) * AUDIO.frame_step / AUDIO.sample_rate
    deviation = np.full([1, AUDIO.num_frames], 2 ** (10 / 1200) - 1, np.float32)
    motion = PartialMotion(tf.constant(deviation), tf.constant(phase))
    sound = untrained(log_mel_of(note), tf.constant([69]), motion=motion).numpy()[0]
    spectrum = np.abs(np.fft.rfft(sound[16000:48000] * np.hanning(32000), 1 << 20))
    f0 = 440 * 2 ** (10 / 1200)
    for partial, expected in ((1, f0), (2, 2 * f0 + 3), (3, 3 * f0)):
        low, high = (round(hertz * (1 << 20) / 16000) for hertz in (partial * f0 - 30, partial * f0 + 30))
        found = (low + spectrum[low:high].argmax()) * 16000 / (1 << 20)
        assert found == pytest.approx(expected, abs=0.1), partial


def test_the_slope_of_the_template_is_its_derivative(untrained):
    f0 = untrained._cycles(tf.constant([40, 63, 90]))
    (below, _), (_, slope), (above, _) = (
        harmonic_analysis.harmonic_templates(f0 * (1 + part), untrained.constants, AUDIO) for part in (-1e-4, 0, 1e-4)
    )
    expected = ((above - below) / 2e-4).numpy()[:, : slope.shape[1]]
    np.testing.assert_allclose(slope, expected, atol=0.01 * np.abs(expected).max())


def test_noises_of_two_notes_are_independent_at_all_delays(untrained):
    """Not only at the same time: half of a noise that comes again 9 ms later is heard as a comb."""
    seeds, pitches = tf.constant([0, 0, 0, 1, 2, 3, -1, 2**31 - 1]), tf.constant([60, 64, 67, 60, 60, 60, 60, 60])
    noise = untrained.draw_noise(seeds, pitches).numpy().astype(np.float64)
    np.testing.assert_allclose(noise.std(axis=1), 1.0, rtol=0.02)
    assert np.abs(noise.mean(axis=1)).max() < 0.02
    size = noise.shape[1]
    spectra = np.fft.rfft(noise, 2 * size)
    for one in range(len(noise)):
        for other in range(one):
            correlation = np.fft.irfft(spectra[one] * spectra[other].conj()) / size
            # Of independent noises 1 / sqrt(size), 0.004, and the largest of 128,000 is 4.5 times that.
            assert np.abs(correlation).max() < 0.025
    # Each is white: only with itself, at no delay, it correlates.
    own = np.fft.irfft(np.abs(spectra) ** 2, axis=1) / size
    assert np.abs(own[:, 1:size]).max() < 0.025


def test_noise_and_silence_deviate_little(untrained):
    noise = np.random.default_rng(0).normal(size=[1, 64000]).astype(np.float32) * 0.1
    for audio in (noise, 0 * noise):
        deviation = deviation_of(untrained, log_mel_of(audio), 60)
        assert np.isfinite(deviation).all()
        assert np.abs(deviation).max() <= harmonic_analysis.DEVIATION_LIMIT
    np.testing.assert_array_equal(deviation, 0.0)


@pytest.mark.parametrize("pitch", [90, 100, 108])
def test_nothing_is_aliased(untrained, pitch):
    """High notes: the harmonic part has no power between its multiples, below or above Nyquist."""
    log_mel = log_mel_of(make_notes([pitch]))
    mel = untrained.mel(log_mel)
    harmonic, _, _ = untrained.parts(log_mel, mel, tf.constant([pitch]), untrained.noise_from(0, AUDIO.num_frames))
    part = harmonic.numpy()[0, 8000:40768]
    power = np.abs(np.fft.rfft(part * scipy.signal.get_window("blackmanharris", part.size))) ** 2
    hertz = np.arange(power.size) * 16000 / part.size
    f0 = pitch_to_hertz(pitch)
    at_multiples = (np.abs(hertz - np.round(hertz / f0) * f0) < 20) & (hertz > f0 / 2) & (hertz < 7850)
    assert power[~at_multiples].sum() < 1e-6 * power.sum()
    assert power[at_multiples].sum() > 0


@pytest.mark.parametrize("velocity", [0.0001, 0.01, 1.0])
def test_every_pitch_is_finite_within_range_and_ends_without_a_click(trained, velocity):
    pitches = [*list(range(21, 109, 3)), 0, 108, 127]
    notes = make_notes([36, 60, 84], noise=0.01) * velocity
    log_mel = log_mel_of(notes)
    for start in range(0, len(pitches), 6):
        some = tf.constant(pitches[start : start + 6])
        sound = trained(tf.gather(log_mel, tf.range(len(some)) % 3), some).numpy()
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() <= PEAK + 1e-6
        assert np.abs(sound[:, [0, -1]]).max() < 1e-4
        assert np.abs(np.diff(sound[:, :4])).max() < 0.02
        assert np.abs(np.diff(sound[:, -4:])).max() < 0.02


def test_silence_gives_silence(trained):
    sound = trained(log_mel_of(np.zeros([1, 64000], np.float32)), tf.constant([60])).numpy()
    assert np.abs(sound).max() < 1e-8


def test_what_is_louder_than_audio_can_be_is_limited(trained):
    sound = trained(tf.fill([2, 251, 128], 50.0), tf.constant([40, 80])).numpy()
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() == pytest.approx(PEAK, abs=1e-6)


def test_the_same_twice_and_alone_as_in_a_batch(trained):
    pitches = [45, 60, 72]
    log_mel = log_mel_of(make_notes(pitches, noise=0.01))
    together = trained(log_mel, tf.constant(pitches)).numpy()
    np.testing.assert_array_equal(together, trained(log_mel, tf.constant(pitches)))
    for index, pitch in enumerate(pitches):
        alone = trained(log_mel[index : index + 1], tf.constant([pitch])).numpy()[0]
        np.testing.assert_allclose(alone, together[index], atol=1e-4)


@pytest.mark.parametrize("to_pitch", [50, 57, 64, 76])
def test_a_note_moves_to_another_pitch_with_its_formants(untrained, to_pitch):
    """A spectrum that falls by 12 dB an octave does so at the other pitch too: the level at a frequency is kept."""
    time, f0 = np.arange(64000) / 16000, pitch_to_hertz(57)
    note = sum(0.5 * np.sin(2 * np.pi * f0 * k * time + k * k) / k**2 for k in range(1, 20)).astype(np.float32)[None]
    sound = untrained.transpose(log_mel_of(note), tf.constant([57]), tf.constant([to_pitch])).numpy()[0]
    assert in_tune(sound, to_pitch)
    spectrum = np.abs(np.fft.rfft(sound[16000:48000] * np.hanning(32000))) / 8000
    for number in range(1, 5):
        hertz = number * pitch_to_hertz(to_pitch)
        if f0 < hertz < 10 * f0:
            near = spectrum[int(2 * hertz) - 4 : int(2 * hertz) + 6].max()
            assert 20 * np.log10(near / (0.5 * (f0 / hertz) ** 2)) == pytest.approx(0, abs=2.5)


def test_pitches_are_exact_to_a_ten_thousandth_of_a_semitone(trained):
    """Of whole numbers, so that a file in float16 is as exact."""
    found = trained._cycles(tf.range(128)).numpy() * 16000
    np.testing.assert_allclose(found, pitch_to_hertz(np.arange(128)), rtol=5e-6)


def test_constants_survive_float16():
    for name, values in make_constants(AUDIO, 128).items():
        if values.dtype != np.int32:
            np.testing.assert_array_equal(values, values.astype(np.float16), err_msg=name)
    constants = make_constants(AUDIO, 128)
    np.testing.assert_allclose(constants["scale_to_band"].sum(axis=0), 1.0, atol=1e-3)
    np.testing.assert_allclose(constants["mel_to_band"].sum(axis=0), 1.0, atol=2e-3)


def test_rounding_the_weights_leaves_the_sound(trained):
    synthesizer = make(trained=True)
    round_weights(synthesizer)
    for weight in synthesizer.weights:
        values = np.array(weight)
        np.testing.assert_array_equal(values, values.astype(np.float16))
    log_mel = log_mel_of(make_notes([60]))
    before, after = (model(log_mel, tf.constant([60])).numpy()[0] for model in (trained, synthesizer))
    assert metrics.log_mel_l1(before, after) < 0.02


def test_every_weight_is_trained():
    synthesizer = make(trained=True)
    notes = make_notes([45, 60], noise=0.01)
    with tf.GradientTape() as tape:
        values = losses.distances(
            synthesizer, {"audio": tf.constant(notes), "pitch": tf.constant([45, 60])}, tf.constant(3)
        )
        loss = tf.reduce_mean(values["loss"])
    gradients = tape.gradient(loss, synthesizer.trainable_variables)
    for variable, gradient in zip(synthesizer.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path


def test_silence_has_finite_gradients():
    synthesizer = make(trained=True)
    silent = {"audio": tf.zeros([1, 64000]), "pitch": tf.constant([60])}
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(losses.distances(synthesizer, silent, tf.constant(0))["loss"])
    for gradient in tape.gradient(loss, synthesizer.trainable_variables):
        assert gradient is None or np.isfinite(gradient).all()


@pytest.mark.slow
def test_training_steps_bring_the_loss_down():
    data = {"audio": tf.constant(make_notes([45, 57, 69, 81], noise=0.02)), "pitch": tf.constant([45, 57, 69, 81])}
    synthesizer = make()
    synthesizer.compile(optimizer=keras.optimizers.Adam(5e-3))
    synthesizer.optimizer.build(synthesizer.trainable_variables)
    step = tf.function(synthesizer.train_step)
    before = {name: float(value) for name, value in synthesizer.test_step(data).items()}
    values = [float(step(data)["loss"]) for _ in range(10)]
    synthesizer.reset_metrics()
    after = {name: float(value) for name, value in synthesizer.test_step(data).items()}
    assert np.isfinite(values).all()
    assert set(before) == set(losses.LOSS_NAMES) == set(losses.DEFINITIONS)
    assert after["loss"] < 0.9 * before["loss"]


def test_it_survives_its_config_and_its_folder(trained, tmp_path):
    again = Synthesizer.from_config(trained.get_config())
    assert again.config == CONFIG
    CONFIG.save(tmp_path / "config.json")
    trained.save_weights(tmp_path / "model.weights.h5")
    loaded = load_synthesizer(tmp_path)
    log_mel = log_mel_of(make_notes([60]))
    np.testing.assert_array_equal(loaded(log_mel, tf.constant([60])), trained(log_mel, tf.constant([60])))


def test_folders_that_are_no_synthesizer(trained, tmp_path):
    with pytest.raises(InputError, match=r"none: not a folder, expected a synthesizer's with config.json"):
        load_synthesizer(tmp_path / "none")
    with pytest.raises(InputError, match=r"config.json: No such file"):
        load_synthesizer(tmp_path)
    CONFIG.save(tmp_path / "config.json")
    with pytest.raises(InputError, match=r"model.weights.h5: not found, expected the weights of a trained synthesizer"):
        load_synthesizer(tmp_path)
    (tmp_path / "model.weights.h5").write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"model.weights.h5: .*; expected the weights of the synthesizer"):
        load_synthesizer(tmp_path)
    wider = dataclasses.replace(CONFIG, synthesizer=SynthesizerConfig(channels=32, blocks=1, num_harmonics=60))
    wider.save(tmp_path / "config.json")
    trained.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(InputError, match=r"model.weights.h5: .*; expected the weights of the synthesizer"):
        load_synthesizer(tmp_path)


def test_frames_it_cannot_be_built_for():
    config = SynthesisConfig(audio=AudioConfig(num_samples=64001))
    with pytest.raises(InputError, match=r"^num_samples: found 64001, the synthesizer needs a multiple of 256$"):
        Synthesizer(config)


def test_losses_are_the_measures():
    a, b = (make_notes([57], noise)[:, :63488] for noise in (0.0, 0.01))
    loudest = np.abs(scipy.signal.stft(a[0], nperseg=2048, noverlap=1536, boundary=None, padded=False)[2]).max() * 1024
    mss, lsd = spectral_losses(*map(tf.constant, (a, b)), tf.constant([loudest], tf.float32))
    assert float(mss[0]) == pytest.approx(metrics.mss(a[0], b[0]), rel=1e-4)
    assert float(lsd[0]) == pytest.approx(metrics.lsd_db(a[0], b[0]), rel=1e-3)
    mss, lsd = spectral_losses(*map(tf.constant, (a, a)), tf.constant([loudest], tf.float32))
    assert float(mss[0]) == 0
    assert float(lsd[0]) < 0.04
