"""`nsynth-vae COMMAND ...` and `python -m nsynth_vae COMMAND ...`: the commands by their task."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence

from nsynth_vae import __version__

COMMANDS = {
    "Play": {
        "interpolate": "a morph between two timbres, or a grid between four",
        "arithmetic": 'a sum of timbres and attributes: "violin + bright - dark"',
        "sample": "random timbres",
        "play": "a MIDI file, played with a timbre",
        "instrument": "a timbre as an SFZ instrument for samplers",
        "resynthesize": "sound files through log-mel and synthesizer",
        "explore": "a map of notes by their timbre, as a page that plays them",
    },
    "Learn": {
        "train": "train a timbre model on notes",
        "train_synthesizer": "train a synthesizer: log-mel and pitch to sound",
        "train_classifier": "train the classifier of families that evaluations use",
        "attributes": "learn centroids and directions of a model",
        "evaluate": "measure models, with a report to read and listen to",
        "export": "write SavedModels and TFLite files",
    },
}
"""Task -> command -> what it makes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names, and return its exit code."""
    name, *rest = [*(sys.argv[1:] if arguments is None else arguments)] or ["--help"]
    commands = [command for group in COMMANDS.values() for command in group]
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name == "--version":
        print(f"nsynth-vae {__version__}")
        return 0
    command = name.replace("-", "_")
    if command not in commands:
        near = difflib.get_close_matches(command, commands, 1)
        expected = f"nearest: {near[0]}" if near else "nsynth-vae --help lists the commands"
        print(f"error: {name}: no such command; {expected}", file=sys.stderr)
        return 2
    return importlib.import_module(f"nsynth_vae.{command}").main(rest)


def _help() -> str:
    lines = ["usage: nsynth-vae COMMAND ...", "", "Morphs between the timbres of musical notes with a neural network."]
    for task, commands in COMMANDS.items():
        lines += ["", f"{task}:", *(f"  {name:<19}{text}" for name, text in commands.items())]
    return "\n".join([*lines, "", "nsynth-vae COMMAND --help lists a command's options; --version prints the version."])


if __name__ == "__main__":
    sys.exit(main())
