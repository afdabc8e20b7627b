"""Timbre expressions: their sums, with Python's own grammar as the oracle, and every error."""

import random
import re
import time

import numpy as np
import pytest
import soundfile
from timbres import lookup_with, named_lookup, vector

from nsynth_vae.errors import InputError
from nsynth_vae.latent import expression
from nsynth_vae.latent.expression_parser import MAX_DEPTH, format_expression, parse_weights

WEIGHTS = [
    ("flute", {"flute": 1}),
    ("violin + bright - dark", {"violin": 1, "bright": 1, "dark": -1}),
    ("piano - acoustic + synth", {"piano": 1, "acoustic": -1, "synth": 1}),
    ("violin+bright-dark", {"violin": 1, "bright": 1, "dark": -1}),
    ("  Violin\t+\nBRIGHT ", {"violin": 1, "bright": 1}),
    ("0.5*flute + 0.5*guitar", {"flute": 0.5, "guitar": 0.5}),
    ("flute*0.5 + guitar*.5", {"flute": 0.5, "guitar": 0.5}),
    ("2*3*flute*0.5", {"flute": 3}),
    ("1e-1*flute + 9.E-1*guitar", {"flute": 0.1, "guitar": 0.9}),
    ("flute - 2*(bright - 0.5*dark)", {"flute": 1, "bright": -2, "dark": 1}),
    (
        "flute - (guitar - (piano - (violin - bright)))",
        {"flute": 1, "guitar": -1, "piano": 1, "violin": -1, "bright": 1},
    ),
    ("flute - guitar - piano", {"flute": 1, "guitar": -1, "piano": -1}),
    ("flute + bright*2 + 3*dark", {"flute": 1, "bright": 2, "dark": 3}),
    ("(flute + guitar)*0.5", {"flute": 0.5, "guitar": 0.5}),
    ("0.25*(flute + guitar)*2", {"flute": 0.5, "guitar": 0.5}),
    ("-flute", {"flute": -1}),
    ("--flute", {"flute": 1}),
    ("-(flute - 2*guitar)", {"flute": -1, "guitar": 2}),
    ("flute - -bright", {"flute": 1, "bright": 1}),
    ("flute + -2*bright", {"flute": 1, "bright": -2}),
    ("2*-flute", {"flute": -2}),
    ("(1 - 0.25)*flute + (0.5 - 0.25)*guitar", {"flute": 0.75, "guitar": 0.25}),
    ("(2 + 3)*(4 - 1)*flute", {"flute": 15}),
    ("flute + flute - flute", {"flute": 1}),
    ("flute + bright - bright", {"flute": 1}),
    ("flute + 0*bright", {"flute": 1}),
    ("0.1*bright + 0.2*bright - 0.3*bright + flute", {"flute": 1}),
    ("violin - strings + cello", {"violin": 1, "strings": -1, "cello": 1}),
    ("((((flute))))", {"flute": 1}),
    ("guitar_acoustic_010 + bright", {"guitar_acoustic_010": 1, "bright": 1}),
    ("Guitar-acoustic-010+bright", {"guitar_acoustic_010": 1, "bright": 1}),
    ("my cello - bright", {"My Cello": 1, "bright": -1}),
    ("steel drum-bright", {"steel-drum": 1, "bright": -1}),
    ("0.5*808 bass + 0.5*808_bass", {"808_bass": 1}),
    ("flute + tempo-synced - tempo_synced", {"flute": 1}),
    ("synth lead + synth", {"synth_lead": 1, "synth": 1}),
    ("synth-lead + synth", {"synth_lead": 1, "synth": 1}),
    ("synth - lead", {"synth": 1, "lead": -1}),
    ("'flute' + \"bright\"", {"flute": 1, "bright": 1}),
    ("0.5*'my cello' + 0.5*\"Synth Lead\"", {"My Cello": 0.5, "synth_lead": 0.5}),
]


