"""Build of the wheel, with the shipped models in the package; pyproject.toml has the rest."""

import pathlib
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = {
    "nsynth-small": (
        "config.json",
        "attributes.json",
        "encoder.tflite",
        "decoder.tflite",
        "encoder_int8.tflite",
        "decoder_int8.tflite",
    ),
    "synthesizer": ("config.json", "synthesizer_float16.tflite"),
}
"""Model -> its files that playing needs; the weights for training stay in the repository."""


class BuildWithModels(build_py):
    """Copies the shipped models into the package, where `pretrained` looks for them first."""

    def run(self):
        """Build the modules, then copy; an editable installation finds the models in the clone."""
        super().run()
        if not self.editable_mode:
            for source, target in self._models():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def get_outputs(self, include_bytecode=1):
        """Return what is built, for the wheel's record."""
        copies = [] if self.editable_mode else [str(target) for _, target in self._models()]
        return super().get_outputs(include_bytecode) + copies

    def _models(self):
        here, package = pathlib.Path(__file__).parent, pathlib.Path(self.build_lib, "nsynth_vae")
        paths = [pathlib.Path("models", model, name) for model, names in SHIPPED.items() for name in names]
        return [(here / path, package / path) for path in paths]


setup(cmdclass={"build_py": BuildWithModels})
