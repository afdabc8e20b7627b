"""Command-line options, argument types, parser and progress."""

from nsynth_vae.cli.options import (
    TIMBRE,
    add_config_options,
    add_data_options,
    add_feature_options,
    add_folder_option,
    add_lookup_options,
    add_model_options,
    add_octave_shift_option,
    config_from,
    data_config_from,
    options_from,
)
from nsynth_vae.cli.parser import Parser, run
from nsynth_vae.cli.sound_options import add_keep_level_option, add_take_options
from nsynth_vae.cli.types import (
    check_midi,
    check_seed,
    find_files,
    midi_list,
    midi_number,
    midi_pitch,
    midi_range,
    path,
    positive_float,
    positive_int,
    warn_of_silence,
)

__all__ = [
    "TIMBRE",
    "Parser",
    "add_config_options",
    "add_data_options",
    "add_feature_options",
    "add_folder_option",
    "add_keep_level_option",
    "add_lookup_options",
    "add_model_options",
    "add_octave_shift_option",
    "add_take_options",
    "check_midi",
    "check_seed",
    "config_from",
    "data_config_from",
    "find_files",
    "midi_list",
    "midi_number",
    "midi_pitch",
    "midi_range",
    "options_from",
    "path",
    "positive_float",
    "positive_int",
    "run",
    "warn_of_silence",
]
