"""Make the wide set: more sampled instruments to train on, in NSynth's own layout.

    python scripts/make_wide_set.py -o wide
    python -m nsynth_vae.train --data nsynth --data starter --data wide ...

The comparison of models with and without it is in docs/experiments.md, "More instruments".

All presets of two General MIDI sound fonts (MIT) that sound at their written pitch and share no samples with the
starter set's valid and test instruments, and the recordings of 20 instruments that the npm packages
`tonejs-instrument-*-mp3` hold (tonejs-instruments by Nicholaus P. Brosowsky, CC BY 3.0). Needs FluidSynth, the sound
fonts FluidR3Mono_GM and MuseScore_General (Debian: `fluidsynth`, `fluidr3mono-gm-soundfont`,
`musescore-general-soundfont`) and npm. Notes without their pitch by a pitch tracker are left out, and
presets of MuseScore_General that are FluidR3Mono_GM's.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

# The script is run as a file, from a clone in which the package need not be installed.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from make_starter_set import (  # noqa: E402
    PEAK,
    ROOT,
    SILENT_PEAK,
    Played,
    label_qualities,
    play,
    replaced_folder,
    write_split,
)
from starter_plan import Instrument, plan_starter_set  # noqa: E402

from nsynth_vae import config, features  # noqa: E402
from nsynth_vae.analysis import pitch  # noqa: E402
from nsynth_vae.analysis.file_names import parse_file_name  # noqa: E402
from nsynth_vae.analysis.sound_files import read_sounds  # noqa: E402

STEP_SEMITONES = 4
VELOCITIES = (100, 50, 127, 75, 100, 25)
"""Of an instrument's notes from low to high, over and over."""

NOT_IN_TUNE = {(0, 14), (0, 28)}
"""Presets that the starter set leaves out as well: see `starter_plan`."""

LEAST_IN_TUNE = 0.5
"""Fraction of an instrument's notes in tune, below which it is left out."""

SAME_NATS = 0.3
"""Mean |difference| of the log-mels of two presets' notes below which they are one instrument."""

FIRST_NUMBERS = {"fluidr3mono": 500, "musescore": 600, "tonejs": 700}

RECORDINGS = {
    "bass-electric": ("bass", "electronic"),
    "bassoon": ("reed", "acoustic"),
    "cello": ("string", "acoustic"),
    "clarinet": ("reed", "acoustic"),
    "contrabass": ("string", "acoustic"),
    "flute": ("flute", "acoustic"),
    "french-horn": ("brass", "acoustic"),
    "guitar-acoustic": ("guitar", "acoustic"),
    "guitar-electric": ("guitar", "electronic"),
    "guitar-nylon": ("guitar", "acoustic"),
    "harmonium": ("organ", "acoustic"),
    "harp": ("string", "acoustic"),
    "organ": ("organ", "acoustic"),
    "piano": ("keyboard", "acoustic"),
    "saxophone": ("reed", "acoustic"),
    "trombone": ("brass", "acoustic"),
    "trumpet": ("brass", "acoustic"),
    "tuba": ("brass", "acoustic"),
    "violin": ("string", "acoustic"),
    "xylophone": ("mallet", "acoustic"),
}
"""Instruments of the npm packages, with family and source."""

MOST_RECORDINGS = 30
"""Notes of one of them."""


def plan_presets(presets_file: Path, kind: str) -> list[Instrument]:
    """Return the presets of a General MIDI sound font, with the notes to render.

    Args:
        presets_file: as in `starter_plan.plan_starter_set`.
        kind: one of the sound fonts of `FIRST_NUMBERS`.
    """
    presets = json.loads(presets_file.read_text())["presets"]
    splits = {each.sample_group: each.split for each in plan_starter_set(presets_file)}
    numbers: Counter[str] = Counter()
    instruments = []
    for preset in presets:
        group = f"fluidr3mono-{preset['sample_group']}"
        left_out = "not_at_written_pitch" in preset or (preset["bank"], preset["program"]) in NOT_IN_TUNE
        if left_out or splits.get(group, "train") != "train":
            continue
        name = f"{preset['instrument_family']}_{preset['instrument_source']}"
        pitches = range(preset["lowest_pitch"] + 1, preset["highest_pitch"] + 1, STEP_SEMITONES)
        notes = tuple((each, VELOCITIES[place % len(VELOCITIES)]) for place, each in enumerate(pitches))
        instruments.append(
            Instrument(
                instrument_str=f"{name}_{FIRST_NUMBERS[kind] + numbers[name]}",
                instrument_name=preset["name"],
                instrument_family=preset["instrument_family"],
                instrument_source=preset["instrument_source"],
                bank=preset["bank"],
                program=preset["program"],
                sample_group=f"{kind}-{preset['sample_group']}",
                split="train",
                notes=notes,
            )
        )
        numbers[name] += 1
    return instruments


