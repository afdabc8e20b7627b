"""Mutants of what is given to a model, and of the files that it is made of."""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil

import numpy as np
import soundfile
from campaigns import mutants
from campaigns.target import SHIPPED, Target, check_line, tone

EXPRESSIONS = [
    "violin + bright - dark",
    "0.5*flute + 0.5*(guitar_acoustic_001)",
    '0.25 * "note.wav" + 0.75*organ - 2*(bright - 0.1*noisy)',
    "flute",
]


class LatentVectors(Target):
    """The JSON file of `decode`."""

    json = True

    def make(self) -> list[bytes]:
        rng = np.random.default_rng(0)
        latent_dim = json.loads((SHIPPED / "config.json").read_text())["model"]["latent_dim"]
        notes = [
            {"z": rng.normal(size=latent_dim).round(3).tolist(), "pitch": 60 + i, "velocity": 90} for i in range(2)
        ]
        return [json.dumps({"format_version": 1, "model": "nsynth-small", "notes": notes}).encode()]

    def use(self, mutant: bytes, number: random.Random) -> str:
        from nsynth_vae import decode

        file = self.folder / "z.json"
        file.write_bytes(mutant)
        return self.command(decode.main, str(file), "--no-picture", output="notes")


class Model(Target):
    """A model folder as a wheel has it, with one file that is a mutant; `arithmetic` and `model` open it."""

    file = "config.json"
    json = True

    def make(self) -> list[bytes]:
        self.model = self.folder / "model"
        self.model.mkdir()
        for name in ("config.json", "attributes.json", "encoder.tflite", "decoder.tflite"):
            shutil.copy(SHIPPED / name, self.model / name)
        return [(SHIPPED / self.file).read_bytes()]

    def use(self, mutant: bytes, number: random.Random) -> str:
        from nsynth_vae import arithmetic
        from nsynth_vae.model import __main__ as model

        (self.model / self.file).write_bytes(mutant)
        written = io.StringIO()
        with contextlib.redirect_stderr(written), contextlib.redirect_stdout(written):
            code = model.main(["--model", str(self.model), *number.choice(([], ["--json"]))])
        assert code in (0, 2), written.getvalue()[-1500:]
        return self.command(arithmetic.main, "flute + bright", "--no-picture", "--model", str(self.model), output="sum")


class Attributes(Model):
    file = "attributes.json"


class Tflite(Model):
    file = "decoder.tflite"
    json = False

    def make(self) -> list[bytes]:
        return [*super().make(), (SHIPPED / "encoder.tflite").read_bytes()]


class Weights(Target):
    """`model.weights.h5` and `config.json` of a small model, loaded by Keras."""

    def make(self) -> list[bytes]:
        import small_models

        self.model = small_models.save_model(self.folder / "model", small_models.SMALL)
        self.config = (self.model / "config.json").read_bytes()
        return [(self.model / "model.weights.h5").read_bytes()]

    def use(self, mutant: bytes, number: random.Random) -> str:
        import keras

        from nsynth_vae.errors import InputError
        from nsynth_vae.model.vae import load_model

        config = self.config
        if number.random() < 0.3:
            config, mutant = mutants.mutate_json(config.decode(), number).encode(), self.contents[0]
        (self.model / "config.json").write_bytes(config)
        (self.model / "model.weights.h5").write_bytes(mutant)
        # Keras keeps what earlier models left.
        keras.backend.clear_session()
        try:
            load_model(self.model)
        except InputError as error:
            check_line(str(error))
            return "error"
        return "ok"


class Expressions(Target):
    """Texts of timbres, evaluated with the shipped model."""

    def make(self) -> list[bytes]:
        from nsynth_vae.latent.lookup import TimbreLookup
        from nsynth_vae.timbre_model import open_model

        self.lookup = TimbreLookup(open_model())
        soundfile.write(self.folder / "note.wav", tone(), 22050)
        self.texts = [text.replace("note.wav", str(self.folder / "note.wav")) for text in EXPRESSIONS]
        return []

    def run(self, number: random.Random) -> str:
        from nsynth_vae.errors import InputError
        from nsynth_vae.latent.expression import evaluate

        try:
            timbre = evaluate(mutants.mutate_text(self.texts, number), self.lookup)
        except InputError:
            return "error"
        assert np.isfinite(timbre.z).all()
        return "ok"
