"""Draw the picture of docs/pad.md: the pad in a browser, with a chord that sounds.

.venv/bin/python docs/make_pad_figure.py [--width 375]
"""

import argparse
import os
import pathlib
import shutil
import sys
import tempfile

from PIL import Image
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from nsynth_vae import pad

PLAY = """async () => {
  nsynthPad.controls.moveTo(0.35, 0.4);
  const chord = [48, 55, 60, 64];
  for (const pitch of chord) await nsynthPad.engine.note(nsynthPad.pad.request(pitch, 100));
  for (const pitch of chord) nsynthPad.player.noteOn(pitch, 100);
  await new Promise((resolve) => setTimeout(resolve, 3000));
}"""


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", "-o", type=pathlib.Path, default=pathlib.Path("docs/figures/pad.png"))
    parser.add_argument("--width", type=int, default=1280, help="of the window, in pixels")
    options = parser.parse_args()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = pathlib.Path(folder, "pad.html")
        if code := pad.main(["--output", str(file)]):
            raise SystemExit(code)
        arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": options.width, "height": 900})
        page.goto(file.as_uri())
        page.wait_for_selector("#status.ready", timeout=60000)
        page.evaluate(PLAY)
        page.screenshot(path=options.output, full_page=True)
        browser.close()
    # A quarter of the bytes.
    Image.open(options.output).convert("RGB").quantize(128).save(options.output, optimize=True)


if __name__ == "__main__":
    main()
