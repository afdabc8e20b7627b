"""`python -m nsynth_vae.export`: a trained model as SavedModels and TFLite files, which need neither package nor Keras.

`exports/encoder/<version>/` and `exports/decoder/<version>/` are for TensorFlow and TF Serving,
`exports/tflite/` is for devices. A model is written aside and renamed, so that a server that watches the
folder never sees half.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsynth_vae import cli, pretrained
from nsynth_vae.config import DataConfig
from nsynth_vae.data.load_notes import read_notes
from nsynth_vae.data.source import SPLITS, BadNotes
from nsynth_vae.errors import InputError
from nsynth_vae.exporters.model_export import export_model
from nsynth_vae.model.vae import load_model

if TYPE_CHECKING:
    pass


def make_parser() -> cli.Parser:
    """Returns the command's options."""
    parser = cli.Parser(
        "nsynth_vae.export",
        "Writes a trained model's encoder and decoder as SavedModels, for TensorFlow and TF Serving, and as TFLite "
        "files, for devices.",
    )
    parser.add_argument(
        "--model",
        metavar="PATH",
        type=pathlib.Path,
        default=pretrained.TIMBRE_MODEL,
        help="the model folder (default: the shipped one)",
    )
    parser.add_argument(
        "--exports",
        metavar="DIR",
        type=pathlib.Path,
        default=pathlib.Path("exports"),
        help="where SavedModels and TFLite files go (default: %(default)s)",
    )
    parser.add_argument(
        "--version",
        metavar="N",
        type=cli.positive_int,
        help="of both SavedModels, above all that are there (default: the next one)",
    )
    group = parser.add_argument_group("notes of the report")
    group.add_argument(
        "--data",
        metavar="SRC",
        action="append",
        help="where they come from, as for nsynth_vae.train; can be given more than once (default: starter)",
    )
    group.add_argument("--data-dir", metavar="DIR", help="TensorFlow Datasets' folder, for --data tfds:...")
    group.add_argument(
        "--split", choices=SPLITS, default="valid", help="which of them are heard (default: %(default)s)"
    )
    group.add_argument(
        "--max-notes",
        metavar="N",
        type=cli.positive_int,
        default=48,
        help="at most N notes, of all instruments in turn (default: %(default)s)",
    )
    group.add_argument(
        "--on-bad-note",
        choices=("error", "skip"),
        default="error",
        help="a note that cannot be used ends the run, or is left out (default: %(default)s)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    return cli.run(_export_from, make_parser(), arguments)


def _export_from(parsed: argparse.Namespace) -> None:
    from nsynth_vae.exporters import report as export_report

    vae, config = load_model(parsed.model)
    # Before anything is written: what is wrong with the notes is to be said now.
    data = DataConfig(data=tuple(parsed.data or ("starter",)), max_notes=parsed.max_notes)
    bad_notes = BadNotes(parsed.on_bad_note)
    notes = read_notes(data, config.audio, split=parsed.split, bad_notes=bad_notes, data_dir=parsed.data_dir)
    paths = export_model(vae, config, parsed.exports, version=parsed.version, report=print, model=parsed.model)
    print(f"Measuring the TFLite files on {len(notes['pitch'])} notes")
    report = export_report.measure(vae, config, paths, notes)
    try:
        files = export_report.write(report, parsed.exports)
    except OSError as error:
        raise InputError(f"{parsed.exports}: {error.strerror}, expected a folder that can be written") from error
    print(f"\n{export_report.to_markdown(report)}")
    print(f"encoder  {paths['encoder']}\ndecoder  {paths['decoder']}\ntflite   {paths['tflite_facts'].parent}")
    print(f"report   {', '.join(map(str, files))}")


if __name__ == "__main__":
    sys.exit(main())
