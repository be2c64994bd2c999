#!/usr/bin/env bash
# Makes the source archive of the last commit, fovea-VERSION.tar.gz, in the folder $1, and prints its path.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^project(fovea VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
git rev-parse --git-dir >/dev/null 2>&1 ||
    { echo "make dist needs a git checkout: it archives the last commit" >&2; exit 1; }
[ -z "$(git status --porcelain)" ] ||
    echo "make dist: changes that are not committed are left out" >&2
mkdir -p "$1"
archive=$1/fovea-$version.tar.gz
git archive --format=tar --prefix="fovea-$version/" HEAD | gzip -9n >"$archive.new"
mv "$archive.new" "$archive"
echo "$archive"
