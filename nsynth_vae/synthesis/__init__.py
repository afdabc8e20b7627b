"""Synthesis of audio from log-mel and pitch."""
