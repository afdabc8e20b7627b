"""Sources of notes: opening, selection, streaming and batches."""
