"""Files and folders: atomic writes, locks, JSON, sound files, and checks of places."""

from nsynth_vae.files.array_files import read_arrays
from nsynth_vae.files.atomic_writes import (
    atomic_rename,
    atomic_rename_all,
    atomic_write,
    remove_abandoned,
    save_json,
    temporary_folder,
    write_text,
    writing,
)
from nsynth_vae.files.checksum import read_tflite
from nsynth_vae.files.folder_lock import exclusive_lock
from nsynth_vae.files.json_files import LINE, parse_json, read_json, rounded, to_json
from nsynth_vae.files.places import (
    broken_link,
    check_output,
    check_output_file,
    check_working_directory,
    expand,
    made,
    walk,
)
from nsynth_vae.files.sound_writing import AUDIO_EXTENSIONS, check_sound_file, flac, save_sound, write_wav

__all__ = [
    "AUDIO_EXTENSIONS",
    "LINE",
    "atomic_rename",
    "atomic_rename_all",
    "atomic_write",
    "broken_link",
    "check_output",
    "check_output_file",
    "check_sound_file",
    "check_working_directory",
    "exclusive_lock",
    "expand",
    "flac",
    "made",
    "parse_json",
    "read_arrays",
    "read_json",
    "read_tflite",
    "remove_abandoned",
    "rounded",
    "save_json",
    "save_sound",
    "temporary_folder",
    "to_json",
    "walk",
    "write_text",
    "write_wav",
    "writing",
]
