"""Map of notes in two dimensions by their timbre."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.analysis.descriptors import DESCRIPTORS, describe_all
from nsynth_vae.errors import InputError
from nsynth_vae.files import write_text, writing
from nsynth_vae.latent import projection
from nsynth_vae.notes import FAMILIES, SOURCES
from nsynth_vae.rendering import map_page
from nsynth_vae.timbre_model import BATCH

if TYPE_CHECKING:
    from nsynth_vae.data.source import NoteTable
    from nsynth_vae.timbre_model import TimbreModel

COLOURS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#bcbd22", "#17becf", "#14306b"),
    "#7ddc9a",
)
"""One for each family."""
UNKNOWN_COLOUR = "#bbbbbb"
COLOURED_BY = {
    "spectral_centroid": "brightness",
    "log_attack_time": "attack",
    "decay_db_per_second": "decay",
    "tonal_to_noise_db": "tonal to noise",
    "inharmonicity": "inharmonicity",
    "roughness": "roughness",
}
"""The descriptors that a map is coloured by, with their titles."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Map:
    """Notes in two dimensions."""

    model: str
    data: str
    """Name of the notes' source."""
    table: NoteTable
    z: np.ndarray
    """float32 `[notes, latent_dim]`: z_mean."""
    explained: np.ndarray
    """float64 `[2]`: the fractions of the variance of z_mean that the two axes of `pca` explain."""
    pca: np.ndarray
    """float64 `[notes, 2]`."""
    tsne: np.ndarray
    """float64 `[notes, 2]`."""
    descriptors: list[dict[str, float]]
    """Descriptors of each note's audio, see `analysis.descriptors.describe`."""
    clips: list[bytes]
    """The beginnings of the notes, see `map_page.clip`."""
    seed: int

    def projections(self) -> dict[str, np.ndarray]:
        """Return the notes' positions, float64 `[notes, 2]`, by the title of the map."""
        first, second = self.explained
        return {f"PCA ({first:.0%} and {second:.0%} of the variance)": self.pca, "t-SNE": self.tsne}

    def columns(self) -> list[map_page.Column]:
        """Return the labels and descriptors that the notes can be coloured by."""
        table = self.table
        families = [*zip(FAMILIES, COLOURS, strict=True), ("unknown", UNKNOWN_COLOUR)]
        sources = [*zip(SOURCES, COLOURS, strict=False), ("unknown", UNKNOWN_COLOUR)]
        columns = [
            _categories("family", table.instrument_family, families),
            _categories("source", table.instrument_source, sources),
            map_page.Column("pitch", table.pitch.astype(float), unit="MIDI"),
        ]
        for name, title in COLOURED_BY.items():
            values = np.array([each[name] for each in self.descriptors], float)
            columns.append(map_page.Column(title, values, unit=DESCRIPTORS[name].unit))
        return columns

    def save(self, output: str | os.PathLike, *, picture: bool = True) -> None:
        """Write `map.html`, `map.json` and the pictures `map-pca.png` and `map-tsne.png` to a folder.

        Raises:
            InputError: if it cannot be written; nothing is left then.
        """
        table, columns = self.table, self.columns()
        record = {"format_version": 1, "model": self.model, "data": self.data, "seed": self.seed}
        record |= {"explained_variance": self.explained.tolist()}
        record["notes"] = [
            {
                "note_str": table.note_str[row],
                "pitch": int(table.pitch[row]),
                "velocity": int(table.velocity[row]),
                "pca": self.pca[row].tolist(),
                "tsne": self.tsne[row].tolist(),
                "z_mean": self.z[row].tolist(),
                "descriptors": self.descriptors[row],
            }
            for row in range(len(table))
        ]
        count = f"{len(table)} note{'s' * (len(table) > 1)}"
        html = map_page.page(
            f"Map of timbre: {self.model}",
            f"{count} of {len(set(table.instrument_str))} instruments from {self.data}, by their latent vectors in "
            f"{self.model}. The first {map_page.CLIP_SECONDS:g} s of each note are on this page.",
            table.note_str,
            self.projections(),
            columns,
            self.clips,
            map_page.clip_kind(),
        )
        with writing(output, "map.json", record) as folder:
            write_text(folder / "map.html", html)
            if picture:
                from nsynth_vae.rendering import plots

                for name, (title, positions) in zip(("pca", "tsne"), self.projections().items(), strict=True):
                    plots.plot_map(positions, columns, f"{title} of {count}", folder / f"map-{name}.png")


def make_map(
    model: TimbreModel, table: NoteTable, notes: Iterable[tuple[int, np.ndarray]], *, data: str, seed: int = 0
) -> Map:
    """Encode and describe notes, and project their z_mean to two dimensions.

    Args:
        model: the encoder.
        table: the notes' labels.
        notes: (row of `table`, audio float32 `[num_samples]`); rows that are left out are not on the map.
        data: name of their source.
        seed: of t-SNE.

    Raises:
        InputError: if there is no note.
    """
    rows: list[int] = []
    latents, descriptors, clips = [], [], []
    remaining = iter(notes)
    while batch := list(itertools.islice(remaining, BATCH)):
        audio = np.stack([each for _, each in batch])
        rows += (found := [row for row, _ in batch])
        latents.append(model.encode(audio))
        descriptors += describe_all(audio, [int(table.pitch[row]) for row in found], model.config)
        clips += [map_page.clip(each, model.config.sample_rate) for each in audio]
    if not rows:
        raise InputError(f"{data}: no note can be used, expected at least one")
    z = np.concatenate(latents)
    pca, explained = projection.pca(z)
    return Map(
        model=model.name,
        data=data,
        table=table.take(np.array(rows, np.int64)),
        z=z,
        explained=explained,
        pca=pca,
        tsne=projection.tsne(z, seed),
        descriptors=descriptors,
        clips=clips,
        seed=seed,
    )


def _categories(title: str, index: np.ndarray, categories: Sequence[tuple[str, str]]) -> map_page.Column:
    """Return a column of the categories that occur among the notes; unknown, -1, is the last one."""
    present, values = np.unique(np.where(index < 0, len(categories) - 1, index), return_inverse=True)
    return map_page.Column(title, values, tuple(categories[each] for each in present))
