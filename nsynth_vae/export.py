"""Command `python -m nsynth_vae.export`: a trained model as SavedModels and TFLite files.

`exports/encoder/<version>/` and `exports/decoder/<version>/` are for TensorFlow and TF Serving, `exports/tflite/` is
for devices; none needs this package. Each export is renamed to its place once complete: a server that watches the
folder loads whole versions only.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from nsynth_vae import cli, pretrained
from nsynth_vae.config import DataConfig


def make_parser() -> cli.Parser:
    """Return the command's options."""
    from nsynth_vae.data.source import SPLITS

    parser = cli.Parser(
        "nsynth_vae.export",
        "Writes a trained model's encoder and decoder as SavedModels, for TensorFlow and TF Serving, and as TFLite "
        "files, for devices.",
    )
    parser.add_argument(
        "--model",
        metavar="PATH",
        type=cli.path,
        default=pretrained.TIMBRE_MODEL,
        help="the model folder (default: the shipped one)",
    )
    parser.add_argument(
        "--exports",
        metavar="DIR",
        type=cli.path,
        default=pathlib.Path("exports"),
        help="where SavedModels and TFLite files go (default: %(default)s)",
    )
    parser.add_argument(
        "--version",
        metavar="N",
        type=cli.positive_int,
        help="of both SavedModels, above all existing ones (default: the next one)",
    )
    group = parser.add_argument_group("notes of the report")
    group.add_argument(
        "--data",
        metavar="SRC",
        action="append",
        help="where they come from, as for nsynth_vae.train; can be given more than once (default: starter)",
    )
    group.add_argument(
        "--data-dir", metavar="DIR", type=cli.path, help="TensorFlow Datasets' folder, for --data tfds:..."
    )
    group.add_argument("--split", choices=SPLITS, default="valid", help="their split (default: %(default)s)")
    group.add_argument(
        "--max-notes",
        metavar="N",
        type=cli.positive_int,
        default=48,
        help="at most N notes, of all instruments in turn (default: %(default)s)",
    )
    cli.add_octave_shift_option(group)
    group.add_argument(
        "--on-bad-note",
        choices=("error", "skip"),
        default="error",
        help="an invalid note ends the run, or is left out (default: %(default)s)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def export(parsed: argparse.Namespace) -> None:
        from nsynth_vae.data.source import BadNotes
        from nsynth_vae.exporters.model_export import export_with_report

        export_with_report(
            parsed.model,
            parsed.exports,
            data=DataConfig(
                data=tuple(parsed.data or ("starter",)), max_notes=parsed.max_notes, octave_shift=parsed.octave_shift
            ),
            split=parsed.split,
            bad_notes=BadNotes(parsed.on_bad_note),
            data_dir=parsed.data_dir,
            version=parsed.version,
        )

    return cli.run(export, make_parser(), arguments, needs_training_packages=True)


if __name__ == "__main__":
    sys.exit(main())
