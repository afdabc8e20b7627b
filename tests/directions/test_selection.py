"""Tests of how attributes are learnt: notes compared within family and pitch, directions, and what they do."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pytest
import timbres

from nsynth_vae import timbre_model
from nsynth_vae.analysis.descriptors import DESCRIPTORS, describe
from nsynth_vae.analysis.pitch import estimate_pitch
from nsynth_vae.data.source import NoteTable
from nsynth_vae.directions import calibration, dataset, perturbations, selection
from nsynth_vae.directions import candidates as attribute_candidates
from nsynth_vae.directions.candidates import ATTRIBUTES, Attribute
from nsynth_vae.directions.criteria import TARGETS, score, unmet
from nsynth_vae.directions.dataset import Notes
from nsynth_vae.directions.learn import merged
from nsynth_vae.directions.perturbations import Perturbations
from nsynth_vae.notes import FAMILIES, QUALITIES, Note, format_note_str

BRIGHT = QUALITIES.index("bright")
BY_NAME = {attribute.name: attribute for attribute in ATTRIBUTES}


def make_table(families: dict[str, int], pitches: range, source: int = 0) -> NoteTable:
    """Returns a note of every pitch of as many instruments of each family."""
    notes = [
        Note(format_note_str(name, pitch, 100), pitch, 100, name, FAMILIES.index(family), source)
        for family, instruments in families.items()
        for name in (f"{family}_acoustic_{number:03d}" for number in range(instruments))
        for pitch in pitches
    ]
    return NoteTable.from_notes(notes, [0] * len(notes))


def with_flags(table: NoteTable, quality: str, flags: np.ndarray) -> NoteTable:
    qualities = np.full([len(table), len(QUALITIES)], -1, np.int8)
    qualities[:, QUALITIES.index(quality)] = flags
    return dataclasses.replace(table, qualities=qualities)


def test_the_deviation_is_that_of_a_family_at_a_pitch():
    table = make_table({"flute": 60, "organ": 60, "reed": 60}, range(40, 80))
    generator = np.random.default_rng(0)
    # Between families there is much, over the pitches too; reeds have clicks.
    scale = np.array([0.5, 0.4, 9.0])[np.searchsorted(np.unique(table.instrument_family), table.instrument_family)]
    values = 10.0 * table.instrument_family + 0.01 * table.pitch + scale * generator.normal(size=len(table))
    assert dataset.local_deviation(values, table) == pytest.approx(0.5, rel=0.03)
    values[::7] = np.nan
    assert dataset.local_deviation(values, table) == pytest.approx(0.5, rel=0.03)
    # Of two notes, half their difference squared, twice: n - 1 is divided by.
    eight = make_table({"flute": 8}, range(60, 61))
    assert dataset.local_deviation(np.arange(8.0), eight) == pytest.approx(np.arange(8.0).std(ddof=1))
    assert np.isnan(dataset.local_deviation(np.arange(7.0), eight.take(np.arange(7))))


def test_quarters_are_of_a_family_within_three_semitones():
    table = make_table({"flute": 8}, range(60, 61))
    top, bottom = dataset.quarters(np.array([3.0, 1, 8, 2, 7, 4, 6, 5]), table)
    assert np.flatnonzero(top).tolist() == [2, 4]
    assert np.flatnonzero(bottom).tolist() == [1, 3]
    top, bottom = dataset.quarters(np.array([0.0, 0, 0, 0, 0, 0, 0, 1]), table)
    assert np.flatnonzero(top).tolist() == [7]
    assert not bottom.any()
    # What a high note has more of than low ones makes it no high one among its own; families do not mix.
    table = make_table({"flute": 4, "organ": 4}, range(40, 80))
    number = np.array([int(name[-3:]) for name in table.instrument_str])
    values = 100.0 * table.instrument_family + 0.001 * table.pitch + number
    top, bottom = dataset.quarters(values, table)
    assert set(number[top]) == {3}
    assert set(number[bottom]) == {0}
    assert top.sum() == bottom.sum() == np.sum(number == 3)
    # Seven notes within reach are too few, at the ends of a family that has one instrument.
    top, bottom = dataset.quarters(np.arange(7.0), make_table({"flute": 1}, range(60, 67)))
    assert not top.any()
    assert not bottom.any()


def test_spread_takes_from_every_family_in_turn():
    table = make_table({"flute": 10, "organ": 1, "reed": 2}, range(60, 64))
    rows = dataset.spread(table, 15)
    assert len(set(rows)) == 15
    counts = np.unique(table.instrument_family[rows], return_counts=True)[1]
    assert counts.tolist() == [6, 4, 5] or counts.tolist() == [5, 4, 6]
    assert sorted(dataset.spread(table, 1000)) == list(range(len(table)))
    shuffled = np.random.default_rng(0).permutation(len(table))
    other = table.take(shuffled)
    assert set(other.note_str[dataset.spread(other, 15)]) == set(table.note_str[rows])


def test_held_out_notes_are_of_other_instruments():
    table = make_table({"flute": 5, "organ": 5}, range(60, 70))
    rows, held = dataset.hold_out(table, np.arange(100), np.array([], np.int64))
    assert set(table.instrument_str[rows]).isdisjoint(table.instrument_str[held])
    assert len(rows) == 80
    assert len(held) == 20
    # Instruments that share recordings stay together.
    joined = dataclasses.replace(table, sample_group=np.repeat(np.array(["a", "b"], dtype=object), 50))
    rows, held = dataset.hold_out(joined, np.arange(100), np.array([], np.int64))
    assert len(set(joined.sample_group[rows])) == len(set(joined.sample_group[held])) == 1
    # One instrument: other notes of it. One note: itself, there is no other.
    rows, held = dataset.hold_out(table, np.arange(10), np.array([], np.int64))
    assert len(rows) == 8
    assert len(held) == 2
    assert not set(rows) & set(held)
    rows, held = dataset.hold_out(table, np.arange(1), np.array([], np.int64))
    assert rows.tolist() == held.tolist() == [0]


def cloud(families: dict[str, int], gain: float = 1.0) -> Notes:
    """Returns notes of which dimension 0 of z is the centroid, 1 the family, the others nothing; half flagged bright.

    Most bright notes are flutes, few organs are bright.
    """
    table = make_table(families, range(60, 67))
    generator = np.random.default_rng(1)
    z = generator.normal(size=[len(table), 6])
    z[:, 1] += 20.0 * (table.instrument_family == FAMILIES.index("flute"))
    likely = np.where(table.instrument_family == FAMILIES.index("flute"), 1.0, -1.0)
    flags = z[:, 0] + likely > 0
    values = gain * z[:, 0] + 0.1 * generator.normal(size=len(table))
    table = with_flags(table, "bright", flags)
    return Notes(table, z.astype(np.float32), dict.fromkeys(DESCRIPTORS, values))


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_contrasts_are_within_families():
    notes = cloud({"flute": 40, "organ": 40})
    sides = attribute_candidates.flagged(BY_NAME["bright"], notes.table)
    difference, classifier = attribute_candidates.contrasts(notes, *sides, "the flag bright")
    plain = notes.z[sides[0]].mean(axis=0) - notes.z[sides[1]].mean(axis=0)
    axis = np.eye(6)[0]
    # Across families, bright means flute.
    assert abs(cosine(plain, np.eye(6)[1])) > 0.9
    assert cosine(difference.direction, axis) > 0.98
    assert cosine(classifier.direction, axis) > 0.98
    assert difference.learnt_from == "the flag bright: difference of means, within families"
    assert difference.notes == tuple(int(side.sum()) for side in sides)
    assert difference.instruments == (72, 72)
    # A bright flute alone says nothing of organs; where no family has both sides, all there is is used.
    flutes = notes.table.instrument_family == FAMILIES.index("flute")
    across, _ = attribute_candidates.contrasts(notes, flutes, ~flutes, "flute")
    assert across.learnt_from.endswith("across families")
    assert cosine(across.direction, np.eye(6)[1]) > 0.99
    assert attribute_candidates.contrasts(notes, flutes, np.zeros(len(flutes), bool), "flute") == []


def heard(places: np.ndarray) -> np.ndarray:
    """Returns probabilities of three families that lie along dimensions 0 and 1 of z, of points near its middle."""
    logits = np.stack([places[:, 0], 2.0 * places[:, 1], np.zeros(len(places))], axis=1)
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_the_family_metric_is_fishers_information():
    steps = 0.01 * np.random.default_rng(6).normal(size=[200_000, 4])
    metric = perturbations.family_metric(steps, 0.01, heard(steps / 2), heard(-steps / 2))
    # Of the logits l = J z: J^T (diag(p) - p p^T) J, here with p = 1/3 each.
    jacobian = np.zeros([3, 4])
    jacobian[0, 0], jacobian[1, 1] = 1.0, 2.0
    expected = jacobian.T @ (np.eye(3) / 3 - 1 / 9) @ jacobian
    np.testing.assert_allclose(metric, expected, atol=0.02)
    assert np.linalg.eigvalsh(metric).min() > -1e-12
    # Nothing that is heard changes: nothing is dear.
    still = perturbations.family_metric(steps, 0.01, heard(0 * steps), heard(0 * steps))
    np.testing.assert_array_equal(still, 0)


def test_a_direction_is_turned_away_from_where_the_family_changes():
    generator = np.random.default_rng(4)
    root, asked = generator.normal(size=[6, 2]), generator.normal(size=6)
    steps = dataclasses.replace(linear_steps(np.eye(6)[0]), family_metric=root @ root.T)
    scale = 6 / np.trace(root @ root.T)

    def cost(direction: np.ndarray) -> float:
        return np.sum(np.square(direction - asked)) + 3.0 * scale * np.sum(np.square(root.T @ direction))

    least = steps.away_from_families(asked, 3.0)
    for other in np.random.default_rng(5).normal(size=[50, 6]):
        assert cost(least) < cost(least + 0.05 * other)
    np.testing.assert_allclose(steps.away_from_families(asked, 0.0), asked)
    free = dataclasses.replace(steps, family_metric=np.zeros([6, 6]))
    np.testing.assert_allclose(free.away_from_families(asked, 3.0), asked)
    with pytest.raises(ValueError, match="family_metric: found None, expected steps that were heard"):
        linear_steps(np.eye(6)[0]).away_from_families(asked, 3.0)


def test_unknown_flags_and_sources_are_on_neither_side():
    table = with_flags(make_table({"flute": 3}, range(60, 61)), "bright", np.array([1, 0, -1]))
    has, has_not = attribute_candidates.flagged(BY_NAME["bright"], table)
    assert (has.tolist(), has_not.tolist()) == ([True, False, False], [False, True, False])
    table = dataclasses.replace(table, instrument_source=np.array([2, 0, -1], np.int32))
    has, has_not = attribute_candidates.flagged(BY_NAME["synthetic"], table)
    assert (has.tolist(), has_not.tolist()) == ([True, False, False], [False, True, False])


def test_twenty_notes_of_three_instruments_are_enough():
    table = make_table({"flute": 3}, range(60, 67))
    chosen = np.ones(21, bool)
    assert attribute_candidates.is_enough(table, chosen)
    chosen[:1] = False
    assert attribute_candidates.is_enough(table, chosen)
    chosen[:2] = False
    assert not attribute_candidates.is_enough(table, chosen)
    assert not attribute_candidates.is_enough(make_table({"flute": 2}, range(60, 80)), np.ones(40, bool))
    assert attribute_candidates.counted(table, np.arange(21) < 1) == "1 note of 1 instrument"
    assert attribute_candidates.counted(table, chosen) == "19 notes of 3 instruments"


def linear_steps(slope: np.ndarray, noise: float = 0.0) -> Perturbations:
    """Returns random steps of a decoder whose centroid is linear in z."""
    generator = np.random.default_rng(2)
    steps = generator.normal(size=[400, len(slope)])
    changes = steps @ slope + noise * generator.normal(size=400)
    table = make_table({"flute": 100}, range(60, 64))
    return Perturbations(steps, {"spectral_centroid": changes}, table, {"spectral_centroid": 2.0})


def test_steps_find_what_the_decoder_does():
    slope = np.array([1.0, -2.0, 0.0, 0.5, 0.0, 0.0])
    for noise, least in ((0.0, 0.99), (2.0, 0.95)):
        steps = linear_steps(slope, noise)
        up, down = (steps.candidates(BY_NAME[name]) for name in ("bright", "dark"))
        for candidate, opposite in zip(up, down, strict=True):
            assert cosine(candidate.direction, slope) > least
            np.testing.assert_allclose(opposite.direction, -candidate.direction, atol=1e-3)
            assert sum(candidate.notes) == 400
            assert opposite.notes == candidate.notes[::-1]
    assert "those that raise spectral_centroid against those that lower it" in up[0].learnt_from
    assert "those that lower spectral_centroid against those that raise it" in down[0].learnt_from
    # In deviations, of which there are 2; clipped at 3 of them.
    np.testing.assert_allclose(linear_steps(slope).slope("spectral_centroid"), slope / 2.0, rtol=0.05, atol=0.02)


def test_steps_that_change_nothing_give_nothing():
    assert linear_steps(np.zeros(6)).candidates(BY_NAME["bright"]) == []
    steps = linear_steps(np.ones(6))
    silent = dataclasses.replace(steps, changes={"spectral_centroid": np.full(400, np.nan)})
    assert silent.candidates(BY_NAME["bright"]) == []


def two_families(audio: np.ndarray) -> np.ndarray:
    """Hears by the sign of a sample."""
    first = np.where(audio[:, 8000] > 0, 0.9, 0.1)
    return np.stack([first, 1 - first], axis=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> timbre_model.TimbreModel:
    """Returns a small model with weights that are always the same, as SavedModels."""
    folder: pathlib.Path = tmp_path_factory.mktemp("attributes")
    return timbre_model.open_model(*timbres.export_model(folder))


@pytest.fixture(scope="module")
def train(model: timbre_model.TimbreModel) -> Notes:
    """Returns 64 notes of eight instruments: points of the space, and what the model plays there."""
    table = make_table({"flute": 4, "organ": 4}, range(57, 65))
    z = np.random.default_rng(3).normal(size=[len(table), model.latent_dim]).astype(np.float32)
    return Notes(table, z, perturbations.play(model, z, table).descriptors)


@pytest.fixture(scope="module")
def steps(model: timbre_model.TimbreModel, train: Notes) -> Perturbations:
    return perturbations.perturb(model, train, 64, np.random.default_rng(4), two_families)


@pytest.fixture(scope="module")
def judge(model: timbre_model.TimbreModel, train: Notes) -> calibration.Judge:
    """Returns what judges by twelve notes at other points."""
    rows = dataset.spread(train.table, 12)
    z = np.random.default_rng(5).normal(size=[12, model.latent_dim]).astype(np.float32)
    held_out = dataclasses.replace(train.take(rows), z=z)
    return calibration.Judge(model, held_out, train.covariance, two_families)


@pytest.fixture(scope="module")
def deaf(judge: calibration.Judge, train: Notes) -> calibration.Judge:
    """Returns the same judge without a classifier: the other's hears any change of phase."""
    return calibration.Judge(judge.model, judge.notes, train.covariance)


