"""Refinement of latent vectors: from the encoder's answer to the most probable z of a sound.

The encoder answers at once, for all notes alike. Here the posterior of one note is climbed: its log-mel's likelihood,
Laplace as in training, and the prior N(0, 1). By Gauss-Newton steps with reweighting, which need no gradient but
decoded neighbours of z, so that a TFLite file is enough.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nsynth_vae.analysis.spectra import log_mel
from nsynth_vae.timbre_model import TimbreModel

SCALE = 0.5
"""Nats: scale of the Laplace distribution, about that which training finds."""

NEIGHBOUR = 0.05
"""Distance of the decoded neighbours that a step's slopes are measured at."""

LARGEST_STEP = 1.0
"""Length that a step is cut to: slopes are not straight for longer."""

CONVERGED = 1e-3
"""Refinement ends with a step that lowers the mean error by less than this fraction."""


def refine(
    decode: Callable[[np.ndarray], np.ndarray], z: np.ndarray, target: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a latent vector whose decoded log-mel is nearer to a note's, and the errors on the way.

    Iteratively reweighted least squares (Holland and Welsch 1977) for the absolute error, with halved steps where a
    whole one does not help.

    Args:
        decode: latent vectors `[n, latent_dim]` to ln(mel), `[n, frames, mel_bins]`, nats.
        z: float `[latent_dim]`, the encoder's answer.
        target: ln(mel) of the note, `[frames, mel_bins]`.
        steps: at most; each decodes as many notes as z has dimensions, and a few more.

    Returns:
        (z, float32 `[latent_dim]`; mean absolute error before and after each step, nats). Dimensions that the decoder's
        log-mel does not depend on stay as they are.
    """
    z = z.astype(np.float64)
    found = _decode(decode, z[None])[0]
    errors = [float(np.abs(found - target).mean())]
    cost = _cost(found, target, z)
    for _ in range(steps):
        neighbours = _decode(decode, z + NEIGHBOUR * np.eye(len(z)))
        slopes = ((neighbours - found) / NEIGHBOUR).reshape(len(z), -1)
        rest = (target - found).ravel()
        weight = 1.0 / (SCALE * np.maximum(np.abs(rest), 0.1 * SCALE))
        matters = np.abs(slopes).max(axis=1) > 1e-6
        slopes = slopes[matters]
        normal = (slopes * weight) @ slopes.T + np.eye(matters.sum())
        step = np.zeros_like(z)
        step[matters] = np.linalg.solve(normal, (slopes * weight) @ rest - z[matters])
        step *= min(1.0, LARGEST_STEP / max(float(np.linalg.norm(step)), 1e-9))
        for fraction in (1.0, 0.5, 0.25, 0.125):
            tried = z + fraction * step
            decoded = _decode(decode, tried[None])[0]
            if (lower := _cost(decoded, target, tried)) < cost:
                z, found, cost = tried, decoded, lower
                break
        else:
            break
        errors.append(float(np.abs(found - target).mean()))
        if errors[-1] > (1.0 - CONVERGED) * errors[-2]:
            break
    return z.astype(np.float32), np.array(errors)


def refine_note(
    model: TimbreModel, z: np.ndarray, audio: np.ndarray, *, pitch: int, velocity: int, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a latent vector nearer to a sound than a model's encoder's answer; see `refine`.

    Args:
        model: the model.
        z: float `[latent_dim]`, the encoder's answer.
        audio: float `[num_samples]`, -1..1.
        pitch: MIDI, of the sound.
        velocity: MIDI, likewise.
        steps: at most.
    """
    scale = model.config.log_mel_scale
    target = log_mel(audio, model.config) * scale
    return refine(lambda rows: model.decode_log_mel(rows, pitch, velocity) * scale, z, target, steps)


def _decode(decode: Callable[[np.ndarray], np.ndarray], z: np.ndarray) -> np.ndarray:
    return decode(z.astype(np.float32)).astype(np.float64)


def _cost(found: np.ndarray, target: np.ndarray, z: np.ndarray) -> float:
    """Return the negative logarithm of the posterior, nats, but for a constant."""
    return float(np.abs(found - target).sum() / SCALE + 0.5 * np.square(z).sum())
