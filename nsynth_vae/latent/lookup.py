"""Lookup of timbres and directions by name: files, notes of a source, instruments, families and attributes."""

# ruff: noqa: PTH110, PTH111, PTH112 (os.path takes texts that no file can be named, for which Path raises OSError)
from __future__ import annotations

import dataclasses
import difflib
import os
import pathlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from nsynth_vae.analysis.audio_formats import EXPECTED
from nsynth_vae.analysis.sound_files import read_sound
from nsynth_vae.analysis.sound_labels import NO_PITCH, OctaveShift, label_sounds
from nsynth_vae.errors import InputError
from nsynth_vae.notes import FAMILIES, QUALITIES, SOURCES

if TYPE_CHECKING:
    from nsynth_vae.data.source import Source
    from nsynth_vae.timbre_model import TimbreModel

ALIASES: dict[str, str] = {
    alias: name
    for name, aliases in {
        "bass": "bass_guitar electric_bass",
        "brass": "trumpet cornet flugelhorn trombone tuba euphonium horn french_horn",
        "flute": "piccolo recorder pan_flute panpipes ocarina whistle shakuhachi",
        "guitar": "banjo lute mandolin sitar ukulele",
        "keyboard": "piano grand_piano electric_piano clavichord clavinet harpsichord keys rhodes wurlitzer",
        "mallet": "bell bells celesta chimes glockenspiel kalimba marimba music_box steel_drum vibraphone xylophone",
        "organ": "church_organ hammond pipe_organ",
        "reed": "accordion bagpipes bassoon clarinet english_horn harmonica oboe sax saxophone",
        "string": "cello contrabass double_bass fiddle harp strings viola violin",
        "synth_lead": "lead",
        "vocal": "choir singer singing vocals voice",
        "synthetic": "synth synthesizer synthesiser",
        "electronic": "electric",
        "distortion": "distorted",
    }.items()
    for alias in aliases.split()
}
"""Other words for NSynth's families (timbres), sources and qualities (directions); a model's own names come first.

The families are those that the starter set gives the same instruments. `synth` is the source, not the family
`synth_lead`: in a sum it moves a timbre towards the synthetic.
"""

_LEARN = "`python -m nsynth_vae.attributes --model ...` learns them"
_NOTE = re.compile(r"(?P<instrument>.+)-\d{3}-\d{3}")


@dataclasses.dataclass(frozen=True, eq=False)
class Timbre:
    """A named latent vector: a timbre, or a direction that is added to one."""

    name: str
    z: np.ndarray
    """float32 `[latent_dim]`; of a direction, the displacement at strength 1."""
    pitch: int | None = None
    """MIDI, of a file or note, if known."""
    velocity: int | None = None
    """MIDI, of a file or note, if known."""
    description: str = ""
    """What the name stands for, in words."""


