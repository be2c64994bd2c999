#!/usr/bin/env bash
# Times Fovea's training steps beside PyTorch's and JAX's: run.sh TOOL FOLDER [options of bench.py]
# The first call makes a virtual environment in FOLDER with the current CPU versions of both.
set -euo pipefail

tool=$(realpath "$1")
folder=$2
shift 2
here=$(realpath "$(dirname "$0")")

if [ ! -e "$folder/ready" ]; then
    echo "peers: installing PyTorch and JAX into $folder (about 5 GB, once)"
    python3 -m venv "$folder" || {
        echo "peers: python3 cannot make virtual environments (Debian and Ubuntu: python3-venv)"
        exit 1
    }
    "$folder/bin/pip" install --quiet --upgrade pip
    "$folder/bin/pip" install --quiet --upgrade -r "$here/requirements.txt"
    touch "$folder/ready"
fi
command -v g++ >/dev/null || {
    echo "peers: torch.compile needs a C++ compiler (Debian and Ubuntu: g++)"
    exit 1
}
exec "$folder/bin/python" "$here/bench.py" "$tool" --out "$folder" "$@"
