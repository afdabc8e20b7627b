"""Note from an exported TFLite decoder, by numpy and LiteRT: neither TensorFlow nor this package.

python decode_tflite.py exports/tflite/decoder_float16.tflite --pitch 60 --seed 3 -o note.wav
"""

import argparse
import json
import pathlib
import wave

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    """Read or draw a latent vector, decode it, and write a WAV file: mono, 16 bits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a decoder, such as exports/tflite/decoder_float16.tflite")
    parser.add_argument("--z", help="file with the latent vector, .npy or .json (default: a random one)")
    parser.add_argument("--seed", type=int, default=0, help="of the random latent vector (default: 0)")
    for name, default in (("pitch", 60), ("velocity", 100)):
        parser.add_argument(f"--{name}", type=int, choices=range(128), metavar="0..127", default=default)
    parser.add_argument("-o", "--output", default="note.wav", help="default: note.wav")
    options = parser.parse_args()
    at = options.model
    try:
        content = pathlib.Path(at).read_bytes()
        decode = Interpreter(model_content=content, num_threads=1).get_signature_runner("serving_default")
        metadata = read_metadata(content)
        if "audio" not in metadata.get("outputs", ()):
            raise ValueError("found no output audio, expected a decoder of nsynth_vae's export")
        size = metadata["latent_dim"]
        z = np.random.default_rng(abs(options.seed)).normal(size=size)
        if at := options.z:
            z = np.load(at) if at.endswith(".npy") else json.loads(pathlib.Path(at).read_text(encoding="utf-8"))
        z = np.asarray(z, np.float32).reshape(1, -1)
        if z.size != size or not np.isfinite(z).all():
            raise ValueError(f"found {z.size} numbers, expected {size} finite ones")
        at = options.output
        given = {name: np.array([getattr(options, name)], np.int32) for name in ("pitch", "velocity")}
        audio = decode(z=z, **given)["audio"][0]
        with pathlib.Path(at).open("wb") as file, wave.open(file, "wb") as sound:
            sound.setparams((1, 2, metadata["sample_rate"], 0, "NONE", ""))
            sound.writeframes((audio * 32767).round().astype("<i2").tobytes())
    except (OSError, ValueError, TypeError, EOFError) as error:
        parser.exit(2, f"error: {at}: {getattr(error, 'strerror', None) or error}\n")


def read_metadata(content: bytes) -> dict:
    """Return the metadata inside the file: sample rate, sizes, inputs, outputs."""
    model = schema.Model.GetRootAs(content, 0)
    buffers = {model.Metadata(i).Name(): model.Metadata(i).Buffer() for i in range(model.MetadataLength())}
    buffer = buffers.get(b"nsynth_vae.json")
    return {} if buffer is None else json.loads(model.Buffers(buffer).DataAsNumpy().tobytes())


if __name__ == "__main__":
    main()
