"""Subject of a training run, and its folder while it runs."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from nsynth_vae.config import AnyConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import check_working_directory, exclusive_lock, expand
from nsynth_vae.training import cluster
from nsynth_vae.training.cluster import Cluster
from nsynth_vae.training.options import Options, VaeOptions
from nsynth_vae.training.resume import check_folder, default_folder_name

if TYPE_CHECKING:
    import keras

    from nsynth_vae.nn.trainable_model import TrainableModel
    from nsynth_vae.training.examples import Examples, Rendering


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A run's subject: the model, the settings, and the measures that are reported."""

    kind: str
    """Kind of model, in words."""
    command: str
    """The module of `nsynth_vae` that trains it."""
    config: AnyConfig
    options: Options
    name_prefix: str = ""
    """Start of the default name of the folder."""
    make_model: Callable[[], TrainableModel]
    """Makes the model, not yet built; see `Trainer`."""
    render: Callable[[keras.Model, Examples], Rendering] | None = None
    """Renders examples for TensorBoard."""
    rendering: str = ""
    """Name of the renderings."""
    watched: tuple[str, str] = ("loss", "loss")
    """The loss that the progress shows, and its name in words."""
    loss_panels: Sequence[tuple[str, str]]
    """(loss, title) of each panel of `figures/losses.png`."""
    definitions: Mapping[str, str]
    """Measure -> its unit and definition."""
    started: float = dataclasses.field(default_factory=time.monotonic)

    @property
    def folder(self) -> pathlib.Path:
        """The model folder."""
        name = self.options.name or self.name_prefix + default_folder_name(self.config)
        return expand(self.options.models) / expand(name)


@contextlib.contextmanager
def open_folder(task: Task) -> Iterator[Cluster | None]:
    """Join the cluster, check the run's folder as `check_folder` does, and hold its lock in the block.

    Only the chief of a cluster needs the folder, and locks it.

    Yields:
        The cluster; None if the run is finished already.

    Raises:
        InputError: if the folder cannot take the run, or another run writes to it; as `cluster.joined`.
    """
    options, folder = task.options, task.folder
    check_working_directory(options.models, "--models")
    if isinstance(options, VaeOptions):
        check_working_directory(options.exports, "--exports")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: found a file, expected a folder or a new name (--name)")
    try:
        os.fspath(folder).encode()
    except UnicodeEncodeError as error:
        # TensorFlow takes no such paths, which a run would find out at its end.
        raise InputError(f"{folder}: is not UTF-8, expected a folder whose name is") from error
    with cluster.joined(options.strategy) as members:
        if not members.is_chief:
            yield members if members.share(False) else None
            return
        with exclusive_lock(folder, task.command, wait=False):
            needed = check_folder(folder, task.config, resume=options.resume, budget=options.requested_budget)
            if needed:
                print(f"Training {folder} on {', '.join(task.config.data.data)} with {os.cpu_count()} CPU cores")
            yield members if members.share(needed) else None
