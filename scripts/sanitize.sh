#!/usr/bin/env bash
# Builds with assertions and the sanitizers $1 in the folder $2 and runs the tests on $3 cores. With
# "kernels" as $4 only those of the kernels and of what calls them, by each variant that this CPU has.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake -S . -B "$2" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O2 -g" -DFOVEA_SANITIZE="$1"
cmake --build "$2" -j "$3" --target all tests
kernels=${4-}
cd "$2"
# The thread sanitizer's shadow memory does not fit beside the widest address space randomisation.
no_randomisation=()
if setarch -R true 2>/dev/null; then no_randomisation=(setarch -R); fi
# Tests that start no thread have nothing to show to the thread sanitizer.
skip='^$'
[ "$1" != thread ] || skip='test_kernels|double_'
export UBSAN_OPTIONS=print_stacktrace=1
if [ -z "$kernels" ]; then
    exec "${no_randomisation[@]}" ctest --output-on-failure -j "$3" -E "$skip"
fi
for variant in reference portable avx2 avx512 neon; do
    FOVEA_CPU=$variant ./fovea info >/dev/null 2>&1 || continue
    echo "kernels: $variant"
    FOVEA_CPU=$variant "${no_randomisation[@]}" ctest --output-on-failure --timeout 36000 -j "$3" \
        -R '^(test_kernels|test_scan|test_decoder|test_longctx_attention|test_attention_long|test_model|test_trainer|double_.*)$'
done
