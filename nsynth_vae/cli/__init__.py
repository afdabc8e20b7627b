"""Command-line options, argument types, parser and progress."""

from nsynth_vae.cli.options import (
    Parser,
    add_config_options,
    add_data_options,
    add_model_options,
    config_from,
    data_config_from,
    midi_number,
    options_from,
    positive_float,
    positive_int,
    run,
)

__all__ = [
    "Parser",
    "add_config_options",
    "add_data_options",
    "add_model_options",
    "config_from",
    "data_config_from",
    "midi_number",
    "options_from",
    "positive_float",
    "positive_int",
    "run",
]
