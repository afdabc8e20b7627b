"""Learning of a model's attribute directions, from notes to attributes.json."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from nsynth_vae.config import DataConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import write_text

if TYPE_CHECKING:
    import numpy as np

    from nsynth_vae.directions.dataset import Notes
    from nsynth_vae.timbre_model import TimbreModel


STEPS = 800
"""Random steps of z."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What is learnt from, and for which model."""

    data: DataConfig = DataConfig()
    split: str = "train"
    model: pathlib.Path | None = None
    """A model folder or an exports folder; None for the shipped model."""
    exports: pathlib.Path = pathlib.Path("exports")
    data_dir: str | None = None
    classifier: pathlib.Path | None = None
    """A classifier's folder, to tell families by; None for the shipped one, or none if there is none."""
    on_bad_note: str = "error"
    seed: int = 0


def attributes(options: Options, *, log: Callable[[str], None] = print) -> dict:
    """Learns a model's attributes and writes them to the model folder and its exports.

    Returns:
        What `attributes.json` holds.

    Raises:
        InputError: for bad input; nothing is written then.
    """
    from nsynth_vae.data.open_sources import open_sources
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.data.splits import select
    from nsynth_vae.directions.dataset import hold_out, read_notes
    from nsynth_vae.exporters.model_export import export_folder
    from nsynth_vae.timbre_model import open_model

    started = time.monotonic()
    if not 0 <= options.seed < 2**31:
        raise InputError(f"--seed: found {options.seed}, expected an integer from 0 to 2147483647")
    model = open_model(options.model, options.exports, export=export_folder, report=log)
    bad_notes = BadNotes(options.on_bad_note)
    source = open_sources(
        options.data.data, audio=model.config, bad_notes=bad_notes, data_dir=options.data_dir, log=log
    )
    rows = select(source.table, options.data, log=log)
    if not len(rows[options.split]):
        raise InputError(f"{source.name}: no note of these is in the split {options.split}, expected at least one")
    own, held_out = hold_out(source.table, rows[options.split], rows["test" if options.split == "valid" else "valid"])
    train, held_out = (read_notes(model, source, each, bad_notes) for each in (own, held_out))
    for path, problem in bad_notes.skipped.items():
        log(f"left out: {path}: {problem}")
    table = train.table
    log(f"{len(table):,} notes of {len(set(table.instrument_str))} instruments are learnt from")
    learnt = learn(model, train, held_out, hear=load_hearing(model, options.classifier), seed=options.seed)
    result = merged(model.attributes, learnt)
    text = json.dumps(result, separators=(",", ":")) + "\n"
    paths = model.attributes_files
    try:
        for path in paths:
            write_text(path, text)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}, expected a folder that can be written") from error
    log(f"\n{markdown(learnt)}\nDone in {(time.monotonic() - started) / 60:.1f} minutes: {paths[0]}")
    return result


def learn(
    model: TimbreModel,
    train: Notes,
    held_out: Notes,
    *,
    hear: Callable[[np.ndarray], np.ndarray] | None = None,
    seed: int = 0,
) -> dict:
    """Learns all that `attributes.json` holds.

    Args:
        model: plays what the directions do.
        train: what is learnt from.
        held_out: what effects are measured on.
        hear: tells the families of sounds; see `load_hearing`.
        seed: of the random steps, and of the mixture.

    Returns:
        {`format_version`: 2, `latent_dim`, `instruments`, `families`, `sources`, `directions`, `not_learnt`: {name:
        why}, `mixture`}; see docs/latent.md.
    """
    import numpy as np

    from nsynth_vae.cli.progress import Progress
    from nsynth_vae.directions.calibration import Judge
    from nsynth_vae.directions.candidates import ATTRIBUTES
    from nsynth_vae.directions.perturbations import PLAYED, perturb
    from nsynth_vae.directions.selection import learn_direction
    from nsynth_vae.latent import gaussian_mixture
    from nsynth_vae.latent.centroids import centroids, family_names

    bar = Progress("Playing steps")
    played = 0

    def advance(notes: int) -> None:
        nonlocal played
        played += notes
        bar.to(played / (min(len(train.table), PLAYED) + 2 * min(len(train.table), STEPS)))

    steps = perturb(model, train, STEPS, np.random.default_rng(seed), hear, advance)
    bar.close()
    bar = Progress("Directions")
    judge = Judge(model, held_out, train.covariance, hear)
    directions, not_learnt = {}, {}
    for done, attribute in enumerate(ATTRIBUTES):
        bar.to(done / len(ATTRIBUTES), attribute.name)
        entry = learn_direction(attribute, train, steps, judge)
        if isinstance(entry, str):
            not_learnt[attribute.name] = entry
        else:
            directions[attribute.name] = entry
    bar.close()
    families = family_names(train.table)
    members = {name: families == name for name in sorted(set(families) - {None})}
    return {
        "format_version": 2,
        "latent_dim": model.latent_dim,
        **centroids(train.z, train.table),
        "directions": directions,
        "not_learnt": not_learnt,
        "mixture": gaussian_mixture.fit(train.z, members, seed=seed),
    }


