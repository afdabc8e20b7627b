"""The classifier: predictions do not depend on the batch, unknown labels have no gradient, pitches are all alike."""

import keras
import numpy as np
import pytest
import synthetic
import tensorflow as tf

from nsynth_vae.config import ClassificationConfig, ClassifierConfig
from nsynth_vae.errors import InputError
from nsynth_vae.evaluation import classifier
from nsynth_vae.evaluation.classifier import LABELS, Classifier
from nsynth_vae.notes import UNKNOWN

CONFIG = ClassificationConfig(classifier=ClassifierConfig(channels=4, feature_dim=8))
AUDIO = np.stack([synthetic.tone(pitch) for pitch in (48, 60, 67, 72)])


def batch(family=(0, 1, 2, 3), source=(0, 1, 2, 0)) -> dict[str, np.ndarray]:
    labels = {"pitch": [48, 60, 67, 72], "instrument_family": family, "instrument_source": source}
    return {"audio": AUDIO} | {name: np.array(values, np.int32) for name, values in labels.items()}


@pytest.fixture(scope="module")
def model() -> Classifier:
    keras.utils.set_random_seed(1)
    model = Classifier(CONFIG)
    model.build()
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    model.optimizer.build(model.trainable_variables)
    return model


def test_what_is_predicted(model):
    shapes = {name: tuple(value.shape) for name, value in model(AUDIO).items()}
    assert shapes == {name: (4, classes) for name, classes in LABELS.items()} | {"features": (4, 8)}
    assert LABELS == {"pitch": 128, "instrument_family": 11, "instrument_source": 3}


def test_a_note_does_not_depend_on_its_batch(model):
    together = model(AUDIO)
    for row in range(4):
        for name, value in model(AUDIO[row : row + 1]).items():
            np.testing.assert_allclose(value[0], together[name][row], rtol=1e-4, atol=1e-4)


def test_all_pitches_are_alike(model):
    """An octave higher, an untrained net predicts of each pitch what it predicted an octave lower."""
    low, high = model(np.stack([synthetic.tone(60), synthetic.tone(72)]))["pitch"].numpy()
    middle = slice(50, 90)
    assert np.corrcoef(low[middle], high[12:][middle])[0, 1] > 0.95 > np.corrcoef(low[middle], high[middle])[0, 1]


def test_the_loss_is_the_sum_of_the_cross_entropies_of_what_is_known(model):
    predicted = {name: tf.nn.log_softmax(value).numpy() for name, value in model(AUDIO).items()}
    full, partial = batch(), batch(family=(0, UNKNOWN, 2, UNKNOWN), source=(UNKNOWN,) * 4)
    rows = np.arange(4)

    def entropy(data: dict, name: str) -> np.ndarray:
        return np.where(data[name] == UNKNOWN, 0.0, -predicted[name][rows, data[name]])

    for data in (full, partial):
        expected = sum(entropy(data, name) for name in LABELS)
        sums, each = model.assess(data)
        np.testing.assert_allclose(each, expected, rtol=1e-4)
        np.testing.assert_allclose(sums["loss"], [expected.sum(), 4], rtol=1e-4)
        known = [sum(data[name] != UNKNOWN) for name in ("instrument_family", "instrument_source")]
        assert [sums[name][1] for name in ("family_accuracy", "source_accuracy")] == known


def test_accuracies_count_the_known_labels_only(model):
    predicted = model(AUDIO)
    family = predicted["instrument_family"].numpy().argmax(axis=1)
    pitch = predicted["pitch"].numpy().argmax(axis=1)
    data = batch(family=(family[0], UNKNOWN, (family[2] + 1) % 11, UNKNOWN), source=(UNKNOWN,) * 4)
    data["pitch"] = np.array([pitch[0], pitch[1] + 1, pitch[2] - 1, pitch[3] + 2], np.int32)
    model.reset_metrics()
    result = {name: float(value) for name, value in model.test_step(data).items()}
    assert result["family_accuracy"] == 0.5
    assert result["source_accuracy"] == 0.0
    assert result["pitch_accuracy"] == 0.25
    assert result["pitch_within_1"] == 0.75


def test_an_unknown_label_has_no_gradient(model):
    def gradients(data: dict) -> list:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model.compute_losses(data, None).objective)
        return tape.gradient(loss, model.to_source.trainable_variables)

    assert max(float(tf.reduce_max(tf.abs(part))) for part in gradients(batch())) > 0.0
    for part in gradients(batch(source=(UNKNOWN,) * 4)):
        np.testing.assert_array_equal(part, 0.0)


def test_draws_are_a_function_of_seed_and_step(model):
    one, again, other = (model.draws(4, tf.constant(step)).numpy() for step in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert one.shape == (4, 10)
    assert (one != other).mean() > 0.9
    assert one.min() >= 0
    assert one.max() < 1


def test_draws_in_the_middle_leave_the_note_as_it_is(model):
    """Half way between louder and softer, and with no feature left out: but for dropout's scale of the features."""
    draws = np.full([4, 10], 0.5, np.float32)
    plain, drawn = model(AUDIO), model(AUDIO, draws)
    np.testing.assert_allclose(drawn["features"], plain["features"], rtol=1e-5, atol=1e-6)
    bias = model.to_source.bias.numpy()
    kept = 1.0 - CONFIG.classifier.dropout
    np.testing.assert_allclose(
        (drawn["instrument_source"] - bias) * kept, plain["instrument_source"] - bias, rtol=1e-3, atol=1e-5
    )
    draws[:, 2:] = 0.0
    np.testing.assert_allclose(model(AUDIO, draws)["instrument_source"], np.tile(bias, [4, 1]), atol=1e-6)


def test_it_learns_what_it_is_shown():
    keras.utils.set_random_seed(1)
    model = Classifier(CONFIG)
    model.build()
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    model.optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step)
    data = {name: tf.constant(value) for name, value in batch().items()}
    first = {name: float(value) for name, value in step(data).items()}
    for _ in range(40):
        last = {name: float(value) for name, value in step(data).items()}
    assert set(first) == set(classifier.DEFINITIONS)
    assert last["loss"] < 0.5 * first["loss"]
    assert last["pitch_accuracy"] == 1.0


def test_the_weights_of_a_saved_classifier_come_back(model, tmp_path):
    CONFIG.save(tmp_path / "config.json")
    model.save_weights(tmp_path / "model.weights.h5")
    loaded = classifier.load_classifier(tmp_path)
    for name, value in model(AUDIO).items():
        np.testing.assert_array_equal(loaded(AUDIO)[name], value)


def test_no_classifier_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"none: not a folder, expected a classifier's with config.json"):
        classifier.load_classifier(tmp_path / "none")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classifier": {"channels": 0}}, "channels: found 0, expected a positive integer"),
        ({"classifier": {"feature_dim": -1}}, "feature_dim: found -1, expected a positive integer"),
        ({"classifier": {"dropout": 1.0}}, "dropout: found 1.0, expected at least 0 and below 1"),
        ({"train": {"precision": "mixed_float16"}}, "expected float32, a classifier's only one"),
        ({"audio": {"sample_rate": 22050, "upper_edge_hertz": 8000}}, "expected 16000 Hz, a classifier's only"),
    ],
)
def test_a_configuration_out_of_range_is_an_error(values, message):
    with pytest.raises(InputError, match=message):
        ClassificationConfig.from_dict(values)
