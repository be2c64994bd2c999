#!/usr/bin/env bash
# Makes Debian packages of the source archive $2 in the folder $1 and has lintian look at them. Build
# dependencies come from cmake/packages.txt, version and date from CHANGELOG.md.
set -euo pipefail
archive=$(realpath "$2")
mkdir -p "$1"
work=$(realpath "$1")
name=$(basename "$archive" .tar.gz)
version=${name#fovea-}

for program in dpkg-buildpackage dh lintian; do
    command -v "$program" >/dev/null ||
        { echo "make deb needs $program: apt-get install devscripts debhelper lintian" >&2; exit 1; }
done
rm -rf "${work:?}/$name" "$work"/*.deb
cp "$archive" "$work/fovea_$version.orig.tar.gz"
tar -xzf "$archive" -C "$work"
cd "$work/$name"
cp -r packaging/debian debian

packages() { # kinds, as a pattern
    awk -v kinds="^($1)$" '$1 ~ kinds { printf "%s%s", n++ ? ", " : "", $3 }' cmake/packages.txt
}
# What debhelper brings along, and what only the tests or a run of the tool need, is not asked for.
sed "s/@BUILD_DEPENDS@/$(packages 'library|loaded|optional|program' |
    sed -E 's/(^|, )(gcc|make|python3|gnuplot-nox|openmpi-bin)\>//g')/;
    s/@LIBRARIES@/$(packages library)/" debian/control.in >debian/control
rm debian/control.in

released=$(sed -n "s/^## $version - //p" CHANGELOG.md) # CHANGELOG.md itself is installed beside this
cat >debian/changelog <<END
fovea ($version-1) unstable; urgency=medium

  * Version $version.

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $(LC_ALL=C date -R -u -d "$released")
END

dpkg-buildpackage -us -uc -b -j"$(nproc)" >"$work/build.log" 2>&1 ||
    { tail -n 40 "$work/build.log"; exit 1; }
cd "$work"
lintian --fail-on error --suppress-tags initial-upload-closes-no-bugs \
    "fovea_$version-1_$(dpkg --print-architecture).changes"
# Unpacked, not installed: the tool must run, and find its experiments and its pages.
rm -rf root
for package in fovea_*.deb libfovea0_*.deb; do dpkg-deb -x "$package" root; done
[ "$(root/usr/bin/fovea --version)" = "fovea $version" ]
[ -f root/usr/share/man/man1/fovea-run.1.gz ]
ls "$work"/*.deb
