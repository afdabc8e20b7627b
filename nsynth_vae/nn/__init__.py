"""Keras layers and losses shared by the models."""
