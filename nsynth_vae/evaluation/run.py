"""Evaluation run, from options to a report."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nsynth_vae import pretrained
from nsynth_vae.config import AudioConfig, DataConfig, check_seed
from nsynth_vae.errors import InputError
from nsynth_vae.files import check_output, check_working_directory, exclusive_lock, rounded, write_text

if TYPE_CHECKING:
    from nsynth_vae.data.load_notes import Notes
    from nsynth_vae.evaluation.classifier import Classifier

REPORTS = pathlib.Path("reports")
"""Default place of reports: a folder for each model."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of an evaluation."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    split: str = "test"
    model: pathlib.Path | None = None
    """A model folder or an exports folder; None for the default one, or, with `audio_dir`, for none."""
    audio_dir: pathlib.Path | None = None
    classifier: pathlib.Path | None = None
    """A classifier's folder; None for the shipped one, or none if it is missing."""
    output: pathlib.Path | None = None
    data_dir: str | None = None
    on_bad_note: str = "error"
    seed: int = 0
    pairs: int = 24
    """Interpolation paths between notes of different families."""
    told_apart: int = 0
    """Training notes of the network that tells real notes from the model's; 0 for none."""
    jobs: int = 2

    @property
    def model_path(self) -> pathlib.Path | None:
        """The evaluated model's path; None if only `audio_dir` is evaluated."""
        return self.model or (None if self.audio_dir else pretrained.TIMBRE_MODEL)

    @property
    def name(self) -> str:
        """The name of what is evaluated."""
        return (self.model_path or self.audio_dir or pretrained.TIMBRE_MODEL).resolve().name


def evaluate(options: Options, *, log: Callable[[str], None] = print) -> dict[str, Any]:
    """Measure everything and write `metrics.json`, `report.md` and `report.html`.

    Returns:
        The content of `metrics.json`.

    Raises:
        InputError: for bad input; nothing is written then.
    """
    _check(options)
    with exclusive_lock(options.output or REPORTS / options.name, "evaluate", wait=False):
        return _evaluate(options, log)


def _evaluate(options: Options, log: Callable[[str], None]) -> dict[str, Any]:
    started = time.monotonic()
    from nsynth_vae.cli.progress import Progress
    from nsynth_vae.evaluation import (
        examples,
        html_report,
        keras_backend,
        latent_probes,
        markdown_report,
        measure,
        model_motion,
        motion_summary,
        summary,
        systems,
    )

    config = AudioConfig()
    sounds = systems.read_folder(options.audio_dir, config, log=log) if options.audio_dir else None
    model = keras_backend.load(options.model_path) if options.model_path else None
    classifier = _load_classifier(options)
    notes = _open_notes(options, config, None if sounds is None else set(sounds), log)
    compared, latent = systems.true_mel_systems(notes), None
    if model:
        z = latent_probes.encode(notes, model)
        compared += systems.model_systems(notes, model, z, seed=options.seed, pairs=options.pairs)
    if sounds is not None:
        compared.append(systems.folder_system(notes, sounds))
    measured = measure.measure_all(compared, notes, options.jobs, classifier)
    motion = {
        name: motion_summary.summarize_motion(measured[systems.REAL].records, part.records, seed=options.seed)
        for name, part in measured.items()
        if name in systems.OWN_NOTES
    }
    if model:
        motion[systems.RECONSTRUCTION] |= model_motion.measure_model_motion(
            notes,
            model,
            z,
            next(system for system in compared if system.name == systems.RECONSTRUCTION),
            data=options.data,
            told_apart_notes=options.told_apart,
            seed=options.seed,
            data_dir=options.data_dir,
            log=log,
        )
        bar = Progress("Probing")
        latent = latent_probes.measure(notes, model, z, seed=options.seed, progress=bar.to)
        bar.close()
    figures = {"systems": summary.summarize(measured, seed=options.seed), "motion": motion, "latent": latent}
    result = _result(options, notes, figures, classifier is not None)
    log("Writing the report")
    report = markdown_report.report(result)
    sections = examples.make_sections(compared, measured, notes.loaded.table)
    texts = {
        "report.html": html_report.page(report, sections, config),
        "report.md": report,
        "metrics.json": json.dumps(result, indent=2) + "\n",
    }
    output = options.output or REPORTS / options.name
    output.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(output / name, text)
    headline = report.split("\n## By family")[0]
    log(f"\n{headline}\nDone in {(time.monotonic() - started) / 60:.1f} minutes: {output / 'report.html'}")
    return result


def _check(options: Options) -> None:
    """Validate the options before anything is loaded."""
    check_seed(options.seed, "--seed")
    if options.audio_dir and options.data.max_notes:
        raise InputError("--max-notes: found it with --audio-dir, whose files say which notes are evaluated")
    check_working_directory(options.output or REPORTS, "--output")
    check_output(options.output or REPORTS)


def _load_classifier(options: Options) -> Classifier | None:
    from nsynth_vae.evaluation import classifier

    if options.classifier is None and not pretrained.CLASSIFIER.exists():
        return None
    return classifier.load_classifier(options.classifier)


def _open_notes(options: Options, config: AudioConfig, names: set[str] | None, log: Callable[[str], None]) -> Notes:
    """Read the evaluated notes, only those of some names if `names` are given."""
    from nsynth_vae.cli.progress import Progress
    from nsynth_vae.data.load_notes import load_notes
    from nsynth_vae.data.source import BadNotes

    bar = Progress("Reading notes")
    notes = load_notes(
        options.data,
        options.split,
        audio=config,
        bad_notes=BadNotes(options.on_bad_note),
        data_dir=options.data_dir,
        names=names,
        progress=bar.to,
        log=log,
    )
    bar.close()
    table = notes.loaded.table
    log(f"{len(table):,} notes of {len(set(table.instrument_str))} instruments are evaluated")
    return notes


def _result(options: Options, notes: Notes, figures: dict[str, Any], classified: bool) -> dict[str, Any]:
    """Return the content of `metrics.json`."""
    from nsynth_vae.evaluation import latent_probes, model_motion, motion_summary, summary

    return rounded(
        {
            "format_version": 1,
            "about": _about(options, notes, classified),
            "definitions": {
                "measures": summary.DEFINITIONS,
                "systems": summary.SYSTEM_DEFINITIONS,
                "motion": motion_summary.DEFINITIONS | model_motion.DEFINITIONS,
                "timbre_space": latent_probes.DEFINITIONS,
            },
            **figures,
            "skipped_notes": notes.bad_notes.skipped,
            "versions": summary.versions(),
            "cpu_cores": os.cpu_count(),
        }
    )


def _about(options: Options, notes: Notes, classified: bool) -> dict[str, Any]:
    """Return what was evaluated, as the user named it."""
    table = notes.loaded.table
    filters = {k: v for k, v in options.data.to_dict().items() if k not in ("data", "split_by") and v is not None}
    return {
        "name": options.name,
        "model": str(options.model or "the shipped one") if options.model_path else None,
        "audio_dir": str(options.audio_dir) if options.audio_dir else None,
        "classifier": str(options.classifier or "the shipped one") if classified else None,
        "data": list(options.data.data),
        "split": options.split,
        "filters": filters,
        "seed": options.seed,
        "pairs": options.pairs if options.model_path else 0,
        "told_apart": options.told_apart if options.model_path else 0,
        "notes": len(table),
        "instruments": len(set(table.instrument_str)),
    }
