"""Make the starter set: real sampled instruments, played by NSynth's protocol, in NSynth's own layout.

    python scripts/make_starter_set.py

needs FluidSynth and the FluidR3Mono_GM sound font (Debian: `fluidsynth`, `fluidr3mono-gm-soundfont`). The
steps have a module each: the plan (`starter_plan.py`), rendering (`starter_render.py`), labels of qualities
(`starter_qualities.py`) and coding (`starter_coding.py`).

The result is the same byte for byte on one machine: the encoder's only random number, the Ogg stream's
serial, is replaced by a hash of the note's name. Other builds of FluidSynth or libvorbis may round
differently.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# The script is run as a file, from a clone in which the package need not be installed.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import starter_qualities  # noqa: E402
from starter_coding import COMPRESSION_LEVEL, coding_error, encode_note  # noqa: E402
from starter_plan import Instrument, plan_starter_set  # noqa: E402
from starter_readme import readme_text  # noqa: E402
from starter_render import SAMPLE_RATE, render_preset  # noqa: E402

from nsynth_vae.notes import FAMILIES, QUALITIES, SOURCES, format_note_str  # noqa: E402

ROOT = Path(__file__).parents[1]
# One gain for each instrument puts its loudest note here. Notes keep their levels among each other, so
# velocity means level; Vorbis may overshoot the peak a little.
PEAK = 0.9
SILENT_PEAK = 1e-3
NEIGHBOUR_SEMITONES = 3


@dataclasses.dataclass
class Played:
    """An instrument's rendered notes."""

    instrument: Instrument
    gain_db: float
    notes: dict[tuple[int, int], np.ndarray]
    """(pitch, velocity) -> audio, float64 [64000]."""


def play(instrument: Instrument, soundfont: Path, *, fluidsynth: str = "fluidsynth") -> Played:
    """Render an instrument's notes with its one gain; silent notes (peak below -60 dB) are left out."""
    rendered = render_preset(
        soundfont, instrument.bank, instrument.program, list(instrument.notes), fluidsynth=fluidsynth
    )
    gain = PEAK / max(np.abs(audio).max() for audio in rendered)
    notes = {note: gain * audio for note, audio in zip(instrument.notes, rendered, strict=True)}
    notes = {note: audio for note, audio in notes.items() if np.abs(audio).max() >= SILENT_PEAK}
    return Played(instrument, float(20 * np.log10(gain)), notes)


def label_qualities(played: list[Played]) -> dict[str, list[int | None]]:
    """Return the ten quality flags (1, 0 or None) of every note by its name; see `starter_qualities`."""
    audio = {
        format_note_str(p.instrument.instrument_str, *note): (note[0], audio)
        for p in played
        for note, audio in p.notes.items()
    }
    pitches = np.array([pitch for pitch, _ in audio.values()])
    centroids = np.array([starter_qualities.spectral_centroid(samples) for _, samples in audio.values()])
    labels = {}
    for index, (note_str, (pitch, samples)) in enumerate(audio.items()):
        near = np.abs(pitches - pitch) <= NEIGHBOUR_SEMITONES
        bright, dark = starter_qualities.bright_dark(centroids[index], centroids[near])
        known = {
            "bright": bright,
            "dark": dark,
            "fast_decay": starter_qualities.fast_decay(samples),
            "long_release": starter_qualities.long_release(samples),
            "nonlinear_env": starter_qualities.nonlinear_env(samples),
            "percussive": starter_qualities.percussive(samples),
        }
        labels[note_str] = [known.get(quality) for quality in QUALITIES]
    return labels


def note_record(instrument: Instrument, pitch: int, velocity: int, qualities: list[int | None]) -> dict:
    """Return one note's entry in examples.json: NSynth's keys, `sample_group` and `instrument_name`."""
    return {
        "instrument": None,
        "instrument_family": FAMILIES.index(instrument.instrument_family),
        "instrument_family_str": instrument.instrument_family,
        "instrument_name": instrument.instrument_name,
        "instrument_source": SOURCES.index(instrument.instrument_source),
        "instrument_source_str": instrument.instrument_source,
        "instrument_str": instrument.instrument_str,
        "note": None,
        "note_str": format_note_str(instrument.instrument_str, pitch, velocity),
        "pitch": pitch,
        "qualities": qualities,
        "qualities_str": [name for name, flag in zip(QUALITIES, qualities, strict=True) if flag],
        "sample_group": instrument.sample_group,
        "sample_rate": SAMPLE_RATE,
        "velocity": velocity,
    }


