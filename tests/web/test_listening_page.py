"""Tests of the listening page in a browser: blind, by the keyboard alone, to its result."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from test_benchmarks import load_benchmark
from web.browser import chromium, needs_chromium

pytestmark = [pytest.mark.slow, needs_chromium]

TITLES = ("reed_acoustic_001-060-100", "flute_acoustic_002-072-075", "organ_electronic_003-048-050")
MODELS = ("before", "after")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a page of three notes, recorded and as two models play them: tones of other frequencies."""
    time = np.arange(16000) / 16000
    tones = [[0.3 * np.sin(2 * np.pi * (200 + 100 * row + 10 * kind) * time) for row in range(3)] for kind in range(3)]
    real, *made = np.array(tones)
    path = tmp_path_factory.mktemp("listening") / "page.html"
    page = load_benchmark("listening_page").page("Three notes.", TITLES, real, dict(zip(MODELS, made, strict=True)))
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture
def page(file: pathlib.Path) -> Iterator[Any]:
    with chromium() as browser:
        context = browser.new_context(offline=True, viewport={"width": 900, "height": 700})
        page, wrong = context.new_page(), []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: line.type in ("error", "warning") and wrong.append(line.text))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or wrong.append(request.url))
        page.goto(file.as_uri())
        yield page
        assert not wrong
        context.close()


def test_all_trials_by_the_keyboard_to_the_result(page):
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    pairs = set()
    for number in range(6):
        assert page.inner_text("#heading") == f"Trial {number + 1} of 6"
        page.keyboard.press("1")
        assert page.inner_text("#status") == "Play A, B and X first."
        # Neither text nor attributes say what is played, before and after it was.
        played = {}
        for key in "abx":
            shown = page.evaluate("document.querySelector('main > section:not([hidden])').outerHTML")
            assert not re.search("|".join((*TITLES, *MODELS, "acoustic", "recorded", "decoded")), shown)
            page.keyboard.press(key)
            # Not by `wait_for_function`: the page's own policy forbids that code is made of texts.
            page.evaluate(
                """new Promise((done) => {
                  const wait = () => (player.currentTime > 0 ? done() : setTimeout(wait, 10));
                  wait();
                })"""
            )
            played[key] = page.evaluate("player.src")
            assert page.evaluate("player.duration") == pytest.approx(1.0, abs=0.01)
        assert played["a"] != played["b"]
        assert played["x"] in (played["a"], played["b"])
        page.keyboard.press(" ")
        assert page.evaluate("player.paused")
        pairs.add((page.evaluate("trials[current].row"), page.evaluate("trials[current].model")))
        # All of the second model's are right, none of the first's.
        right = "1" if played["x"] == played["a"] else "2"
        page.keyboard.press(right if page.evaluate("trials[current].model") == 1 else "12".replace(right, ""))
    assert pairs == {(row, model) for row in range(3) for model in range(2)}
    before, after = page.inner_text("#summary").split("\n\n")
    assert before.startswith("before: 0 of 3 right. Guessing gives as many or more in 100 % of tests: ")
    assert after.startswith("after: 3 of 3 right. Guessing gives as many or more in 13 % of tests: ")
    rows = page.locator("#notes tr").all_inner_texts()
    assert [row.split()[0] for row in rows] == ["note", *TITLES]
    assert all(row.split()[1:] == ["wrong", "right"] for row in rows[1:])
    assert page.locator("#notes audio").count() == 9
    page.click("#again")
    assert page.inner_text("#heading") == "Trial 1 of 6"


def test_what_is_a_and_what_is_x_is_drawn_by_chance(page):
    drawn = page.evaluate(
        """() => Array.from({ length: 50 }, () => {
          start();
          return trials.map((trial) => [trial.sounds.A === data.notes[trial.row].real, trial.target === "A",
            trial.row + 3 * trial.model]);
        }).flat()"""
    )
    first, target, which = np.array(drawn).T
    # 300 coins: four standard deviations are 35.
    assert abs(first.sum() - 150) < 35
    assert abs(target.sum() - 150) < 35
    assert abs((first == target).sum() - 150) < 35
    # And the first trial is of any note and model.
    assert len(set(which[::6].tolist())) == 6
