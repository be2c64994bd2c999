#!/usr/bin/env bash
# Installs the build folder $1 into a fresh prefix and uses the package in every way that it offers:
# CMake and pkg-config, shared and static, C and C++, the tool, and the list of exported symbols.
set -euo pipefail

build=$(realpath "$1")
source=$(realpath "$(dirname "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix="$work/a prefix" # whose name needs quotes

cmake --install "$build" --prefix "$prefix" >"$work/install.log"
lib=$(dirname "$(find "$prefix" -name libfovea.a)")

# pkg-config puts a backslash in front of what needs quotes: read without -r takes it away again.
read_flags() { # shellcheck disable=SC2162
    read -a flags
}

echo "exported symbols"
foreign=$(nm -D --defined-only "$lib/libfovea.so" | awk '$2 != "A" && $3 !~ /^fv_/ { print $3 }')
[ -z "$foreign" ] || { echo "libfovea.so exports names of its own without fv_: $foreign"; exit 1; }
nm -D --defined-only "$lib/libfovea.so" | grep -q ' T fv_version$'
foreign=$(nm -g --defined-only "$lib/libfovea.a" 2>/dev/null | awk 'NF == 3 && $3 !~ /^fv_/ { print $3 }')
[ -z "$foreign" ] || { echo "libfovea.a has global names without fv_: $foreign"; exit 1; }

echo "numbers are read and written as C's locale does, see src/base/c_locale.h"
mapfile -d '' -t objects < <(find "$build/CMakeFiles/fovea_objects.dir" -name '*.o' ! -name c_locale.c.o -print0)
[ ${#objects[@]} -gt 0 ] || { echo "no object of the library is found in $build"; exit 1; }
foreign=$(nm -A -u "${objects[@]}" | sed 's/.*fovea_objects.dir.//' |
    grep -E ' U (__)?(v?snprintf|v?fprintf|v?printf|v?asprintf|v?dprintf|strto(f|d|ld)|atof)(_chk)?$' || true)
[ -z "$foreign" ] || { echo "the locale of a calling program changes what these do: $foreign"; exit 1; }

echo "every header declares only what the shared library defines"
cat "$prefix"/include/fovea/*.h | tr '\n' ' ' | grep -oE 'FV_API [^;({]*fv_[a-z0-9_]+\(' |
    grep -oE 'fv_[a-z0-9_]+\($' | tr -d '(' | sort -u >"$work/declared"
nm -D --defined-only "$lib/libfovea.so" | awk '{ print $3 }' | sort -u >"$work/defined"
missing=$(comm -23 "$work/declared" "$work/defined")
[ -s "$work/declared" ] || { echo "no declaration found in the headers"; exit 1; }
[ -z "$missing" ] || { echo "declared, not defined: $missing"; exit 1; }

echo "every header stands alone"
for header in "$prefix"/include/fovea/*.h; do
    cc -std=c11 -Wall -Wextra -Werror -fsyntax-only -I "$prefix/include" -x c "$header"
done

echo "find_package"
cmake -S "$source" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log" ||
    { cat "$work/cmake.log"; exit 1; }
cmake --build "$work/cmake" >"$work/cmake.log" || { cat "$work/cmake.log"; exit 1; }
for program in "$work"/cmake/consumer_{shared,static,cpp}; do
    [ ! -x "$program" ] || "$program"
done

echo "pkg-config"
export PKG_CONFIG_PATH=$lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
read_flags <<<"$(pkg-config --cflags --libs fovea)"
cc "$source/consumer.c" -o "$work/shared" "${flags[@]}"
LD_LIBRARY_PATH=$lib "$work/shared"
# --static would ask for the static forms of SQLite and the others too: name what fovea.pc says it needs.
read -ra needed <<<"$(pkg-config --print-requires-private fovea | tr '\n' ' ')"
read_flags <<<"$(pkg-config --cflags --libs fovea "${needed[@]}")"
cc "$source/consumer.c" -o "$work/static" "${flags[@]/#-lfovea/-l:libfovea.a}" -pthread -lm
"$work/static"

echo "a consumer that is optimised at link time"
cc -O2 -flto "$source/consumer.c" -o "$work/static-lto" "${flags[@]/#-lfovea/-l:libfovea.a}" -pthread -lm
"$work/static-lto"
read_flags <<<"$(pkg-config --cflags --libs fovea)"
cc -O2 -flto "$source/consumer.c" -o "$work/shared-lto" "${flags[@]}"
LD_LIBRARY_PATH=$lib "$work/shared-lto"

echo "examples"
root=$source/../..
for example in attention ring scan; do
    if ! { cmake -S "$root/examples/$example" -B "$work/$example" -DCMAKE_PREFIX_PATH="$prefix" &&
        cmake --build "$work/$example"; } >"$work/cmake.log"; then
        cat "$work/cmake.log"
        exit 1
    fi
    "$work/$example/$example"
    read_flags <<<"$(pkg-config --cflags --libs fovea)"
    cc "$root/examples/$example/$example.c" -o "$work/$example/linked" "${flags[@]}" -lm
    LD_LIBRARY_PATH=$lib "$work/$example/linked"
done

echo "ctypes"
python3 "$root/tests/interop/fovea_attention.py" "$lib/libfovea.so"

echo "the tool"
cd "$work"
"$prefix/bin/fovea" info
if [ -e "$lib/fovea/fovea-mpi.so" ]; then
    echo "the tool and its module for MPI, installed and moved"
    mv "$prefix" "$work/moved"
    "$work/moved/bin/fovea" ring --n 1024 --heads 1 >"$work/ring.log" 2>&1 || { cat "$work/ring.log"; exit 1; }
fi
