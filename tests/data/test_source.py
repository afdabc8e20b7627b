"""Texts of note sources."""

import pytest
import tensorflow as tf

from nsynth_vae.data.source import error_text


def test_tensorflows_errors_are_one_line_of_whole_words():
    def fail(number: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies(
            [tf.debugging.assert_equal(number, tf.constant(0, tf.int64), message="one two " + "three " * 60)]
        ):
            return tf.identity(number)

    notes = iter(tf.data.Dataset.range(2).map(fail, num_parallel_calls=2).prefetch(1))
    assert next(notes).numpy() == 0
    with pytest.raises(tf.errors.InvalidArgumentError, match="Iterator::") as error:
        next(notes)
    text = error_text(error.value)
    assert "one two three three" in text
    assert text.endswith("three ...")
    assert len(text) <= 160
    for technical in ("Iterator", "user-defined", "{{", "\n"):
        assert technical not in text
