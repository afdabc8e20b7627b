"""From log-mel (and pitch) to audio."""
