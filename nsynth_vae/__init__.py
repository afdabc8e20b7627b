"""NSynth VAE: a variational autoencoder of musical notes whose latent space is timbre."""

import os
import sys

__version__ = "0.1.0"

if not (3, 11) <= sys.version_info[:2] <= (3, 12):
    raise SystemExit(
        f"nsynth_vae needs Python 3.11 or 3.12 (TensorFlow 2.17 has no others), this is {sys.version.split()[0]}"
    )
if sys.platform == "win32":
    raise SystemExit("nsynth_vae runs on Linux and macOS; on Windows use WSL2: https://learn.microsoft.com/windows/wsl")

# TensorFlow's start-up chatter (CPU features, missing GPUs) is no news to a user. A value that is set is kept.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
