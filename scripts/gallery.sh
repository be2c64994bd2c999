#!/bin/sh
# Makes docs/gallery.md of what `fovea reproduce` left in output folders: gallery.sh OUT [OUT ...]
#
# Pictures are copied to docs/images/gallery: SVG where that is small, else PNG in few colours, and
# animations as they are, which no scaling makes smaller. A folder's own gallery.md says which there
# are and what stands beside them.
set -eu
page=docs/gallery.md
pictures=docs/images/gallery
largest_svg=40000 # bytes; PNG is smaller above

command -v convert >/dev/null || { echo "gallery: convert is missing (imagemagick)" >&2; exit 1; }
for out in "$@"; do
  [ -f "$out/gallery.md" ] || { echo "gallery: $out has no gallery.md; 'fovea reproduce POST --out $out' writes it" >&2; exit 1; }
done
[ $# -gt 0 ] || { echo "usage: gallery.sh OUT [OUT ...]" >&2; exit 2; }

# The picture $1 under the name $2 in the page's folder; prints the name that it got.
publish() {
  case $1 in
    *.gif)
      cp "$1" "$pictures/$2.gif"
      echo "$2.gif" ;;
    *)
      if [ "$(wc -c <"$1")" -le $largest_svg ]; then
        cp "$1" "$pictures/$2.svg"
        echo "$2.svg"
      else
        convert "${1%.svg}.png" -resize '1000x>' -colors 48 -strip PNG8:"$pictures/$2.png"
        echo "$2.png"
      fi ;;
  esac
}

rm -rf "$pictures"
mkdir -p "$pictures"
{
  cat <<'END'
# Gallery

Every figure of the experiments beside its claims and their verdicts: what was published, what the median
seed measured and between which values all did, and how many seeds agree. A verdict is computed, never
written: [claims.md](claims.md) says how. `fovea reproduce all --out out/all` makes the same page, large and
whole, as `out/all/gallery.md`; `make gallery OUT="out/all"` made this one from such folders.

END
  for out in "$@"; do
    post=$(basename "$out")
    # Headings one level down, under this page's own.
    sed 's/^#/##/' "$out/gallery.md" | while IFS= read -r line; do
      case $line in
        '!['*'](<'*'>)')
          path=${line##*](<}
          path=${path%>)}
          name=$(printf '%s' "$path" | sed 's/\.[a-z]*$//; s,/,-,g')
          case $path in */*) ;; *) name=$post-$name ;; esac
          published=$(publish "$out/$path" "$name")
          printf '%s](images/gallery/%s)\n' "${line%%](<*}" "$published" ;;
        *) printf '%s\n' "$line" ;;
      esac
    done
  done
} >"$page.new"
mv "$page.new" "$page"
echo "$page: $(grep -c '^!' "$page") pictures, $(du -sk "$pictures" | cut -f1) KiB"
