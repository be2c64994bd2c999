#!/usr/bin/env bash
# Checks the sources with every linter that is installed: lint.sh BUILD_FOLDER
set -uo pipefail
cd "$(dirname "$0")/.." || exit
build=$1
failed=0

check() { # name, command...: runs the command if its program is there
    if ! command -v "$2" >/dev/null; then
        echo "lint: $2 is not installed, skipped"
        return
    fi
    echo "lint: $1"
    "${@:2}" || failed=1
}

mapfile -t c_files < <(git ls-files '*.c' '*.h')
mapfile -t sources < <(git ls-files 'src/*.c' 'tools/*.c')
mapfile -t scripts < <(git ls-files '*.sh' bootstrap .ci/run)

check formatting clang-format --dry-run -Werror "${c_files[@]}"
check clang-tidy xargs -a <(printf '%s\n' "${sources[@]}") -P "$(nproc)" -n 4 \
    clang-tidy --quiet -p "$build" --extra-arg=-Wno-ignored-optimization-argument
# Uninitialised memory and closed files are left to clang's analyzer, which follows loops better.
check cppcheck cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -I include -I src \
    --enable=warning,performance,portability --suppress=missingIncludeSystem \
    --suppress=uninitvar --suppress=legacyUninitvar --suppress=useClosedFile \
    --suppress=ctuuninitvar --suppress=unknownMacro "${sources[@]}"
check floors scripts/floors.py
check shellcheck shellcheck "${scripts[@]}"
exit $failed
