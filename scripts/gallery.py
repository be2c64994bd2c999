#!/usr/bin/env python3
"""Makes docs/gallery.md of what `fovea reproduce` left in output folders: gallery.py [--add] OUT [OUT ...]

Pictures are copied to docs/images/gallery: SVG where that is small, else PNG in few colours, and
animations as they are, which no scaling makes smaller. A folder's own gallery.md says which there
are and what stands beside them.

An experiment of the page as it was that no folder holds, since it takes long and was not due, keeps
its section and pictures, with the version of the numerics that it was trained with. With --add all of the
page stays as it is, but for the folders' parts, which take the place of those of the same name or
experiments and otherwise stand at its end.
"""
import pathlib
import re
import shutil
import subprocess
import sys

PAGE = pathlib.Path("docs/gallery.md")
PICTURES = pathlib.Path("docs/images/gallery")
LARGEST_SVG = 40_000  # bytes; PNG is smaller above

HEAD = """# Gallery

Every figure of the experiments beside its claims and their verdicts: what was published, what the median
seed measured and between which values all did, and how many seeds agree. A verdict is computed, never
written: [claims.md](claims.md) says how. `fovea reproduce all --out out/all` makes the same page, large and
whole, as `out/all/gallery.md`; `make gallery OUT="out/all"` made this one from such folders, and
`make gallery OUT="--add out/POST"` puts one more into it.
"""
KEPT = """## Results that were kept

Experiments that take long are not trained again for every new version of the numerics. These were trained
with the version that stands beside them, and judged then.
"""


def fail(message):
    sys.exit(f"gallery: {message}")


def publish(picture, name):
    """Copies a picture of an output folder under the name `name`; returns the link to it."""
    if picture.suffix == ".gif" or picture.stat().st_size <= LARGEST_SVG:
        target = PICTURES / f"{name}{picture.suffix}"
        shutil.copyfile(picture, target)
    else:
        target = PICTURES / f"{name}.png"
        subprocess.run(["convert", picture.with_suffix(".png"), "-resize", "1000x>", "-colors", "48",
                        "-strip", f"PNG8:{target}"], check=True)
    return f"images/gallery/{target.name}"


def read_folder(out):
    """The page of an output folder, its pictures published, its headings one level down."""
    post = pathlib.Path(out).name

    def link(match):
        alternative, picture = match.groups()
        name = re.sub(r"\.[a-z]*$", "", picture).replace("/", "-")
        if "/" not in picture:
            name = f"{post}-{name}"
        return f"![{alternative}]({publish(pathlib.Path(out, picture), name)})"

    text = pathlib.Path(out, "gallery.md").read_text()
    text = re.sub(r"^!\[(.*)\]\(<(.*)>\)$", link, text, flags=re.M)
    return re.sub(r"^#", "##", text, flags=re.M)


def sections(page):
    """The sections of a page by the experiment that each names."""
    found = {}
    for section in re.split(r"^(?=#{2,3} )", page, flags=re.M):
        experiment = re.search(r"^`([^`]+\.yaml)`", section, flags=re.M)
        if section.startswith("### ") and experiment:
            found[experiment[1]] = section.rstrip() + "\n"
    return found


def join(page, parts):
    """The page with these parts of folders in the place of their own."""
    now = sections("\n".join(parts))
    titles = {part.splitlines()[0] for part in parts}
    chunks = []
    for chunk in re.split(r"^(?=#{2,3} )", page, flags=re.M):
        experiment = re.search(r"^`([^`]+\.yaml)`", chunk, flags=re.M)
        if chunk.splitlines()[0] in titles or (experiment and experiment[1] in now):
            continue
        chunks.append(chunk)
    last = [i for i, chunk in enumerate(chunks) if chunk.startswith(KEPT.splitlines()[0])]
    at = last[0] if last else len(chunks)
    before, behind = "".join(chunks[:at]), "".join(chunks[at:])
    return "\n".join([before.rstrip() + "\n"] + parts + ([behind] if behind else []))


def main(folders):
    adds = folders[:1] == ["--add"]
    folders = folders[1:] if adds else folders
    if not folders:
        sys.exit(__doc__.splitlines()[0])
    if shutil.which("convert") is None:
        fail("convert is missing (imagemagick)")
    for out in folders:
        if not pathlib.Path(out, "gallery.md").is_file():
            fail(f"{out} has no gallery.md; 'fovea reproduce POST --out {out}' writes it")
    PICTURES.mkdir(parents=True, exist_ok=True)
    before = sections(PAGE.read_text()) if PAGE.is_file() and not adds else {}
    parts = [read_folder(out) for out in folders]
    page = join(PAGE.read_text(), parts) if adds else "\n".join([HEAD] + parts)
    now = sections(page)
    kept = [text for experiment, text in before.items()
            if experiment not in now and pathlib.Path("experiments", experiment).is_file()]
    if kept:
        page = "\n".join([page.rstrip() + "\n", KEPT] + kept)
    partial = PAGE.with_suffix(".new")
    partial.write_text(page.rstrip() + "\n")
    partial.replace(PAGE)
    shown = set(re.findall(r"\(images/gallery/([^)]+)\)", page))
    for picture in PICTURES.iterdir():
        if picture.name not in shown:
            picture.unlink()
    print(f"{PAGE}: {len(shown)} pictures, {len(now)} experiments, {len(kept)} kept")


main(sys.argv[1:])
