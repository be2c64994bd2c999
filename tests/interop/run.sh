#!/usr/bin/env bash
# Opens exported checkpoints in other programs, and holds attention and recurrences against theirs:
# run.sh TOOL FOLDER
# The first call makes a virtual environment in FOLDER (needs the network, about 6 GB).
set -euo pipefail

tool=$(realpath "$1")
library=$(realpath "$(dirname "$tool")/libfovea.so")
mkdir -p "$2"
folder=$(realpath "$2")
here=$(realpath "$(dirname "$0")")
python=$folder/venv/bin/python

if ! cmp -s "$here/requirements.txt" "$folder/ready"; then
    echo "interop: installing TransformerLens, transformers, safetensors and flash-linear-attention into $folder (about 6 GB, once)"
    [ -x "$python" ] || python3 -m venv "$folder/venv"
    "$python" -m pip install --quiet -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$folder/ready"
fi

# name, then what it changes in model.yaml: models for safetensors, TransformerLens and plain PyTorch
models=(
    "residual"
    "blocks model.layers='[attention, mlp, attention, mlp]' model.bias=true model.norm=layer"
    "uneven model.layers='[attention, attention, mlp, mlp]' model.norm=rms model.d_mlp=5"
    "relu model.layers='[mlp, attention]' model.activation=relu model.positions=sinusoidal"
    "silu model.layers='[attention, mlp]' model.activation=silu model.bias=true"
    "swiglu model.layers='[attention, mlp]' model.activation=swiglu model.norm=rms"
    "geglu model.layers='[attention, mlp]' model.activation=geglu"
    "sandwich model.layers='[attention, mlp]' model.norm=rms model.norm_place=sandwich"
    "tied model.tied=true model.positions=none task.offset=0"
    "posts model.layers='[attention]' model.residual=false model.positions=none task.offset=0"
    "deep model.residual=false model.layers='[attention, mlp, attention]' model.bias=true"
    "rope model.positions=rope"
    "rope-part model.positions=rope model.rope_pairs=interleaved model.rope_width=2 model.residual=false"
    "rope-linear model.positions=rope model.rope_scaling=linear model.rope_factor=4"
    "rope-ntk model.positions=rope model.rope_scaling=ntk model.rope_factor=4"
    "alibi model.positions=alibi"
    "gqa model.n_kv_head=1 model.layers='[attention, mlp, mlp]'"
    "qk_norm model.qk_norm=head model.n_kv_head=1 model.positions=rope"
    "soft_cap model.soft_cap=3"
    "sinks model.sink_logit=learned model.layers='[mlp, attention]'"
    "off-by-one model.sink_logit=zero"
    "window model.layers='[attention(window=3), attention, mlp, attention(window=3)]'"
    "all model.positions=rope model.n_kv_head=1 model.qk_norm=head model.soft_cap=20 \
        model.sink_logit=learned model.norm=rms model.activation=swiglu model.layers='[attention, mlp]'"
)
# for TransformerLens, and not for the recipe
lens_alone=(
    "rope-yarn model.positions=rope model.rope_scaling=yarn model.rope_factor=4"
    "rope-llama3 model.positions=rope model.rope_scaling=llama3 model.rope_factor=4 model.rope_original=64"
)
# for the recipe, and what TransformerLens lacks of them
recipe_alone=(
    "gate=model.gate model.gate=head"
    "gates=model.gate model.gate=feature model.bias=true"
    "qk_vector=model.qk_norm model.qk_norm=vector model.n_kv_head=1"
    "alibi-3=model.n_head model.positions=alibi model.n_head=3 model.n_embd=12"
    "token-sinks=model.sinks model.layers='[attention(window=2 sinks=1), attention]'"
    "windows=model.window model.layers='[attention(window=2), attention(window=3)]'"
    "mixed=model.n_kv_head model.layers='[attention(n_kv_head=1), attention(soft_cap=2 qk_norm=head), attention]'"
    "relu2=model.activation model.layers='[attention, mlp]' model.activation=relu2"
    "post=model.norm_place model.norm=layer model.norm_place=post model.layers='[attention, mlp]'"
    "both-sides=model.norm_place model.norm=layer model.norm_place=sandwich model.layers='[attention, mlp]'"
    "output=model.norm_place model.norm=rms model.norm_place=output model.layers='[attention, mlp]'"
)
# as transformers' models of a family, which have all the parts of one
llama="model.positions=rope model.norm=rms model.activation=swiglu model.layers='[attention, mlp, attention, mlp]' \
    model.n_embd=16 task.context_length=12"