@pytest.mark.parametrize(("text", "weights"), WEIGHTS)
def test_weights(text, weights):
    found = parse_weights(text, named_lookup())
    assert found == pytest.approx(weights)
    assert list(found) == list(weights)
    assert parse_weights(format_expression(found), named_lookup()) == found


ERRORS = [
    ("", "'': found nothing, expected a timbre such as violin + bright - dark"),
    (" \t ", "'': found nothing, expected a timbre"),
    ("()", "'()': found ')', expected a name, a number, - or ( (character 2)"),
    ("flute +", "'flute +': found the end, expected a name, a number, - or ( (character 8)"),
    ("flute -", "found the end, expected a name, a number, - or ( (character 8)"),
    ("0.5*", "found the end, expected a name, a number, - or ( (character 5)"),
    ("-", "found the end, expected a name, a number, - or ( (character 2)"),
    ("+ flute", "found '+', expected a name, a number, - or ( (character 1)"),
    ("flute ++ bright", "found '+', expected a name, a number, - or ( (character 8)"),
    ("flute * * bright", "found '*', expected a name, a number, - or ( (character 9)"),
    ("*flute", "found '*', expected a name, a number, - or ( (character 1)"),
    ("(flute", "found the end, expected + - * or the ) that belongs to character 1 (character 7)"),
    ("(flute + (guitar - bright)", "found the end, expected + - * or the ) that belongs to character 1 (character 27)"),
    ("(flute guitar)", "found 'guitar', expected + - * or the ) that belongs to character 1 (character 8)"),
    ("flute)", "found ')', expected + - * or the end (character 6)"),
    ("flute + bright))", "found ')', expected + - * or the end (character 15)"),
    (")flute(", "found ')', expected a name, a number, - or ( (character 1)"),
    ("flute guitar", "found 'guitar', expected + - * or the end (character 7)"),
    ("0.5 flute", "found 'flute', expected + - * or the end (character 5)"),
    ("0.5flute", "found 'flute', expected + - * or the end (character 4)"),
    ("2 3*flute", "found '3', expected + - * or the end (character 3)"),
    ("1.2.3*flute", "found '.3', expected + - * or the end (character 4)"),
    ("flute(bright)", "found '(', expected + - * or the end (character 6)"),
    ("flute / 2", "found '/', expected names, numbers, + - * ( ) and, in quotes, files and other names (character 7)"),
    ("flute ^ 2", "found '^', expected names, numbers"),
    ("flute, guitar", "found ',', expected names, numbers"),
    ("flute\0", "found '\\x00', expected names, numbers"),
    ("flute ** 2", "found '*', expected a name, a number, - or ( (character 8)"),
    ("flute + 'guitar", "found a ' that opens and none that closes, expected both (character 9)"),
    ("flute + \"guitar'", 'found a " that opens and none that closes, expected both (character 9)'),
    ("flute + ''", "found nothing between the quotes, expected a file or a name (character 9)"),
    ("flute + ' '", "found nothing between the quotes, expected a file or a name (character 9)"),
    ("flute + 0.5", "found the number 0.5 in a sum of names, expected it times a name (character 9)"),
    ("flute - 3", "found the number 3 in a sum of names, expected it times a name (character 9)"),
    ("2 - flute", "found the number 2 in a sum of names, expected it times a name (character 1)"),
    ("flute + 2*(3 + bright)", "found the number 3 in a sum of names, expected it times a name (character 12)"),
    ("0.5", "found only a number, expected names too, such as 0.5*flute + 0.5*guitar (character 1)"),
    ("(1 + 2)*3", "found only a number, expected names too"),
    ("flute*guitar", "found names on both sides of *, expected a number on one (character 6)"),
    ("flute + bright*dark", "found names on both sides of *, expected a number on one (character 15)"),
    ("flute*bright", "found names on both sides of *, expected a number on one (character 6)"),
    ("(2*flute)*(bright - dark)", "found names on both sides of *, expected a number on one (character 10)"),
    ("1e999*flute", "found a weight above 1e+09, expected a smaller one (character 1)"),
    ("flute + 1e999*bright - 1e999*bright", "found a weight above 1e+09"),
    ("1e200*1e200*flute", "found a weight above 1e+09"),
    ("flute - 1e10*bright", "found a weight above 1e+09"),
    ("viollin + bright", "'viollin': no such name or file; nearest: violin"),
    ("0.5*flute + 0.5*gitar", "'gitar': no such name or file; nearest: guitar"),
    ("flute + brihgt", "'brihgt': no such name or file; nearest: bright"),
    ("flute + 'brihgt'", "'brihgt': no such name or file; nearest: bright"),
    ("flute + nan", "'nan': no such name or file"),
    (
        "flute + zzz_acoustic_000-060-100",
        "'zzz_acoustic_000-060-100': no such name or file; a note's name is looked up in",
    ),
    ("nothing.wav", "'nothing.wav': no such name or file"),
    ("my nothing.wav", "'my nothing.wav': no such name or file"),
    ("a/b-c (2).WAV", "'a/b-c (2).WAV': no such name or file"),
    ("flute + a/b.wav", "'flute + a/b.wav': found '/', expected names, numbers, + - * ( ) and, in quotes, files"),
    ("flute + 'a/b.wav'", "'a/b.wav': no such name or file"),
    ("viollin * guitar /", "found '/', expected names, numbers"),
    ("flute + * gitar", "found '*', expected a name, a number, - or ( (character 9)"),
    ("flute + .", "found '.', expected names, numbers"),
    ("2*flute", "'2*flute': the weights of the timbres add to 2, expected 1: write flute"),
    (
        "flute + guitar",
        "'flute + guitar': the weights of the timbres add to 2, expected 1: write 0.5*flute + 0.5*guitar",
    ),
    ("flute + 3*guitar - dark", "add to 4, expected 1: write 0.25*flute + 0.75*guitar - dark"),
    ("0.5*flute + 0.499*guitar", "add to 0.999, expected 1: write 0.5005005005*flute + 0.4994994995*guitar"),
    ("0.5*flute + 0.500002*guitar", "add to 1.000002, expected 1"),
    ("-flute", "add to -1, expected 1: write flute"),
    ("0.5*'my cello' - bright", 'add to 0.5, expected 1: write "My Cello" - bright'),
    ("flute - guitar", "add to 0, expected 1, as in flute + bright - dark and piano - violin + flute"),
    ("flute - flute", "add to 0, expected 1, as in"),
    ("0*flute", "add to 0, expected 1, as in"),
    ("bright", "'bright': the weights of the timbres add to 0, expected 1, as in flute + bright - dark"),
    ("bright - dark", "the weights of the timbres add to 0, expected 1, as in"),
    ("1e8*flute - 1e8*guitar + piano", "lies 1e+08 from the middle of the space, expected smaller weights"),
    ("flute + 101*bright", "flute + 101*bright: lies 101 from the middle of the space, expected smaller weights"),
    (
        "(" * (MAX_DEPTH + 1) + "flute" + ")" * (MAX_DEPTH + 1),
        f"found more than {MAX_DEPTH} parentheses within one another",
    ),
    (
        "(" * 100_000,
        f"found more than {MAX_DEPTH} parentheses within one another, expected fewer (character {MAX_DEPTH + 1})",
    ),
]


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_what_is_no_timbre(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        expression.evaluate(text, named_lookup())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_note_of_the_deepest_parentheses_and_many_signs():
    assert parse_weights("(" * MAX_DEPTH + "flute" + ")" * MAX_DEPTH, named_lookup()) == {"flute": 1}
    assert parse_weights("-" * 10_001 + "flute", named_lookup()) == {"flute": -1}
    side_by_side = " + ".join(["(0.001*flute)"] * 1000)
    started = time.perf_counter()
    assert parse_weights(side_by_side, named_lookup()) == pytest.approx({"flute": 1})
    assert time.perf_counter() - started < 3


class Vector(dict):
    """A weighted sum of names: what Python's own grammar makes of an expression."""

    def __add__(self, other):
        """Adds weights."""
        return Vector({name: self.get(name, 0) + other.get(name, 0) for name in {**self, **other}})

    def __mul__(self, factor):
        """Multiplies weights."""
        return Vector({name: weight * factor for name, weight in self.items()})

    __rmul__ = __mul__

    def __neg__(self):
        """Turns the signs."""
        return self * -1

    def __sub__(self, other):
        """Takes weights away."""
        return self + -other


NAMES = ("flute", "violin", "guitar_acoustic_010", "bright", "dark", "synth", "acoustic", "Piano")


def random_number(rng: random.Random, depth: int) -> str:
    if depth and rng.random() < 0.3:
        return f"({random_number(rng, depth - 1)}{rng.choice('+-*')}{random_number(rng, depth - 1)})"
    return rng.choice(("2", "0.5", ".25", "3.", "1e-1", "-2", "10"))


def random_sum(rng: random.Random, depth: int) -> str:
    kind = rng.random() if depth else 0.0
    space = rng.choice(("", " ", "  "))
    if kind < 0.25:
        return rng.choice(NAMES)
    if kind < 0.6:
        operator = rng.choice("+-")
        return f"{random_sum(rng, depth - 1)}{space}{operator} {random_sum(rng, depth - 1)}"
    if kind < 0.8:
        return f"{random_number(rng, 2)}{space}*{space}({random_sum(rng, depth - 1)})"
    if kind < 0.9:
        return f"({random_sum(rng, depth - 1)}){space}*{random_number(rng, 2)}"
    return f"-{rng.choice((random_number(rng, 1) + '*', ''))}{rng.choice(NAMES)}"


def test_expressions_mean_what_python_makes_of_them():
    rng = random.Random(0)
    names = {name: Vector({name.lower(): 1.0}) for name in NAMES}
    seen = set()
    for _ in range(500):
        text = random_sum(rng, 5)
        oracle = {name: weight for name, weight in eval(text, {}, names).items() if abs(weight) > 1e-12}
        found = parse_weights(text, named_lookup())
        assert found == pytest.approx(oracle, abs=1e-9), text
        assert (
            parse_weights(format_expression(found), named_lookup()) == pytest.approx(found, rel=1e-9, abs=1e-9)
            if found
            else True
        )
        seen.add(len(found))
    assert len(seen) > 5


def test_damaged_expressions_end_with_one_line():
    rng = random.Random(1)
    pieces = [
        " ",
        "-",
        "- ",
        "+",
        " + bright",
        "*2",
        "2*",
        "(",
        ")",
        "'",
        '"',
        ".",
        "5",
        "e",
        "/",
        "_",
        "é",
        "\n",
        "\0",
    ]
    outcomes = {"read": 0, "refused": 0}
    for _ in range(2000):
        text = list(rng.choice(WEIGHTS)[0])
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(text) + 1)
            text[place : place + rng.choice((0, 0, 1))] = rng.choice(pieces)
        try:
            found, problem = parse_weights("".join(text), named_lookup()), ""
        except InputError as error:
            found, problem = {}, str(error)
        assert parse_weights(format_expression(found), named_lookup()) == pytest.approx(found) if found else True
        assert "\n" not in problem
        outcomes["refused" if problem else "read"] += 1
    assert min(outcomes.values()) > 100


