"""Public API: the model that commands and notebooks play."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import TimbreLookup


def open_points(options: argparse.Namespace) -> TimbreLookup:
    """Opens the model and the notes that `cli.add_model_options` and `add_lookup_options` name.

    Raises:
        InputError: for what cannot be opened.
    """
    from nsynth_vae.exporters.model_export import export_folder
    from nsynth_vae.latent.lookup import TimbreLookup
    from nsynth_vae.timbre_model import open_model

    model = open_model(options.model, options.exports, export=export_folder)
    if not options.data:
        return TimbreLookup(model)
    from nsynth_vae.data.open_sources import open_sources
    from nsynth_vae.data.source import BadNotes

    # One note of them is asked for: what is wrong with others, or is cut of them, is of no interest.
    source = open_sources(
        options.data, audio=model.config, bad_notes=BadNotes("skip"), data_dir=options.data_dir, log=lambda line: None
    )
    return TimbreLookup(model, source)
