"""Renderer of SoundFont notes with FluidSynth by NSynth's protocol: 3 s sustained, 1 s released, 16 kHz mono.

One FluidSynth run renders all notes of one preset, each from silence. Reverb and chorus are off, so the
sound is the samples' own. Needs the `fluidsynth` program (checked with 2.3.1).
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from scipy import signal

SAMPLE_RATE = 16000
RENDER_RATE = 44100
HELD_MS = 3000
NOTE_MS = 4000
NUM_SAMPLES = SAMPLE_RATE * NOTE_MS // 1000
# FluidSynth starts notes on blocks of 64 frames. 640 ms is the shortest time that is a whole number of blocks
# and of milliseconds, so at multiples of it a note starts at the same position as when it is played alone.
GRID_MS = 640
# 12 * 640 ms = 7.68 s: the note is stopped after 4.2 s, the rest is silence.
SPACING_MS = 12 * GRID_MS
# FluidSynth's player acts on an event one block of 64 frames (1.5 ms) late, always.
LATENCY_FRAMES = 64
HIGH_PASS_HERTZ = 20.0
MAX_LEAD_IN_MS = 100
FADE_SAMPLES = 16


def _variable_length(value: int) -> bytes:
    """Return MIDI's variable-length number: seven bits a byte, the highest bit set on all but the last."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | (value & 0x7F))
    return bytes(reversed(out))


def midi_file(bank: int, program: int, notes: list[tuple[int, int]], lead_in_ms: list[int]) -> bytes:
    """Return a standard MIDI file (one tick is 1 ms) that plays the notes one after another from silence.

    Args:
        bank: GS bank, 0..127.
        program: 0-based program, 0..127.
        notes: (pitch, velocity) pairs, MIDI numbers. Note k starts at `GRID_MS + k * SPACING_MS`.
        lead_in_ms: Time beyond 3 s that each note is sustained, because as much will be cut off its start.

    Returns:
        The file's bytes.
    """
    events = [(0, b"\xff\x51\x03" + (1_000_000).to_bytes(3, "big"))]  # one quarter note (1000 ticks) is 1 s
    events += [(0, bytes([0xB0, 0, bank])), (0, bytes([0xC0, program]))]
    for index, ((pitch, velocity), lead_in) in enumerate(zip(notes, lead_in_ms, strict=True)):
        start = GRID_MS + index * SPACING_MS
        events.append((start, bytes([0x90, pitch, velocity])))
        events.append((start + lead_in + HELD_MS, bytes([0x80, pitch, 0])))
        # All sound off (120), then all controllers reset (121): no tail may leak into the next note.
        events.append((start + NOTE_MS + 200, bytes([0xB0, 120, 0])))
        events.append((start + NOTE_MS + 210, bytes([0xB0, 121, 0])))
    events.append((GRID_MS + len(notes) * SPACING_MS, b"\xff\x2f\x00"))
    track, now = b"", 0
    for time, message in events:
        track += _variable_length(time - now) + message
        now = time
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 1000) + b"MTrk" + struct.pack(">I", len(track)) + track


def to_sixteen_kilohertz(audio: np.ndarray) -> np.ndarray:
    """High-pass at 20 Hz and resample one note.

    The high-pass (some presets carry DC) is causal: a zero-phase one would smear the attack to before the
    onset. The resampler keeps 0 to 7.6 kHz flat and is 100 dB down from 8.0 kHz.

    Args:
        audio: [num_samples], at 44,100 Hz, starting at the note's onset.

    Returns:
        float64 [num_samples * 160 / 441], at 16,000 Hz.
    """
    sections = signal.butter(2, HIGH_PASS_HERTZ, "highpass", fs=RENDER_RATE, output="sos")
    audio = signal.sosfilt(sections, audio)
    up, down = 160, 441
    transition_hertz, stop_db = 400.0, 100.0
    num_taps, beta = signal.kaiserord(stop_db, transition_hertz / (0.5 * RENDER_RATE * up))
    cutoff = 8000 - transition_hertz / 2
    taps = signal.firwin(num_taps | 1, cutoff, window=("kaiser", beta), fs=RENDER_RATE * up)
    return signal.resample_poly(audio, up, down, window=taps)


def lead_in_to_cut(audio: np.ndarray) -> int:
    """Return the milliseconds to cut off a note's start, because its recording begins before its attack.

    That is the time until |audio| first reaches 1 % of its maximum, less 3 ms; at most 100; 0 below 5 ms.

    Args:
        audio: [num_samples], 16 kHz.
    """
    reached_ms = int(np.argmax(np.abs(audio) >= 0.01 * np.abs(audio).max())) * 1000 // SAMPLE_RATE
    return min(reached_ms - 3, MAX_LEAD_IN_MS) if reached_ms >= 5 else 0


def render_preset(
    soundfont: Path, bank: int, program: int, notes: list[tuple[int, int]], *, fluidsynth: str = "fluidsynth"
) -> list[np.ndarray]:
    """Render notes of one preset.

    Args:
        soundfont: The .sf2 or .sf3 file.
        bank: GS bank, 0..127.
        program: 0-based program, 0..127.
        notes: (pitch, velocity) pairs, MIDI numbers.
        fluidsynth: The program to run.

    Returns:
        One float64 array [64000] for each note, 16 kHz, onset at sample 0, at FluidSynth's gain 1 (velocity
        means level; the peak may be above 1).
    """
    audio = _render(soundfont, bank, program, notes, [0] * len(notes), fluidsynth)
    lead_in_ms = [lead_in_to_cut(note) for note in audio]
    if any(lead_in_ms):
        audio = _render(soundfont, bank, program, notes, lead_in_ms, fluidsynth)
    return audio


def _render(
    soundfont: Path,
    bank: int,
    program: int,
    notes: list[tuple[int, int]],
    lead_in_ms: list[int],
    fluidsynth: str,
) -> list[np.ndarray]:
    """Run FluidSynth once, and cut each note from its lead-in's end."""
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder, "notes.mid"), Path(folder, "notes.wav")
        midi.write_bytes(midi_file(bank, program, notes, lead_in_ms))
        options = ["-ni", "-q", "-R", "0", "-C", "0", "-g", "1", "-r", str(RENDER_RATE)]
        options += ["-o", "synth.midi-bank-select=gs", "-o", "synth.dynamic-sample-loading=1"]
        options += ["-T", "wav", "-O", "float", "-F", str(wav)]
        subprocess.run([fluidsynth, *options, str(soundfont), str(midi)], check=True, capture_output=True)
        rendered, sample_rate = soundfile.read(wav, dtype="float64", always_2d=True)
    if sample_rate != RENDER_RATE:
        raise ValueError(f"{fluidsynth} rendered at {sample_rate} Hz, expected {RENDER_RATE} Hz")
    mono = rendered.mean(axis=1)
    audio = []
    for index, lead_in in enumerate(lead_in_ms):
        start = (GRID_MS + index * SPACING_MS) * RENDER_RATE // 1000 + LATENCY_FRAMES
        note = mono[start : start + (NOTE_MS + MAX_LEAD_IN_MS) * RENDER_RATE // 1000]
        cut = lead_in * SAMPLE_RATE // 1000
        samples = to_sixteen_kilohertz(note)[cut : cut + NUM_SAMPLES]
        if cut:  # one millisecond of fade, so that the cut does not click
            samples[:FADE_SAMPLES] *= np.linspace(0.0, 1.0, FADE_SAMPLES, endpoint=False)
        audio.append(samples)
    return audio
