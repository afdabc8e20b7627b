"""Tests of `errors`: what LiteRT raises, in words."""

from __future__ import annotations

import pathlib

import pytest

from nsynth_vae.errors import InputError, tflite_errors

pytestmark = pytest.mark.player


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            RuntimeError("failed to create XNNPACK runtime" * 20),
            "cannot be run, expected more memory, or a file that is",
        ),
        (RuntimeError(), "cannot be run, expected more memory, or a file that is not damaged"),
        (ValueError("Model provided has\nno"), "cannot be run (Model provided has), expected a TFLite file of this"),
        (FileNotFoundError(2, "No such file", "x"), "cannot be run (No such file), expected a TFLite file"),
    ],
)
def test_litert_without_memory_is_not_called_a_wrong_file(error: Exception, expected: str) -> None:
    with pytest.raises(InputError) as raised, tflite_errors(pathlib.Path("decoder.tflite")):
        raise error
    assert str(raised.value).startswith(f"decoder.tflite: {expected}")
