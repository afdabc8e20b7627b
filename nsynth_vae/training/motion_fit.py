"""Fit of the motion part of a trained VAE: the powers of motion that the notes' sound has, predicted from z.

The log-mel's likelihood does not see motion, whose phase is chance. So what describes it is fitted afterwards, with the
VAE's other weights as they are: a small VAE of its own, from the log-mel's modulation energies to the powers that
`analysis.modulation` measures in the sound, by a likelihood of spectra.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.analysis.modulation import ModulationPowers, modulation_powers
from nsynth_vae.cli.progress import Progress
from nsynth_vae.data.batching.epoch_plan import plan_balanced_epoch
from nsynth_vae.data.source import BadNotes
from nsynth_vae.data.streaming import read_notes
from nsynth_vae.features.modulation import modulation_energies
from nsynth_vae.model.level import normalize_level
from nsynth_vae.model.motion import MotionDecoder, MotionEncoder
from nsynth_vae.model.vae import VAE
from nsynth_vae.notes import pitch_to_hertz
from nsynth_vae.synthesis.vocoder import shipped_synthesizer_for
from nsynth_vae.training.notes import Selection

MOST_NOTES = 6_000
"""Training notes that are looked at, drawn of all: 150 s of two cores, and what a network of this size learns."""

EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 40, 32, 1e-3, 1e-3

TIMBRE_NOISE = 0.5
"""Standard deviation of the noise on the timbre that the powers are predicted from: against overfitting."""

ORDER = 0.5
"""Exponent q of the likelihood (P / S)^q / q + ln S, the powers P being measured, S predicted.