def test_steps_measure_what_is_played(model, train, steps):
    rows = dataset.spread(train.table, 64)
    played = []
    for side in (0.5, -0.5):
        z = (train.z[rows[7]] + side * steps.steps[7])[None]
        audio = model.decode(z, train.table.pitch[rows[7:8]], 100).audio[0]
        played.append(describe(audio, int(train.table.pitch[rows[7]])))
    for name in DESCRIPTORS:
        assert steps.changes[name][7] == pytest.approx(played[0][name] - played[1][name], rel=1e-3, abs=1e-4), name
        expected = dataset.local_deviation(train.descriptors[name], train.table)
        assert steps.deviations[name] == pytest.approx(expected, rel=1e-3, abs=1e-9)
    scale = np.sqrt(np.mean(np.diag(train.covariance)))
    assert steps.steps.std() == pytest.approx(perturbations.STEP * scale, rel=0.1)


def test_a_learnt_direction_does_what_its_effect_says(model, train, steps, judge):
    entry = selection.learn_direction(BY_NAME["bright"], train, steps, judge)
    effect, direction = entry["effect"], np.array(entry["direction"])
    assert (entry["descriptor"], entry["sign"]) == ("spectral_centroid", 1)
    assert "random steps" in entry["learnt_from"] or "quarter of spectral_centroid" in entry["learnt_from"]
    table, z = judge.notes.table, judge.notes.z
    centroid, pitch = {}, {}
    for strength in (0.0, 0.5, 1.0):
        audio = model.decode(z + strength * direction, table.pitch, table.velocity).audio
        centroid[strength] = np.array(
            [describe(a, int(p))["spectral_centroid"] for a, p in zip(audio, table.pitch, strict=True)]
        )
        pitch[strength] = [estimate_pitch(each) for each in audio]
        if strength == 0.0:
            family = audio[:, 8000] > 0
    change, at_half = (centroid[strength] - centroid[0.0] for strength in (1.0, 0.5))
    assert effect["rises"] == pytest.approx(np.mean(change > 0), abs=1e-3)
    assert effect["rises_half"] == pytest.approx(np.mean(at_half > 0), abs=1e-3)
    assert effect["rises_further"] == pytest.approx(np.mean(change > at_half), abs=1e-3)
    assert effect["median_change"] == pytest.approx(np.median(change), rel=0.01)
    assert effect["median_change_half"] == pytest.approx(np.median(at_half), rel=0.01)
    assert effect["within_family_standard_deviation"] == pytest.approx(steps.deviations["spectral_centroid"], rel=1e-3)
    assert effect["length"] == pytest.approx(np.linalg.norm(direction), rel=1e-3)
    names = [[found and found[0] for found in pitch[strength]] for strength in (0.0, 1.0)]
    assert effect["pitch_kept"] == pytest.approx(np.mean([a == b for a, b in zip(*names, strict=True)]), abs=1e-3)
    assert effect["family_kept"] == pytest.approx(np.mean((audio[:, 8000] > 0) == family), abs=1e-3)
    reached = effect["median_change"] / effect["within_family_standard_deviation"]
    assert effect["deviations"] == pytest.approx(reached, rel=2e-3)
    assert reached >= TARGETS["deviations"] - 1e-3
    assert effect["rises"] >= 0.9


