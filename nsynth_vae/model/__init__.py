"""Variational autoencoder of log-mels."""

from nsynth_vae.model.decoder import Decoder
from nsynth_vae.model.encoder import Encoder
from nsynth_vae.model.vae import VAE

__all__ = ["VAE", "Decoder", "Encoder"]
