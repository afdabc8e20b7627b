"""Two environments, with TensorFlow 2.17 and 2.21: models, exports and checkpoints of one sound the same in the other.

`OTHER_LANE=PYTHON python -m pytest -m slow tests/test_lanes.py` names the other environment's Python, as .ci/run does.
"""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
LANE = ROOT / "tests" / "lane.py"
OTHER = os.environ.get("OTHER_LANE", "")


def run(python: str, *arguments: object) -> None:
    subprocess.run([python, str(LANE), *map(str, arguments)], check=True, timeout=900)


def tensorflow_of(python: str) -> str:
    code = "import importlib.metadata; print(importlib.metadata.version('tensorflow'))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
@pytest.mark.skipif(not OTHER, reason="OTHER_LANE names no Python of another environment")
@pytest.mark.parametrize("made_here", [True, False])
def test_files_of_one_lane_sound_the_same_in_the_other(made_here, tmp_path):
    """Within 1e-4: by Keras, SavedModel, TFLite, and from a checkpoint, whose next losses are the same."""
    assert tensorflow_of(sys.executable) != tensorflow_of(OTHER)
    run(sys.executable if made_here else OTHER, "make", tmp_path)
    found = []
    for index, python in enumerate((sys.executable, OTHER)):
        run(python, "measure", tmp_path, tmp_path / f"{index}.npz")
        with np.load(tmp_path / f"{index}.npz") as file:
            found.append(dict(file))
    assert found[0].keys() == found[1].keys()
    assert len(found[0]) == 4 * 2 + 2
    for name, value in found[0].items():
        if name == "checkpoint/losses":
            assert len(value) == 2
            np.testing.assert_allclose(found[1][name], value, rtol=1e-4, err_msg=name)
        else:
            np.testing.assert_allclose(found[1][name], value, rtol=0, atol=1e-4, err_msg=name)
        if name.endswith("audio"):
            # After four steps of training a decoder is quiet.
            assert np.abs(value).max() > 1e-3, name
    assert found[0]["checkpoint/step"] == 4


@pytest.mark.slow
def test_step_times_are_a_row_for_each_environment():
    command = [sys.executable, str(ROOT / "benchmarks/training_step.py"), "--steps", "1", "--rounds", "1"]
    done = subprocess.run([*command, sys.executable], check=True, capture_output=True, text=True)
    (row,) = done.stdout.splitlines()[2:]
    _, versions, median, quickest, _ = row.split("|")
    assert f"TensorFlow {tensorflow_of(sys.executable).strip()}," in versions
    assert float(median) == float(quickest) > 0


def test_step_times_of_no_steps_are_refused():
    command = [sys.executable, str(ROOT / "benchmarks/training_step.py"), sys.executable, "--rounds", "0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--steps and --rounds: expected 1 or more" in done.stderr