def test_without_a_family_to_keep_a_direction_moves_by_one_deviation(train, steps, deaf):
    effect = selection.learn_direction(BY_NAME["bright"], train, steps, deaf)["effect"]
    assert abs(effect["deviations"] - 1) <= calibration.TOLERANCE + 1e-3
    assert effect["family_kept"] is None
    assert effect["rises"] >= 0.9


def test_dark_lowers_the_centroid(train, steps, judge):
    entry = selection.learn_direction(BY_NAME["dark"], train, steps, judge)
    assert (entry["descriptor"], entry["sign"]) == ("spectral_centroid", -1)
    assert entry["effect"]["median_change"] < entry["effect"]["median_change_half"] < 0
    assert entry["effect"]["rises"] >= 0.9


def test_a_length_is_at_most_some_deviations_of_z(train, steps, judge):
    slope = steps.slope("spectral_centroid")
    longest = calibration.LONGEST * np.sqrt(np.mean(np.diag(train.covariance)))
    # A deviation that no direction reaches.
    direction, effect = judge.calibrate(BY_NAME["bright"], slope, 1e3, slope / 1e3)
    length = np.linalg.norm(direction)
    assert any(length == pytest.approx(longest * share) for share in (1.0, *calibration.SHORTER))
    assert effect["at_longest"] == (length == pytest.approx(longest))


