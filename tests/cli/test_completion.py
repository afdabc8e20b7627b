"""Completion scripts: what bash offers after `nsynth-vae ...`, and that the other shells' scripts name it all."""

import shutil
import subprocess

import pytest

from nsynth_vae import __main__

pytestmark = pytest.mark.player


def script(shell: str, capsys: pytest.CaptureFixture) -> str:
    assert __main__.main(["--print-completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("in", "interpolate instrument"),
        ("interpolate --eq", "--equalize"),
        ("interpolate --method s", "slerp"),
        ("interpolate flute --method ", "lerp slerp"),
        ("sample --method ", "mixture prior near"),
        ("instrument --no", "--no-picture"),
        ("decode --p", "--pitch"),
        # Left to bash's own completion of files.
        ("encode my", ""),
    ],
)
def test_bash_completes_commands_options_and_choices(words, offered, capsys, tmp_path):
    (tmp_path / "script").write_text(script("bash", capsys))
    typed = " ".join(f"'{word}'" for word in ["nsynth-vae", *words.split(" ")])
    code = f"source ./script; COMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _nsynth_vae"
    ran = subprocess.run(
        ["bash", "--norc", "-c", f"{code}; echo ${{COMPREPLY[@]}}; complete -p nsynth-vae"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert ran.stderr == ""
    assert ran.stdout == f"{offered}\ncomplete -o default -F _nsynth_vae nsynth-vae\n"


def test_every_shell_has_every_command(capsys):
    scripts = {shell: script(shell, capsys) for shell in ("bash", "zsh", "fish")}
    for text in scripts.values():
        for group in __main__.COMMANDS.values():
            assert all(command in text for command in group)
    assert scripts["zsh"].endswith(scripts["bash"])
    assert (
        "complete -c nsynth-vae -n '__fish_seen_subcommand_from sample' -l method -x -a 'mixture prior near'\n"
        in (scripts["fish"])
    )


@pytest.mark.parametrize("arguments", [[], ["tcsh"], ["bash", "zsh"]])
def test_other_shells_are_bad_input(arguments, capsys):
    assert __main__.main(["--print-completion", *arguments]) == 2
    assert "expected bash, zsh, fish" in capsys.readouterr().err