def test_where_a_sum_lies():
    for text, expected in (
        ("violin + bright - dark", vector("string") + vector("bright") - vector("dark")),
        ("piano - acoustic + synth", vector("keyboard") - vector("acoustic") + vector("synthetic")),
        ("piano - violin + flute", vector("keyboard") - vector("string") + vector("flute")),
        ("0.25*(flute + guitar + 2*my cello)", 0.25 * (vector("flute") + vector("guitar") + 2 * vector("My Cello"))),
        ("0.3333333*flute + 0.6666666*guitar", vector("flute") / 3 + vector("guitar") * 2 / 3),
    ):
        timbre = expression.evaluate(text, named_lookup())
        assert timbre.z.dtype == np.float32
        assert (timbre.pitch, timbre.velocity) == (None, None)
        np.testing.assert_allclose(timbre.z, expected, atol=1e-6)
    timbre = expression.evaluate(" violin+2*bright ", named_lookup())
    assert (timbre.name, timbre.description) == ("violin + 2*bright", "family string, mean of 50 notes")


def test_a_name_alone_is_its_timbre():
    timbre = expression.evaluate("my cello", named_lookup())
    assert (timbre.name, timbre.description) == ("My Cello", "instrument My Cello, mean of 3 notes")
    np.testing.assert_array_equal(timbre.z, vector("My Cello"))