def test_sources_are_differences_of_means_that_the_encoder_hears(model, train, steps, judge):
    sources = np.where(train.z[:, 0] > 0, 2, 0).astype(np.int32)
    notes = dataclasses.replace(train, table=dataclasses.replace(train.table, instrument_source=sources))
    entry = selection.learn_direction(BY_NAME["synthetic"], notes, steps, judge)
    assert entry["descriptor"] is None
    assert entry["sign"] is None
    side = sources == 2
    points = train.z.astype(np.float64)
    for family in np.unique(train.table.instrument_family):
        own = train.table.instrument_family == family
        points[own] -= (train.z[own & side].mean(axis=0) + train.z[own & ~side].mean(axis=0)) / 2
    expected = points[side].mean(axis=0) - points[~side].mean(axis=0)
    np.testing.assert_allclose(entry["direction"], expected, atol=2e-5)
    table, z, direction = judge.notes.table, judge.notes.z, np.array(entry["direction"])
    before, after = (
        model.encode(model.decode(points, table.pitch, table.velocity).audio) for points in (z, z + direction)
    )
    moved = (after - before) @ direction / (direction @ direction)
    assert entry["effect"]["median_change"] == pytest.approx(np.median(moved), rel=0.02, abs=1e-3)
    assert entry["effect"]["rises"] == pytest.approx(np.mean(moved > 0), abs=1e-3)


