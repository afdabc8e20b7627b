"""Plays a place in the timbre space with an exported decoder: numpy and LiteRT, neither TensorFlow nor this package.

python decode_tflite.py exports/tflite/decoder_float16.tflite --pitch 60 --seed 3 -o note.wav
"""

import argparse
import json
import wave

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    """Reads z or draws one, decodes it, writes a WAV file: mono, 16 bits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a decoder, such as exports/tflite/decoder_float16.tflite")
    parser.add_argument("--z", help="file with the place, .npy or .json: latent_dim numbers (default: a random place)")
    parser.add_argument("--seed", type=int, default=0, help="of the random place (default: 0)")
    for name, default in (("pitch", 60), ("velocity", 100)):
        parser.add_argument(f"--{name}", type=int, choices=range(128), metavar="0..127", default=default)
    parser.add_argument("-o", "--output", default="note.wav", help="default: note.wav")
    options = parser.parse_args()
    at = options.model
    try:
        with open(at, "rb") as file:
            content = file.read()
        decode = Interpreter(model_content=content, num_threads=1).get_signature_runner("serving_default")
        facts = read_facts(content)
        if "audio" not in facts.get("outputs", ()):
            raise ValueError("found no output audio, expected a decoder of nsynth_vae's export")
        size, z = facts["latent_dim"], np.random.default_rng(abs(options.seed)).normal(size=facts["latent_dim"])
        if at := options.z:
            z = np.load(at) if at.endswith(".npy") else json.load(open(at, encoding="utf-8"))
        z = np.asarray(z, np.float32).reshape(1, -1)
        if z.size != size or not np.isfinite(z).all():
            raise ValueError(f"found {z.size} numbers, expected {size} finite ones")
        at = options.output
        given = {name: np.array([getattr(options, name)], np.int32) for name in ("pitch", "velocity")}
        audio = decode(z=z, **given)["audio"][0]
        with open(at, "wb") as file, wave.open(file, "wb") as sound:
            sound.setparams((1, 2, facts["sample_rate"], 0, "NONE", ""))
            sound.writeframes((audio * 32767).round().astype("<i2").tobytes())
    except (OSError, ValueError, TypeError, EOFError) as error:
        parser.exit(2, f"error: {at}: {getattr(error, 'strerror', None) or error}\n")


def read_facts(content: bytes) -> dict:
    """Returns what the exporter wrote into the file: sample rate, sizes, inputs, outputs."""
    model = schema.Model.GetRootAs(content, 0)
    places = {model.Metadata(i).Name(): model.Metadata(i).Buffer() for i in range(model.MetadataLength())}
    place = places.get(b"nsynth_vae.json")
    return {} if place is None else json.loads(model.Buffers(place).DataAsNumpy().tobytes())


if __name__ == "__main__":
    main()
