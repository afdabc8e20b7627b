"""README of the starter set, written when the set is made, so that its numbers are the set's own."""

from __future__ import annotations

from collections import Counter

from starter_plan import Instrument

from nsynth_vae.notes import FAMILIES, QUALITIES

_TEXT = """# The starter set

{notes:,} notes of {instruments} sampled instruments, so that `--data starter` works without a download.

**This is not NSynth.** It is played by NSynth's protocol and stored in NSynth's layout, but no recording, no
instrument and no label in it comes from NSynth. Numbers and figures made from it must not be called NSynth's.
Its instruments are numbered from 900, so that their names never collide with NSynth's.

The notes are the FluidR3Mono_GM sound font (MIT; its notice is in `LICENSE`) played with FluidSynth
{fluidsynth_version} (Debian packages `fluidr3mono-gm-soundfont` and `fluidsynth`). To make the set again:

    python scripts/make_starter_set.py

- Each note starts at time 0, is sustained for 3 s, then released for 1 s: 64,000 samples at 16 kHz, mono.
- Each is rendered from silence at 44.1 kHz without reverb and chorus, high-passed at 20 Hz (causal, second
  order; some presets carry DC) and resampled to 16 kHz (100 dB down at 8 kHz). What a sample has before it
  first reaches 1 % of its peak, if it is 5 ms or more, is cut to 3 ms. Picked Bass still has up to
  40 ms of the pick on the string before the string itself.
- Levels: one gain for each instrument (below) puts its loudest note at a peak of 0.9. Within an instrument
  nothing is normalised, so velocity means level.
- Notes: 15 of each instrument, at nine pitches about evenly over its natural range with both ends; a low, the
  middle and a high one at velocities 25, 75 and 127, the others at 50 or 100 in turn: three of each velocity.
- Coding: Ogg Vorbis at quality {vorbis_quality:.1f}, {audio_megabytes:.1f} MB. The difference to the uncoded
  note in log-mel (ln(mel + 1e-4), 128 bins) is {error_nats:.2f} nats on average.
- Splits: about 80/10/10 by instrument, by a stable hash (SHA-256) within families. Instruments that share
  samples (`sample_group`) are in one split. Organ, with two instruments, is in train only.
- Presets that do not sound at their written pitch are left out (`not_at_written_pitch` in
  `scripts/starter_presets.json`; also Tubular Bells, an octave up, and Muted Guitar, silent at its top).

`examples.json` has NSynth's keys, and two more: `sample_group` and `instrument_name` (the preset's name).
`instrument` and `note` (NSynth's numbers) are null.

## Qualities

Six of NSynth's ten qualities are labelled, each by a rule that measures the note (thresholds:
`scripts/starter_qualities.py`). Where a rule is undecided, and for the other four qualities (distortion,
multiphonic, reverb, tempo-synced), the flag is null: unknown, not 0. The rules are ours, not NSynth's.

{qualities}

## Families

{families}

## Instruments

{table}

## Credits

FluidR3Mono_GM: mono version by Michael Cowgill, from Fluid (R3) GM by Frank Wen and the people named in
`LICENSE`.
"""


def _markdown_table(header: list[str], rows: list[list[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def readme_text(
    played: list[tuple[Instrument, float, int]],
    labels: dict[str, list[int | None]],
    audio_bytes: int,
    *,
    fluidsynth_version: str,
    vorbis_quality: float,
    error_nats: float,
) -> str:
    """Return the text of README.md.

    Args:
        played: (instrument, its gain in dB, its number of notes) for each instrument.
        labels: note_str -> ten quality flags.
        audio_bytes: Size of all audio files, bytes.
        fluidsynth_version: Such as "2.3.1".
        vorbis_quality: The encoder's, 0 to 1.
        error_nats: The coding's mean error in log-mel, nats.
    """
    families = []
    for family in FAMILIES:
        splits = Counter(i.split for i, _, _ in played if i.instrument_family == family)
        notes = sum(count for i, _, count in played if i.instrument_family == family)
        families.append([family, notes, *(splits[split] for split in ("train", "valid", "test"))])
    families.append(["all", *(sum(row[column] for row in families) for column in range(1, 5))])
    qualities = []
    for index, quality in enumerate(QUALITIES):
        count = Counter(flags[index] for flags in labels.values())
        if count[0] or count[1]:
            qualities.append([quality, count[1], count[0], count[None]])
    rows = []
    for i, gain_db, _ in played:
        pitches = [pitch for pitch, _ in i.notes]
        pitch_range = f"{min(pitches)}-{max(pitches)}"
        preset = [i.instrument_name, f"{i.bank}:{i.program}"]
        rows.append([i.instrument_str, *preset, pitch_range, i.split, i.sample_group, f"{gain_db:+.1f}"])
    header = ["instrument_str", "preset", "bank:program", "pitches", "split", "sample_group", "gain (dB)"]
    return _TEXT.format(
        notes=len(labels),
        instruments=len(played),
        fluidsynth_version=fluidsynth_version,
        audio_megabytes=audio_bytes / 1e6,
        vorbis_quality=vorbis_quality,
        error_nats=error_nats,
        qualities=_markdown_table(["quality", "1", "0", "unknown"], qualities),
        families=_markdown_table(["family", "notes", "train", "valid", "test (instruments)"], families),
        table=_markdown_table(header, rows),
    )
