"""Variational autoencoder of log-mels."""

from nsynth_vae.model.vae import VAE, Decoder, Encoder

__all__ = ["VAE", "Decoder", "Encoder"]
