"""The pad in headless Chromium, driven by Playwright, without network."""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")

HELPERS = pathlib.Path(__file__).with_name("page.js").read_text(encoding="utf-8")


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Start Chromium; sound needs no gesture in it."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--enable-precise-memory-info"],
        )
        yield browser
        browser.close()


class OpenPad:
    """A page that is ready, and what was wrong with it."""

    def __init__(self, browser: Any, url: str, *, width: int = 1280, height: int = 900, script: str = "") -> None:
        """Open the page, and wait until it is ready; `script` runs before the page's own."""
        self.context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: line.type == "error" and self.errors.append(line.text))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.add_init_script(HELPERS + script)
        self.page.goto(url)
        self.page.wait_for_function("document.getElementById('status').className !== ''", timeout=60000)
        assert self.page.inner_text("#status").startswith("ready"), self.page.inner_text("#status")

    def floats(self, code: str, given: Any = None) -> np.ndarray:
        """Return numbers that a function `(given) => packed(...)` returns, float32."""
        return np.frombuffer(base64.b64decode(self.page.evaluate(code, given)), "<f4")

    def __call__(self, code: str, given: Any = None) -> Any:
        """Return what an expression or function of JavaScript returns."""
        return self.page.evaluate(code, given)

    def close(self) -> None:
        """Close the page."""
        self.context.close()


def write_pad(folder: pathlib.Path, *arguments: str) -> pathlib.Path:
    """Write a pad by the command, and return the file."""
    from nsynth_vae import pad

    file = folder / "pad.html"
    assert pad.main([*arguments, "--output", str(file)]) == 0
    return file
