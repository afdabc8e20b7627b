"""What a text names in the latent space: a file, a note of a source, an instrument, a family, or a direction."""

from __future__ import annotations

import dataclasses
import difflib
import os
import pathlib
import re
from typing import TYPE_CHECKING

import numpy as np

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
"""Other words for NSynth's families (points), sources and qualities (directions); a model's own name goes before one.

The families are those that the starter set gives the same instruments. `synth` is the source, not the family
`synth_lead`: in a sum it moves a timbre towards the synthetic.
"""

_LEARN = "`python -m nsynth_vae.attributes --model ...` learns them"
_NOTE = re.compile(r"(?P<instrument>.+)-\d{3}-\d{3}")


@dataclasses.dataclass(frozen=True, eq=False)
class Timbre:
    """A point of the latent space, or a direction in it."""

    name: str
    z: np.ndarray
    """float32 `[latent_dim]`; of a direction, what it adds at strength 1."""
    pitch: int | None = None
    """MIDI, of a file or note, if known."""
    velocity: int | None = None
    """MIDI, of a file or note, if known."""
    meaning: str = ""
    """What the name stands for, in words."""


class TimbreLookup:
    """Finds points and directions by what a user writes."""

    def __init__(self, model: TimbreModel, source: Source | None = None) -> None:
        """Collects the names.

        Args:
            model: encodes files and notes; its `attributes` have the instruments, families and directions.
            source: where a `note_str` is looked up, exactly as it is written.
        """
        self.model = model
        self._source = source
        self._attributes = {kind: names if isinstance(names, dict) else {} for kind, names in model.attributes.items()}
        notes = () if source is None else source.table.note_str
        # Of notes with the same name the first one counts.
        self._rows = {name: row for row, name in reversed(list(enumerate(notes)))}
        self._names = {key: ("families" if name in FAMILIES else "directions", name) for key, name in ALIASES.items()}
        not_learnt = self._attributes.get("not_learnt", {})
        words = {"directions": (*QUALITIES, *SOURCES, *not_learnt), "families": FAMILIES, "instruments": ()}
        for kind, standard in words.items():
            for name in (*standard, *self._attributes.get(kind, {})):
                self._names[_key(name)] = self._names[name] = kind, name
        self.longest = max(map(len, (*self._names, *self._rows)))
        """Letters of the longest name or `note_str`."""

    def knows(self, text: str) -> bool:
        """Tells whether a text is a name or a note, whatever the model has of it; files are not looked for."""
        return self._kind(text) is not None

    def is_point(self, text: str) -> bool:
        """Tells whether a text is a note, a file, or a name that is not a direction's."""
        kind = self._kind(text)
        return os.path.isfile(os.path.expanduser(text)) if kind is None else kind != "directions"

    def is_direction(self, text: str) -> bool:
        """Tells whether a text names a direction: an attribute or a source."""
        return self._kind(text) == "directions"

    def written(self, text: str) -> str:
        """Returns a known name as it is shown: an instrument by its own name, others in small letters."""
        kind, name = self._look_up(text)
        return name if kind in ("instruments", "notes") else _key(text)

    def point(self, text: str) -> Timbre:
        """Returns what a text names: an instrument or a family (their centroids), a note's or a file's z_mean.

        Names go by letters only: case, and spaces or hyphens for underscores, do not matter. A name goes before a
        file of the same name, which `./NAME` stands for.

        Raises:
            InputError: if it names nothing of the kind, says what is nearest; for a file or note that cannot be used.
        """
        kind = self._kind(text)
        if kind == "directions":
            raise InputError(f"{text!r}: is a direction, expected a point, which it can be added to: flute + {text}")
        if kind == "notes":
            return self._note(text)
        if kind is not None:
            name, entry, z = self._entry(text, "centroid")
            what = {"instruments": "instrument", "families": "family"}[kind]
            return Timbre(self.written(text), z, meaning=f"{what} {name}, mean of {entry.get('notes', 'its')} notes")
        path = pathlib.Path(os.path.expanduser(text))
        if os.path.isfile(path):
            return self._file(text, path)
        raise InputError(f"{text!r}: {self._unknown(text)}")

    def direction(self, text: str) -> Timbre:
        """Returns a direction: what `+ NAME` adds to z.

        Raises:
            InputError: if it names none, or one that the model has not learnt.
        """
        if not self.is_direction(text):
            found = "is a point" if self.is_point(text) else self._unknown(text)
            raise InputError(f"{text!r}: {found}; expected a direction such as bright")
        name, entry, z = self._entry(text, "direction")
        return Timbre(
            self.written(text), z, meaning=f"direction {name}, learnt from {entry.get('learnt_from', 'notes')}"
        )

    def descriptor(self, text: str) -> str | None:
        """Returns which of `descriptors.DESCRIPTORS` a direction was learnt to raise; None if it was learnt by none."""
        _, entry, _ = self._entry(text, "direction")
        return entry.get("descriptor")

    def _look_up(self, text: str) -> tuple[str, str] | None:
        """Returns (kind, name in full) of a name or note; kinds are those of `attributes.json`, and `notes`."""
        found = self._names.get(text) or self._names.get(_key(text))
        return ("notes", text) if found is None and text in self._rows else found

    def _kind(self, text: str) -> str | None:
        return (self._look_up(text) or (None, ""))[0]

    def _entry(self, text: str, vector: str) -> tuple[str, dict, np.ndarray]:
        """Returns a name in full, what the model's attributes have of it, and its vector."""
        who = self.model.name
        kind, name = self._look_up(text)
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
            z = np.array(known[name][vector], np.float32)
        except (KeyError, TypeError, ValueError):
            z = np.zeros(0, np.float32)
        if z.shape != (self.model.latent_dim,) or not np.all(np.isfinite(z)):
            raise InputError(
                f"{shown}: the attributes of {who} have no {vector} of {self.model.latent_dim} numbers for it; {_LEARN}"
            )
        return name, known[name], z

    def _note(self, note_str: str) -> Timbre:
        """Returns the point of a note of the source."""
        import tensorflow as tf

        row = self._rows[note_str]
        try:
            (note,) = self._source.audio(np.array([row]))
        except tf.errors.OpError as error:
            problem = str(error.message).splitlines()[0][-120:]
            raise InputError(f"{self._source.location(row)}: cannot be decoded ({problem})") from error
        if note["problem"].numpy():
            raise InputError(f"{self._source.location(row)}: {note['problem'].numpy().decode()}")
        (z,) = self.model.encode(note["audio"].numpy()[None])
        pitch, velocity = int(self._source.table.pitch[row]), int(self._source.table.velocity[row])
        return Timbre(note_str, z, pitch, velocity, f"note of {self._source.name}, pitch {pitch}, velocity {velocity}")

    def _file(self, text: str, path: pathlib.Path) -> Timbre:
        """Returns the point of an audio file, made a note as in a folder of samples."""
        from nsynth_vae.data.readers.file_names import parse_file_name
        from nsynth_vae.data.readers.samples import read_sounds

        config = self.model.config
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            name = str(path).encode("utf-8", "backslashreplace").decode()
            raise InputError(f"{name}: is no UTF-8, expected a name that is") from error
        (sound,) = read_sounds([path], config)
        if sound.problem:
            raise InputError(f"{text}: {sound.problem}")
        (z,) = self.model.encode(sound.audio[None])
        named = parse_file_name(path.stem)
        # Pitches are heard at the tracker's own rate only.
        heard = config.sample_rate == 16000 or named.pitch is not None
        pitch, hertz = (heard and sound.find_pitch(path.stem, config)) or (None, None)
        words = "no pitch found" if pitch is None else f"pitch {pitch}" + (" (estimated)" if hertz else "")
        cut = f", {sound.cut(config)}" if sound.cut(config) else ""
        return Timbre(text, z, pitch, named.velocity, f"file, {words}{cut}")

    def _unknown(self, text: str) -> str:
        """Returns what to say of a text that names nothing."""
        if os.path.isdir(os.path.expanduser(text)):
            return "is a folder, expected a WAV, FLAC, Ogg Vorbis or MP3 file"
        note = _NOTE.fullmatch(text)
        if note and self._source is None:
            return "no such name or file; a note's name is looked up in --data, which is not given"
        if note:
            instrument = note["instrument"]
            names = [name for name in self._rows if name.startswith(f"{instrument}-")]
            near = difflib.get_close_matches(text, names, 3, 0.0) or difflib.get_close_matches(
                instrument, sorted(set(self._source.table.instrument_str)), 3, 0.0
            )
            return f"no such note in {self._source.name}; nearest: {', '.join(near)}"
        has = self._attributes
        names = {key: name for key, (kind, name) in self._names.items() if name in has.get(kind, {})}
        near = difflib.get_close_matches(_key(text), names, 3, 0.6)
        if near:
            return f"no such name or file; nearest: {', '.join(near)}"
        known = [*sorted(has.get("families", {})), *sorted(has.get("directions", {}))]
        names = ", ".join(known) if known else "no families and no directions"
        return (
            f"no such name or file; {self.model.name} knows {names}, and {len(has.get('instruments', {}))} instruments"
        )


def _key(name: str) -> str:
    """Returns a name as it is compared: in small letters, a single space or hyphen within it as an underscore."""
    return re.sub(r"(?<=\w)[-\s](?=\w)", "_", name.strip().casefold())
