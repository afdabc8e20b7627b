"""`--no-picture`: no PNG, none in the JSON file's list, and no matplotlib imported."""

import json
import pathlib
import subprocess
import sys

import pytest

pytestmark = pytest.mark.player

RUN = """
import sys
sys.path.insert(0, {tests!r})
import fake_model
from nsynth_vae import __main__, api
api.load_model = lambda *arguments, **options: fake_model.make_model()
assert __main__.main({arguments!r}) == 0
heavy = {{"matplotlib", "scipy", "sklearn", "swift_f0", "onnxruntime", "tensorflow", "PIL"}}
print(*sorted(heavy & {{*sys.modules}}))
"""


@pytest.mark.parametrize(
    ("arguments", "record"),
    [
        (["interpolate", "flute", "guitar", "--steps", "3", "--compare"], "morph.json"),
        (["arithmetic", "flute + 0.1*bright"], "result.json"),
        (["sample", "--method", "prior", "--count", "2"], "samples.json"),
        (["instrument", "flute", "--pitches", "60-63"], "instrument.json"),
    ],
)
def test_no_picture_is_written_and_nothing_heavy_imported(arguments, record, tmp_path):
    listed = {}
    for options in ([], ["--no-picture"]):
        output = tmp_path / f"out{len(options)}"
        arguments_here = [*arguments, *options, "-o", str(output)]
        code = RUN.format(tests=str(pathlib.Path(__file__).parent), arguments=arguments_here)
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        heavy = ran.stdout.splitlines()[-1].split()
        # An instrument's samples are tuned by the pitch tracker.
        tracker = ["onnxruntime", "swift_f0"] if arguments[0] == "instrument" else []
        assert [name for name in heavy if name not in tracker] == ([] if options else ["PIL", "matplotlib"])
        listed[len(options)] = set(json.loads((output / record).read_text(encoding="utf-8"))["files"])
        there = {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}
        assert listed[len(options)] | {record} == there
    pictures = {name for name in listed[0] if name.endswith(".png")}
    assert len(pictures) == 1
    # The SFZ is named after the folder.
    assert {name.replace("out0", "out1") for name in listed[0] - pictures} == listed[1]
