"""Variational autoencoder of musical notes whose latent space is timbre.

>>> import nsynth_vae
>>> model = nsynth_vae.load_model()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nsynth_vae.api import TimbreModel, load_model
    from nsynth_vae.config import AudioConfig, Config, DataConfig, ModelConfig, TrainConfig
    from nsynth_vae.errors import InputError

__version__ = "0.1.0"

__all__ = [
    "AudioConfig",
    "Config",
    "DataConfig",
    "InputError",
    "ModelConfig",
    "TimbreModel",
    "TrainConfig",
    "__version__",
    "load_model",
]


def __getattr__(name: str) -> object:
    """Import a public name at its first use, so that `import nsynth_vae` is immediate and has no side effect."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = {"InputError": "errors", "TimbreModel": "api", "load_model": "api"}.get(name, "config")
    globals()[name] = value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
