"""SFZ 1 instruments: the text of the SFZ file, and WAVs that contain their loops.

SFZ 1 is the part that all samplers support: https://sfzformat.com/opcodes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from nsynth_vae.instruments.multisample import Region

RELEASE_PER_60_DB = 1.3
"""`ampeg_release` over the time in which the sound falls by 60 dB: samplers fall by 78 dB (9 nepers) in it."""


def format_sfz(regions: Sequence[Region], comments: Sequence[str]) -> str:
    """Return the text of an SFZ file.

    The sampler scales velocities (`amp_veltrack=100`, its default: 40 log10(velocity / 127) dB).

    Args:
        regions: of the instrument.
        comments: lines of printable characters, the first of the file.
    """
    lines = [f"// {comment}" for comment in comments]
    # Samples are small, and sfizz rendering offline may not wait for what it streams from the disk.
    lines += ["", "<control>", "hint_ram_based=1", "", "<global>", "amp_veltrack=100", ""]
    for region in regions:
        sample, loop = region.sample, "loop_mode=no_loop"
        if sample.loop:
            loop = "loop_mode=loop_continuous loop_start={} loop_end={}".format(*sample.loop)
        lines.append(
            f"<region> sample={region.file} pitch_keycenter={sample.pitch} tune={region.cents} "
            "lokey={} hikey={} lovel={} hivel={} ".format(*region.keys, *region.velocities)
            + f"{loop} ampeg_release={RELEASE_PER_60_DB * sample.release_seconds:.3f}"
            + (f" seq_length={region.takes} seq_position={sample.take + 1}" if region.takes > 1 else "")
        )
    return "\n".join(lines) + "\n"


def wav_bytes(audio: np.ndarray, sample_rate: int, *, pitch: int, loop: tuple[int, int] | None = None) -> bytes:
    """Return a 16-bit mono WAV with a `smpl` chunk, from which samplers read its key and its loop.

    Args:
        audio: float `[samples]`, -1..1.
        sample_rate: Hz.
        pitch: MIDI, its key.
        loop: first and last sample of the part that is repeated.
    """
    samples = np.round(np.clip(audio, -1.0, 1.0) * 32767).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    # Manufacturer, product, nanoseconds a sample, key, its fraction, SMPTE format and offset, loops, further bytes.
    sampler = struct.pack("<9I", 0, 0, round(1e9 / sample_rate), pitch, 0, 0, 0, int(loop is not None), 0)
    if loop:
        # Name, forward, first and last sample, fraction, without end.
        sampler += struct.pack("<6I", 0, 0, *loop, 0, 0)
    parts = ((b"fmt ", form), (b"data", samples), (b"smpl", sampler))
    chunks = b"".join(name + struct.pack("<I", len(data)) + data for name, data in parts)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
