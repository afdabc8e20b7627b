"""Base of the configuration: checked dataclasses with a JSON form, and the names of older files' fields."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import sys
import typing
from collections.abc import Callable

from nsynth_vae.errors import InputError
from nsynth_vae.files import read_json, write_text

RENAMED = {
    "model": {
        "recolored_share": "eq_augmentation_probability",
        "blended_share": "mixup_probability",
        "transposed_copies": "pitch_shift_copies",
    },
    "train": {"weight_average": "ema_decay"},
}
"""Fields of `config.json` by the names they had in version 0.1: section -> old name -> new name."""


def require(condition: bool, name: str, value: object, expected: str) -> None:
    """Raise InputError, which says what was found and what is expected, unless the condition holds."""
    if not condition:
        raise InputError(f"{name}: found {value!r}, expected {expected}")


class Section:
    """Base of the configuration's parts: type checks on creation, and JSON both ways."""

    if typing.TYPE_CHECKING:
        __dataclass_fields__: typing.ClassVar[dict[str, dataclasses.Field[typing.Any]]]

    def __post_init__(self) -> None:
        """Check the types; make tuples of JSON's lists, and floats of integers where floats are expected."""
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value, hint = getattr(self, field.name), hints[field.name]
            kinds = (hint,) if typing.get_origin(hint) is tuple else typing.get_args(hint) or (hint,)
            allowed = tuple(typing.get_origin(kind) or kind for kind in kinds)
            if tuple in allowed and isinstance(value, list):
                value = tuple(value)
            elif float in allowed and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            object.__setattr__(self, field.name, value)
            if (isinstance(value, bool) and bool not in allowed) or not isinstance(value, allowed):
                names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in allowed)
                raise InputError(f"{field.name}: found {value!r}, expected {names}")
            if isinstance(value, float):
                require(math.isfinite(value), field.name, value, "a finite number")
        self._check()

    def _check(self) -> None:
        """Raise InputError where a value is outside its range."""

    def require(self, expected: str, test: Callable[[typing.Any], bool], *names: str) -> None:
        """Raise InputError for the first of the named fields whose value fails the test."""
        for name in names:
            require(test(getattr(self, name)), name, getattr(self, name), expected)

    def require_positive(self, *names: str, most: int = 2**31 - 1) -> None:
        """Raise InputError for the first of the named fields that is not from 1 to `most`."""
        self.require(f"a positive integer, at most {most}", lambda value: 0 < value <= most, *names)

    def to_dict(self) -> dict[str, typing.Any]:
        """Return the fields as JSON-ready values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, typing.Any]) -> typing.Self:
        """Build the section from `to_dict`'s output; missing fields take their defaults.

        Raises:
            InputError: for an unknown field, a wrong type or a value outside its range.
        """
        return cls().replaced(values)

    def replaced(self, values: dict[str, typing.Any]) -> typing.Self:
        """Return the section with some fields, as in `to_dict`'s output, replaced; raises as `from_dict`."""
        known = {field.name for field in dataclasses.fields(self)}
        if not isinstance(values, dict):
            raise InputError(f"{type(self).__name__}: found {values!r}, expected a JSON object")
        for name in values:
            require(name in known, type(self).__name__, name, f"one of {', '.join(sorted(known))}")
        return dataclasses.replace(self, **values)


class Document(Section):
    """Base of a whole model's configuration: sections, and a file."""

    @classmethod
    def from_dict(cls, values: dict[str, typing.Any]) -> typing.Self:
        """Build the configuration from nested objects; missing sections and fields take their defaults.

        Fields that version 0.1 wrote under other names (`RENAMED`) are accepted; `cross_note_share`, which is gone, is
        ignored with a line on standard error.
        """
        sections: dict[str, typing.Any] = {field.name: field.default for field in dataclasses.fields(cls)}
        if not isinstance(values, dict):
            raise InputError(f"config: found {values!r}, expected a JSON object")
        for name in values:
            require(name in sections, "config", name, f"one of {', '.join(sections)}")
        # A model's own file has every section; what a user writes by hand for a new model, hardly ever `audio`.
        saved = sections.keys() <= values.keys()
        return cls(
            **{name: sections[name].replaced(_upgraded(name, section, saved)) for name, section in values.items()}
        )

    def save(self, path: pathlib.Path) -> None:
        """Write the configuration as JSON, atomically."""
        write_text(path, json.dumps(self.to_dict(), indent=2) + "\n")

    @classmethod
    def load(cls, path: pathlib.Path) -> typing.Self:
        """Read what `save` wrote, or a part of it.

        Raises:
            InputError: if the file cannot be read, is not JSON or holds a wrong value; names the file.
        """
        try:
            return cls.from_dict(read_json(path))
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}, expected a JSON configuration file") from error
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except ValueError as error:
            raise InputError(f"{path}: not JSON ({error}), expected a JSON configuration file") from error


_NEW = (
    *("velocity_pair_probability", "instrument_balance", "floor_augmentation_probability"),
    *("band_weight", "motion_dim"),
)


def _upgraded(section: str, values: typing.Any, saved: bool) -> typing.Any:
    """Return a section's values by the names of today, without those that are gone."""
    if not isinstance(values, dict):
        return values
    names = RENAMED.get(section, {})
    for old in names.keys() & values:
        require(names[old] not in values, f"{section.title()}Config", old, f"{names[old]!r} alone")
    result = {names.get(name, name): value for name, value in values.items()}
    if saved and section == "model" and "kl_warmup_steps" in result:
        # A VAE of version 0.1 lacks these, which it was trained without.
        result = {**dict.fromkeys(_NEW, 0), "level_coordinate": False, "inharmonic_partials": False, **result}
    gone = result.pop("cross_note_share", 0) if section == "model" else 0
    if gone:
        print(
            f"config.json: cross_note_share {gone} is ignored: cross-note reconstruction was removed",
            file=sys.stderr,
        )
    return result
