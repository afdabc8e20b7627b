"""Sources of notes: opening, selecting, streaming."""
