"""HTML report: spectrograms, players, Markdown as HTML."""

import io

import numpy as np
import PIL.Image
import soundfile
import synthetic

from nsynth_vae.config import AudioConfig
from nsynth_vae.evaluation import html_report, markdown_report
from nsynth_vae.files import flac


def test_a_picture_is_upright():
    """The lowest mel bin is the lowest row, time goes to the right, and silence is black."""
    config = AudioConfig()
    log_mel = np.full([config.num_frames, config.num_mel_bins], -1.3, np.float32)
    log_mel[:10, :5] = 1.0
    with PIL.Image.open(io.BytesIO(html_report.png(log_mel, 1.0, config))) as picture:
        pixels = np.asarray(picture.convert("RGB"), int).sum(axis=2)
    assert pixels.shape == (config.num_mel_bins, config.num_frames)
    assert pixels[-5:, :10].min() > 550
    assert pixels[:-5].max() < 10
    assert pixels[:, 10:].max() < 10


def test_a_player_has_the_sound_itself():
    note = synthetic.tone(60)
    content = flac(note, 16000)
    audio, sample_rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert sample_rate == 16000
    assert np.abs(audio - note).max() <= 2**-15
    assert soundfile.info(io.BytesIO(content)).format == "FLAC"
    assert len(content) < note.size * 2


def test_markdown_becomes_html():
    text = markdown_report.table(["", "`a`"], [["x < y", "1.0"]])
    assert html_report.to_html(f"# A & B\n\n{text}\n\nEnd of `it`.") == (
        "<h1>A &amp; B</h1>\n<table>\n<tr><th></th><th><code>a</code></th></tr>\n"
        "<tr><td>x &lt; y</td><td>1.0</td></tr>\n</table>\n<p>End of <code>it</code>.</p>"
    )
