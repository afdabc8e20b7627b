"""Markdown report: tables of the figures, each with a sentence on how to read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nsynth_vae.evaluation import motion_report
from nsynth_vae.evaluation.summary import FRACTIONS
from nsynth_vae.evaluation.systems import FOLDER, RECONSTRUCTION, TITLES
from nsynth_vae.evaluation.tables import table

DISTANCES = ("decoder_log_mel_l1", "log_mel_l1", "mss", "lsd_db", "onset_off_seconds")
SOUND = ("in_tune", "real_in_tune", "wobble_cents", "off_harmonic_db")
OWN = ("classifier_pitch", "classifier_pitch_within_1", "classifier_family", "frechet_distance", "ndb_50")
FAMILY = ("decoder_log_mel_l1", "log_mel_l1", "mss", "lsd_db", "in_tune", "real_in_tune", "off_harmonic_db")

_DIGITS = {"wobble_cents": 1, "off_harmonic_db": 1, "lsd_db": 2, "mss": 2, "ndb_50": 2, "onset_off_seconds": 4}


def report(result: dict[str, Any]) -> str:
    """Return the report of the content of `metrics.json`."""
    systems, about = result["systems"], result["about"]
    parts = [
        f"# Evaluation of {about['name']}",
        f"{about['notes']} notes of {about['instruments']} instruments, split `{about['split']}` of "
        f"{', '.join(about['data'])}; seed {about['seed']}; nsynth_vae {result['versions']['nsynth_vae']}, "
        f"{result['cpu_cores']} CPU cores. `metrics.json` defines each measure.",
        "## Distance from the note\n\nMean / median over the sounds. Less is better.",
        systems_table(systems, DISTANCES),
        "## Tuning and noise\n\n`real_in_tune`: `in_tune` of the real notes compared with; `wobble_cents` and "
        "`off_harmonic_db`: mean / median.",
        systems_table(systems, SOUND),
    ]
    parts += _motion(result["motion"])
    own = systems_table(systems, OWN)
    parts.append("## By the own classifier")
    parts.append(
        f"Own-classifier figures ({about['classifier']}): they compare the rows of this table, and not with other "
        f"papers'. The real notes' row is the floor of `frechet_distance` and `ndb_50`.\n\n{own}"
        if about["classifier"]
        else "There is no classifier: `python -m nsynth_vae.train_classifier` trains one."
    )
    if "steps" in systems.get("interpolation", {}):
        steps = systems["interpolation"]["steps"]
        header = ["step", *(f"{step / (len(steps) - 1):.0%}" for step in range(len(steps)))]
        parts += ["## Between families", table(header, [["in_tune", *(f"{value:.1%}" for value in steps)]])]
    if result["latent"]:
        parts += ["## The latent space", *latent_tables(result["latent"])]
    parts.append("## By family\n\nMeans.")
    for system in systems.values():
        if "families" in system:
            parts.append(f"{system['title'][0].upper()}{system['title'][1:]}:")
            parts.append(families_table(system["families"]))
    return "\n\n".join(parts) + "\n"


def _motion(motion: dict[str, dict[str, Any]]) -> list[str]:
    """Return the section on motion: all systems, then the model (or the folder) by family."""
    parts = [
        "## Motion and level\n\nMedians over the notes of sustained families, the level's over all notes. Near to the "
        "real notes is better; `told_apart`: 0.5 is best.",
        motion_report.systems_table(motion, TITLES),
    ]
    for name in (RECONSTRUCTION, FOLDER):
        if name in motion:
            parts += [
                f"{TITLES[name][0].upper()}{TITLES[name][1:]}, medians:",
                *motion_report.model_tables(motion[name]),
            ]
            break
    return parts


def systems_table(systems: dict[str, dict], measures: Sequence[str]) -> str:
    """Return a row for each system, a column for each measure that any has."""
    used = [name for name in measures if any(name in system["measures"] for system in systems.values())]
    rows = []
    for system in systems.values():
        cells = [system["measures"].get(name) for name in used]
        if any(cells):
            rows.append([system["title"], system["sounds"], *(_cell(n, c) for n, c in zip(used, cells, strict=True))])
    return table(["", "sounds", *used], rows)


def families_table(families: dict[str, dict]) -> str:
    """Return a row for each family."""
    used = [name for name in FAMILY if any(name in family for family in families.values())]
    rows = [
        [name, family["sounds"], *(_number(measure, family.get(measure)) for measure in used)]
        for name, family in families.items()
    ]
    return table(["family", "notes", *used], rows)


def latent_tables(latent: dict) -> list[str]:
    """Return the active dimensions, and a table for each probe of z_mean."""
    parts = [f"{latent['active_dimensions']} of {latent['latent_dim']} dimensions are active."]
    names = {"z_mean": "z_mean", "one_hot_family": "the one-hot true family", "log_mel": "time-averaged log-mels"}
    for what, columns in (("pitch", ("linear", "mlp")), ("family", ("nearest", "mlp"))):
        if what not in latent:
            parts.append(f"No probe of the {what}: {latent[f'{what}_missing']}.")
            continue
        figures = latent[what]
        rows = [[names[given], *(f"{one[name]:.1%}" for name in columns)] for given, one in figures.items()]
        chance = f"{next(iter(figures.values()))['chance']:.1%}"
        parts.append(table([f"{what} from", *columns], [*rows, ["chance", chance, chance]]))
    return parts


def _cell(measure: str, figure: dict | None) -> str:
    if figure is None:
        return ""
    if figure["mean"] is None:
        return "not finite"
    text = _number(measure, figure["mean"])
    return f"{text} / {_number(measure, figure['median'])}" if "median" in figure else text


def _number(measure: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if measure in FRACTIONS else f"{value:.{_DIGITS.get(measure, 3)}f}"
