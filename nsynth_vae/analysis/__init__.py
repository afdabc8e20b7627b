"""Signal analysis of notes in numpy."""
