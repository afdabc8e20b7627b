"""Shell completion of commands and options: scripts for bash, zsh and fish."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

SHELLS = ("bash", "zsh", "fish")

_BASH = """\
_nsynth_vae() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} offered=
    if [ "$COMP_CWORD" -eq 1 ]; then
        offered='@COMMANDS@'
    else
        case "${COMP_WORDS[1]} $before" in
@CHOICES@
        *) case "$word ${COMP_WORDS[1]}" in
@OPTIONS@
            esac ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$offered" -- "$word"))
}
complete -o default -F _nsynth_vae nsynth-vae
"""

_ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"


def script(shell: str, commands: Mapping[str, tuple[str, argparse.ArgumentParser]]) -> str:
    """Return a script that completes `nsynth-vae` in a shell; what is no option is completed as a file.

    Args:
        shell: one of `SHELLS`.
        commands: name -> (what it makes, its parser).
    """
    if shell == "fish":
        return _fish(commands)
    choices, options = [], []
    for name, (_, parser) in commands.items():
        flags: list[str] = []
        for action in parser._actions:
            flags += action.option_strings
            if action.option_strings and action.choices:
                patterns = "|".join(f"'{name} {flag}'" for flag in action.option_strings)
                choices.append(f"        {patterns}) offered='{' '.join(map(str, action.choices))}' ;;")
        options.append(f"            -*' {name}') offered='{' '.join(flags)}' ;;")
    text = _BASH.replace("@COMMANDS@", " ".join(commands))
    text = text.replace("@CHOICES@", "\n".join(choices)).replace("@OPTIONS@", "\n".join(options))
    return _ZSH * (shell == "zsh") + text


def _fish(commands: Mapping[str, tuple[str, argparse.ArgumentParser]]) -> str:
    lines = []
    for name, (what, parser) in commands.items():
        lines.append(f"complete -c nsynth-vae -n __fish_use_subcommand -f -a {name} -d {_quoted(what)}")
        for action in parser._actions:
            flags = [f"-{'l' if flag.startswith('--') else 's'} {flag.lstrip('-')}" for flag in action.option_strings]
            if not flags:
                continue
            condition = f"-n '__fish_seen_subcommand_from {name}'"
            values = f"-x -a {_quoted(' '.join(map(str, action.choices)))}" if action.choices else ""
            takes = "" if action.choices or action.nargs == 0 else "-r"
            lines.append(" ".join(filter(None, ["complete -c nsynth-vae", condition, *flags, values, takes])))
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
