"""Runs the pad's modules in Node.js, with JSON in and out."""

from __future__ import annotations

import base64
import json
import pathlib
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

SOURCE = pathlib.Path(__file__).parents[2] / "nsynth_vae" / "web" / "src"

NODE = shutil.which("node")

needs_node = pytest.mark.skipif(NODE is None, reason="no Node.js")

PRELUDE = """
import { readFileSync, writeFileSync } from "node:fs";
const given = JSON.parse(readFileSync(0, "utf8"));
const floats = (text) => new Float64Array(new Uint8Array(Buffer.from(text, "base64")).buffer);
const packed = (values) => Buffer.from(Float64Array.from(values).buffer).toString("base64");
"""


def run(code: str, given: Any = None, *modules: str) -> Any:
    """Return what a function body returns, JSON, with the names of modules of web/src imported as `module.name`.

    Args:
        code: of the body; it has `given`, `floats(...)` for what `pack` has packed, and `packed(...)` for `unpack`.
        given: JSON-ready.
        modules: names of the modules.
    """
    imports = "\n".join(f'import * as {module} from "{(SOURCE / module).as_uri()}.js";' for module in modules)
    text = f"{PRELUDE}{imports}\nconst found = await (async () => {{ {code} }})();\n"
    text += "writeFileSync(1, JSON.stringify(found ?? null));"
    assert NODE
    result = subprocess.run(
        [NODE, "--input-type=module", "--eval", text],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def pack(values: np.ndarray) -> str:
    """Return an array for `floats` in JavaScript."""
    return base64.b64encode(np.asarray(values, "<f8").tobytes()).decode()


def unpack(text: str) -> np.ndarray:
    """Return the array of `packed` in JavaScript, float64."""
    return np.frombuffer(base64.b64decode(text), "<f8")