class TimbreLookup:
    """Timbres and directions of a model by name."""

    def __init__(self, model: TimbreModel, *, source: Source | None = None, octave_shift: OctaveShift = None) -> None:
        """Collect the names.

        Args:
            model: encodes files and notes; its `attributes` have the instruments, families and directions.
            source: notes that are found by their exact `note_str`.
            octave_shift: of files' names; see `sound_labels.OctaveShift`.
        """
        self.model = model
        self._octave_shift = octave_shift
        self._source = source
        self._attributes: dict[str, dict[str, Any]] = {
            kind: names if isinstance(names, dict) else {} for kind, names in model.attributes.items()
        }
        notes = () if source is None else source.table.note_str
        # Of notes with the same name the first one counts.
        self._rows = {name: row for row, name in reversed(list(enumerate(notes)))}
        self._names = {key: ("families" if name in FAMILIES else "directions", name) for key, name in ALIASES.items()}
        not_learnt = self._attributes.get("not_learnt", {})
        standard = {"directions": (*QUALITIES, *SOURCES, *not_learnt), "families": FAMILIES, "instruments": ()}
        for kind, names in standard.items():
            for name in (*names, *self._attributes.get(kind, {})):
                self._names[_key(name)] = self._names[name] = kind, name
        self.files: dict[str, Timbre] = {}
        """Timbres of the files that were looked up, by the names they were given by."""
        self.longest_name = max(map(len, (*self._names, *self._rows)))
        """Letters of the longest name or `note_str`."""

    @property
    def names(self) -> dict[str, tuple[str, str]]:
        """Every name and alias -> (kind, full name); kinds are those of `attributes.json`."""
        return dict(self._names)

    def knows(self, text: str) -> bool:
        """Return whether a text is a name or a note, even one that the model has no vector of; files do not count."""
        return self._find(text)[0] != ""

    def is_timbre(self, text: str) -> bool:
        """Return whether a text is a note, a file, or a name that is not a direction's."""
        kind, _ = self._find(text)
        path = os.path.expanduser(text)
        return kind != "directions" if kind else os.path.exists(path) and not os.path.isdir(path)

    def is_direction(self, text: str) -> bool:
        """Return whether a text names a direction: an attribute or a source."""
        return self._find(text)[0] == "directions"

    def canonical_name(self, text: str) -> str:
        """Return a known name as it is shown: an instrument's or note's own name, others in lower case."""
        kind, name = self._find(text)
        return name if kind in ("instruments", "notes") else _key(text)

    def timbre(self, text: str) -> Timbre:
        """Return the timbre of a name: an instrument's or a family's centroid, a note's or a file's z_mean.

        Case does not matter in names, nor do spaces or hyphens for underscores. A name takes precedence over a file of
        the same name, which `./NAME` stands for.

        Raises:
            InputError: for an unknown name, with the nearest known ones; for a file or note that cannot be used.
        """
        kind, _ = self._find(text)
        if kind == "directions":
            raise InputError(f"{text!r}: is a direction, expected a timbre, which it can be added to: flute + {text}")
        if kind == "notes" and self._source is not None:
            return self._note(text, self._source)
        if kind:
            name, entry, z = self._entry(text, "centroid")
            what = {"instruments": "instrument", "families": "family"}[kind]
            description = f"{what} {name}, mean of {entry.get('notes', 'its')} notes"
            return Timbre(self.canonical_name(text), z, description=description)
        if not self.is_timbre(text):
            raise InputError(f"{text!r}: {self._unknown(text)}")
        return self._file(text, pathlib.Path(os.path.expanduser(text)))

    def direction(self, text: str) -> Timbre:
        """Return a direction: what `+ NAME` adds to z.

        Raises:
            InputError: for other names, and for a direction that the model has not learnt.
        """
        if not self.is_direction(text):
            found = "is a timbre" if self.is_timbre(text) else self._unknown(text)
            raise InputError(f"{text!r}: {found}; expected a direction such as bright")
        name, entry, z = self._entry(text, "direction")
        description = f"direction {name}, learnt from {entry.get('learnt_from', 'notes')}"
        return Timbre(self.canonical_name(text), z, description=description)

    def descriptor(self, text: str) -> str | None:
        """Return the one of `descriptors.DESCRIPTORS` that a direction was learnt to raise; None if there is none."""
        _, entry, _ = self._entry(text, "direction")
        descriptor = entry.get("descriptor")
        return descriptor if isinstance(descriptor, str) else None

    def _find(self, text: str) -> tuple[str, str]:
        """Return (kind, full name); kinds are those of `attributes.json`, `notes`, and "" for an unknown name."""
        found = self._names.get(text) or self._names.get(_key(text))
        return found or ("notes" if text in self._rows else "", text)

    def _entry(self, text: str, vector: str) -> tuple[str, dict[str, Any], np.ndarray]:
        """Return the full name, the entry in the model's attributes and the vector of a name."""
        who = self.model.name
        kind, name = self._find(text)
        shown = repr(text) if _key(text) == _key(name) else f"{text!r} ({name})"
        known = self._attributes.get(kind, {})
        if kind == "directions" and not known:
            centroids = " its centroid but" if name in self._attributes.get("sources", {}) else ""
            raise InputError(f"{shown}: {who} has{centroids} no directions; {_LEARN}")
        if name not in known and kind == "directions" and name in self._attributes.get("not_learnt", {}):
            raise InputError(f"{shown}: {who} has not learnt it: {self._attributes['not_learnt'][name]}")
        if name not in known:
            there = ", ".join(sorted(known)) or "it has none"
            raise InputError(f"{shown}: not among the {kind} in the attributes of {who}: {there}")
        try:
            with np.errstate(over="ignore"):
                z = np.array(known[name][vector], np.float32)
        except (KeyError, TypeError, ValueError):
            z = np.zeros(0, np.float32)
        if z.shape != (self.model.latent_dim,) or not np.all(np.isfinite(z)):
            raise InputError(
                f"{shown}: the attributes of {who} have no {vector} of {self.model.latent_dim} numbers for it; {_LEARN}"
            )
        return name, known[name], z

    def _note(self, note_str: str, source: Source) -> Timbre:
        row = self._rows[note_str]
        audio, problem = source.read(row)
        if problem:
            raise InputError(f"{source.location(row)}: {problem}")
        (z,) = self.model.encode(audio[None])
        pitch, velocity = int(source.table.pitch[row]), int(source.table.velocity[row])
        return Timbre(note_str, z, pitch, velocity, f"note of {source.name}, pitch {pitch}, velocity {velocity}")

    def _file(self, text: str, path: pathlib.Path) -> Timbre:
        config = self.model.config
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            name = str(path).encode("utf-8", "backslashreplace").decode()
            raise InputError(f"{name}: is no UTF-8, expected a name that is") from error
        sound = read_sound(path, config, keep_level=self.model.keep_level)
        if sound.problem:
            raise InputError(f"{text}: {sound.problem}")
        (z,) = self.model.encode(sound.audio[None])
        (label,) = label_sounds([sound.examine(config)], octave_shift=self._octave_shift, alone=True)
        named = () if label.source != "name" else (f"pitch {label.pitch}",)
        words = (NO_PITCH,) if label.pitch is None else (*named, *label.remarks())
        description = ", ".join(("file", *words, *sound.remarks(config)))
        self.files[text] = Timbre(text, z, label.pitch, label.velocity, description)
        return self.files[text]

    def _unknown(self, text: str) -> str:
        """Return the message for a text that names nothing."""
        if os.path.isdir(os.path.expanduser(text)):
            return f"is a folder, {EXPECTED}"
        if note := _NOTE.fullmatch(text):
            if self._source is None:
                return "no such name or file; a note's name is looked up in --data, which is not given"
            instrument, instruments = note["instrument"], sorted(set(self._source.table.instrument_str))
            notes = [name for name in self._rows if name.startswith(f"{instrument}-")]
            near = difflib.get_close_matches(text, notes, 3, 0.0)
            near = near or difflib.get_close_matches(instrument, instruments, 3, 0.0)
            return f"no such note in {self._source.name}; nearest: {', '.join(near)}"
        has = self._attributes
        keys = [key for key, (kind, name) in self._names.items() if name in has.get(kind, {})]
        if near := difflib.get_close_matches(_key(text), keys, 3, 0.6):
            return f"no such name or file; nearest: {', '.join(near)}"
        known = [*sorted(has.get("families", {})), *sorted(has.get("directions", {}))]
        names = ", ".join(known) or "no families and no directions"
        return (
            f"no such name or file; {self.model.name} knows {names}, and {len(has.get('instruments', {}))} instruments"
        )


def _key(name: str) -> str:
    """Return a name as it is compared: in lower case, a single space or hyphen within it as an underscore."""
    return re.sub(r"(?<=\w)[-\s](?=\w)", "_", name.strip().casefold())
