"""Playable instruments: voices, MIDI, loops, multisamples."""
