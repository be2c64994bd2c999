#!/usr/bin/env bash
# Holds scores of RULER's prediction files against two programs that carry its metrics: ruler.sh TOOL FOLDER
# The first call downloads both packages into FOLDER (needs the network, 13 MB), without what they depend on.
set -euo pipefail

tool=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
here=$(realpath "$(dirname "$0")")
packages=$folder/ruler-packages

if [ ! -e "$folder/ruler-ready" ]; then
    echo "interop: downloading lm-eval and opencompass into $packages"
    python3 -m pip install --quiet --no-deps --target "$packages" lm-eval==0.4.13 opencompass==0.5.4
    touch "$folder/ruler-ready"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 "$here/ruler_scores.py" "$tool" "$packages" "$work"
