"""Learning of a model's attribute directions, from notes to attributes.json."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nsynth_vae.config import DataConfig
from nsynth_vae.files import exclusive_lock, write_text
from nsynth_vae.pretrained import TIMBRE_MODEL

if TYPE_CHECKING:
    import numpy as np

    from nsynth_vae.directions.dataset import EncodedNotes
    from nsynth_vae.timbre_model import TimbreModel

FORMAT_VERSION = 3
"""Of attributes.json."""

PERTURBATIONS = 800
"""Number of latent perturbations."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `nsynth_vae.attributes`."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    split: str = "train"
    model: pathlib.Path | None = None
    """A model folder or an exports folder; None for the shipped model."""
    exports: pathlib.Path = pathlib.Path("exports")
    data_dir: str | None = None
    classifier: pathlib.Path | None = None
    """The folder of the classifier that predicts families; None for the shipped one, or none if there is none."""
    on_bad_note: str = "error"
    seed: int = 0


def learn_attributes(options: Options, *, log: Callable[[str], None] = print) -> dict[str, Any]:
    """Learn a model's attributes and write them to the model folder and its exports.

    Returns:
        The content of `attributes.json`.

    Raises:
        InputError: for bad input, and if another run writes to the model folder; nothing is written then.
    """
    with exclusive_lock(TIMBRE_MODEL if options.model is None else options.model, "attributes", wait=False):
        return _learn_attributes(options, log)


def _learn_attributes(options: Options, log: Callable[[str], None]) -> dict[str, Any]:
    from nsynth_vae.cli.types import check_seed
    from nsynth_vae.data.load_notes import open_splits
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.directions.dataset import encode_notes, hold_out
    from nsynth_vae.exporters.saved_model_backend import open_model

    started = time.monotonic()
    check_seed(options.seed)
    model = open_model(options.model, options.exports, report=log)
    bad_notes = BadNotes(options.on_bad_note)
    source, rows = open_splits(
        options.data,
        audio=model.config,
        bad_notes=bad_notes,
        split=options.split,
        data_dir=options.data_dir,
        log=log,
    )
    other_split = "test" if options.split == "valid" else "valid"
    train, held_out = (
        encode_notes(model, source, each, bad_notes)
        for each in hold_out(source.table, rows[options.split], rows[other_split])
    )
    for path, problem in bad_notes.skipped.items():
        log(f"left out: {path}: {problem}")
    log(f"learning from {len(train.table):,} notes of {len(set(train.table.instrument_str))} instruments")
    predict_families = load_family_predictor(model, options.classifier)
    learnt = learn(model, train, held_out, predict_families=predict_families, seed=options.seed)
    result = merged(model.attributes, learnt)
    text = json.dumps(result, separators=(",", ":")) + "\n"
    for file in model.attributes_files:
        write_text(file, text)
    minutes = (time.monotonic() - started) / 60
    log(f"\n{markdown(learnt)}\nDone in {minutes:.1f} minutes: {model.attributes_files[0]}")
    return result


