"""Base of what is done with the mutants of a kind of input, and its checks of how a command ends."""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
import random
import shutil
from collections.abc import Callable, Sequence

import numpy as np
import soundfile
import synthetic
from campaigns import mutants

SHIPPED = pathlib.Path(__file__).parents[2] / "models" / "nsynth-small"


class Target:
    """What is done with the mutants of one kind, in one folder, many of them in a process."""

    json = False
    """Whether the inputs are JSON, whose values are exchanged, too."""

    def __init__(self, folder: pathlib.Path) -> None:
        """Make the whole inputs in an empty folder."""
        self.folder = folder
        self.contents = self.make()

    def make(self) -> list[bytes]:
        """Return the whole inputs."""
        raise NotImplementedError

    def run(self, number: random.Random) -> str:
        """Make a mutant, use it, and return how that ended: `ok` or `error`."""
        if self.json and number.random() < 0.7:
            return self.use(mutants.mutate_json(self.contents[0].decode(), number).encode(), number)
        return self.use(mutants.mutate(self.contents, number), number)

    def use(self, mutant: bytes, number: random.Random) -> str:
        raise NotImplementedError

    def command(self, main: Callable[[Sequence[str]], int], *arguments: str, output: str) -> str:
        """Run a command in this process; check its exit code, its line, and its output in the folder."""
        place = self.folder / output
        written, said = io.StringIO(), io.StringIO()
        before = {path.name for path in self.folder.iterdir()}
        with contextlib.redirect_stderr(written), contextlib.redirect_stdout(said):
            code = main([*arguments, "-o", str(place)])
        text = written.getvalue()
        assert code in (0, 2), f"exit code {code}: {text[-1500:]}"
        new = {path.name for path in self.folder.iterdir()} - before
        if code == 2:
            assert text.startswith("error: "), text
            assert text.count("\n") == 1, text
            assert not new, f"left {new} after {text}"
            return "error"
        assert new == {output}, f"wrote {new}"
        for path in [place, *place.rglob("*")] if place.is_dir() else [place]:
            assert not path.name.startswith("."), path
            if path.suffix == ".json":
                json.loads(path.read_text(encoding="utf-8"))
            elif path.suffix == ".wav":
                assert np.isfinite(soundfile.read(path)[0]).all(), path
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        return "ok"


def tone() -> np.ndarray:
    """Return a short stereo note at 22.05 kHz, float `[samples, 2]`."""
    mono = synthetic.tone(60)[:8000]
    return np.stack([mono, 0.5 * mono], axis=1)


def check_line(text: str) -> None:
    """Check that a message is one line, and no traceback."""
    assert "\n" not in text, text
    assert "Traceback" not in text, text
