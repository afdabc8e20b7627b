"""DecentSampler presets: XML that maps the samples of an instrument.

The attributes are those of the DecentSampler Developers Guide:
https://decentsampler-developers-guide.readthedocs.io/en/stable/the-groups-element.html.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from nsynth_vae.instruments.multisample import Region


def format_dspreset(regions: Sequence[Region], comments: Sequence[str]) -> str:
    """Return the text of a preset.

    The sampler scales velocities (`ampVelTrack` of 1: the amplitude is proportional to them).

    Args:
        regions: of the instrument.
        comments: lines of printable characters, the first of the file.
    """
    root = ElementTree.Element("DecentSampler", minVersion="1.0.0")
    for comment in comments:
        # XML has no "--" in comments.
        root.append(ElementTree.Comment(f" {re.sub('-(?=-)', '- ', comment)} "))
    common = {"ampVelTrack": "1", "attack": "0", "decay": "0", "sustain": "1"}
    group = ElementTree.SubElement(ElementTree.SubElement(root, "groups"), "group", common)
    for region in regions:
        sample = region.sample
        attributes = {
            "path": region.file,
            "rootNote": sample.pitch,
            "loNote": region.keys[0],
            "hiNote": region.keys[1],
            "loVel": region.velocities[0],
            "hiVel": region.velocities[1],
            "tuning": f"{region.cents / 100:.2f}",
            "release": f"{sample.release_seconds:.3f}",
            "loopEnabled": "true" if sample.loop else "false",
        }
        if sample.loop:
            # The samples contain the cross-fade at the loop's end: the sampler adds none.
            attributes |= {"loopStart": sample.loop[0], "loopEnd": sample.loop[1], "loopCrossfade": 0}
        if region.takes > 1:
            attributes |= {"seqMode": "round_robin", "seqLength": region.takes, "seqPosition": sample.take + 1}
        ElementTree.SubElement(group, "sample", {name: str(value) for name, value in attributes.items()})
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
