"""Decoding of audio files inside the tf.data graph."""
