"""The parts of an evaluation: requests, figures from records, and pages from figures."""

import io
import math

import numpy as np
import PIL.Image
import pytest
import soundfile
import synthetic

from nsynth_vae.analysis import metrics
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.source import NoteTable
from nsynth_vae.evaluation import examples, html_report, markdown_report, measure, summary, systems
from nsynth_vae.evaluation.measure import Measured
from nsynth_vae.evaluation.systems import family_names
from nsynth_vae.files import flac
from nsynth_vae.notes import parse_note_str

NAMES = ("bass_synthetic_001", "flute_acoustic_002", "organ_electronic_003", "kazoo")
TABLE = NoteTable.from_notes(
    [
        *(parse_note_str(f"{name}-{pitch:03d}-{velocity:03d}") for name in NAMES for pitch, velocity in
          ((40, 25), (40, 127), (50, 75), (60, 100))),
        parse_note_str("reed_acoustic_005-070-050"),
    ],
    [2] * 17,
)  # fmt: skip


def test_families_by_name():
    assert list(family_names(TABLE)) == ["bass"] * 4 + ["flute"] * 4 + ["organ"] * 4 + ["other"] * 4 + ["reed"]


def test_every_note_is_requested_at_its_own_pitch():
    requests = systems.request_own(TABLE)
    np.testing.assert_array_equal(requests.note, requests.reference)
    np.testing.assert_array_equal(requests.pitch, TABLE.pitch)
    np.testing.assert_array_equal(requests.velocity, TABLE.velocity)


def test_other_pitches_are_another_notes_of_the_instrument():
    requests = systems.request_other_pitches(TABLE, seed=0)
    # The reed has one note only.
    np.testing.assert_array_equal(requests.note, np.arange(16))
    assert (TABLE.instrument_str[requests.note] == TABLE.instrument_str[requests.reference]).all()
    assert (TABLE.pitch[requests.note] != requests.pitch).all()
    np.testing.assert_array_equal(requests.pitch, TABLE.pitch[requests.reference])
    np.testing.assert_array_equal(requests.velocity, TABLE.velocity[requests.reference])
    again, other = (systems.request_other_pitches(TABLE, seed) for seed in (0, 1))
    np.testing.assert_array_equal(requests.reference, again.reference)
    assert (requests.reference != other.reference).any()


def test_paths_are_between_families_at_one_pitch():
    requests = systems.request_interpolations(TABLE, 0, 30)
    assert len(requests) == 30 * systems.STEPS
    assert requests.reference is None
    families = family_names(TABLE)
    for start in range(0, len(requests), systems.STEPS):
        path = requests.take(slice(start, start + systems.STEPS))
        np.testing.assert_array_equal(path.step, np.arange(9))
        assert len({tuple(ends) for ends in path.ends.tolist()}) == 1
        first, second = path.ends[0]
        assert families[first] != families[second]
        assert TABLE.pitch[first] == TABLE.pitch[second] == path.pitch[0] != 70
        assert set(path.velocity) == {round((TABLE.velocity[first] + TABLE.velocity[second]) / 2)}
    assert len({tuple(ends) for ends in requests.ends.tolist()}) > 10


def test_there_is_no_path_where_no_pitch_has_two_families():
    assert len(systems.request_interpolations(TABLE.take(np.arange(4)), 0, 5)) == 0
    assert len(systems.request_other_pitches(TABLE.take(np.array([16])), 0)) == 0


def record(note: int, **values) -> dict:
    return {"note": note, "reference": note, "ends": None, "step": None, "family": "flute", "in_tune": 1.0} | values


def test_a_figure_is_of_the_sounds_that_have_it():
    records = [record(0, mss=1.0), record(1, mss=2.0), record(2, mss=6.0), record(3, mss=math.nan), record(4)]
    assert summary.figure(records, "mss") == {"mean": 3.0, "median": 2.0, "sounds": 3}
    assert summary.figure(records, "in_tune") == {"mean": 1.0, "sounds": 5}
    assert summary.figure(records, "lsd_db") is None


