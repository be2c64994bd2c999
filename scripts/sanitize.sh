#!/usr/bin/env bash
# Builds with assertions and the sanitizers $1 in the folder $2 and runs the tests on $3 cores.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake -S . -B "$2" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O2 -g" -DFOVEA_SANITIZE="$1"
cmake --build "$2" -j "$3"
cd "$2"
# The thread sanitizer's shadow memory does not fit beside the widest address space randomisation.
no_randomisation=()
if setarch -R true 2>/dev/null; then no_randomisation=(setarch -R); fi
# Tests that start no thread have nothing to show to the thread sanitizer.
skip='^$'
[ "$1" != thread ] || skip='test_kernels|double_'
UBSAN_OPTIONS=print_stacktrace=1 "${no_randomisation[@]}" ctest --output-on-failure -j "$3" -E "$skip"
