#!/usr/bin/env bash
# Fuzzes every parser for $2 seconds, at most $3 at a time, in the build folder $1. What the fuzzers
# learn goes into $1/corpus; tests/fuzz/corpus holds the seeds and whatever was once worth keeping.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 seconds=$2 jobs=$3

compiler=$(command -v clang || compgen -c clang- | grep -m1 -E '^clang-[0-9]+$') ||
    { echo "make fuzz needs clang (Debian and Ubuntu: apt-get install clang)"; exit 1; }
cmake -S . -B "$build" -DCMAKE_C_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Debug -DFOVEA_FUZZ=ON
cmake --build "$build" --target fuzzers -j "$jobs"

# The words that the parsers know, for the fuzzers to put together.
grep -rohE '"[A-Za-z_][A-Za-z0-9_.-]{1,30}"' include/fovea src/base src/config src/lab src/cost \
    src/measures src/claims src/served src/model | sort -u >"$build/words"

fuzz_one() { # name
    mkdir -p "$build/corpus/$1"
    local seeds=("tests/fuzz/corpus/$1")
    # Every experiment file that ships is a seed: a new kind of field is fuzzed from its first use.
    if [ "$1" = experiment ]; then
        mkdir -p "$build/corpus/shipped"
        find experiments -name '*.yaml' -exec cp -t "$build/corpus/shipped" {} +
        seeds+=("$build/corpus/shipped")
    fi
    "$build/tests/fuzz_$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 \
        -dict="$build/words" -artifact_prefix="$build/$1-" -print_final_stats=1 "$build/corpus/$1" "${seeds[@]}" \
        >"$build/$1.log" 2>&1
}

# How many of the places that the compiler watches the inputs reached: few of many is a blind fuzzer.
reached() { # name
    sed -nE 's/.*\(([0-9]+) inline 8-bit counters\).*/\1/p' "$build/$1.log" | head -1 | {
        read -r all
        sed -nE 's/.* cov: ([0-9]+) .*/\1/p' "$build/$1.log" | tail -1 | sed "s/$/ of $all places reached/"
    }
}

finish() { # name, exit code
    if [ "$2" -eq 0 ]; then
        echo "fuzz $1: no finding, $(awk '/number_of_executed_units/ { print $2 }' "$build/$1.log") inputs, $(reached "$1")"
    else
        echo "fuzz $1: FAILED, see $build/$1.log"
        tail -n 30 "$build/$1.log"
    fi
    return "$2"
}

failed=0
running=()
for source in tests/fuzz/*.c; do
    name=$(basename "$source" .c)
    echo "fuzz $name: $seconds seconds"
    (code=0; fuzz_one "$name" || code=$?; finish "$name" "$code") &
    running+=($!)
    if [ ${#running[@]} -ge "$jobs" ]; then
        wait "${running[0]}" || failed=1
        running=("${running[@]:1}")
    fi
done
for pid in "${running[@]}"; do wait "$pid" || failed=1; done
exit $failed