def test_what_cannot_be_learnt_says_why(train, steps, judge):
    def why(name: str, **changes) -> str:
        found = selection.learn_direction(BY_NAME[name], train, dataclasses.replace(steps, **changes), judge)
        assert isinstance(found, str)
        return found

    assert why("reverb") == "the flag reverb: 0 notes of 0 instruments with it, 0 notes of 0 instruments without"
    assert why("electronic").startswith("the source electronic: 0 notes of 0 instruments with it, 64 notes")
    deviations = steps.deviations | {"inharmonicity": 0.0}
    assert why("inharmonic", deviations=deviations).startswith("the model plays inharmonicity with a deviation of 0,")
    assert why("inharmonic", deviations=steps.deviations | {"inharmonicity": np.nan}).startswith("the model plays")
    upside_down = {name: -change for name, change in steps.changes.items()}
    few = dataclasses.replace(train, descriptors={name: -values for name, values in train.descriptors.items()})
    turned = dataclasses.replace(steps, changes=upside_down)
    found = selection.learn_direction(BY_NAME["bright"], few, turned, judge)
    assert isinstance(found, str)
    assert found.startswith("spectral_centroid rises on no more than ")


def test_the_candidate_that_raises_on_the_most_notes_is_chosen():
    class Known(calibration.Judge):
        """Knows on how many of a hundred notes each axis rises, at a length of 1 and at half of it, and how much."""

        def __init__(self):
            self.longest = 10.0

        def _moved(self, direction, attribute=None):
            return direction

        def _changes(self, attribute, direction):
            axis = int(np.flatnonzero(direction)[0])
            whole, half, much = {0: (100, 99, 0.1), 1: (99, 100, 1.0), 2: (100, 99, 1.0), 3: (100, 100, 0.2)}[axis]
            return np.where(np.arange(100) < (whole if direction[axis] == 1 else half), much, -1.0)

    steady, much, most, even, weak = (
        attribute_candidates.Candidate(np.eye(5)[k], str(k), (1, 1), (1, 1)) for k in range(5)
    )
    slope, bright = np.array([1.0, 1.0, 1.0, 1.0, 0.5]), BY_NAME["bright"]
    assert Known().choose(bright, [much, steady], slope) is steady
    # Of two that raise it on all notes, the one that raises it on most at half, then the one that raises it most.
    assert Known().choose(bright, [most, even], slope) is even
    assert Known().choose(bright, [steady, much, most], slope) is most
    # One that promises less than six tenths of the best is not tried, and a single one is taken as it is.
    assert Known().choose(bright, [weak, much], slope) is much


