"""`nsynth-vae COMMAND ...` and `python -m nsynth_vae COMMAND ...`: the commands by their task."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from nsynth_vae import __version__
from nsynth_vae.cli.failures import guarded
from nsynth_vae.cli.parser import DEBUG

COMMANDS = {
    "Play": {
        "interpolate": "a morph between two timbres, or a grid between four",
        "arithmetic": 'a sum of timbres and attributes: "violin + bright - dark"',
        "sample": "random timbres",
        "play": "a MIDI file, played with a timbre",
        "pad": "an instrument in the browser: four timbres, a finger between them",
        "instrument": "a timbre as an SFZ instrument for samplers",
        "resynthesize": "sound files through log-mel and synthesizer",
    },
    "Look": {
        "explore": "a map of notes by their timbre, as a page that plays them",
        "encode": "sound files as latent vectors, in a JSON file",
        "decode": "the latent vectors of a JSON file as sounds",
        "model": "what a model is: dimensions, names, directions, figures",
    },
    "Learn (these need the training packages)": {
        "prepare": "features of many notes, on one machine or many (needs Apache Beam)",
        "train": "train a timbre model on notes",
        "train_synthesizer": "train a synthesizer: log-mel and pitch to sound",
        "train_classifier": "train the classifier of families that evaluations use",
        "launch": "a training on several worker processes of this machine",
        "attributes": "learn centroids and directions of a model",
        "evaluate": "measure models, with a report to read and listen to",
        "export": "write SavedModels and TFLite files",
    },
}
"""Task -> command -> what it makes."""

_COMPLETION = "--print-completion"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names, and return its exit code."""
    given = [*(sys.argv[1:] if arguments is None else arguments)] or ["--help"]
    return guarded(lambda: _run(*given), "nsynth-vae", debug=DEBUG in given)


def _run(name: str, *rest: str) -> int:
    commands = {command: what for group in COMMANDS.values() for command, what in group.items()}
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name == "--version":
        print(f"nsynth-vae {__version__}")
        return 0
    if name == _COMPLETION:
        return _print_completion(rest, commands)
    command = name.replace("-", "_")
    if command not in commands:
        near = difflib.get_close_matches(command, commands, 1)
        expected = f"nearest: {near[0]}" if near else "nsynth-vae --help lists the commands"
        print(f"error: {name}: no such command; {expected}", file=sys.stderr)
        return 2
    return import_command(command).main(rest)


def import_command(name: str) -> ModuleType:
    """Return the module of a command; that of `model` is in the package of this name."""
    return importlib.import_module("nsynth_vae.model.__main__" if name == "model" else f"nsynth_vae.{name}")


def _print_completion(shells: Sequence[str], commands: dict[str, str]) -> int:
    from nsynth_vae.cli import completion

    if len(shells) != 1 or shells[0] not in completion.SHELLS:
        found = " ".join(shells) or "nothing"
        print(f"error: {_COMPLETION}: found {found}, expected {', '.join(completion.SHELLS)}", file=sys.stderr)
        return 2
    parsers = {name: (what, import_command(name).make_parser()) for name, what in commands.items()}
    print(completion.script(shells[0], parsers), end="")
    return 0


def _help() -> str:
    lines = ["usage: nsynth-vae COMMAND ...     morphs between the timbres of musical notes with a neural network"]
    for task, commands in COMMANDS.items():
        lines += [f"{task}:", *(f"  {name:<19}{text}" for name, text in commands.items())]
    return "\n".join(
        [
            *lines,
            "nsynth-vae COMMAND --help lists a command's options; --version prints the version;",
            f"{_COMPLETION} bash|zsh|fish prints a script for the shell, see docs/play.md.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