families=(
    "llama=plain $llama"
    "llama=gqa $llama model.n_kv_head=1"
    "llama=linear $llama model.rope_scaling=linear model.rope_factor=4"
    "llama=ntk $llama model.rope_scaling=ntk model.rope_factor=4"
    "llama=yarn $llama model.rope_scaling=yarn model.rope_factor=4"
    "llama=llama3 $llama model.rope_scaling=llama3 model.rope_factor=4 model.rope_original=64"
    "qwen3=qwen3 $llama model.n_kv_head=1 model.qk_norm=head"
    "olmo2=olmo2 $llama model.n_head=4 model.n_kv_head=2 model.qk_norm=vector model.norm_place=output"
    "gemma2=gemma2 $llama model.soft_cap=2 model.norm_place=sandwich model.activation=geglu"
    "gpt_oss=gpt_oss model.positions=rope model.norm=rms model.n_embd=16 model.n_head=4 model.n_kv_head=2 \
        model.sink_logit=learned task.context_length=12"
)
# what opens in transformers, as a folder
folders=(
    "hf-gpt2 model.layers='[attention, mlp, attention, mlp]' model.bias=true model.norm=layer"
    "hf-gpt2-uneven model.layers='[mlp, attention, attention, mlp]' model.norm=layer model.activation=silu \
        model.positions=sinusoidal"
    "hf-gpt2-tied model.layers='[attention, mlp]' model.norm=layer model.tied=true model.positions=none task.offset=0"
    "hf-llama $llama model.n_kv_head=1"
    "hf-llama-bias $llama model.bias=true model.activation=geglu model.rope_scaling=ntk model.rope_factor=4"
    "hf-llama-yarn $llama model.rope_scaling=yarn model.rope_factor=4"
    "hf-llama-llama3 $llama model.rope_scaling=llama3 model.rope_factor=4 model.rope_original=64 \
        model.layers='[attention, attention, mlp]'"
    "hf-qwen3 $llama model.qk_norm=head model.n_kv_head=1"
    "hf-mamba model.layers='[mamba, mamba]' model.norm=rms model.positions=none"
)
# for neither
neither=(
    "euclidean=model.score model.score=euclidean"
    "sparsemax=model.normaliser model.normaliser=sparsemax"
    "topk=model.selector model.selector=topk model.selector_k=2"
    "one-topk=model.selector model.layers='[attention(selector=topk selector_k=2), attention]'"
    "exclude_self=model.exclude_self model.exclude_self=true"
    "harmonic=model.readout model.readout=harmonic"
    "mamba=layer model.layers='[attention, mamba]'"
)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
exports=() lens=() recipes=() refused=()

# train NAME [key=value ...]: model.yaml with these, exported for Fovea as NAME.safetensors
train() {
    local name=$1 id
    shift
    id=$("$tool" run "$here/model.yaml" "$@" --out "$work/$name" --json 2>"$work/log" |
        "$python" -c 'import json, sys; print(json.loads(sys.stdin.readline())["run_id"])') ||
        { cat "$work/log"; exit 1; }
    run=$work/$name/$id
    "$tool" export "$run" --format safetensors --out "$work/$name.safetensors" >/dev/null 2>&1
}

# refused FIELD: TransformerLens has no such part, and the export says so by its name
lens_refuses() {
    if "$tool" export "$run" --format safetensors --widen --out "$work/refused" >/dev/null \
        2>"$work/log"; then
        echo "interop: $1 was exported for TransformerLens"
        exit 1
    fi
    grep -qF "$1" "$work/log" || { echo "interop: $1 was not named:"; cat "$work/log"; exit 1; }
}

for model in "${models[@]}" "${lens_alone[@]}"; do
    eval "words=($model)"
    train "${words[@]}"
    name=$work/${words[0]}
    "$tool" export "$run" --format safetensors --widen --out "$name.lens.safetensors" >/dev/null
    exports+=("$name.safetensors" "$name.lens.safetensors")
    lens+=("$name")
done
for model in "${models[@]}"; do recipes+=("$work/${model%% *}.safetensors"); done
for model in "${lens_alone[@]}"; do refused+=("$work/${model%% *}.safetensors=rope_scaling"); done
for model in "${recipe_alone[@]}" "${neither[@]}"; do
    eval "words=($model)"
    field=${words[0]#*=}
    words[0]=${words[0]%%=*}
    train "${words[@]}"
    lens_refuses "$field"
    exports+=("$work/${words[0]}.safetensors")
    case " ${recipe_alone[*]} " in
    *" ${words[0]}=$field "*) recipes+=("$work/${words[0]}.safetensors") ;;
    *) refused+=("$work/${words[0]}.safetensors=$field") ;;
    esac
done

theirs=()
for model in "${families[@]}"; do
    eval "words=($model)"
    family=${words[0]%%=*}
    words[0]=theirs-${words[0]#*=}
    train "${words[@]}"
    theirs+=("$family=$work/${words[0]}.safetensors")
done

hf=()
for model in "${folders[@]}"; do
    eval "words=($model)"
    train "${words[@]}"
    "$tool" export "$run" --format hf --out "$work/${words[0]}.hf" >/dev/null
    hf+=("$work/${words[0]}")
done

"$python" "$here/safetensors_check.py" "${exports[@]}"
"$python" "$here/hf_check.py" "$library" "${hf[@]}"
docs=$here/../../docs/checkpoints.md
"$python" "$here/torch_check.py" "$library" "$docs" "${recipes[@]}"
"$python" "$here/torch_check.py" --refused "$docs" "${refused[@]}"
"$python" "$here/transformers_check.py" "$library" "${theirs[@]}"
"$python" "$here/transformerlens_check.py" "$library" "${lens[@]}" 2>"$work/log" ||
    { cat "$work/log"; exit 1; }
"$python" "$here/recurrences_check.py" "$library"
"$python" "$here/trajectory_check.py" "$tool"
echo "interop: all files open elsewhere and compute the same"