def test_what_is_missed_counts():
    good = {"rises": 0.95, "pitch_kept": 1.0, "family_kept": None, "deviations": 0.98}
    assert unmet(good) == {}
    bad = {"rises": 0.8, "family_kept": 0.7, "deviations": 0.4}
    assert unmet(good | bad | {"pitch_kept": 0.98}) == bad


def test_a_turned_direction_says_so():
    notes = cloud({"flute": 40, "organ": 40})
    steps = dataclasses.replace(linear_steps(np.eye(6)[0]), family_metric=np.diag([1.0, 2, 3, 4, 5, 6]))
    kept, tried = iter([0.5, 0.6, 0.55, 0.4, 0.9]), []

    class Listener:
        """Hears the flag's direction, the descriptor's, what is between, the second turned twice: then it will do."""

        def choose(self, attribute, candidates, slope):
            return candidates[0]

        def calibrate(self, attribute, direction, deviation, slope):
            tried.append(direction)
            return direction, {"rises": 0.95, "pitch_kept": 1.0, "family_kept": next(kept), "deviations": 0.9}

    entry = selection.learn_direction(BY_NAME["bright"], notes, steps, Listener())
    assert len(tried) == 5
    assert entry["effect"]["family_kept"] == 0.9
    for dearness, turned in zip(selection.TURNED, tried[3:], strict=True):
        np.testing.assert_allclose(turned, steps.away_from_families(tried[1], dearness))
    np.testing.assert_allclose(entry["direction"], tried[4], atol=1e-5)
    assert entry["learnt_from"].startswith("top against bottom quarter of spectral_centroid")
    assert entry["learnt_from"].endswith(
        " (the flag bright: family_kept 0.5), turned away from where the family changes"
    )


