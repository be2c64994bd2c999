#!/usr/bin/env python3
"""Walls between rooms, as their #include lines show them: floors.py [ROOT]

A room of src/ includes only rooms that stand before it in FLOORS (CMakeLists.txt). The tool includes
public headers and its own. No two files of different rooms have one name, but for lists (list.c).
Public headers of mechanisms know nothing of the lab's configuration.
Only what include/fovea/ declares begins with fv_.
Every room has a README.md of at most 10 lines and two sentences or more: what lives there, what must not.
"""
import collections
import pathlib
import re
import sys

REPEATED = {"list.c", "main.c"}
# Headers that other programs take alone, and what none of them may reach.
MECHANISMS = ["attention.h", "scan.h", "ring.h", "cost.h", "cost_devices.h", "cost_measured.h"]
LAB = {"fields.h", "config.h", "record.h", "experiment.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<fovea/([^>]+)>)', re.M)


def includes(path):
    for own, public in INCLUDE.findall(path.read_text()):
        yield own or f"fovea/{public}"


def upward(root, floors):
    for path in sorted((root / "src").rglob("*.[ch]")):
        room = path.relative_to(root / "src").parts[0]
        if room not in floors:
            yield f"{path.relative_to(root)}: room {room} is not in FLOORS of CMakeLists.txt"
            continue
        for name in includes(path):
            other = name.split("/")[0]
            if other in floors and floors.index(other) > floors.index(room):
                yield f"{path.relative_to(root)}: {room} includes {name}, which stands above it"


def inside(root):
    for path in sorted((root / "tools/fovea").rglob("*.[ch]")):
        for name in includes(path):
            if not name.startswith("fovea/") and not (root / "tools/fovea" / name).exists():
                yield f"{path.relative_to(root)}: {name} is no header of the tool and none of <fovea/...>"


def twins(root):
    places = collections.defaultdict(list)
    for folder in ("src", "tools/fovea"):
        for path in (root / folder).rglob("*.[ch]"):
            if "families" not in path.parts and path.name not in REPEATED:
                places[path.name].append(str(path.relative_to(root)))
    for name, paths in sorted(places.items()):
        if len(paths) > 1:
            yield f"{name} is the name of several files: {', '.join(sorted(paths))}"


def reach(root, header, seen):
    for name in includes(root / "include/fovea" / header):
        name = name.removeprefix("fovea/")
        if name not in seen:
            seen.add(name)
            reach(root, name, seen)
    return seen


def mechanisms(root):
    for header in MECHANISMS:
        for name in sorted(reach(root, header, set()) & LAB):
            yield f"include/fovea/{header}: reaches <fovea/{name}>, the lab's own"


def private(root):
    name = re.compile(r"\bfv_\w+")
    public = {word for path in (root / "include/fovea").rglob("*.*") for word in name.findall(path.read_text())}
    for path in sorted((root / "src").rglob("*.[ch]")):
        for word in sorted(set(name.findall(path.read_text())) - public):
            yield f"{path.relative_to(root)}: {word} is in no public header; inside, names begin with their room or subject"


def unsaid(root, floors):
    for folder in [*(f"src/{room}" for room in floors), "tools/fovea"]:
        path = root / folder / "README.md"
        text = path.read_text().strip() if path.exists() else ""
        if len(re.findall(r"\.(?=\s|$)", text)) < 2:
            yield f"{folder}/README.md: says in two sentences what lives in the room and what must not"
        elif len(text.splitlines()) > 10:
            yield f"{folder}/README.md: has more than 10 lines"


def main(root):
    cmake = (root / "CMakeLists.txt").read_text()
    floors = re.search(r"set\(FLOORS\s+([^)]+)\)", cmake)[1].split()
    faults = [*upward(root, floors), *inside(root), *twins(root), *mechanisms(root),
              *private(root), *unsaid(root, floors)]
    print("\n".join(faults) or f"floors: {len(floors)} rooms, nothing looks upward")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1
                  else pathlib.Path(__file__).resolve().parents[1]))
