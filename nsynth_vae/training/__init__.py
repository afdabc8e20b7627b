"""Training runs: loop, checkpoints, resuming, and what a run writes."""
