"""Map of notes in two dimensions by their timbre."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.analysis.descriptors import DESCRIPTORS, describe_all
from nsynth_vae.config import AudioConfig, DataConfig
from nsynth_vae.data.source import BadNotes, NoteTable
from nsynth_vae.errors import InputError
from nsynth_vae.files import write_text, writing
from nsynth_vae.latent import projection
from nsynth_vae.notes import FAMILIES, SOURCES
from nsynth_vae.rendering import map_page

if TYPE_CHECKING:
    from nsynth_vae.data.source import Source
    from nsynth_vae.timbre_model import TimbreModel


MAX_NOTES = 1000
"""Notes of a map if nothing else is asked for: a page of some 9 MB."""
COLOURS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#bcbd22", "#17becf", "#14306b"),
    "#7ddc9a",
)
"""One for each family."""
UNKNOWN_COLOUR = "#bbbbbb"
SHOWN = {
    "spectral_centroid": "brightness",
    "log_attack_time": "attack",
    "decay_db_per_second": "decay",
    "tonal_to_noise_db": "tonal to noise",
    "inharmonicity": "inharmonicity",
    "roughness": "roughness",
}
"""The descriptors that a map is coloured by."""
_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Map:
    """Notes in two dimensions."""

    model: str
    data: str
    """What `--data` said."""
    table: NoteTable
    z: np.ndarray
    """float32 `[notes, latent_dim]`: z_mean."""
    explained: np.ndarray
    """float64 `[2]`: the shares of the variance of z_mean that are along the two axes of `pca`."""
    pca: np.ndarray
    """float64 `[notes, 2]`."""
    tsne: np.ndarray
    """float64 `[notes, 2]`."""
    descriptors: list[dict[str, float]]
    """What `descriptors.describe` gives of each note's audio."""
    clips: list[bytes]
    """The beginnings of the notes, as `map_page.clip` makes them."""
    seed: int

    def projections(self) -> dict[str, np.ndarray]:
        """Returns the notes' places, float64 `[notes, 2]`, by the title of the map."""
        first, second = self.explained
        return {f"PCA ({first:.0%} and {second:.0%} of the variance)": self.pca, "t-SNE": self.tsne}

    def columns(self) -> list[map_page.Column]:
        """Returns what the notes can be coloured by."""
        table = self.table
        families = [*zip(FAMILIES, COLOURS, strict=True), ("unknown", UNKNOWN_COLOUR)]
        sources = [*zip(SOURCES, COLOURS, strict=False), ("unknown", UNKNOWN_COLOUR)]
        columns = [
            _categories("family", table.instrument_family, families),
            _categories("source", table.instrument_source, sources),
            map_page.Column("pitch", table.pitch.astype(float), unit="MIDI"),
        ]
        for name, title in SHOWN.items():
            values = np.array([each[name] for each in self.descriptors], float)
            columns.append(map_page.Column(title, values, unit=DESCRIPTORS[name].unit))
        return columns

    def write(self, output: str | os.PathLike) -> None:
        """Writes `map-pca.png`, `map-tsne.png`, `map.html` and `map.json` to a folder.

        Raises:
            InputError: if it cannot be written; nothing is left then.
        """
        from nsynth_vae.rendering import plots

        columns = self.columns()
        record = {"format_version": 1, "model": self.model, "data": self.data, "seed": self.seed}
        record |= {"explained_variance": self.explained.tolist(), "notes": self._records()}
        count = f"{len(self.table)} note{'s' * (len(self.table) > 1)}"
        instruments = f"{len(set(self.table.instrument_str))} instruments"
        html = map_page.page(
            f"Map of timbre: {self.model}",
            f"{count} of {instruments} from {self.data}, where {self.model} has them in its latent space. A note's "
            f"first {map_page.CLIP_SECONDS:g} s are on this page.",
            self.table.note_str,
            self.projections(),
            columns,
            self.clips,
            map_page.clip_kind(),
        )
        with writing(output, "map.json", record) as folder:
            for name, (title, places) in zip(("pca", "tsne"), self.projections().items(), strict=True):
                panels = [
                    (", ".join(filter(None, (one.title, one.unit))), one.values, one.categories, one.limits())
                    for one in columns
                ]
                plots.plot_map(places, panels, f"{title} of {count}", folder / f"map-{name}.png")
            write_text(folder / "map.html", html)

    def _records(self) -> list[dict]:
        table = self.table
        return [
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


def explore(
    model: TimbreModel,
    source: Source,
    rows: np.ndarray | None = None,
    *,
    bad_notes: BadNotes | None = None,
    seed: int = 0,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Map:
    """Encodes and describes notes, and projects their z_mean to two dimensions.

    Args:
        model: that encodes.
        source: where the notes come from; see `data.open`.
        rows: int64 `[n]`, rows of the source's table; None for all.
        bad_notes: what becomes of bad notes; None: the first ends it.
        seed: of t-SNE.
        progress: is told how many of the notes have been read, 0 to 1.

    Raises:
        InputError: if there is no good note.
        BadNoteError: for a bad note, if these end it.
    """
    from nsynth_vae.data.streaming import stream_notes

    rows = np.arange(len(source.table)) if rows is None else rows
    good, z, described, clips = [], [], [], []
    batch: list[np.ndarray] = []

    def encode() -> None:
        if batch:
            z.append(model.encode(np.stack(batch)))
            batch.clear()

    for row, audio in stream_notes(source, rows, lambda note: note["audio"], bad_notes or BadNotes()):
        good.append(row)
        batch.append(audio)
        described += describe_all(audio[None], source.table.pitch[[row]], model.config)
        clips.append(map_page.clip(audio, model.config.sample_rate))
        if len(batch) == _BATCH:
            encode()
        progress(len(good) / len(rows))
    encode()
    if not good:
        raise InputError(f"{source.name}: no note can be used, expected at least one")
    points = np.concatenate(z)
    places, explained = projection.pca(points)
    table = source.table.take(np.array(good, np.int64))
    return Map(
        model.name, source.name, table, points, explained, places, projection.tsne(points, seed), described, clips, seed
    )


def open_rows(
    config: DataConfig,
    split: str,
    audio: AudioConfig,
    *,
    bad_notes: BadNotes,
    data_dir: str | None = None,
    log: Callable[[str], None] = print,
) -> tuple[Source, np.ndarray]:
    """Opens the notes of a map.

    Args:
        config: where they come from, and the filters; without `max_notes` there are at most `MAX_NOTES`.
        split: `train`, `valid` or `test`; `all` takes no notice of splits.
        audio: the sample rate and length that are asked for.
        bad_notes: gets the notes that cannot be used.
        data_dir: TensorFlow Datasets' folder.
        log: gets what a user should know.

    Returns:
        (their source, their rows in its table: int64 `[n]`).

    Raises:
        InputError: if there is no such note.
    """
    from nsynth_vae.data.open_sources import open_sources
    from nsynth_vae.data.splits import select

    source = open_sources(config.data, audio=audio, bad_notes=bad_notes, data_dir=data_dir, log=log)
    table = source.table
    if split == "all":
        table = table.with_split(np.zeros(len(table), np.int8))
        config = dataclasses.replace(config, split_by="source")
    asked = "train" if split == "all" else split
    rows = select(table, config, log=log)[asked]
    if not len(rows):
        raise InputError(f"{source.name}: no note of these is in the split {split}, expected at least one")
    if config.max_notes is None and len(rows) > MAX_NOTES:
        log(f"{MAX_NOTES:,} of {len(rows):,} notes are drawn, of all instruments; --max-notes N takes N")
        rows = select(table, dataclasses.replace(config, max_notes=MAX_NOTES), log=lambda line: None)[asked]
    return source, rows


def _categories(title: str, index: np.ndarray, categories: Sequence[tuple[str, str]]) -> map_page.Column:
    """Returns a column of those categories that there are notes of; unknown, -1, is the last one."""
    there, values = np.unique(np.where(index < 0, len(categories) - 1, index), return_inverse=True)
    return map_page.Column(title, values, tuple(categories[place] for place in there))
