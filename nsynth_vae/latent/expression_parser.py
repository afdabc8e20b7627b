"""The grammar of timbres, in which `expression` reads them: from text to names and their weights.

    sum     = product {("+" | "-") product}
    product = factor {"*" factor}
    factor  = {"-"} (number | name | quoted | "(" sum ")")

Of what is not in quotes the longest name that is known counts: `synth lead`, `tempo-synced` and
`guitar_acoustic_010-055-025` are names, while `synth - lead` is a difference.
"""

from __future__ import annotations

import dataclasses
import re
from typing import NoReturn

from nsynth_vae.errors import InputError
from nsynth_vae.latent.lookup import TimbreLookup

DEEPEST = 64
"""Parentheses within parentheses, at most."""

_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NAME = re.compile(r"[^\W\d][\w.]*")
# As a bare number cannot be taken from a point, this can be nothing but a note's name.
_NOTE = re.compile(r"[^\W\d][\w.]*-\d{3}-\d{3}(?![\w.])")
_OPERATORS = "+-*()"
_QUOTES = "\"'"
_CANCELLED = 1e-12
_LARGEST = 1e9


def weights_of(text: str, points: TimbreLookup) -> dict[str, float]:
    """Returns what an expression adds up: name -> weight, in the order in which they were first written.

    Args:
        text: the expression.
        points: knows the names; an alias and what it stands for are two names.

    Returns:
        Weights; names whose weights cancel out are left out.

    Raises:
        InputError: for what is no expression, in one line that says at which character; for a name that is unknown.
    """
    return _Parser(text, points).parse()


def shown(text: str) -> str:
    """Returns a text in quotes and in one line, its end left out if it is very long."""
    return repr(text if len(text) <= 200 else f"{text[:200]}...")


def write(weights: dict[str, float]) -> str:
    """Returns weighted names as an expression, which `weights_of` reads as the same."""
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
    """A number, or a weighted sum of names (then `number` is None)."""

    number: float | None
    weights: dict[str, float]
    position: int

    def times(self, factor: float) -> _Value:
        number = None if self.number is None else self.number * factor
        return _Value(number, {name: weight * factor for name, weight in self.weights.items()}, self.position)


class _Parser:
    """Recursive descent, one method a rule."""

    def __init__(self, text: str, points: TimbreLookup) -> None:
        self._text, self._points = text, points
        self._tokens = self._tokenize()
        self._next = 0
        self._depth = 0

    def parse(self) -> dict[str, float]:
        """Returns name -> weight; those whose weights cancel out are left out."""
        if self._token.kind == "end":
            raise InputError(f"{shown(self._text)}: found nothing, expected a timbre such as violin + bright - dark")
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
                number = term if term.number is not None else total
                self._fail(
                    f"found the number {abs(number.number):g} in a sum of names, expected it times a name",
                    number.position,
                )
            weights = dict(total.weights)
            for name, weight in term.weights.items():
                weights[name] = weights.get(name, 0.0) + weight
            number = None if total.number is None else total.number + term.number
            total = _Value(number, weights, total.position)
        return total

    def _product(self) -> _Value:
        product = self._factor()
        while self._token.kind == "*":
            operator = self._take()
            factor = self._factor()
            if factor.number is not None:
                product = product.times(factor.number)
            elif product.number is not None:
                product = dataclasses.replace(factor.times(product.number), position=product.position)
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
            value = _Value(float(token.text), {}, position)
        elif token.kind == "name":
            value = _Value(None, {self._known(token): 1.0}, position)
        elif token.kind == "(":
            value = dataclasses.replace(self._parenthesis(token), position=position)
        else:
            found = "the end" if token.kind == "end" else repr(token.text)
            self._fail(f"found {found}, expected a name, a number, - or (", token.position)
        return value.times(sign)

    def _parenthesis(self, opening: _Token) -> _Value:
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(f"found more than {DEEPEST} parentheses within one another, expected fewer", opening.position)
        value = self._sum()
        if self._token.kind != ")":
            found = "the end" if self._token.kind == "end" else repr(self._token.text)
            self._fail(
                f"found {found}, expected + - * or the ) that belongs to character {opening.position + 1}",
                self._token.position,
            )
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
                self._fail(
                    f"found {letter!r}, expected names, numbers, + - * ( ) and, in quotes, files and other names",
                    position,
                )
            tokens.append(token)
            position = end
        return [*tokens, _Token("end", "", len(text))]

    def _end_of_name(self, start: int) -> int:
        """Returns where the longest name that starts here ends; 0 if none does."""
        text, points = self._text, self._points
        if not (text[start].isalnum() or text[start] == "_"):
            return 0
        matches = (pattern.match(text, start) for pattern in (_NAME, _NOTE))
        longest = max((match.end() for match in matches if match), default=0)
        for end in range(min(len(text), start + points.longest), max(longest, start), -1):
            part = text[start:end]
            whole = not part[-1].isspace() and not re.match(r"[\w.]", text[end:])
            if whole and points.knows(part) and not _NUMBER.fullmatch(part):
                return end
        return longest

    def _known(self, token: _Token) -> str:
        """Returns a name as it is shown; one that is unknown is an error, which says what is nearest."""
        name, points = token.text, self._points
        if not name.strip():
            self._fail("found nothing between the quotes, expected a file or a name", token.position)
        if points.knows(name):
            return points.written(name)
        if not points.is_point(name):
            points.point(name)
        return name

    def _fail(self, problem: str, position: int) -> NoReturn:
        raise InputError(f"{shown(self._text)}: {problem} (character {position + 1})")
