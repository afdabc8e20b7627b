"""Learning of attribute directions in the latent space."""
