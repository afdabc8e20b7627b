#!/usr/bin/env bash
# Compiles requirements.txt from pyproject.toml's direct dependencies: one lock for Python 3.11 and 3.12 on
# Linux x86_64, Linux aarch64 and macOS arm64 (`environments` in pyproject.toml).
#
#     scripts/lock.sh [more options for uv, such as --upgrade]
#
# Versions that requirements.txt has already are kept where they still fit. Needs uv, which is in
# requirements-dev.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if command -v uv >/dev/null; then
    uv=(uv)
else
    python=python3
    if [ -x .venv/bin/python ]; then python=.venv/bin/python; fi
    uv=("$python" -m uv)
fi
"${uv[@]}" pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header --extra test \
    pyproject.toml --output-file requirements.txt "$@"

# uv puts the supported platforms behind nearly every line. A marker that is true on all of them is useless, and on
# any other machine pip would silently install nothing; without it, pip reports what is missing.
python3 - requirements.txt <<'PYTHON'
import pathlib
import sys

path = pathlib.Path(sys.argv[1])
text = path.read_text(encoding="utf-8")
platforms = [("arm64", "darwin"), ("aarch64", "linux"), ("x86_64", "linux")]
one_of = " or ".join(f"(platform_machine == '{machine}' and sys_platform == '{system}')" for machine, system in platforms)
text = text.replace(f" ; python_full_version < '3.13' and ({one_of})", "").replace("python_full_version < '3.13' and ", "")
temporary = path.with_name(f".{path.name}.tmp")
temporary.write_text(text, encoding="utf-8")
temporary.replace(path)
PYTHON