def write_split(folder: Path, played: list[Played], labels: dict[str, list[int | None]]) -> None:
    """Write examples.json (one note a line) and the audio of one split."""
    (folder / "audio").mkdir(parents=True)
    lines = []
    for p in played:
        for (pitch, velocity), audio in p.notes.items():
            note_str = format_note_str(p.instrument.instrument_str, pitch, velocity)
            (folder / "audio" / f"{note_str}.ogg").write_bytes(encode_note(audio, note_str))
            record = note_record(p.instrument, pitch, velocity, labels[note_str])
            lines.append(json.dumps(note_str) + ":" + json.dumps(record, sort_keys=True, separators=(",", ":")))
    (folder / "examples.json").write_text("{\n" + ",\n".join(sorted(lines)) + "\n}\n")


@contextlib.contextmanager
def replaced_folder(output: Path) -> Iterator[Path]:
    """Give a temporary folder to write to, which replaces `output` when the block ends."""
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    yield temporary
    if output.exists():
        shutil.rmtree(output)
    temporary.rename(output)


def make_starter_set(output: Path, soundfont: Path, presets: Path, *, fluidsynth: str = "fluidsynth") -> None:
    """Render, label, encode and write the set; it replaces `output` when it is complete, but keeps its LICENSE.

    Args:
        output: Folder to write.
        soundfont: FluidR3Mono_GM.
        presets: Table of presets (JSON).
        fluidsynth: The program to run.
    """
    instruments = plan_starter_set(presets)
    played = []
    for index, instrument in enumerate(instruments):
        played.append(play(instrument, soundfont, fluidsynth=fluidsynth))
        done = f"{index + 1}/{len(instruments)} {instrument.instrument_str} ({instrument.instrument_name})"
        print(f"{done}: {len(played[-1].notes)} notes, gain {played[-1].gain_db:+.1f} dB", flush=True)
    labels = label_qualities(played)
    version = subprocess.run([fluidsynth, "--version"], capture_output=True, text=True).stdout.split()[3]
    error = coding_error([audio for p in played for audio in p.notes.values()][::7])
    gains = [(p.instrument, p.gain_db, len(p.notes)) for p in played]
    with replaced_folder(output) as folder:
        for split in ("train", "valid", "test"):
            write_split(folder / f"starter-{split}", [p for p in played if p.instrument.split == split], labels)
        audio_bytes = sum(file.stat().st_size for file in folder.glob("*/audio/*.ogg"))
        text = readme_text(
            gains,
            labels,
            audio_bytes,
            fluidsynth_version=version,
            vorbis_quality=1 - COMPRESSION_LEVEL,
            error_nats=error,
        )
        (folder / "README.md").write_text(text)
        if (output / "LICENSE").exists():
            shutil.copy(output / "LICENSE", folder / "LICENSE")
    print(f"{output}: {len(labels)} notes, {audio_bytes / 1e6:.1f} MB of audio")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and make the set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--output",
        "-o",
        type=Path,
        default=ROOT / "nsynth_vae/data/starter_set",
        help="folder to write; replaced (default: %(default)s)",
    )
    parser.add_argument(
        "--soundfont",
        type=Path,
        default=Path("/usr/share/sounds/sf3/FluidR3Mono_GM.sf3"),
        help="FluidR3Mono_GM sound font (default: %(default)s)",
    )
    parser.add_argument(
        "--presets",
        type=Path,
        default=ROOT / "scripts/starter_presets.json",
        help="table of presets, JSON (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    for file in (options.soundfont, options.presets):
        if not file.is_file():
            print(f"{file}: not found", file=sys.stderr)
            return 2
    if shutil.which("fluidsynth") is None:
        print("fluidsynth: not found on PATH, expected the FluidSynth program", file=sys.stderr)
        return 2
    make_starter_set(options.output, options.soundfont, options.presets)
    return 0


if __name__ == "__main__":
    sys.exit(main())