Whittle's likelihood is that of q = 1, whose S is the mean of P. The powers of alike notes are spread over decades, of
which a mean shows the largest: wobble would be 1.3 times, and that of plucked notes 4 times the real notes' in the
median. The mean of ln P (q -> 0) is too small by as much. q = 0.5 is within 20 % in both."""

STEADY_POWER = 0.05
"""dB^2 or cents^2 in a band: what a note without motion has at least, of the noise that its partials lie in."""

LEAST_POWER = 1e-4
"""dB^2 or cents^2: less is not heard, nor measured in 16 bits."""

_LABELS = ("pitch", "velocity")


def fit_motion(vae: VAE, selection: Selection, *, seed: int) -> dict[str, float]:
    """Fit the motion part of a VAE to the sound of its notes.

    Args:
        vae: trained; its `encoder.motion` and `decoder.motion` get new weights, those of the best validation loss.
        selection: the notes.
        seed: decides the notes, their order and the noise.

    Raises:
        ValueError: for a model without motion.

    Returns:
        `notes`, and the likelihoods `train_loss` and `valid_loss`, nats a note; empty without a note that can be
        measured.
    """
    parts, generator = _parts(vae), np.random.default_rng([seed, 21])
    measured = {}
    for split in ("train", "valid"):
        rows = selection.rows[split]
        rows = np.sort(generator.permutation(rows)[:MOST_NOTES])
        measured[split] = _measure(vae, selection, rows, f"Measuring the motion of {split} notes")
    train, valid = measured["train"], measured["valid"]
    if not len(train["pitch"]):
        return {}
    valid = valid if len(valid["pitch"]) else train
    keras.utils.set_random_seed(seed)
    # Copies: the model's own weights may be those of several replicas.
    audio, model = vae.config.audio, vae.config.model
    encoder, decoder = MotionEncoder(audio, model), MotionDecoder(audio, model)
    fit = _Fit(encoder, decoder)
    best_loss, train_loss, kept = np.inf, np.nan, fit.values()
    for epoch in range(EPOCHS):
        order = (seed, epoch)
        plan = plan_balanced_epoch(train["instrument"], BATCH, order, vae.config.model.instrument_balance)
        losses = [float(fit.step(_take(train, rows))) for rows in plan]
        value = float(tf.reduce_mean(fit.losses(_take(valid, slice(None)), training=False)))
        if value < best_loss:
            best_loss, train_loss, kept = value, float(np.mean(losses)), fit.values()
    for variable, weights in zip(fit.variables, kept, strict=True):
        variable.assign(weights)
    for part, copy in zip(parts, (encoder, decoder), strict=True):
        part.set_weights(copy.get_weights())
    return {"notes": len(train["pitch"]), "train_loss": train_loss, "valid_loss": best_loss}


def _parts(vae: VAE) -> tuple[MotionEncoder, MotionDecoder]:
    encoder, decoder = vae.encoder.motion, vae.decoder.motion
    if encoder is None or decoder is None:
        raise ValueError("vae: found a motion_dim of 0, expected a model with motion")
    return encoder, decoder


def _measure(vae: VAE, selection: Selection, rows: np.ndarray, title: str) -> dict[str, np.ndarray]:
    """Return, for each note that has not ended within a second, what it is fitted by, as arrays by name."""
    table, config = selection.source.table, vae.config.audio
    found: list[dict] = []
    progress = Progress(title)

    # A note without motion has some of it already: it is not to be given that a second time.
    synthesizer = shipped_synthesizer_for(config)

    @tf.function(reduce_retracing=True, autograph=False)
    def encode(audio: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> tuple[tf.Tensor, ...]:
        log_mel = features.log_mel(audio, config)
        level = normalize_level(log_mel, config)[0] if vae.config.model.level else log_mel
        z, nothing = vae.encoder(log_mel)[0], tf.zeros_like(pitch)
        parts = z[:, vae.config.model.timbre], modulation_energies(level, config)
        if synthesizer is None:
            return parts
        take = vae.decoder.take(z, pitch, velocity, nothing, tf.zeros_like(pitch, tf.float32))
        return *parts, synthesizer(take.log_mel, pitch, nothing, take.partials)

    for done, (row, audio) in enumerate(read_notes(selection.source, rows, BadNotes("skip")), 1):
        hertz = float(pitch_to_hertz(table.pitch[row]))
        powers = modulation_powers(audio, hertz)
        if powers.partials:
            at = {name: getattr(table, name)[row : row + 1] for name in _LABELS}
            timbre, energies, *steady = (part.numpy()[0] for part in encode(audio[None].astype(np.float32), **at))
            found.append(
                {
                    "timbre": timbre,
                    "energies": energies,
                    "instrument": table.instrument_str[row],
                    **{name: values[0] for name, values in at.items()},
                    "partials": np.float32(powers.partials),
                    **_powers(powers),
                    **{f"steady_{name}": power for name, power in _steady_powers(steady, powers, hertz).items()},
                    "level_bins": powers.bins[0].astype(np.float32),
                    "f0_bins": powers.bins[1].astype(np.float32),
                }
            )
        progress.to(done / len(rows), f"{done:,} of {len(rows):,} notes")
    progress.close()
    names = found[0] if found else ("pitch",)
    return {name: np.array([note[name] for note in found]) for name in names}


def _powers(powers: ModulationPowers) -> dict[str, np.ndarray]:
    values = {"mean": powers.mean_level, "own": powers.own_level, "f0": powers.f0, "own_f0": powers.own_f0}
    return {name: power.astype(np.float32) for name, power in values.items()}


def _steady_powers(steady: Sequence[np.ndarray], powers: ModulationPowers, hertz: float) -> dict[str, np.ndarray]:
    """Return what the steady note has, at least `STEADY_POWER` and at most what the real one has."""
    found = _powers(modulation_powers(steady[0], hertz)) if steady else {}
    return {
        name: np.clip(found.get(name, np.float32(STEADY_POWER)), STEADY_POWER, np.maximum(power, STEADY_POWER))
        for name, power in _powers(powers).items()
    }


def _take(notes: Mapping[str, np.ndarray], rows: np.ndarray | slice) -> dict[str, tf.Tensor]:
    return {name: tf.constant(values[rows]) for name, values in notes.items() if name != "instrument"}


class _Fit:
    """Losses and steps of the fit."""

    def __init__(self, encoder: MotionEncoder, decoder: MotionDecoder) -> None:
        self.encoder, self.decoder = encoder, decoder
        encoder.build()
        decoder.build()
        # 1 dB or cent to begin with: at the least power there is no slope.
        decoder.to_powers.bias.assign(tf.zeros_like(decoder.to_powers.bias))
        self.variables = self.encoder.trainable_variables + self.decoder.trainable_variables
        self.optimizer = keras.optimizers.AdamW(LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        self.optimizer.build(self.variables)
        self.step = tf.function(self._step, reduce_retracing=True, autograph=False)

    def values(self) -> list[np.ndarray]:
        """Return copies of the weights."""
        return [variable.numpy() for variable in self.variables]

    def losses(self, notes: dict[str, tf.Tensor], *, training: bool) -> tf.Tensor:
        """Return the negative log likelihood, and in training the KL divergence, of each note, nats."""
        mean, log_var = self.encoder.posterior(notes["energies"])
        z, timbre = mean, notes["timbre"]
        if training:
            z += tf.exp(0.5 * log_var) * tf.random.normal(tf.shape(mean))
            timbre += TIMBRE_NOISE * tf.random.normal(tf.shape(timbre))
        common, own, f0, own_f0 = map(tf.exp, self.decoder(z, timbre, *(notes[name] for name in _LABELS)))
        partials = notes["partials"][:, None]
        # The median of n partials has a part of their own motion left.
        loss = _likelihood(notes, "mean", common + own / partials, notes["level_bins"])
        # One partial alone does not show what is its own.
        own_loss = _likelihood(notes, "own", own, notes["level_bins"])
        own_loss += _likelihood(notes, "own_f0", own_f0, notes["f0_bins"])
        loss += tf.where(partials[:, 0] > 1.0, own_loss, 0.0)
        loss += _likelihood(notes, "f0", f0, notes["f0_bins"])
        if training:
            loss += 0.5 * tf.reduce_sum(tf.square(mean) + tf.exp(log_var) - 1.0 - log_var, axis=1)
        return loss

    def _step(self, notes: dict[str, tf.Tensor]) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.losses(notes, training=True))
        self.optimizer.apply(tape.gradient(loss, self.variables), self.variables)
        return loss


def _likelihood(notes: dict[str, tf.Tensor], name: str, predicted: tf.Tensor, bins: tf.Tensor) -> tf.Tensor:
    """Return the sum over bands of n ((P / S)^q / q + ln S), n being the bins of a band's periodogram."""
    predicted += notes[f"steady_{name}"]
    ratio = (notes[name] + LEAST_POWER) / predicted
    return tf.reduce_sum(bins * (tf.pow(ratio, ORDER) / ORDER + tf.math.log(predicted)), axis=1)
