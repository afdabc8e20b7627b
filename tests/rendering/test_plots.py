"""Figures: each log-mel at its place, sizes that grow with the rows, and no backend of pyplot."""

import io
import pathlib
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest

from nsynth_vae.config import AudioConfig
from nsynth_vae.rendering import plots

pytestmark = pytest.mark.player

CONFIG = AudioConfig()


def pixels(path: pathlib.Path) -> np.ndarray:
    return matplotlib.image.imread(path)[..., :3]


def test_a_contact_sheet_shows_each_sound_at_its_place(tmp_path):
    """Three of four cells are silent: what is bright is in the second row's first half."""
    loud = np.full([251, 128], 1.0, np.float32)
    silent = np.full([251, 128], (np.log(1e-4) + 4) / 4, np.float32)
    captions = ["$100 guitar", "b", "c", "d"]
    plots.plot_contact_sheet([silent, silent, loud, silent], captions, 2, CONFIG, tmp_path / "sheet.png")
    picture = pixels(tmp_path / "sheet.png")
    height, width = picture.shape[0], picture.shape[1] * 0.75  # Less the colour bar.
    yellow = (picture[..., 0] > 0.9) & (picture[..., 2] < 0.8) & (picture[..., 1] > 0.85)
    rows, columns = np.nonzero(yellow[:, : int(width)])
    assert rows.size > 0.1 * height * width
    assert rows.min() > 0.45 * height
    assert columns.max() < 0.55 * width


def test_a_morphs_figure_grows_with_its_rows_and_leaves_gaps(tmp_path):
    log_mels = np.random.default_rng(0).normal(size=[5, 251, 128]).astype(np.float32)
    line = np.array([1.0, 2.0, np.nan, 4.0, 5.0])
    titles = ["from", "25 %", "50 %", "75 %", "to"]
    sizes = []
    for rows in (1, 2):
        path = tmp_path / f"{rows}.png"
        lines = [("centroid, Hz", [line] * rows), ("attack, s", [np.full(5, np.nan)] * rows)]
        plots.plot_morph([(f"row {n}", log_mels) for n in range(rows)], titles, lines, CONFIG, path)
        sizes.append(pixels(path).shape)
    assert sizes[0][1] == sizes[1][1]
    assert sizes[1][0] - sizes[0][0] == 180
    # The most that a command makes is a picture that can be opened.
    few = np.zeros([100, 251, 128], np.float32)
    plots.plot_morph([("row", few)], ["x"] * 100, [], CONFIG, tmp_path / "many.png")
    assert pixels(tmp_path / "many.png").shape[1] < 3000


def test_a_figure_is_written_to_a_binary_file():
    buffer = io.BytesIO()
    plots.plot_losses([{"step": 1, "train": {"loss": 2.0}, "valid": {"loss": 3.0}}], [("loss", "Loss")], buffer)
    assert buffer.getvalue()[:8] == b"\x89PNG\r\n\x1a\n"


def test_pyplot_is_not_imported():
    code = "import sys, nsynth_vae.rendering.plots; print('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
