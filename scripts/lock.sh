#!/usr/bin/env bash
# Compiles the locks from pyproject.toml's direct dependencies:
#
#     scripts/lock.sh [more options for uv, such as --upgrade]
#
# requirements.txt       everything: one lock for Python 3.11 and 3.12 on Linux x86_64, Linux aarch64 and macOS arm64
#                        (`environments` in pyproject.toml)
# requirements-play.txt  the player: Python 3.11 to 3.14, Windows as well; the versions of requirements.txt where that
#                        has them, so that an environment of the one can get the other
#
# Versions that the files have already are kept where they still fit. Needs uv, which is in requirements-dev.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if command -v uv >/dev/null; then
    uv=(uv)
else
    python=python3
    if [ -x .venv/bin/python ]; then python=.venv/bin/python; fi
    uv=("$python" -m uv)
fi
compile=("${uv[@]}" pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header pyproject.toml)
"${compile[@]}" --extra train --extra serve --extra test --output-file requirements.txt "$@"

# uv puts the supported platforms behind nearly every line. A marker that is true on all of them says nothing, and on
# any other machine it would make pip install nothing without a word; without it, pip says what is missing.
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

# The same versions where requirements.txt is for; some of these have no wheels for Python 3.13 and 3.14.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -nE "s/^[^ ]+==[^ ]+$/& ; python_version < '3.13'/p" requirements.txt >"$work/constraints.txt"
printf "%s ; python_version >= '3.13'\n" "numpy>=2.3.3" "onnxruntime>=1.24" "ml-dtypes>=0.5.4" >>"$work/constraints.txt"
printf '%s\n' 'constraint-dependencies = ["backports.strenum<1.3", "pillow<13", "python-dateutil<3"]' >"$work/uv.toml"
"${compile[@]}" --config-file "$work/uv.toml" --constraint "$work/constraints.txt" \
    --output-file requirements-play.txt "$@"
