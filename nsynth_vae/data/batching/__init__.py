"""Batches of features or audio, and the cache of features."""
