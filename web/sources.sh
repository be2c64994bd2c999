#!/usr/bin/env bash
# The sources that the page's engine needs beside Fovea's, from the distribution's source packages into
# FOLDER: sqlite3.c, libyaml/, jansson/. Nothing is fetched where they are there. apt's own lists and
# settings stay as they are: what is fetched goes through lists in FOLDER.
#
#   web/sources.sh FOLDER
set -euo pipefail
folder=$1
[ ! -f "$folder/made" ] || exit 0
die() { printf 'web: %s\n' "$*" >&2; exit 1; }
command -v apt-get >/dev/null || die "the sources of sqlite3, libyaml and jansson come from a Debian mirror:" \
    "lay sqlite3.c, sqlite3.h, libyaml and jansson into $folder and touch $folder/made"
command -v tclsh >/dev/null || die "tclsh makes SQLite's amalgamation: apt-get install tcl"
rm -rf "$folder"
mkdir -p "$folder"/apt/{lists,cache/archives}/partial
folder=$(cd "$folder" && pwd)
shopt -s nullglob
named=(/etc/apt/sources.list.d/*.sources)
if [ ${#named[@]} -gt 0 ]; then
    list=web.sources
    sed -n 's/^Types:.*/Types: deb-src/; /^#/d; p; $a\
' "${named[@]}" >"$folder/apt/$list"
else
    list=web.list
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list >"$folder/apt/$list"
fi
options=(-o "Dir::Etc::sourcelist=$folder/apt/$list" -o Dir::Etc::sourceparts=-
    -o "Dir::State::lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt/cache" -qq)
cd "$folder/apt"
apt-get "${options[@]}" update || die "the lists of source packages could not be fetched"
apt-get "${options[@]}" source --download-only sqlite3 libyaml jansson 2>/dev/null ||
    die "the source packages of sqlite3, libyaml and jansson could not be fetched"
for archive in sqlite3_*.orig.tar.* libyaml_*.orig.tar.* jansson_*.orig.tar.*; do tar xf "$archive"; done
mkdir amalgamation
(cd amalgamation && bash ../sqlite3-*/configure >log 2>&1 && make sqlite3.c >>log 2>&1) ||
    die "SQLite's amalgamation could not be made: $folder/apt/amalgamation/log"
cp amalgamation/sqlite3.[ch] "$folder"
mv libyaml-* "$folder/libyaml"
mv jansson-* "$folder/jansson"
: >"$folder/jansson/src/jansson_private_config.h" # what configure would say is said by CMakeLists.txt
rm -rf "$folder/apt"
touch "$folder/made"
