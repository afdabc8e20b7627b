"""Tables of motion."""

from nsynth_vae.evaluation import motion_report
from nsynth_vae.evaluation.motion_summary import MEASURES


def group(notes: int, real: float, made: float | None) -> dict:
    return {"notes": notes} | {measure: {"real": real, "made": made} for measure in MEASURES}


MOTION = {
    "groups": {"all": group(3, 3.0, 0.2), "sustained": group(2, 3.8, 0.25), "string": group(2, 3.8, None)},
    "told_apart": {"all": 0.9, "sustained": 0.97},
    "non_harmonic": {"organ": 0.25},
    "level": {"bias_db": -5.1, "error_db": 5.3},
}


def test_systems_stand_below_the_real_notes():
    without = MOTION | {"told_apart": {}, "level": {}}
    text = motion_report.systems_table({"a": MOTION, "b": without}, {"real": "real notes", "a": "one", "b": "other"})
    assert text.splitlines()[2:] == [
        "| real notes | 3.80 | 3.80 | 3.8 | 3.800 | 3.80 | 3.8 |  |  |  |",
        "| one | 0.25 | 0.25 | 0.2 | 0.250 | 0.25 | 0.2 | 0.97 | -5.1 | 5.3 |",
        "| other | 0.25 | 0.25 | 0.2 | 0.250 | 0.25 | 0.2 |  |  |  |",
    ]


def test_a_models_tables_have_what_was_measured():
    touch = {
        "pairs": 4,
        "distinct_pairs": 2,
        "own_nats": 1.05,
        "target_nats": 1.0,
        "gain_nats": 0.05,
        "brightness": 0.5,
    }
    full = MOTION | {"told_apart_by_network": {"all": 0.99}, "velocity": touch}
    by_family, others = motion_report.model_tables(full)
    assert (
        by_family.splitlines()[-1]
        == "| string | 2 |" + " 3.80 / - |" * 2 + " 3.8 / - | 3.800 / - | 3.80 / - | 3.8 / - |"
    )
    assert others.splitlines()[2:] == [
        "| told apart by five numbers | all 0.90, sustained 0.97 |",
        "| told apart by a network | all 0.99 |",
        "| non-harmonic energy of mallet and organ within 6 dB | organ 25.0% |",
        "| level | bias -5.1 dB, error 5.3 dB |",
        "| velocity: pairs of notes that differ | 2 of 4 |",
        "| velocity: distance from the other note | at the target velocity 1.000, at its own 1.050, gain +0.050 nats |",
        "| velocity: brightness moves as in the real pair | 50.0% |",
    ]
    assert len(motion_report.model_tables({"groups": {}, "told_apart": {}, "non_harmonic": {}, "level": {}})) == 1