@pytest.mark.parametrize(
    ("flags", "rises", "used"),
    [(0.8, [], "the flag bright: "), (0.7, [0.97, 0.96], "top against"), (0.7, [0.96, 0.97], "half-way between two: ")],
)
def test_a_flag_is_followed_where_it_moves_far_enough(flags, rises, used):
    notes = cloud({"flute": 40, "organ": 40})
    effects, tried = iter([(flags, 1.0), *((0.98, share) for share in rises)]), []

    class Listener:
        """Hears the flag's direction, and the descriptor's and what is between them if that is asked for."""

        def choose(self, attribute, candidates, slope):
            return candidates[0]

        def calibrate(self, attribute, direction, deviation, slope):
            reached, share = next(effects)
            tried.append(np.asarray(direction))
            return direction, {"rises": share, "pitch_kept": 1.0, "family_kept": 0.9, "deviations": reached}

    steps = linear_steps(np.eye(6)[0])
    entry = selection.learn_direction(BY_NAME["bright"], notes, steps, Listener())
    assert entry["learnt_from"].startswith(used)
    assert len(tried) == 1 + len(rises)
    assert entry["learnt_from"].endswith(" (the flag bright: deviations 0.7)") == bool(rises)
    if rises:
        np.testing.assert_allclose(tried[2], sum(each / np.linalg.norm(each) for each in tried[:2]))
        assert cosine(tried[2], tried[0]) == pytest.approx(cosine(tried[2], tried[1]))


def test_an_effect_that_is_not_heard_has_no_merit():
    good = {"rises": 0.95, "pitch_kept": 1.0, "family_kept": 0.9, "deviations": 0.98}
    moves_the_family = good | {"family_kept": 0.6}
    does_nothing = good | {"deviations": 0.07, "family_kept": 1.0, "rises": 1.0}
    misses_two = moves_the_family | {"rises": 0.8}
    ordered = [does_nothing, misses_two, moves_the_family, moves_the_family | {"family_kept": 0.75}]
    ordered += [good | {"deviations": 0.6, "rises": 1.0}, good | {"deviations": 0.8}]
    ordered.append(good | {"rises": 0.96})
    merits = [score(effect) for effect in ordered]
    assert merits == sorted(merits)
    assert len(set(merits)) == len(merits)


def test_every_attribute_is_named_once_and_by_a_descriptor_that_there_is():
    names = [attribute.name for attribute in ATTRIBUTES]
    assert len(names) == len(set(names))
    assert set(QUALITIES) < set(names)
    for attribute in ATTRIBUTES:
        assert attribute.descriptor in (None, *DESCRIPTORS)
        assert attribute.sign in (1, -1)
        assert attribute.descriptor or attribute.label
    assert Attribute("decay", "decay_db_per_second").label == ""


def test_what_the_notes_do_not_tell_is_kept():
    def holding(latent_dim: int, **names) -> dict:
        kinds = dict.fromkeys(("instruments", "families", "sources", "directions", "not_learnt"), {})
        return kinds | {"latent_dim": latent_dim, "mixture": {"weights": [1.0]}} | names

    former = holding(2, instruments={"b": 1, "a": 1}, directions={"bright": 1, "dark": 1}, mixture={"weights": [2.0]})
    learnt = holding(2, instruments={"a": 2, "c": 2}, directions={"bright": 2}, not_learnt={"dark": "x", "rough": "y"})
    found = merged(former, learnt)
    assert list(found["instruments"].items()) == [("a", 2), ("b", 1), ("c", 2)]
    assert found["directions"] == {"bright": 2, "dark": 1}
    assert found["not_learnt"] == {"rough": "y"}
    assert found["mixture"] == {"weights": [1.0]}
    # Of a model of another size nothing is.
    assert merged(holding(3, instruments={"b": 1}), learnt)["instruments"] == {"a": 2, "c": 2}
    assert merged({}, learnt) == learnt