def play_recordings(name: str, number: int, folder: Path) -> Played:
    """Return an instrument of the npm package `tonejs-instrument-NAME-mp3`, cut at the onset and to 4 s.

    Args:
        name: of `RECORDINGS`.
        number: of the instrument.
        folder: gets the package.
    """
    package = f"tonejs-instrument-{name}-mp3"
    packed = subprocess.run(
        ["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.split()[-1]
    shutil.unpack_archive(folder / packed, folder / name)
    # As3.mp3 is A#3. "F2 v2.mp3", a second take, is sorted before the first, which stays.
    found = sorted((folder / name).rglob("*.mp3"))
    files = {parse_file_name(file.stem.replace("s", "#")).pitch: file for file in found}
    pitches = sorted(files)
    pitches = pitches[:: -(-len(pitches) // MOST_RECORDINGS)]
    sounds = read_sounds([files[each] for each in pitches], config.AudioConfig())
    notes = {(each, 100): sound.audio.astype(np.float64) for each, sound in zip(pitches, sounds, strict=True)}
    gain = PEAK / max(np.abs(audio).max() for audio in notes.values())
    family, source = RECORDINGS[name]
    instrument = Instrument(f"{family}_{source}_{number}", name, family, source, 0, 0, package, "train", tuple(notes))
    return Played(instrument, float(20 * np.log10(gain)), {note: gain * audio for note, audio in notes.items()})


def in_tune(played: Played) -> Played | None:
    """Return an instrument without the notes that are out of tune; None if these are too many."""
    notes = {
        note: audio
        for note, audio in played.notes.items()
        if np.abs(audio).max() >= SILENT_PEAK and pitch.in_tune(audio.astype(np.float32), note[0])
    }
    return dataclasses.replace(played, notes=notes) if len(notes) > LEAST_IN_TUNE * len(played.notes) else None


def log_mels(played: Played) -> dict[tuple[int, int], np.ndarray]:
    """Return the log-mels of an instrument's notes, in nats."""
    audio = config.AudioConfig()
    found = features.log_mel(np.stack(list(played.notes.values())).astype(np.float32), audio).numpy()
    return dict(zip(played.notes, audio.log_mel_scale * found, strict=True))


def is_same(one: Played, other: Played) -> bool:
    """Return whether two presets sound the same."""
    mine, theirs = log_mels(one), log_mels(other)
    both = mine.keys() & theirs.keys()
    return bool(both) and float(np.mean([np.abs(mine[note] - theirs[note]).mean() for note in both])) < SAME_NATS


def play_soundfont(instruments: list[Instrument], soundfont: Path, jobs: int) -> dict[tuple[int, int], Played]:
    """Return (bank, program) -> the preset's notes, of those that are in tune."""
    with ProcessPoolExecutor(jobs) as pool:
        played = list(pool.map(functools.partial(_play_in_tune, soundfont), instruments))
    return {(each.instrument.bank, each.instrument.program): each for each in played if each is not None}


def _play_in_tune(soundfont: Path, instrument: Instrument) -> Played | None:
    return in_tune(play(instrument, soundfont))


def make_wide_set(output: Path, fluid: Path, musescore: Path, presets: Path, jobs: int) -> None:
    """Play, label and write the set; it replaces `output` when it is complete.

    Args:
        output: Folder to write.
        fluid: FluidR3Mono_GM.
        musescore: MuseScore_General.
        presets: Table of presets (JSON); both sound fonts have them.
        jobs: Processes.
    """
    starter = {(each.bank, each.program): each for each in plan_starter_set(presets)}
    first = play_soundfont(plan_presets(presets, "fluidr3mono"), fluid, jobs)
    second = play_soundfont(plan_presets(presets, "musescore"), musescore, jobs)
    # More notes of the starter set's instruments are theirs.
    for key in first.keys() & starter.keys():
        first[key] = dataclasses.replace(first[key], instrument=starter[key])
    new = [each for key, each in second.items() if key not in first or not is_same(each, first[key])]
    recorded = []
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(RECORDINGS, FIRST_NUMBERS["tonejs"]):
            recorded.append(in_tune(play_recordings(name, number, Path(folder))))
    recorded = [each for each in recorded if each is not None]
    played = [*first.values(), *new, *recorded]
    with replaced_folder(output) as folder:
        write_split(folder / "wide-train", played, label_qualities(played))
    count = sum(len(each.notes) for each in played)
    parts = f"{len(first)} of FluidR3Mono_GM, {len(new)} of MuseScore_General, {len(recorded)} recorded"
    print(f"{output}: {count} notes of {len(played)} instruments: {parts}")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and make the set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", "-o", type=Path, default=Path("wide"), help="folder to write (default: wide)")
    for name, file in (("fluid", "FluidR3Mono_GM"), ("musescore", "MuseScore_General")):
        path = Path(f"/usr/share/sounds/sf3/{file}.sf3")
        parser.add_argument(f"--{name}", type=Path, default=path, help=f"{file} sound font (default: %(default)s)")
    parser.add_argument(
        "--presets",
        type=Path,
        default=ROOT / "scripts/starter_presets.json",
        help="table of presets, JSON (default: %(default)s)",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    options = parser.parse_args(arguments)
    for file in (options.fluid, options.musescore, options.presets):
        if not file.is_file():
            print(f"{file}: not found", file=sys.stderr)
            return 2
    for program in ("fluidsynth", "npm"):
        if shutil.which(program) is None:
            print(f"{program}: not found on PATH", file=sys.stderr)
            return 2
    make_wide_set(options.output, options.fluid, options.musescore, options.presets, options.jobs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
