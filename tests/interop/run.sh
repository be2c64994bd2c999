#!/usr/bin/env bash
# Opens exported checkpoints in other programs, and holds recurrences against theirs: run.sh TOOL FOLDER
# The first call makes a virtual environment in FOLDER (needs the network, about 6 GB).
set -euo pipefail

tool=$(realpath "$1")
library=$(realpath "$(dirname "$tool")/libfovea.so")
mkdir -p "$2"
folder=$(realpath "$2")
here=$(realpath "$(dirname "$0")")
python=$folder/venv/bin/python

if ! cmp -s "$here/requirements.txt" "$folder/ready"; then
    echo "interop: installing TransformerLens, safetensors and flash-linear-attention into $folder (about 6 GB, once)"
    [ -x "$python" ] || python3 -m venv "$folder/venv"
    "$python" -m pip install --quiet -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$folder/ready"
fi

# name, then what it changes in model.yaml
models=(
    "residual"
    "blocks model.layers='[attention, mlp, attention, mlp]' model.bias=true model.norm=layer"
    "uneven model.layers='[attention, attention, mlp, mlp]' model.norm=rms model.d_mlp=5"
    "relu model.layers='[mlp, attention]' model.activation=relu model.positions=sinusoidal"
    "silu model.layers='[attention, mlp]' model.activation=silu model.bias=true"
    "swiglu model.layers='[attention, mlp]' model.activation=swiglu model.norm=rms"
    "geglu model.layers='[attention, mlp]' model.activation=geglu"
    "sandwich model.layers='[attention, mlp]' model.norm=layer model.norm_place=sandwich"
    "tied model.tied=true model.positions=none task.offset=0"
    "posts model.layers='[attention]' model.residual=false model.positions=none task.offset=0"
    "deep model.residual=false model.layers='[attention, mlp, attention]' model.bias=true"
)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
exports=()
for model in "${models[@]}"; do
    words=()
    eval "words=($model)"
    name=${words[0]}
    out=$work/$name
    id=$("$tool" run "$here/model.yaml" "${words[@]:1}" --out "$out" --json 2>"$work/log" |
        "$python" -c 'import json, sys; print(json.loads(sys.stdin.readline())["run_id"])') ||
        { cat "$work/log"; exit 1; }
    "$tool" export "$out/$id" --format safetensors --out "$work/$name.safetensors" >/dev/null 2>&1
    "$tool" export "$out/$id" --format safetensors --widen --out "$work/$name.lens.safetensors" \
        >/dev/null
    exports+=("$work/$name.safetensors" "$work/$name.lens.safetensors")
done

"$python" "$here/safetensors_check.py" "${exports[@]}"
for model in "${models[@]}"; do
    name=${model%% *}
    "$python" "$here/transformerlens_check.py" "$library" "$work/$name.safetensors" \
        "$work/$name.lens.safetensors" 2>"$work/log" || { cat "$work/log"; exit 1; }
done
"$python" "$here/recurrences_check.py" "$library"
"$python" "$here/trajectory_check.py" "$tool"
echo "interop: all files open elsewhere and compute the same"
