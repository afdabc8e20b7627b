"""Training run of the VAE."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib

from nsynth_vae import pretrained
from nsynth_vae.config import Config
from nsynth_vae.data.batching.feature_batches import SplitFeatures, feature_megabytes, open_features
from nsynth_vae.data.batching.prepared_features import PreparedFeatures
from nsynth_vae.data.readers.prepared import PreparedSource
from nsynth_vae.data.readers.transposed import with_pitch_shifts
from nsynth_vae.data.source import Source
from nsynth_vae.exporters.model_export import export_model
from nsynth_vae.files import write_text
from nsynth_vae.model.vae import VAE
from nsynth_vae.synthesis.vocoder import shipped_synthesizer_for
from nsynth_vae.training import examples, run
from nsynth_vae.training.model_card import run_metrics
from nsynth_vae.training.motion_fit import fit_motion
from nsynth_vae.training.notes import Selection, open_notes, select_notes
from nsynth_vae.training.options import VaeOptions
from nsynth_vae.training.task import Task, open_folder
from nsynth_vae.training.trainer import Trainer

DEFINITIONS = {
    "loss": "nats a note: reconstruction_loss + beta * kl_loss",
    "reconstruction_loss": "nats a note: negative log-likelihood of the log-mel, Laplace with one learnt scale",
    "kl_loss": "nats a note: KL divergence of the posterior from N(0, 1)",
    "log_mel_l1": "nats: mean |difference| of ln(mel + log_offset), in validation from a note's own z_mean",
    "active_dimensions": "latent dimensions whose z_mean has a variance above 0.01 over the notes",
}

BATCH_OPTIONS = ("mixup_probability", "velocity_pair_probability", "instrument_balance")
"""Fields of `ModelConfig` that decide the training batches."""


def train_vae(config: Config, options: VaeOptions) -> pathlib.Path:
    """Train, evaluate and export one timbre model.

    Args:
        config: settings that decide the result.
        options: paths, budget and devices.

    Returns:
        The model folder.

    Raises:
        InputError: for bad input; nothing half-written is left.
        KeyboardInterrupt: after Ctrl-C; the message says how to resume.
    """
    task = Task(
        kind="Timbre model",
        command="train",
        config=config,
        options=options,
        make_model=functools.partial(VAE, config),
        render=examples.reconstruct,
        rendering="reconstruction",
        watched=("log_mel_l1", "log-mel L1"),
        loss_panels=(
            ("reconstruction_loss", "reconstruction (nats a note)"),
            ("log_mel_l1", "log-mel L1 (nats)"),
            ("kl_loss", "KL (nats a note)"),
        ),
        definitions=DEFINITIONS,
    )
    with open_folder(task) as cluster:
        if cluster:
            # For the export: to find it missing after the training would be late.
            shipped_synthesizer_for(config.audio)
            selection = select_notes(task)
            source, notes = open_split_features(config, options, selection)
            batch_options = {name: getattr(config.model, name) for name in BATCH_OPTIONS}
            trained = run.train(task, cluster, dataclasses.replace(selection, source=source), notes, batch_options)
            if trained:
                finish(task, selection, *trained, options.exports)
    return task.folder


def open_split_features(
    config: Config, options: VaeOptions, selection: Selection
) -> tuple[Source, dict[str, SplitFeatures]]:
    """Open the features of the training notes, with their pitch-shifted copies, and of the validation notes.

    Returns:
        (a source that has the copies too, {`train`, `valid`: features in memory, on disk, or streamed}).
    """
    source, rows = selection.source, {name: selection.rows[name] for name in ("train", "valid")}
    if copies := config.model.pitch_shift_copies:
        source, rows["train"] = with_pitch_shifts(source, rows["train"], copies, config.train.seed)
    if isinstance(source, PreparedSource):
        return source, {name: PreparedFeatures(source, part) for name, part in rows.items()}
    megabytes = feature_megabytes(sum(map(len, rows.values())), config.audio)
    memory = megabytes <= options.memory_cache_mb
    if options.cache_dir is None and not memory:
        print(f"Features of {megabytes:,.0f} MB are computed anew every epoch; --cache-dir DIR would keep them")
    opener = functools.partial(
        open_features,
        source,
        audio=config.audio,
        bad_notes=selection.bad_notes,
        memory=memory,
        cache_dir=options.cache_dir,
    )
    return source, open_notes(opener, rows, selection.bad_notes, "Computing features")


def finish(task: Task, selection: Selection, trainer: Trainer, shown: examples.Examples, exports: pathlib.Path) -> None:
    """Write the model folder and the exports, and print a summary."""

    def complete(vae: VAE) -> None:
        if vae.config.model.motion:
            fit_motion(vae, selection, seed=vae.config.train.seed)

    run.write_model(task, trainer, complete)
    exported = write_results(task, selection, trainer, shown, exports)
    metrics = run_metrics(task, selection, trainer)
    valid = metrics["valid"]
    run.complete_folder(
        task,
        metrics,
        on=f"On {metrics['notes']['valid']} validation notes, decoded from their own z_mean:",
        results=f"log-mel L1 {valid['log_mel_l1']:.3f} nats, KL {valid['kl_loss']:.1f} nats, "
        f"{valid['active_dimensions']} of {trainer.model.config.model.latent_dim} latent dimensions active",
        pictures="""\
![Originals and reconstructions](figures/reconstructions.png)
![A morph](figures/interpolation.png)
![Losses](figures/losses.png)

Sounds are in `sounds/`.""",
        next_step=("train on your own samples with", "train --data FOLDER"),
        exports=exported,
    )


def write_results(
    task: Task, selection: Selection, trainer: Trainer, shown: examples.Examples, exports: pathlib.Path
) -> str:
    """Write reconstructions, a morph, the latent space's centroids and the exports; return where the exports are."""
    vae, folder = trainer.model, task.folder
    renderings = {"reconstruction": examples.reconstruct(vae, shown)}
    examples.write_examples(shown, renderings, vae.config.audio, folder, "reconstructions.png")
    examples.write_morph(vae, shown, folder)
    # Pitch-shifted copies are instruments of their own, which are left out.
    instruments = set(selection.source.table.instrument_str[selection.rows["train"]])
    centroids = examples.latent_centroids(trainer, instruments)
    write_text(folder / pretrained.ATTRIBUTES, json.dumps(centroids, separators=(",", ":")) + "\n")
    print("Exporting")
    exported = export_model(vae, vae.config, exports, report=lambda line: print(f"  {line}"), model=folder)
    return f"{exported['encoder']}, {exported['decoder']}, {exported['decoder_float32'].parent}"
