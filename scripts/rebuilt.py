#!/usr/bin/env python3
"""How many objects are compiled again when a header changes: rebuilt.py BUILD [HEADER...]

Reads what the compiler has written down beside every object of a build. Without a HEADER these are the
field table and the lists of parts. A file that names the fields it reads (FV_READS) must know the table, and
with every part there is one more of them; of all other objects fields.def may reach 30 % and no more.
"""
import json
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = "include/fovea/fields.def"
FEW = 300  # objects of a whole build are more
MOST = 0.3


def objects(build):
    """Every object of the build and its folder; left-overs of other builds are none."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        folder = pathlib.Path(entry["directory"])
        yield (folder / words[words.index("-o") + 1]).resolve(), folder


def from_make(build):
    for path, folder in objects(build):
        notes = path.with_name(path.name + ".d")
        if notes.exists():
            words = notes.read_text().replace("\\\n", " ").split()[1:]
            yield path, {(folder / word).resolve() for word in words}


def from_ninja(build):
    told = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=True)
    known = {path for path, _ in objects(build)}
    for block in told.stdout.split("\n\n"):
        lines = block.split("\n")
        path = (build / lines[0].split(":")[0]).resolve()
        if path in known:
            yield path, {(build / line.strip()).resolve() for line in lines[1:]}


def is_part(files):
    """Whether one of an object's sources names the fields that it reads."""
    return any("FV_READS(" in path.read_text() for path in files
               if path.suffix == ".c" and path.is_relative_to(ROOT / "src"))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1]).resolve()
    if not (build / "compile_commands.json").exists():
        sys.exit(f"{build} is no build of Fovea; give a folder that cmake has filled and built")
    needs = dict(from_ninja(build) if (build / "build.ninja").exists() else from_make(build))
    of_tests = {path for path in needs if (build / "tests") in path.parents}
    if len(needs) < FEW:
        sys.exit(f"{build} has {len(needs)} objects; build it first: cmake --build {sys.argv[1]}")
    headers = sys.argv[2:] or [TABLE] + sorted(
        str(path.relative_to(ROOT)) for path in (ROOT / "include/fovea/parts").glob("*.def"))
    parts = {path for path, files in needs.items() if is_part(files)}
    others = {}
    print(f"{'of':40} {len(needs):4} objects, {len(needs) - len(of_tests)} of them library and tool, {len(parts)} of parts")
    for header in headers:
        again = {path for path, files in needs.items() if (ROOT / header).resolve() in files}
        others[header] = len(again - parts) / (len(needs) - len(parts))
        print(f"{header:40} {len(again):4} ({len(again) / len(needs):3.0%}), {len(again - of_tests)}, "
              f"and {others[header]:3.0%} of those that are no part")
    if not sys.argv[2:] and others[TABLE] > MOST:
        sys.exit(f"{TABLE} is compiled into {others[TABLE]:.0%} of the objects that are no part, more than {MOST:.0%}: "
                 "include <fovea/fields.h> in place of <fovea/config.h> where no member of it is read")


main()
