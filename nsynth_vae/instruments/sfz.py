"""Writing a multi-sampled instrument: an SFZ file, and WAVs that carry their loops.

SFZ 1, the part that all samplers know: https://sfzformat.com/opcodes.
"""

from __future__ import annotations

import dataclasses
import itertools
import struct
from collections.abc import Sequence

import numpy as np

RELEASE_PER_60_DB = 1.3
"""`ampeg_release` over the time in which the sound falls by 60 dB: samplers fall by 78 dB (9 nepers) in it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Region:
    """A sample and the keys and velocities that play it."""

    sample: str
    """Path from the SFZ file's folder, with `/`."""
    pitch: int
    """MIDI: the key at which the sample sounds as it is, but for `cents`."""
    keys: tuple[int, int]
    """The lowest and the highest."""
    velocities: tuple[int, int]
    """The lowest and the highest."""
    cents: int
    """How far the sample is to be raised to be in tune."""
    loop: tuple[int, int] | None
    """First and last sample of what is repeated while the sound lasts; None: the sample is played once."""
    release_seconds: float
    """In which the sound falls by 60 dB once the key is let go."""


def spread(values: Sequence[int], low: int = 0, high: int = 127) -> list[tuple[int, int]]:
    """Returns the range of each value such that they cover `low` to `high`: each number goes to the nearest value.

    Args:
        values: rising, within the range.
        low: where the first range begins.
        high: where the last one ends.
    """
    between = [(one + other) // 2 for one, other in itertools.pairwise(values)]
    return list(zip([low, *(last + 1 for last in between)], [*between, high], strict=True))


def format_sfz(regions: Sequence[Region], comments: Sequence[str]) -> str:
    """Returns an SFZ file's text.

    How loud a velocity is, is left to the sampler (`amp_veltrack=100`, its default: 40 log10(velocity / 127) dB).

    Args:
        regions: of the instrument.
        comments: lines for its head.
    """
    lines = [f"// {' '.join(comment.split())}" for comment in comments]
    # Samples are small, and sfizz rendering offline may not wait for what it streams from the disk.
    lines += ["", "<control>", "hint_ram_based=1", "", "<global>", "amp_veltrack=100", ""]
    for region in regions:
        loop = "loop_mode=no_loop"
        if region.loop:
            loop = "loop_mode=loop_continuous loop_start={} loop_end={}".format(*region.loop)
        lines.append(
            f"<region> sample={region.sample} pitch_keycenter={region.pitch} tune={region.cents} "
            "lokey={} hikey={} ".format(*region.keys)
            + "lovel={} hivel={} ".format(*region.velocities)
            + f"{loop} "
            f"ampeg_release={RELEASE_PER_60_DB * region.release_seconds:.3f}"
        )
    return "\n".join(lines) + "\n"


def wav_bytes(audio: np.ndarray, sample_rate: int, *, pitch: int, loop: tuple[int, int] | None = None) -> bytes:
    """Returns a 16-bit mono WAV with a `smpl` chunk, which says to samplers its key and what of it is repeated.

    Args:
        audio: float `[samples]`, -1..1.
        sample_rate: Hz.
        pitch: MIDI, its key.
        loop: first and last sample of what is repeated.
    """
    samples = np.round(np.clip(audio, -1.0, 1.0) * 32767).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    # Manufacturer, product, nanoseconds a sample, key, its fraction, SMPTE format and offset, loops, further bytes.
    about = struct.pack("<9I", 0, 0, round(1e9 / sample_rate), pitch, 0, 0, 0, int(loop is not None), 0)
    if loop:
        # Name, forward, first and last sample, fraction, without end.
        about += struct.pack("<6I", 0, 0, *loop, 0, 0)
    chunks = b"".join(
        name + struct.pack("<I", len(data)) + data
        for name, data in ((b"fmt ", form), (b"data", samples), (b"smpl", about))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
