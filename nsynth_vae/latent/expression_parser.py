"""Parser of timbre expressions: from text to names and their weights.

    sum     = product {("+" | "-") product}
    product = factor {"*" factor}
    factor  = {"-"} (number | name | quoted | "(" sum ")")

Outside quotes the longest known name counts: `synth lead`, `tempo-synced` and `guitar_acoustic_010-055-025` are names,
while `synth - lead` is a difference.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, NoReturn

from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import TimbreLookup

MAX_DEPTH = 64
"""Levels of parentheses, at most."""

_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NAME = re.compile(r"[^\W\d][\w.]*")
# A number cannot be subtracted from a timbre, so this can only be the name of a note.
_NOTE = re.compile(r"[^\W\d][\w.]*-\d{3}-\d{3}(?![\w.])")
_OPERATORS = "+-*()"
_QUOTES = "\"'"
_CANCELLED = 1e-12
_LARGEST = 1e9


def parse_weights(text: str, lookup: TimbreLookup) -> dict[str, float]:
    """Return the weighted names of an expression, name -> weight, in the order in which they were first written.

    Args:
        text: the expression.
        lookup: finds the names; an alias and the name that it stands for are two names.

    Returns:
        Weights; names whose weights cancel out are left out.

    Raises:
        InputError: for other texts, in one line with the position of the problem; for an unknown name.
    """
    return _Parser(text, lookup).parse()


def quoted(text: str) -> str:
    """Return a text in quotes and in one line, its end left out if it is very long."""
    return repr(text if len(text) <= 200 else f"{text[:200]}...")


def format_expression(weights: dict[str, float]) -> str:
    """Return weighted names as an expression, from which `parse_weights` returns the same."""
    text = ""
    for name, weight in weights.items():
        if not (_NAME.fullmatch(name) or _NOTE.fullmatch(name)):
            quote = "'" if '"' in name else '"'
            name = f"{quote}{name}{quote}"
        size = f"{abs(weight):.10g}"
        sign = "-" if weight < 0 else "+"
        text += f" {sign} " if text else "-" * (weight < 0)
        text += name if size == "1" else f"{size}*{name}"
    return text


@dataclasses.dataclass(frozen=True)
class _Token:
    kind: str
    """`number`, `name`, `end` or one of the operators."""
    text: str
    position: int


@dataclasses.dataclass(frozen=True)
class _Value:
    """A weighted sum of names, or a number, which is the weight of the empty name."""

    weights: dict[str, float]
    position: int

    @property
    def number(self) -> float | None:
        return self.weights.get("")

    def times(self, factor: float) -> _Value:
        return _Value({name: weight * factor for name, weight in self.weights.items()}, self.position)


class _Parser:
    """Recursive descent, one method for each rule of the grammar."""

    def __init__(self, text: str, lookup: TimbreLookup) -> None:
        self._text, self._lookup = text, lookup
        self._tokens = self._tokenize()
        self._next = 0
        self._depth = 0

    def parse(self) -> dict[str, float]:
        """Return name -> weight; those whose weights cancel out are left out."""
        if self._token.kind == "end":
            raise InputError(f"{quoted(self._text)}: found nothing, expected a timbre such as violin + bright - dark")
        value = self._sum()
        if self._token.kind != "end":
            self._fail(f"found {self._token.text!r}, expected + - * or the end", self._token.position)
        if value.number is not None:
            self._fail("found only a number, expected names too, such as 0.5*flute + 0.5*guitar", value.position)
        if not all(abs(weight) <= _LARGEST for weight in value.weights.values()):
            self._fail(f"found a weight above {_LARGEST:g}, expected a smaller one", value.position)
        return {name: weight for name, weight in value.weights.items() if abs(weight) > _CANCELLED}

    def _sum(self) -> _Value:
        total = self._product()
        while self._token.kind in ("+", "-"):
            sign = 1.0 if self._take().kind == "+" else -1.0
            term = self._product().times(sign)
            if (total.number is None) != (term.number is None):
                number = total if term.number is None else term
                problem = f"found the number {abs(number.weights['']):g} in a sum of names, expected it times a name"
                self._fail(problem, number.position)
            weights = dict(total.weights)
            for name, weight in term.weights.items():
                weights[name] = weights.get(name, 0.0) + weight
            total = _Value(weights, total.position)
        return total

    def _product(self) -> _Value:
        product = self._factor()
        while self._token.kind == "*":
            operator = self._take()
            factor = self._factor()
            if factor.number is not None:
                product = product.times(factor.number)
            elif product.number is not None:
                product = _Value(factor.times(product.number).weights, product.position)
            else:
                self._fail("found names on both sides of *, expected a number on one", operator.position)
        return product

    def _factor(self) -> _Value:
        position, sign = self._token.position, 1.0
        while self._token.kind == "-":
            self._take()
            sign = -sign
        token = self._take()
        if token.kind == "number":
            value = _Value({"": float(token.text)}, position)
        elif token.kind == "name":
            value = _Value({self._known_name(token): 1.0}, position)
        elif token.kind == "(":
            value = _Value(self._parenthesis(token).weights, position)
        else:
            found = "the end" if token.kind == "end" else repr(token.text)
            self._fail(f"found {found}, expected a name, a number, - or (", token.position)
        return value.times(sign)

    def _parenthesis(self, opening: _Token) -> _Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"found more than {MAX_DEPTH} parentheses within one another, expected fewer", opening.position)
        value = self._sum()
        if self._token.kind != ")":
            found = "the end" if self._token.kind == "end" else repr(self._token.text)
            problem = f"found {found}, expected + - * or the ) that belongs to character {opening.position + 1}"
            self._fail(problem, self._token.position)
        self._take()
        self._depth -= 1
        return value

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _tokenize(self) -> list[_Token]:
        tokens, position, text = [], 0, self._text
        while position < len(text):
            letter = text[position]
            if letter.isspace():
                position += 1
                continue
            if letter in _QUOTES:
                end = text.find(letter, position + 1)
                if end < 0:
                    self._fail(f"found a {letter} that opens and none that closes, expected both", position)
                token, end = _Token("name", text[position + 1 : end], position), end + 1
            elif end := self._end_of_name(position):
                token = _Token("name", text[position:end], position)
            elif number := _NUMBER.match(text, position):
                token, end = _Token("number", number[0], position), number.end()
            elif letter in _OPERATORS:
                token, end = _Token(letter, letter, position), position + 1
            else:
                expected = "names, numbers, + - * ( ) and, in quotes, files and other names"
                self._fail(f"found {letter!r}, expected {expected}", position)
            tokens.append(token)
            position = end
        return [*tokens, _Token("end", "", len(text))]

    def _end_of_name(self, start: int) -> int:
        """Return the end of the longest name that starts here; 0 if none does."""
        text = self._text
        if not (text[start].isalnum() or text[start] == "_"):
            return 0
        matches = (pattern.match(text, start) for pattern in (_NAME, _NOTE))
        longest = max((match.end() for match in matches if match), default=0)
        for end in range(min(len(text), start + self._lookup.longest_name), max(longest, start), -1):
            part = text[start:end]
            whole = not part[-1].isspace() and not re.match(r"[\w.]", text[end:])
            if whole and self._lookup.knows(part) and not _NUMBER.fullmatch(part):
                return end
        return longest

    def _known_name(self, token: _Token) -> str:
        """Return the canonical name of a name, or raise the lookup's error for an unknown one."""
        name, lookup = token.text, self._lookup
        if not name.strip():
            self._fail("found nothing between the quotes, expected a file or a name", token.position)
        if lookup.knows(name):
            return lookup.canonical_name(name)
        if not lookup.is_timbre(name):
            lookup.timbre(name)
        return name

    def _fail(self, problem: str, position: int) -> NoReturn:
        raise InputError(f"{quoted(self._text)}: {problem} (character {position + 1})")
