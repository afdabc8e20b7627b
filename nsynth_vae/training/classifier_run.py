"""Training run of the classifier."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from nsynth_vae.config import ClassificationConfig
from nsynth_vae.training import options as training_options
from nsynth_vae.training.model_card import model_card
from nsynth_vae.training.run import TrainingRun, python

if TYPE_CHECKING:
    from nsynth_vae.data.batching.audio_batches import AudioNotes
    from nsynth_vae.evaluation.classifier import Classifier
    from nsynth_vae.training.examples import Examples, Media


DEFAULT_MINUTES = 10.0
"""Training time where no budget is given."""


@dataclasses.dataclass(frozen=True)
class Options(training_options.Options):
    """What a run needs besides the configuration; nothing here changes what the same steps would learn."""

    memory_cache_mb: float = 1024.0


def train_classifier(config: ClassificationConfig, options: Options) -> pathlib.Path:
    """Trains and evaluates one classifier.

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
    """A run that trains a `Classifier`."""

    default_minutes = DEFAULT_MINUTES
    reading = "Reading notes"
    watched = ("loss", "loss")
    loss_panels = (
        ("loss", "loss (nats a note)"),
        ("pitch_accuracy", "pitch, exact"),
        ("family_accuracy", "family"),
        ("source_accuracy", "source"),
    )

    def default_name(self) -> str:
        """Returns the name of the model's folder; `classifier` itself is that of the one that is shipped."""
        return f"classifier-{super().default_name()}"

    def opener(self, count: int) -> Callable[..., AudioNotes]:
        """Returns what opens audio and labels: from memory, or streamed."""
        from nsynth_vae.data.batching.audio_batches import audio_megabytes, open_audio
        from nsynth_vae.evaluation.classifier import LABELS

        config, options = self.config.audio, self.options
        megabytes = audio_megabytes(count, config)
        memory = megabytes <= options.memory_cache_mb
        if not memory:
            needed = f"--memory-cache-mb {megabytes:.0f}"
            print(f"Audio of {megabytes:,.0f} MB is read anew every epoch; {needed} would keep it in memory")
        return functools.partial(
            open_audio, self.source, config=config, bad_notes=self.bad_notes, memory=memory, labels=tuple(LABELS)
        )

    def make_model(self, config: ClassificationConfig) -> Classifier:
        """Makes the model."""
        from nsynth_vae.evaluation.classifier import Classifier

        return Classifier(config)

    def show(self, model: Classifier, examples: Examples) -> Media:
        """Returns nothing: a classifier makes neither pictures nor sounds."""
        from nsynth_vae.training.examples import Media

        return Media({}, {})

    def write_results(self) -> None:
        """Writes which families are taken for which."""
        import numpy as np

        from nsynth_vae.notes import FAMILIES
        from nsynth_vae.rendering import plots

        notes, classifier = self.notes["valid"], self.trainer.model
        taken = np.zeros([len(FAMILIES)] * 2, np.int64)
        for batch in notes.checked(notes.batches(self.config.train.batch_size)):
            told = classifier(batch["audio"])["instrument_family"].numpy().argmax(axis=1)
            family = batch["instrument_family"].numpy()
            np.add.at(taken, (family[family >= 0], told[family >= 0]), 1)
        plots.plot_confusion(taken, FAMILIES, self.folder / "figures" / "families.png")

    def definitions(self) -> dict[str, str]:
        """Returns the measures' units and what they are."""
        from nsynth_vae.evaluation.classifier import DEFINITIONS

        return DEFINITIONS

    def model_card(self, metrics: dict) -> str:
        """Returns the model folder's README."""
        folder, step = f"models/{self.folder.name}", metrics["training"]["step"]
        return model_card(
            self.config,
            metrics,
            kind="Classifier",
            module="nsynth_vae.train_classifier",
            results=f"On {metrics['notes']['valid']} validation notes:\n{_listed(metrics['valid'])}.",
            pictures=f"""\
Measure a timbre model with it, or train the same again:

    python -m nsynth_vae.evaluate --classifier {folder}
    python -m nsynth_vae.train_classifier --config {folder}/config.json --steps {step} --name NAME

![Which families are taken for which](figures/families.png)
![Losses](figures/losses.png)

It tells notes of single instruments as in its data, and nothing else.""",
        )

    def summary(self, metrics: dict) -> str:
        """Returns what is said at the end, after the time taken."""
        folder = self.folder
        return (
            f"On {metrics['notes']['valid']} validation notes: {_listed(metrics['valid'])}.\n"
            f"  model    {folder}\n"
            f"  figures  {folder / 'figures'}\n"
            f"Next: look at the training with\n"
            f"  {python()} -m tensorboard.main --logdir {folder / 'logs'}\n"
            f"or measure a timbre model with it by\n"
            f"  {python()} -m nsynth_vae.evaluate --classifier {folder}"
        )


def _listed(valid: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in valid.items())