def test_real_notes_are_compared_with_the_requested_sounds():
    real = Measured([record(0, in_tune=1.0), record(1, in_tune=0.0)], None)
    moved = Measured([record(0, reference=1), record(0, reference=1, family="reed")], None)
    paths = [record(0, reference=None, ends=(0, 1), step=step, in_tune=float(step == 4)) for step in range(9)]
    found = summary.summarize({"real": real, "other_pitch": moved, "interpolation": Measured(paths, None)}, seed=0)
    means = {name: system["measures"]["real_in_tune"]["mean"] for name, system in found.items()}
    assert means == {"real": 0.5, "other_pitch": 0.0, "interpolation": 0.5, "interpolation_middle": 0.5}
    assert found["interpolation"]["steps"] == [0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert found["interpolation_middle"]["measures"]["in_tune"] == {"mean": 1.0, "sounds": 1}
    assert {name: family["sounds"] for name, family in found["other_pitch"]["families"].items()} == {
        "flute": 1,
        "reed": 1,
    }


def test_onsets_count_whether_early_or_late():
    real = Measured([record(0, onset_error_seconds=-0.02), record(1, onset_error_seconds=0.01)], None)
    assert summary.summarize({"real": real}, seed=0)["real"]["measures"]["onset_off_seconds"]["mean"] == 0.015


def test_distances_of_sets_have_the_real_notes_as_their_floor():
    """Those of a system that moves each note by 3 are farther than those of the real notes from one another."""
    features = np.random.default_rng(0).standard_normal([1000, 4])
    records = [record(note) for note in range(1000)]
    parts = {"real": Measured(records, features), "griffin_lim": Measured(records, features + 3.0)}
    found = summary.summarize(parts, seed=0)
    floor, far = (found[name]["measures"]["frechet_distance"]["mean"] for name in parts)
    assert floor < 0.1
    assert far == pytest.approx(36.0, rel=0.05)
    floor, far = (found[name]["measures"]["ndb_50"]["mean"] for name in parts)
    assert floor < 0.1
    assert far > 0.8


def test_sets_that_are_too_small_have_no_distance():
    records = [record(note) for note in range(60)]
    features = np.random.default_rng(0).standard_normal([60, 4])
    measures = summary.summarize({"real": Measured(records, features)}, seed=0)["real"]["measures"]
    assert "frechet_distance" in measures
    assert "ndb_50" not in measures
    measures = summary.summarize({"real": Measured(records[:3], features[:3])}, seed=0)["real"]["measures"]
    assert "frechet_distance" not in measures


def test_sound_that_is_not_finite_is_infinitely_far_and_out_of_tune():
    note = synthetic.tone(60)
    broken = note.copy()
    broken[100] = np.nan
    found = measure.measure_sound(note, broken, 60)
    assert set(found) == set(metrics.DEFINITIONS)
    assert found["in_tune"] == 0.0
    assert found["mss"] == found["lsd_db"] == found["log_mel_l1"] == math.inf
    assert math.isnan(found["wobble_cents"])
    alone = measure.measure_sound(None, broken, 60)
    assert math.isnan(alone["mss"])
    assert alone["in_tune"] == 0.0


def test_a_sound_alone_has_the_measures_that_need_no_reference():
    note = synthetic.tone(60)
    alone, compared = measure.measure_sound(None, note, 60), measure.measure_sound(note, note, 60)
    assert set(alone) == {"wobble_cents", "off_harmonic_db", "in_tune", "onset_seconds"}
    assert alone == {name: compared[name] for name in alone}
    assert alone["in_tune"] == 1.0


@pytest.mark.parametrize(
    ("predicted", "family", "expected"),
    [(60, 2, (1, 1, 1)), (61, 3, (0, 1, 0)), (62, 2, (0, 0, 1)), (59, None, (0, 1, None))],
)
def test_classifier_measures(predicted, family, expected):
    logits = {"pitch": np.eye(128)[predicted], "instrument_family": np.eye(11)[2]}
    found = list(measure.classifier_measures(logits, 60, family).values())
    assert [None if math.isnan(value) else value for value in found] == list(expected)
    assert math.isnan(measure.classifier_measures(logits, 60, -1)["classifier_family"])


def test_best_median_and_worst():
    values = np.random.default_rng(0).permutation(101)
    chosen = examples.choose(values)
    assert list(values[chosen["best"]]) == list(range(10))
    assert list(values[chosen["median"]]) == list(range(45, 55))
    assert list(values[chosen["worst"]]) == list(range(100, 90, -1))
    few = examples.choose([3.0, 1.0, 2.0, 0.0])
    assert {kind: list(places) for kind, places in few.items()} == {"best": [3], "median": [1], "worst": [0]}


def test_a_picture_is_upright():
    """The lowest mel bin is the lowest row, time goes to the right, and silence is black."""
    config = AudioConfig()
    log_mel = np.full([config.num_frames, config.num_mel_bins], -1.3, np.float32)
    log_mel[:10, :5] = 1.0
    with PIL.Image.open(io.BytesIO(html_report.png(log_mel, 1.0, config))) as picture:
        pixels = np.asarray(picture.convert("RGB"), int).sum(axis=2)
    assert pixels.shape == (config.num_mel_bins, config.num_frames)
    assert pixels[-5:, :10].min() > 550
    assert pixels[:-5].max() < 10
    assert pixels[:, 10:].max() < 10


def test_a_player_has_the_sound_itself():
    note = synthetic.tone(60)
    content = flac(note, 16000)
    audio, sample_rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert sample_rate == 16000
    assert np.abs(audio - note).max() <= 2**-15
    assert soundfile.info(io.BytesIO(content)).format == "FLAC"
    assert len(content) < note.size * 2


def test_markdown_becomes_html():
    text = markdown_report.table(["", "`a`"], [["x < y", "1.0"]])
    assert html_report.to_html(f"# A & B\n\n{text}\n\nEnd of `it`.") == (
        "<h1>A &amp; B</h1>\n<table>\n<tr><th></th><th><code>a</code></th></tr>\n"
        "<tr><td>x &lt; y</td><td>1.0</td></tr>\n</table>\n<p>End of <code>it</code>.</p>"
    )


def test_tables_leave_out_what_no_system_has():
    rows = {
        "real": {"title": "real notes", "sounds": 2, "measures": {"mss": {"mean": 0.0, "median": 0.0, "sounds": 2}}},
        "bad": {"title": "broken", "sounds": 2, "measures": {"mss": {"mean": None, "median": 1.0, "sounds": 2}}},
        "path": {"title": "between", "sounds": 9, "measures": {"in_tune": {"mean": 0.875, "sounds": 9}}},
    }
    assert markdown_report.systems_table(rows, ("lsd_db", "mss")).splitlines() == [
        "|  | sounds | mss |",
        "| --- | --- | --- |",
        "| real notes | 2 | 0.00 / 0.00 |",
        "| broken | 2 | not finite |",
    ]
    assert markdown_report.systems_table(rows, ("in_tune",)).splitlines()[-1] == "| between | 9 | 87.5% |"
