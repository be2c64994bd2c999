#!/usr/bin/env python3
"""A gnuplot that leaves pictures cut short and calls it a success: short_picture.py TOOL

A stand-in for gnuplot on PATH cuts one of its pictures: at a limit on the size of files, which
gnuplot's SVG terminal ignores, or at its end, or wholly. Whichever picture it is, the tool ends with
exit code 1 after one line that names it, the picture is not there under any name, nor is it in a
report; and the same command with a whole gnuplot completes.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pictures

HERE = Path(__file__).resolve().parent
TIMEOUT_SECONDS = 60

# How the picture with number $FOVEA_SHORT is cut; the others are drawn as usual.
STAND_IN = """#!/bin/bash
exec 9>"$FOVEA_COUNT.lock"; flock 9 # pictures are drawn side by side
count=$(($(cat "$FOVEA_COUNT" 2>/dev/null || echo 0) + 1))
echo $count > "$FOVEA_COUNT"
exec 9>&-
[ $count = "$FOVEA_SHORT" ] || exec GNUPLOT "$@"
CUT
"""
CUTS = {
    "at a limit": "trap '' XFSZ; ulimit -f 2; exec GNUPLOT \"$@\"",
    "at its end": "GNUPLOT \"$@\" | head -c -3",
    "to nothing": "GNUPLOT \"$@\" > /dev/null",
}


def stand_in(folder, cut):
    folder.mkdir(exist_ok=True)
    script = folder / "gnuplot"
    script.write_text(
        STAND_IN.replace("CUT", CUTS[cut]).replace("GNUPLOT", shutil.which("gnuplot"))
    )
    script.chmod(0o755)
    return folder


def sweep(tool, out, **environment):
    return subprocess.run(
        [tool, "run", str(HERE / "drawn.yaml"), "--out", str(out), "--jobs", "1"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        env={**os.environ, **environment},
    )


def names(out):
    return {path.name for path in out.iterdir() if not path.name.startswith("fovea.db")}


def complaint(tool, out, programs, cut, number, whole):
    """What is wrong after picture `number` was cut, or None."""
    count = out.parent / "count"
    count.unlink(missing_ok=True)
    for name in names(out):
        (out / name).unlink()
    path = f"{stand_in(programs, cut)}:{os.environ['PATH']}"
    result = sweep(tool, out, PATH=path, FOVEA_COUNT=str(count), FOVEA_SHORT=str(number))
    errors = [line for line in result.stderr.splitlines() if line.startswith("fovea: ")]
    if result.returncode != 1 or len(errors) != 1 or "is cut short" not in errors[0]:
        return f"exit code {result.returncode}: {result.stderr.strip()}"
    name = Path(errors[0].split()[1]).name
    if name not in whole or (out / name).exists():
        return f"{name} is there, or is no picture"
    if (wrong := pictures.fault(out)) is not None:
        return wrong
    if (out / "report.html").exists():
        return "there is a report, without a picture"
    again = sweep(tool, out)
    if again.returncode != 0 or names(out) != whole or pictures.fault(out) is not None:
        return f"with a whole gnuplot it ends with {again.returncode}: {again.stderr}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", type=lambda path: str(Path(path).resolve()))
    options = parser.parse_args()
    n_wrong = 0
    with tempfile.TemporaryDirectory(prefix="fovea-short-") as name:
        out, programs = Path(name) / "out", Path(name) / "programs"
        if (result := sweep(options.tool, out)).returncode != 0:
            sys.exit(f"short_picture: the undisturbed sweep fails: {result.stderr}")
        whole = names(out)
        n_pictures = sum(Path(picture).suffix in (".svg", ".png", ".gif") for picture in whole)
        for number in range(1, n_pictures + 1):
            cut = list(CUTS)[number % len(CUTS)]
            wrong = complaint(options.tool, out, programs, cut, number, whole)
            if wrong is not None:
                n_wrong += 1
                print(f"short_picture: number {number}, cut {cut}: {wrong}")
        print(f"short_picture: {n_pictures} pictures, {n_wrong} of them badly")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
