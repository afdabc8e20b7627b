"""Pad in one HTML file: the page, LiteRT for WebAssembly, the model's TFLite files, and four corners."""

from __future__ import annotations

import base64
import gzip
import os
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nsynth_vae import pretrained, timbre_model
from nsynth_vae.config import LARGEST_Z
from nsynth_vae.errors import InputError
from nsynth_vae.files import expand
from nsynth_vae.latent.expression import find_timbres
from nsynth_vae.notes import FAMILIES
from nsynth_vae.pretrained import PAGE
from nsynth_vae.rendering.map_page import script_json

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import Timbre, TimbreLookup

CORNERS = 4

_FAVOURITES = ("flute", "guitar", "organ", "brass")
"""Corners where none are named: sustained and struck, soft and bright."""

_WEB = pathlib.Path(__file__).parents[1] / "web"
_VENDORED = ("worker.js", "worklet.js") + tuple(
    f"litert_wasm_{build}internal.{kind}" for build in ("", "compat_") for kind in ("js", "wasm")
)
"""Files that the page unpacks when it is opened: of LiteRT's two builds, Safari runs the compatible one only."""


def find_files(path: str | os.PathLike | None, exports: str | os.PathLike) -> dict[str, pathlib.Path]:
    """Find the TFLite files that a page runs: those of an exports folder, a model folder, or its exports.

    Args:
        path: a model folder or an exports folder; None for the shipped model.
        exports: where a model folder's exports may be.

    Raises:
        InputError: if there are none of the model, or they have no audio.
    """
    path = pretrained.TIMBRE_MODEL if path is None else expand(path)
    own, exported = pretrained.page_files(path), timbre_model.exported_files(expand(exports), PAGE)
    if timbre_model.is_exports(path):
        own = timbre_model.exported_files(path, PAGE)
        files = own if pretrained.are_there(own) else None
    else:
        files = timbre_model.find_files(path, own, exported)
    if files is None:
        names = " and ".join(file.name for file in own.values())
        raise InputError(f"{path}: found no {names} of this model, expected those that nsynth_vae.export writes")
    if "audio" not in pretrained.read_tflite_metadata(files["decoder"])["outputs"]:
        raise InputError(f"{files['decoder']}: has no audio, expected a decoder with a synthesizer of its features")
    return files


def find_corners(lookup: TimbreLookup, timbres: Sequence[str | Timbre]) -> list[Timbre]:
    """Return the corners: top left, top right, bottom left, bottom right.

    Args:
        lookup: the model and its names.
        timbres: four names, files, expressions or `Timbre`; none for families or instruments of the model.

    Raises:
        InputError: for another number, for what is no timbre, and for a model without names where none are given.
    """
    if timbres and len(timbres) != CORNERS:
        raise InputError(f"timbres: found {len(timbres)}, expected four, one for each corner, or none")
    known = [lookup.model.attributes.get(kind, {}) for kind in ("families", "instruments")]
    names = [*(name for name in (*_FAVOURITES, *FAMILIES) if name in known[0]), *known[1]]
    chosen = list(timbres) or list(dict.fromkeys(names))[:CORNERS]
    if len(chosen) < CORNERS:
        raise InputError(f"timbres: {lookup.model.name} has {len(chosen)} names, expected four timbres to be given")
    return find_timbres(chosen, lookup)


def page(lookup: TimbreLookup, corners: Sequence[Timbre], files: dict[str, pathlib.Path]) -> str:
    """Return the HTML, which opens without server and network.

    Args:
        lookup: the model and its names.
        corners: of `find_corners`.
        files: of `find_files`.
    """
    script = gzip.decompress((_WEB / "vendor" / "pad.js.gz").read_bytes()).decode()
    values = {
        "STYLE": (_WEB / "pad.css").read_text(encoding="utf-8"),
        "SCRIPT": re.sub(r"<(?=/script|!--)", r"\\x3c", script, flags=re.IGNORECASE),
        "PAYLOAD": "\n".join(_payload(lookup, corners, files)),
    }
    template = (_WEB / "pad.html").read_text(encoding="utf-8")
    return re.sub("@(STYLE|SCRIPT|PAYLOAD)@", lambda match: values[match[1]], template)


def _payload(lookup: TimbreLookup, corners: Sequence[Timbre], files: dict[str, pathlib.Path]) -> Iterator[str]:
    """Yield script elements that browsers do not run: the data, and files as gzip in base64."""
    yield f'<script type="application/json" id="data">{script_json(data(lookup, corners))}</script>'
    contents = {name: (_WEB / "vendor" / f"{name}.gz").read_bytes() for name in _VENDORED}
    # The time of a gzip header would make two pages of one model differ.
    contents |= {f"{part}.tflite": gzip.compress(file.read_bytes(), 9, mtime=0) for part, file in files.items()}
    for name, content in contents.items():
        text = base64.b64encode(content).decode()
        yield f'<script type="application/gzip;base64" id="file-{name}">{text}</script>'


def data(lookup: TimbreLookup, corners: Sequence[Timbre]) -> dict[str, Any]:
    """Return what the page knows of the model; `PadData` in web/src/types.d.ts."""
    model, attributes = lookup.model, lookup.model.attributes
    return {
        "model": model.name,
        "sample_rate": model.config.sample_rate,
        "num_samples": model.config.num_samples,
        "latent_dim": model.latent_dim,
        "largest_z": LARGEST_Z,
        "families": {name: lookup.timbre(name).z.tolist() for name in attributes.get("families", {})},
        "instruments": {name: lookup.timbre(name).z.tolist() for name in attributes.get("instruments", {})},
        "directions": {
            name: {"z": lookup.direction(name).z.tolist()} | _effect(entry)
            for name, entry in attributes.get("directions", {}).items()
        },
        "not_learnt": attributes.get("not_learnt", {}),
        "names": lookup.names,
        "mixture": attributes.get("mixture"),
        "corners": [{"name": _label(corner.name), "z": corner.z.tolist()} for corner in corners],
    }


def _label(name: str) -> str:
    """Return a timbre's name, of a file without its folder: a page is passed on, a path is its author's own."""
    path = expand(name)
    return path.name if os.path.isfile(path) else name  # noqa: PTH113 (an expression can be longer than a path)


def _effect(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what a direction changes at strength 1, as far as it was measured."""
    effect = entry.get("effect") or {}
    return {
        "descriptor": entry.get("descriptor") or "",
        "unit": effect.get("unit") or "",
        "change": effect.get("median_change"),
    }
