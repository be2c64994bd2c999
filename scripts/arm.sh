#!/usr/bin/env bash
# Cross-compiles Fovea for 64-bit Arm in the folder $1 on $2 cores and runs its unit and double tests under
# qemu-user; then holds the bits of NEON against those of AVX2 or AVX-512, and those of the portable kernels
# against this processor's, by the tests of the build in the folder $3. LIBM_ARGUMENTS (10^6; the kept
# comparison took 10^8) of each function of the C library are compared too.
set -euo pipefail
cd "$(dirname "$0")/.."
arm=$1 jobs=$2 here=$3 arguments=${LIBM_ARGUMENTS:-1000000}

for program in aarch64-linux-gnu-gcc qemu-aarch64; do
    command -v "$program" >/dev/null || { echo "arm: $program is missing: run ./bootstrap arm" >&2; exit 1; }
done
cmake -S . -B "$arm" -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake -DFOVEA_MPI=OFF
cmake --build "$arm" -j "$jobs" --target unit_tests
cmake --build "$here" -j "$jobs" --target test_bits test_kernels test_c_library

# What times itself or is about processes, not arithmetic, is left to the machine's own tests.
ctest --test-dir "$arm" -j "$jobs" --output-on-failure -L unit --timeout 900

compared=$arm/compared failed=0
mkdir -p "$compared"
compare() { # what is compared, test, arguments
    "$here/tests/$2" "${@:3}" >"$compared/here"
    qemu-aarch64 "$arm/tests/$2" "${@:3}" >"$compared/arm"
    if [ ! -s "$compared/here" ]; then
        echo "arm: $1: this processor has no such kernels to compare with"
    elif cmp -s "$compared/here" "$compared/arm"; then
        echo "arm: $1: $(wc -l <"$compared/here") digests are the same"
    else
        echo "arm: $1: $(diff "$compared/here" "$compared/arm" | grep -c '^<') digests differ, the first is"
        diff "$compared/here" "$compared/arm" | grep -m 1 '^<'
        failed=1
    fi
}
compare "training, NEON and AVX" test_bits --print fused
compare "training, portable" test_bits --print plain
compare "kernels, NEON and AVX" test_kernels --print fused
compare "kernels, portable" test_kernels --print plain
compare "the C library, $arguments arguments a function" test_c_library --print "$arguments"
exit $failed