def load_hearing(model: TimbreModel, folder: pathlib.Path | None = None) -> Callable[[np.ndarray], np.ndarray] | None:
    """Returns what tells the families of sounds by a classifier.

    Args:
        model: whose sounds they are.
        folder: the classifier's; None for the one that is shipped.

    Returns:
        audio float32 `[n, num_samples]` -> probabilities of `notes.FAMILIES`, float32 `[n, families]`; None without a
        shipped classifier, or if the model's audio is not of the kind that classifiers are for.

    Raises:
        InputError: if the folder is not a classifier's.
    """
    from nsynth_vae.config import AudioConfig
    from nsynth_vae.evaluation import classifier
    from nsynth_vae.pretrained import CLASSIFIER

    audio = AudioConfig()
    same = (model.config.sample_rate, model.config.num_samples) == (audio.sample_rate, audio.num_samples)
    if not same or (folder is None and not CLASSIFIER.exists()):
        return None
    import numpy as np
    import tensorflow as tf

    from nsynth_vae.timbre_model import BATCH

    heard = tf.function(classifier.load(folder).call, reduce_retracing=True, autograph=False)

    def hear(sounds: np.ndarray) -> np.ndarray:
        parts = [sounds[start : start + BATCH] for start in range(0, len(sounds), BATCH)]
        return np.concatenate([tf.nn.softmax(heard(part)["instrument_family"]).numpy() for part in parts])

    return hear


def merged(former: dict, learnt: dict) -> dict:
    """Returns what is learnt and, of what was there, the names that it does not have."""
    result = dict(learnt)
    for kind in ("instruments", "families", "sources", "directions"):
        names = former.get(kind) if former.get("latent_dim") == learnt["latent_dim"] else None
        result[kind] = dict(sorted(((names if isinstance(names, dict) else {}) | learnt[kind]).items()))
    result["not_learnt"] = {name: why for name, why in learnt["not_learnt"].items() if name not in result["directions"]}
    return result


def markdown(attributes: dict) -> str:
    """Returns a table of the directions and their effects, and why others are missing.

    On how many of the held-out notes what is asked for rises, at strength 1 and at half; by how much, and what one
    standard deviation is; on how many the pitch and the family are heard as before.
    """
    heads = ("direction", "raises", "on", "at half", "median change", "deviation", "pitch", "family", "learnt from")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]

    def share(value: float | None) -> str:
        return "" if value is None else f"{value:.0%}"

    for name, entry in attributes["directions"].items():
        effect = entry["effect"]
        raised = "-" * (entry["sign"] == -1) + (entry["descriptor"] or "itself, as the encoder hears it")
        deviation = effect.get("within_family_standard_deviation")
        cells = [
            name,
            raised,
            share(effect["rises"]),
            share(effect["rises_half"]),
            f"{effect['median_change']:.3g}",
            "" if deviation is None else f"{deviation:.3g}",
            share(effect["pitch_kept"]),
            share(effect["family_kept"]),
            entry["learnt_from"],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"Not learnt: {name}: {why}" for name, why in attributes["not_learnt"].items())]
    return "\n".join(lines) + "\n"
