"""Evaluation run: from options to a report."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import time
from collections.abc import Callable

from nsynth_vae import pretrained
from nsynth_vae.config import AudioConfig, DataConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import write_text

REPORTS = pathlib.Path("reports")
"""Where reports go: a folder for each model."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What an evaluation is made of and where it goes."""

    data: DataConfig = DataConfig()
    split: str = "test"
    model: pathlib.Path | None = None
    """A model folder or an exports folder; None for the default one, or, with `audio_dir`, for none."""
    audio_dir: pathlib.Path | None = None
    classifier: pathlib.Path | None = None
    """A classifier's folder; None for the shipped one, or none if there is none."""
    output: pathlib.Path | None = None
    data_dir: str | None = None
    on_bad_note: str = "error"
    seed: int = 0
    pairs: int = 24
    """Ways between notes of different families."""
    jobs: int = 2


def evaluate(options: Options, *, log: Callable[[str], None] = print) -> dict:
    """Measures everything and writes `metrics.json`, `report.md` and `report.html`.

    Returns:
        What `metrics.json` holds.

    Raises:
        InputError: for bad input; nothing is written then.
    """
    started = time.monotonic()
    _check(options)
    from nsynth_vae.cli.progress import Progress
    from nsynth_vae.data.load_notes import open_notes
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.evaluation import examples, html_report, latent_probes, markdown_report, measure, summary, systems
    from nsynth_vae.evaluation.notes import read_folder
    from nsynth_vae.files import rounded

    config = AudioConfig()
    sounds = read_folder(options.audio_dir, config, log=log) if options.audio_dir else None
    model = _load_model(options)
    classifier = _load_classifier(options)
    bar = Progress("Reading notes")
    notes = open_notes(
        options.data,
        options.split,
        audio=config,
        bad_notes=BadNotes(options.on_bad_note),
        data_dir=options.data_dir,
        names=None if sounds is None else set(sounds),
        progress=bar.to,
        log=log,
    )
    bar.close()
    table = notes.judged.table
    log(f"{len(table):,} notes of {len(set(table.instrument_str))} instruments are judged")
    asked = systems.true_mel_systems(notes)
    z = None
    if model:
        z = latent_probes.encode(notes, model)
        asked += systems.model_systems(notes, model, z, seed=options.seed, pairs=options.pairs)
    if sounds is not None:
        asked.append(systems.folder_system(notes, sounds))
    judged = measure.measure_all(asked, notes, options.jobs, classifier)
    latent = None
    if model:
        bar = Progress("Probing")
        latent = latent_probes.measure(notes, model, z, seed=options.seed, progress=bar.to)
        bar.close()
    name = model.name if model else options.audio_dir.resolve().name
    result = rounded(
        {
            "format_version": 1,
            "about": _about(options, name, notes, classifier is not None),
            "definitions": {
                "measures": summary.DEFINITIONS,
                "systems": summary.SYSTEM_DEFINITIONS,
                "timbre_space": latent_probes.DEFINITIONS,
            },
            "systems": summary.summarize(judged, seed=options.seed),
            "latent": latent,
            "skipped_notes": notes.bad_notes.skipped,
            "versions": summary.versions(),
            "cpu_cores": os.cpu_count(),
        }
    )
    log("Writing the report")
    report = markdown_report.report(result)
    sections = examples.make_sections(asked, judged, table)
    output = options.output or REPORTS / name
    _write(
        output,
        {
            "report.html": html_report.page(report, sections, config),
            "report.md": report,
            "metrics.json": json.dumps(result, indent=2) + "\n",
        },
    )
    headline = report.split("\n## By family")[0]
    log(f"\n{headline}\nDone in {(time.monotonic() - started) / 60:.1f} minutes: {output / 'report.html'}")
    return result


def _check(options: Options) -> None:
    """Checks what can be checked before anything is loaded."""
    if not 0 <= options.seed < 2**31:
        raise InputError(f"--seed: found {options.seed}, expected an integer from 0 to 2147483647")
    if options.audio_dir and options.data.max_notes:
        raise InputError("--max-notes: found it with --audio-dir, whose files say which notes are judged")
    if options.output and options.output.exists() and not options.output.is_dir():
        raise InputError(f"{options.output}: found a file, expected a folder for the report")


def _load_model(options: Options):
    from nsynth_vae.evaluation import models

    if options.model is None and options.audio_dir is not None:
        return None
    return models.load(options.model or pretrained.TIMBRE_MODEL)


def _load_classifier(options: Options):
    from nsynth_vae.evaluation import classifier
    from nsynth_vae.pretrained import CLASSIFIER

    if options.classifier is None and not CLASSIFIER.exists():
        return None
    return classifier.load(options.classifier)


def _about(options: Options, name: str, notes, classified: bool) -> dict:
    """Returns what was judged, as it was named by the user."""
    table = notes.judged.table
    filters = {k: v for k, v in options.data.to_dict().items() if k not in ("data", "split_by") and v is not None}
    return {
        "name": name,
        "model": None if options.model is None and options.audio_dir else str(options.model or "the shipped one"),
        "audio_dir": None if options.audio_dir is None else str(options.audio_dir),
        "classifier": (str(options.classifier) if options.classifier else "the shipped one") if classified else None,
        "data": list(options.data.data),
        "split": options.split,
        "filters": filters,
        "seed": options.seed,
        "pairs": options.pairs if options.model or not options.audio_dir else 0,
        "notes": len(table),
        "instruments": len(set(table.instrument_str)),
    }


def _write(folder: pathlib.Path, files: dict[str, str]) -> None:
    """Writes text files, each aside and then renamed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_text(folder / name, text)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}, expected a folder that can be written") from error
