#!/usr/bin/env bash
# Compiles the locks from pyproject.toml's direct dependencies:
#
#     scripts/lock.sh [more options for uv, such as --upgrade]
#
# requirements.txt       everything: one lock for Python 3.11 and 3.12 on Linux x86_64, Linux aarch64 and macOS arm64
#                        (`environments` in pyproject.toml)
# requirements-newest.txt  everything, for Python 3.13: TensorFlow 2.21 and NumPy 2, without tensorflow-io
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

# strip_markers FILE MARKER: removes what is true wherever a lock is for. uv puts it behind nearly every line. It says
# nothing there, and on any other machine it would make pip install nothing without a word; without it, pip says what is
# missing.
strip_markers() {
    python3 - "$@" <<'PYTHON'
import pathlib
import sys

path, marker = pathlib.Path(sys.argv[1]), sys.argv[2]
platforms = [("arm64", "darwin"), ("aarch64", "linux"), ("x86_64", "linux")]
one_of = " or ".join(f"(platform_machine == '{machine}' and sys_platform == '{system}')" for machine, system in platforms)
text = path.read_text(encoding="utf-8")
for always in (f"({one_of})", "sys_platform != 'win32'"):
    text = text.replace(f" ; {marker} and {always}\n", "\n")
temporary = path.with_name(f".{path.name}.tmp")
temporary.write_text(text.replace(f"{marker} and ", ""), encoding="utf-8")
temporary.replace(path)
PYTHON
}
strip_markers requirements.txt "python_full_version < '3.13'"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# NumPy 1 would fit what is asked for. Apache Beam 2.77 takes no protobuf 7, and the limits in pyproject.toml.
printf '%s\n' 'constraint-dependencies = [' '"backports.strenum<1.3", "numpy>=2", "protobuf<7",' \
    '"pillow<13", "pyarrow<26", "python-dateutil<3"]' >"$work/newest.toml"
"${uv[@]}" pip compile --quiet --universal --python-version 3.13 --no-annotate --no-header pyproject.toml \
    --config-file "$work/newest.toml" --extra train --extra serve --extra test --output-file requirements-newest.txt "$@"
strip_markers requirements-newest.txt "python_full_version < '3.14'"

# The same versions where requirements.txt is for; some of these have no wheels for Python 3.13 and 3.14.
sed -nE "s/^[^ ]+==[^ ]+$/& ; python_version < '3.13'/p" requirements.txt >"$work/constraints.txt"
printf "%s ; python_version >= '3.13'\n" "numpy>=2.3.3" "onnxruntime>=1.24" "ml-dtypes>=0.5.4" >>"$work/constraints.txt"
printf '%s\n' 'constraint-dependencies = ["backports.strenum<1.3", "pillow<13", "python-dateutil<3"]' >"$work/uv.toml"
"${compile[@]}" --config-file "$work/uv.toml" --constraint "$work/constraints.txt" \
    --output-file requirements-play.txt "$@"
