#!/usr/bin/env bash
# Builds Fovea in the folder $1 under flags that distributors and parent projects give, and with every clang
# that is installed; each build must give no warning, keep the bits of training, and be usable installed.
# $2 cores. $3 is the archive of `make dist`, which another project fetches and builds at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$1 jobs=$2 archive=$3
mkdir -p "$work"
failed=0

one() { # name, then what cmake is given
    local folder=$work/$1 log=$work/$1.log
    rm -rf "$folder"
    if ! { cmake -S . -B "$folder" "${@:2}" && cmake --build "$folder" -j "$jobs" --target all tests; } >"$log" 2>&1; then
        echo "builds $1: FAILED, see $log"
    elif grep -q 'warning:' "$log"; then
        echo "builds $1: WARNINGS, see $log"
    elif ! (cd "$folder" && ctest --output-on-failure -j "$jobs" -R "$tests") >>"$log" 2>&1; then
        echo "builds $1: TESTS FAILED, see $log"
    else
        echo "builds $1: ok"
        return
    fi
    failed=1
}

tests='^(test_numerics|test_kernels|test_trainer|test_store|test_locale|test_modes|cli_run|cli_output|install)$'
one fast -DCMAKE_C_FLAGS="-Ofast -march=native -ffinite-math-only"
one lto -DCMAKE_C_FLAGS=-flto=auto
one ipo -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON
one native -DCMAKE_C_FLAGS=-march=native
one debug -DCMAKE_BUILD_TYPE=Debug -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON
one assertions -DCMAKE_C_FLAGS_RELEASE=-O3
one plain -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="-O2 -g" -DFOVEA_MPI=OFF
while read -r compiler; do
    one "$compiler" -DCMAKE_C_COMPILER="$compiler"
    one "$compiler-flags" -DCMAKE_C_COMPILER="$compiler" -DCMAKE_C_FLAGS="-O3 -ffast-math -march=native -flto=auto"
done < <(compgen -c clang- | grep -xE 'clang-[0-9]+' | sort -u)
python3 tests/install/subproject.py "$work/plain" "$archive" || failed=1
exit $failed
