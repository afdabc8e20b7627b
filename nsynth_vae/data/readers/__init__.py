"""Readers of note sources, one format a module."""
