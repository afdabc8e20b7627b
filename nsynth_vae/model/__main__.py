"""`python -m nsynth_vae.model`: what a model is: dimensions, families, instruments, directions, figures and files."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from nsynth_vae import cli

FIGURES = ("notes", "valid", "test")
"""Parts of `metrics.json` that are shown: numbers of notes, and losses on the notes of two splits."""


def make_parser() -> cli.Parser:
    """Return the command's options."""
    parser = cli.Parser(
        "nsynth_vae.model",
        "Shows what a model is: the dimensions of its latent space, the names that it knows, the effects of its "
        "directions, the figures of its training, and its files.",
    )
    parser.add_argument(
        "--model",
        metavar="PATH",
        type=cli.path,
        help="a model folder or an exports folder (default: the model that comes with the package)",
    )
    parser.add_argument("--json", action="store_true", help="as JSON (default: as text)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(_show, make_parser(), arguments)


def _show(options: argparse.Namespace) -> None:
    from nsynth_vae import pretrained
    from nsynth_vae.files import rounded, to_json

    record = describe(pretrained.TIMBRE_MODEL if options.model is None else options.model)
    print(to_json(rounded(record)) if options.json else text(record))


def describe(folder: pathlib.Path) -> dict[str, Any]:
    """Return what a model folder or an exports folder holds, ready for JSON.

    Raises:
        InputError: if it is neither.
    """
    from nsynth_vae import pretrained, timbre_model
    from nsynth_vae.config import Config
    from nsynth_vae.latent.summary import summarize

    if timbre_model.is_exports(folder):
        exported = timbre_model.load_exports(folder)
        name, audio, latent_dim, attributes = (
            exported.name,
            exported.config,
            exported.latent_dim,
            exported.attributes,
        )
    else:
        config = Config.load(folder / "config.json")
        name, audio, latent_dim = folder.resolve().name, config.audio, config.model.latent_dim
        attributes = pretrained.read_attributes(folder)
    return {
        "name": name,
        "folder": folder.as_posix(),
        "latent_dim": latent_dim,
        "sample_rate": audio.sample_rate,
        "seconds": audio.num_samples / audio.sample_rate,
        "mel_bins": audio.num_mel_bins,
        **summarize(attributes),
        "metrics": _metrics(folder / "metrics.json"),
        "files": [
            {"file": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size}
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix in (".json", ".tflite", ".h5", ".pb")
        ],
    }


def text(record: dict[str, Any]) -> str:
    """Return a description as text; `record` is that of `describe`."""
    lines = [
        f"{record['name']}: {record['latent_dim']} dimensions, notes of {record['seconds']:g} s at "
        f"{record['sample_rate']} Hz, {record['mel_bins']} mel bins",
        f"folder: {record['folder']}",
    ]
    for kind in ("families", "instruments"):
        lines += _wrapped(f"{len(record[kind])} {kind}", record[kind])
    directions = record["directions"]
    lines.append(f"{len(directions)} directions: median effect of `+ NAME`, and the fraction of notes that have it")
    for name, one in directions.items():
        effect = "" if one["median_change"] is None else f"{one['median_change']:+.3g} {one['unit']}"
        rate = "" if one["effect_rate"] is None else f", {one['effect_rate']:.0%}"
        lines.append(f"  {name:<14} {one['descriptor'] or '':<20} {effect}{rate}".rstrip())
    for name, reason in record["not_learnt"].items():
        lines.append(f"  {name:<14} not learnt: {reason}")
    for part, values in record["metrics"].items():
        numbers = (f"{name} {value:.4g}" for name, value in values.items() if isinstance(value, int | float))
        lines += _wrapped(f"metrics, {part}", numbers)
    files = (f"{one['file']} ({-(-one['bytes'] // 1000)} kB)" for one in record["files"])
    return "\n".join([*lines, *_wrapped("files", files)])


def _wrapped(title: str, items: Iterable[str]) -> list[str]:
    """Return the lines of a paragraph."""
    import textwrap

    return textwrap.wrap(f"{title}: {', '.join(items)}", 110, subsequent_indent="  ", break_on_hyphens=False)


def _metrics(path: pathlib.Path) -> dict[str, Any]:
    """Return the figures of a `metrics.json`; none if there is no such file."""
    from nsynth_vae.errors import InputError
    from nsynth_vae.files import read_json

    try:
        metrics = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}), expected what nsynth_vae.train writes") from error
    parts = metrics if isinstance(metrics, dict) else {}
    return {name: parts[name] for name in FIGURES if isinstance(parts.get(name), dict)}


if __name__ == "__main__":
    sys.exit(main())
