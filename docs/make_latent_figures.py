"""Make the pictures and sounds of docs/latent.md by the page's own commands.

    python docs/make_latent_figures.py [--model models/nsynth-small] [--output docs]

The commands that draw are run as they stand on the page, in a temporary folder; what the page shows of their output is
copied to OUTPUT/figures, in 128 colours, and OUTPUT/sounds.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import pathlib
import re
import shlex
import shutil
import sys
import tempfile

# The script is run as a file, from a clone in which the package need not be installed.
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

PAGE = ROOT / "docs" / "latent.md"

SHOWN = {
    "morph": {"morph.png": "latent-morph", "morph.wav": "latent-morph", "cross-fade.wav": "latent-cross-fade"},
    "pad": {"morph.png": "latent-pad"},
    "violin": {"result.png": "latent-violin", "violin.wav": "latent-violin", "result.wav": "latent-violin-bright"},
    "new": {"contact-sheet.png": "latent-samples", "samples.wav": "latent-samples"},
    "map": {"map-tsne.png": "latent-map"},
}
"""Value of `-o` -> file that the command writes -> its name on the page."""

COLOURS = 128
EXAMPLES = 8
"""New sounds in the WAV, of those in the picture."""


def make_figures(output: pathlib.Path, model: str | None = None) -> list[pathlib.Path]:
    """Run the page's commands and copy what is shown.

    Args:
        output: the folder with `figures` and `sounds`, made if missing.
        model: a model folder; None for the one that comes with the package.

    Returns:
        The files that were written.
    """
    written = []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        more = ["--exports", "exports"] + ([] if model is None else ["--model", model])
        for module, arguments in commands():
            name = arguments[arguments.index("-o") + 1]
            if importlib.import_module(f"nsynth_vae.{module}").main([*arguments, *more]):
                raise SystemExit(f"error: nsynth_vae.{module} {shlex.join(arguments)} failed, expected it to draw")
            made = pathlib.Path(name)
            if (made / "sample-00.wav").exists():
                _join(made)
            written += [_copy(made / file, output, shown) for file, shown in SHOWN[name].items()]
    return written


def commands() -> list[tuple[str, list[str]]]:
    """Return (module, arguments) of the page's commands whose output is shown."""
    found = re.findall(r"^    python -m nsynth_vae\.(\w+) (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    split = [(module, shlex.split(arguments)) for module, arguments in found]
    return [(module, arguments) for module, arguments in split if arguments[-2] == "-o" and arguments[-1] in SHOWN]


def _join(folder: pathlib.Path) -> None:
    """Write the beginnings of the first samples, one after the other, as `samples.wav`."""
    import numpy as np
    import soundfile

    from nsynth_vae.config import AudioConfig
    from nsynth_vae.rendering import sounds

    paths = sorted(folder.glob("sample-*.wav"))[:EXAMPLES]
    audio = np.stack([soundfile.read(path, dtype="float32")[0] for path in paths])
    sounds.write_joined(folder / "samples.wav", audio, AudioConfig())


def _copy(source: pathlib.Path, output: pathlib.Path, name: str) -> pathlib.Path:
    """Copy a file to where the page shows it; a picture in fewer colours, a third of the bytes."""
    target = output / ("figures" if source.suffix == ".png" else "sounds") / f"{name}{source.suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".png":
        import PIL.Image

        with PIL.Image.open(source) as picture:
            picture.convert("RGB").quantize(COLOURS).save(target, optimize=True)
    else:
        shutil.copyfile(source, target)
    return target


def main(arguments: list[str] | None = None) -> int:
    """Run the script and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=os.path.abspath, help="a model folder (default: the shipped one)")
    parser.add_argument("--output", type=os.path.abspath, default=str(ROOT / "docs"), help="default: %(default)s")
    options = parser.parse_args(arguments)
    for path in make_figures(pathlib.Path(options.output), options.model):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
