"""Variational autoencoder of log-mels."""
