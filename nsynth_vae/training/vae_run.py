"""Training run of the VAE."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from nsynth_vae import pretrained
from nsynth_vae.config import Config
from nsynth_vae.files import write_text
from nsynth_vae.training import options as training_options
from nsynth_vae.training.model_card import model_card
from nsynth_vae.training.run import TrainingRun, python

if TYPE_CHECKING:
    import numpy as np

    from nsynth_vae.data.batching.feature_batches import SplitFeatures
    from nsynth_vae.model.vae import VAE
    from nsynth_vae.training.examples import Examples, Media


DEFAULT_MINUTES = 6.0
"""Training time where no budget is given: with all the rest, below ten minutes on two cores."""
DEFINITIONS = {
    "loss": "nats a note: reconstruction_loss + beta * kl_loss",
    "reconstruction_loss": "nats a note: negative log-likelihood of the log-mel, Laplace with one learnt scale",
    "kl_loss": "nats a note: KL divergence of the posterior from N(0, 1)",
    "log_mel_l1": "nats: mean |difference| of ln(mel + log_offset), in validation from a note's own z_mean",
    "active_dimensions": "latent dimensions whose z_mean has a variance above 0.01 over the notes",
}


@dataclasses.dataclass(frozen=True)
class Options(training_options.Options):
    """What a run needs besides the configuration; nothing here changes what the same steps would learn."""

    exports: pathlib.Path = pathlib.Path("exports")
    cache_dir: str | None = None


def train(config: Config, options: Options) -> pathlib.Path:
    """Trains, evaluates and exports one model.

    Args:
        config: decides what is learnt.
        options: where from and where to, and for how long.

    Returns:
        The model folder.

    Raises:
        InputError: for bad input; nothing half-written is left.
        KeyboardInterrupt: after Ctrl-C, with what is to be done to go on.
    """
    return _Run(config, options).run()


class _Run(TrainingRun):
    """A run that trains and exports a `VAE`."""

    default_minutes = DEFAULT_MINUTES
    reading = "Computing features"
    watched = ("log_mel_l1", "log-mel L1")
    loss_panels = (
        ("reconstruction_loss", "reconstruction (nats a note)"),
        ("log_mel_l1", "log-mel L1 (nats)"),
        ("kl_loss", "KL (nats a note)"),
    )

    def rows_to_open(self, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the rows that are opened: to the training notes, transposed copies are added."""
        from nsynth_vae.data.readers.transposed import with_transposed

        opened = super().rows_to_open(rows)
        self.instruments = set(self.source.table.instrument_str[rows["train"]])
        copies, seed = self.config.model.transposed_copies, self.config.train.seed
        if copies:
            self.source, opened["train"] = with_transposed(self.source, rows["train"], copies, seed)
        return opened

    def opener(self, count: int) -> Callable[..., SplitFeatures]:
        """Returns what opens features: from memory, from disk, or streamed."""
        from nsynth_vae.data.batching.feature_batches import feature_megabytes, open_features

        config, options = self.config.audio, self.options
        megabytes = feature_megabytes(count, config)
        memory = megabytes <= options.memory_cache_mb
        if options.cache_dir is None and not memory:
            print(f"Features of {megabytes:,.0f} MB are computed anew every epoch; --cache-dir DIR would keep them")
        return functools.partial(
            open_features,
            self.source,
            audio=config,
            bad_notes=self.bad_notes,
            memory=memory,
            cache_dir=options.cache_dir,
        )

    def make_model(self, config: Config) -> VAE:
        """Makes the model."""
        from nsynth_vae.model.vae import VAE

        return VAE(config)

    def batch_options(self) -> Mapping[str, object]:
        """Returns how notes are paired and blended."""
        model = self.config.model
        return {"cross_note_share": model.cross_note_share, "blended_share": model.blended_share}

    def show(self, model: VAE, examples: Examples) -> Media:
        """Returns reconstructions."""
        from nsynth_vae.training import examples as showcase

        return showcase.show_reconstructions(model, examples)

    def write_results(self) -> None:
        """Writes reconstructions, a morph, the latent space's centroids, and the exports."""
        from nsynth_vae.exporters.model_export import export_model
        from nsynth_vae.training import examples as showcase

        vae, folder = self.trainer.model, self.folder
        showcase.write_reconstructions(vae, self.examples, folder)
        showcase.write_morph(vae, self.examples, folder)
        centroids = showcase.latent_centroids(
            vae, self.notes["train"], self.config.train.batch_size, instruments=self.instruments
        )
        write_text(folder / pretrained.ATTRIBUTES, json.dumps(centroids, separators=(",", ":")) + "\n")
        print("Exporting")
        self.exported = export_model(
            vae, self.config, self.options.exports, report=lambda line: print(f"  {line}"), model=folder
        )

    def definitions(self) -> dict[str, str]:
        """Returns the measures' units and what they are."""
        return DEFINITIONS

    def model_card(self, metrics: dict) -> str:
        """Returns the model folder's README."""
        valid = metrics["valid"]
        active = f"{valid['active_dimensions']} of {self.config.model.latent_dim}"
        return model_card(
            self.config,
            metrics,
            kind="Timbre model",
            module="nsynth_vae.train",
            results=f"""\
On the validation notes, decoded from their own z_mean: log-mel L1 {valid["log_mel_l1"]:.3f} nats,
KL {valid["kl_loss"]:.1f} nats, {active} latent dimensions active.""",
            pictures="""\
![Originals and reconstructions](figures/reconstructions.png)
![A morph](figures/interpolation.png)
![Losses](figures/losses.png)

Sounds are in `sounds/`.""",
        )

    def summary(self, metrics: dict) -> str:
        """Returns what is said at the end, after the time taken."""
        folder, exported, valid = self.folder, self.exported, metrics["valid"]
        return (
            f"On {metrics['notes']['valid']} validation notes: log-mel L1 "
            f"{valid['log_mel_l1']:.2f} nats, KL {valid['kl_loss']:.0f} nats, {valid['active_dimensions']} of "
            f"{self.config.model.latent_dim} latent dimensions active.\n"
            f"  model    {folder}\n"
            f"  figures  {folder / 'figures'}\n"
            f"  sounds   {folder / 'sounds'}\n"
            f"  exports  {exported['encoder']}, {exported['decoder']}, {exported['decoder_float32'].parent}\n"
            f"Next: listen to {folder / 'sounds' / 'morph.wav'}, look at the training with\n"
            f"  {python()} -m tensorboard.main --logdir {folder / 'logs'}\n"
            f"or train on your own samples with\n"
            f"  {python()} -m nsynth_vae.train --data FOLDER"
        )
