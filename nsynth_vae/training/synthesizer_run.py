"""Training run of the synthesizer."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from nsynth_vae.config import SynthesisConfig
from nsynth_vae.training import options as training_options
from nsynth_vae.training.model_card import model_card
from nsynth_vae.training.run import TrainingRun, python

if TYPE_CHECKING:
    import numpy as np

    from nsynth_vae.data.batching.audio_batches import AudioNotes
    from nsynth_vae.synthesis.synthesizer import Synthesizer
    from nsynth_vae.training.examples import Examples, Media


DEFAULT_MINUTES = 20.0
"""Training time where no budget is given."""
VALID_NOTES = 128
"""Validation hears at most so many notes: an epoch on few notes takes a minute, and is not to wait for longer."""


@dataclasses.dataclass(frozen=True)
class Options(training_options.Options):
    """What a run needs besides the configuration; nothing here changes what the same steps would learn."""

    memory_cache_mb: float = 1024.0


def train_synthesizer(config: SynthesisConfig, options: Options) -> pathlib.Path:
    """Trains and evaluates one synthesizer.

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


def every_kth(rows: np.ndarray, count: int) -> np.ndarray:
    """Returns every k-th of some rows, with the smallest k that leaves at most `count`."""
    return rows[:: max(1, -(-len(rows) // count))]


class _Run(TrainingRun):
    """A run that trains a `Synthesizer`."""

    default_minutes = DEFAULT_MINUTES
    reading = "Reading notes"
    watched = ("loss", "loss")
    loss_panels = (
        ("loss", "loss"),
        ("mss", "multi-scale spectral distance"),
        ("lsd_db", "log-spectral distance (dB)"),
    )

    def default_name(self) -> str:
        """Returns the name of the model's folder; `synthesizer` itself is that of the one that is shipped."""
        return f"synthesizer-{super().default_name()}"

    def rows_to_open(self, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns all rows of train, and some of valid."""
        return {"train": rows["train"], "valid": every_kth(rows["valid"], VALID_NOTES)}

    def opener(self, count: int) -> Callable[..., AudioNotes]:
        """Returns what opens audio: from memory, or streamed."""
        from nsynth_vae.data.batching.audio_batches import audio_megabytes, open_audio

        config, options = self.config.audio, self.options
        megabytes = audio_megabytes(count, config)
        memory = megabytes <= options.memory_cache_mb
        if not memory:
            needed = f"--memory-cache-mb {megabytes:.0f}"
            print(f"Audio of {megabytes:,.0f} MB is read anew every epoch; {needed} would keep it in memory")
        return functools.partial(open_audio, self.source, config=config, bad_notes=self.bad_notes, memory=memory)

    def make_model(self, config: SynthesisConfig) -> Synthesizer:
        """Makes the model."""
        from nsynth_vae.synthesis.synthesizer import Synthesizer

        return Synthesizer(config)

    def show(self, model: Synthesizer, examples: Examples) -> Media:
        """Returns resyntheses."""
        from nsynth_vae.training import examples as showcase

        return showcase.show_resyntheses(model, examples)

    def write_results(self) -> None:
        """Writes resyntheses beside the originals and Griffin-Lim, and the synthesizer as TFLite."""
        from nsynth_vae.exporters.tflite import export_synthesizer
        from nsynth_vae.pretrained import SYNTHESIZER_TFLITE
        from nsynth_vae.training import examples as showcase

        showcase.write_resyntheses(self.trainer.model, self.examples, self.folder)
        export_synthesizer(self.trainer.model, self.folder / SYNTHESIZER_TFLITE)

    def definitions(self) -> dict[str, str]:
        """Returns the measures' units and what they are."""
        from nsynth_vae.synthesis.losses import DEFINITIONS

        return DEFINITIONS | {"valid": f"means over every k-th validation note, at most {VALID_NOTES} of them"}

    def model_card(self, metrics: dict) -> str:
        """Returns the model folder's README."""
        valid = metrics["valid"]
        heard = f"{len(self.notes['valid'].rows)} of the {metrics['notes']['valid']} validation notes"
        measures = ", ".join(f"{name} {value:.3f}" for name, value in valid.items())
        folder, step = f"models/{self.folder.name}", metrics["training"]["step"]
        return model_card(
            self.config,
            metrics,
            kind="Synthesizer",
            module="nsynth_vae.train_synthesizer",
            results=f"On {heard}, from their own log-mels and pitches:\n{measures}.",
            pictures=f"""\
Hear a note through it, or train the same again:

    python -m nsynth_vae.resynthesize NOTE.wav --model {folder} -o DIR
    python -m nsynth_vae.train_synthesizer --config {folder}/config.json --steps {step} --name NAME

![Originals, Griffin-Lim and the synthesizer](figures/resynthesis.png)
![Losses](figures/losses.png)

Sounds are in `sounds/`: originals, Griffin-Lim and the synthesizer.""",
        )

    def summary(self, metrics: dict) -> str:
        """Returns what is said at the end, after the time taken."""
        folder, valid = self.folder, metrics["valid"]
        measures = ", ".join(f"{name} {value:.3f}" for name, value in valid.items())
        return (
            f"On {len(self.notes['valid'].rows)} validation notes: {measures}.\n"
            f"  model    {folder}\n"
            f"  figures  {folder / 'figures'}\n"
            f"  sounds   {folder / 'sounds'}\n"
            f"Next: listen to {folder / 'sounds'}, look at the training with\n"
            f"  {python()} -m tensorboard.main --logdir {folder / 'logs'}\n"
            f"or put your own note through it with\n"
            f"  {python()} -m nsynth_vae.resynthesize NOTE.wav --model {folder} -o DIR"
        )
