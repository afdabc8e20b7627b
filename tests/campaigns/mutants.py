"""Mutants of bytes and texts: bit flips, cuts, splices, repeated parts and edits of headers, from a seed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Sequence

HEADER = 96
"""Bytes at a file's beginning that are edited most: its chunks' names, sizes and formats."""

_NUMBERS = ("-1", "0", "1e999", "NaN", "1e308", "-0.0", "9" * 20, '"60"', "null", "[]", "{}", "true", "1.5")

_VALUES = (
    *(0, -1, 1, 128, 2**31, 2**63, 10**40, 1e308, -1e-300, 0.5, float("nan"), float("inf"), None, True),
    *("", "60", "NaN", "\ud800", "\udce9", "\0", "a" * 1000, "../x", "\u202e\n"),
    *([], {}, [[]], [1.0] * 3, {"a": {}}, [None]),
)

_TOKENS = (
    *"+-*/().,:'\"\\ \n\t\0\u00e9\udce9\u202e",
    *("flute", "bright", "0.5", "1e9", "((", "))", "nan", "inf", "~/", "*" * 50, "(" * 3000, "9" * 400),
)


def mutate(contents: Sequence[bytes], number: random.Random) -> bytes:
    """Return a mutant of one of some files, or a splice of two."""
    data = bytearray(number.choice(contents))
    for _ in range(number.choice((1, 1, 2, 5))):
        data = _EDITS[number.randrange(len(_EDITS))](data, contents, number) or bytearray(1)
    return bytes(data)


def mutate_text(texts: Sequence[str], number: random.Random) -> str:
    """Return a mutant of one of some texts: tokens and numbers put in, taken out and exchanged."""
    text = number.choice(texts)
    for _ in range(number.choice((1, 2, 4))):
        start = number.randrange(len(text) + 1)
        end = min(len(text), start + number.choice((0, 0, 1, 3, 20)))
        text = text[:start] + number.choice((*_TOKENS, *_NUMBERS, "")) + text[end:]
    return text


def mutate_json(text: str, number: random.Random) -> str:
    """Return a JSON text with some of its values exchanged for odd ones, or left out."""
    value = json.loads(text)
    for _ in range(number.choice((1, 1, 3))):
        place = value
        while isinstance(place, dict | list) and place:
            key = number.choice([*place]) if isinstance(place, dict) else number.randrange(len(place))
            if number.random() < 0.3 or not isinstance(place[key], dict | list):
                break
            place = place[key]
        if not isinstance(place, dict | list) or not place:
            continue
        if number.random() < 0.2:
            del place[key]
        else:
            place[key] = copy.deepcopy(number.choice(_VALUES))
    return json.dumps(value)


def _flip(data: bytearray, contents: Sequence[bytes], number: random.Random) -> bytearray:
    for _ in range(number.choice((1, 1, 8, 200))):
        data[number.randrange(len(data))] ^= 1 << number.randrange(8)
    return data


def _edit_header(data: bytearray, contents: Sequence[bytes], number: random.Random) -> bytearray:
    start = number.randrange(min(HEADER, len(data)))
    value = number.choice((b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80", b"\1", b"data", number.randbytes(2)))
    data[start : start + len(value)] = value
    return data


def _cut(data: bytearray, contents: Sequence[bytes], number: random.Random) -> bytearray:
    return data[: number.randrange(len(data))]


def _remove(data: bytearray, contents: Sequence[bytes], number: random.Random) -> bytearray:
    start = number.randrange(len(data))
    del data[start : start + number.choice((1, 2, 4, 1000))]
    return data


def _repeat(data: bytearray, contents: Sequence[bytes], number: random.Random) -> bytearray:
    start = number.randrange(len(data))
    data[start:start] = data[start : start + number.choice((1, 4, 1000))] * number.choice((1, 3))
    return data


def _splice(data: bytearray, contents: Sequence[bytes], number: random.Random) -> bytearray:
    other = number.choice(contents)
    return data[: number.randrange(len(data))] + other[number.randrange(len(other)) :]


_EDITS = (_flip, _flip, _edit_header, _edit_header, _cut, _remove, _repeat, _splice)
