"""The notebook docs/tour.ipynb: runs from top to bottom on what comes with the package, plays and shows results."""

from __future__ import annotations

import base64
import io
import json
import pathlib
import re

import numpy as np
import PIL.Image
import pytest
import soundfile

TOUR = pathlib.Path(__file__).parents[1] / "docs" / "tour.ipynb"


def test_it_is_kept_without_outputs():
    """They are megabytes, and would be those of another model one day."""
    cells = json.loads(TOUR.read_text(encoding="utf-8"))["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")


def test_its_links_lead_somewhere():
    cells = json.loads(TOUR.read_text(encoding="utf-8"))["cells"]
    text = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert all((TOUR.parent / link).exists() for link in links)


@pytest.mark.slow
def test_it_runs_from_top_to_bottom():
    nbformat = pytest.importorskip("nbformat", reason="the notebook needs requirements-dev.txt")
    nbclient = pytest.importorskip("nbclient", reason="the notebook needs requirements-dev.txt")
    pytest.importorskip("ipykernel", reason="the notebook needs requirements-dev.txt")
    notebook = nbformat.read(TOUR, as_version=4)
    # A cell that raises an error ends it here.
    nbclient.NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(TOUR.parent)}}
    ).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [output.data for output in outputs if output.output_type in ("display_data", "execute_result")]
    html = "".join(data.get("text/html", "") for data in shown)
    pictures = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", html)
    pictures += [data["image/png"] for data in shown if "image/png" in data]
    assert len(pictures) == 12
    for picture in pictures:
        with PIL.Image.open(io.BytesIO(base64.b64decode(picture))) as opened:
            assert opened.width >= 400
            assert len(opened.convert("RGB").getcolors(maxcolors=1 << 20)) > 100
    players = re.findall(r"data:audio/\w+;base64,([A-Za-z0-9+/=]+)", html)
    assert len(players) == 13
    for player in players:
        audio, sample_rate = soundfile.read(io.BytesIO(base64.b64decode(player)))
        assert sample_rate == 16000
        assert 0.02 < np.abs(audio).max() < 1.0
    printed = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    centroids = [float(number) for number in re.findall(r"the centroid is ([\d.]+) octaves", printed)]
    assert len(centroids) == 5
    assert all(np.diff(centroids) > 0)