def test_parts_of_a_sum():
    total = expression.parse("2*bright + 0.5*flute - dark + 0.5*piano", named_lookup())
    assert str(total) == "0.5*flute + 0.5*piano + 2*bright - dark"
    assert [(weight, timbre.name) for weight, timbre in total.timbres] == [(0.5, "flute"), (0.5, "piano")]
    assert [(weight, timbre.name) for weight, timbre in total.directions] == [(2, "bright"), (-1, "dark")]
    np.testing.assert_allclose(total.base, 0.5 * vector("flute") + 0.5 * vector("keyboard"))
    assert str(expression.parse("FLUTE", named_lookup())) == "flute"


def test_missing_directions_say_how_to_learn_them():
    flute = {"flute": {"centroid": [1.0] * 6, "notes": 1}}
    for attributes, text, message in (
        (
            {"families": flute},
            "flute + bright",
            "'bright': toy has no directions; `python -m nsynth_vae.attributes --model",
        ),
        (
            {"families": flute, "sources": {"synthetic": {"centroid": [0.0] * 6}}},
            "flute + synth",
            "'synth' (synthetic): toy has its centroid but no directions; `python -m nsynth_vae.attributes",
        ),
        (
            {"families": flute, "directions": {"bright": {"direction": [0.0] * 6}}},
            "flute + dark",
            "'dark': not among the directions in the attributes of toy: bright",
        ),
        ({}, "flute", "'flute': not among the families in the attributes of toy: it has none"),
        ({"families": flute}, "violin", "'violin' (string): not among the families in the attributes of toy: flute"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            expression.evaluate(text, lookup_with(attributes))


def test_files_are_seen_by_the_grammar(tmp_path, monkeypatch):
    """Only what is read of the text: what encoders make of files is tested with the lookup."""
    monkeypatch.chdir(tmp_path)
    for name in ("my flute.wav", "tone.flac", "it's.ogg", "a - b.mp3"):
        soundfile.write(tmp_path / name, np.ones(100) * 0.1, 16000, format="WAV")
    for text, weights in (
        ('0.5*"my flute.wav" + 0.5*tone.flac', {"my flute.wav": 0.5, "tone.flac": 0.5}),
        ('"it\'s.ogg" - bright', {"it's.ogg": 1, "bright": -1}),
        ("'a - b.mp3'", {"a - b.mp3": 1}),
        (f"'{tmp_path}/tone.flac'", {f"{tmp_path}/tone.flac": 1}),
    ):
        found = parse_weights(text, named_lookup())
        assert found == weights
        assert parse_weights(format_expression(found), named_lookup()) == found
    assert format_expression({"my flute.wav": 0.5, "tone.flac": -1}) == '0.5*"my flute.wav" - tone.flac'
    assert format_expression({"tone.flac": -1}) == "-tone.flac"