def learn(
    model: TimbreModel,
    train: EncodedNotes,
    held_out: EncodedNotes,
    *,
    predict_families: Callable[[np.ndarray], np.ndarray] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Learn the content of `attributes.json`: centroids, directions and mixture.

    Args:
        model: decodes perturbations and moved notes.
        train: notes to learn from.
        held_out: notes that effects are measured on.
        predict_families: see `load_family_predictor`.
        seed: of the perturbations and the mixture.

    Returns:
        {`format_version`, `latent_dim`, `instruments`, `families`, `sources`, `directions`, `not_learnt`: {name: why},
        `mixture`}; see docs/latent.md.
    """
    import numpy as np

    from nsynth_vae.cli.progress import Progress
    from nsynth_vae.directions.calibration import Calibrator
    from nsynth_vae.directions.candidates import ATTRIBUTES
    from nsynth_vae.directions.perturbations import perturb
    from nsynth_vae.directions.selection import learn_direction
    from nsynth_vae.latent import gaussian_mixture
    from nsynth_vae.latent.centroids import centroids, family_names

    perturbations = perturb(model, train, PERTURBATIONS, np.random.default_rng(seed))
    # Directions are differences of z: they leave alone what is alike in all notes.
    compared = train.at_one_level() if model.level_coordinate else train
    bar = Progress("Directions")
    calibrator = Calibrator(model, held_out, compared.covariance, predict_families)
    found = {}
    for done, attribute in enumerate(ATTRIBUTES):
        bar.to(done / len(ATTRIBUTES), attribute.name)
        found[attribute.name] = learn_direction(attribute, compared, perturbations, calibrator)
    bar.close()
    families = family_names(train.table)
    members = {name: families == name for name in sorted(set(families) - {None})}
    return {
        "format_version": FORMAT_VERSION,
        "latent_dim": model.latent_dim,
        **centroids(train.z, train.table),
        "directions": {name: entry for name, entry in found.items() if not isinstance(entry, str)},
        "not_learnt": {name: why for name, why in found.items() if isinstance(why, str)},
        "mixture": gaussian_mixture.fit(train.z, members, seed=seed),
    }


def load_family_predictor(
    model: TimbreModel, folder: pathlib.Path | None = None
) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return a function that predicts the instrument families of sounds, by a classifier.

    Args:
        model: decodes the sounds.
        folder: the classifier's; None for the shipped one.

    Returns:
        audio float32 `[n, num_samples]` -> probabilities of `notes.FAMILIES`, float32 `[n, families]`; None without a
        shipped classifier, or if the model's sample rate or length is not the classifier's.

    Raises:
        InputError: if the folder is not a classifier's.
    """
    from nsynth_vae.config import AudioConfig
    from nsynth_vae.pretrained import CLASSIFIER

    ours, its = ((config.sample_rate, config.num_samples) for config in (model.config, AudioConfig()))
    if ours != its or (folder is None and not CLASSIFIER.exists()):
        return None
    import numpy as np
    import tensorflow as tf

    from nsynth_vae.evaluation import classifier
    from nsynth_vae.timbre_model import in_batches

    call = tf.function(classifier.load_classifier(folder).call, reduce_retracing=True, autograph=False)

    def probabilities(audio: np.ndarray) -> np.ndarray:
        return tf.nn.softmax(call(audio)["instrument_family"]).numpy()

    return lambda audio: np.concatenate(in_batches(probabilities, audio))


def merged(former: dict[str, Any], learnt: dict[str, Any]) -> dict[str, Any]:
    """Return new attributes together with the former's names that they lack, if both are of one `latent_dim`."""
    result = dict(learnt)
    for kind in ("instruments", "families", "sources", "directions"):
        names = former.get(kind) if former.get("latent_dim") == learnt["latent_dim"] else None
        result[kind] = dict(sorted(((names if isinstance(names, dict) else {}) | learnt[kind]).items()))
    result["not_learnt"] = {name: why for name, why in learnt["not_learnt"].items() if name not in result["directions"]}
    return result


def markdown(attributes: dict[str, Any]) -> str:
    """Return a table of the directions and their effects on held-out notes, and why others are missing.

    Effect rates are at strength 1 and at half of it; a standard deviation is the descriptor's within families.
    """
    from nsynth_vae.evaluation.tables import table

    def row(name: str, entry: dict[str, Any]) -> list[str]:
        effect = entry["effect"]
        rates = (effect[key] for key in ("effect_rate", "effect_rate_half", "pitch_kept", "family_kept"))
        rate, half, pitch, family = ("" if rate is None else f"{rate:.0%}" for rate in rates)
        raised = "-" * (entry["sign"] == -1) + (entry["descriptor"] or "itself, by the encoder")
        deviation = effect.get("within_family_standard_deviation")
        change = f"{effect['median_change']:.3g}", "" if deviation is None else f"{deviation:.3g}"
        return [name, raised, rate, half, *change, pitch, family, entry["learnt_from"]]

    heads = ["direction", "raises", "effect rate", "at half", "median change", "standard deviation"]
    heads += ["pitch kept", "family kept", "learnt from"]
    directions = table(heads, [row(*item) for item in attributes["directions"].items()])
    missing = (f"Not learnt: {name}: {why}" for name, why in attributes["not_learnt"].items())
    return "\n".join([directions, "", *missing]) + "\n"
