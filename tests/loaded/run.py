#!/usr/bin/env python3
"""What is loaded when it is asked for: run.py TOOL [MODULE]

The tool starts with few libraries, and with neither MPI's nor curl's, which bring ten and thirty more
with them. MODULE, where there is an MPI, is the module that speaks it. What is missing is said in one
line, with the package to install.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TOOL = Path(sys.argv[1]).resolve()
MODULE = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 and sys.argv[2] else None
MOST_LIBRARIES = 20
EXPERIMENT = "task: {name: copy, vocab_size: 4, context_length: 4}\ntrain: {steps: 2}\n"


def check(condition, message):
    if not condition:
        sys.exit(f"loaded: {message}")


def run(tool, *arguments, **environment):
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMI", "LD_"))}
    command = [str(tool), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**plain, **environment})


def refuses(done, code, *words):
    lines = done.stderr.strip().splitlines()
    check(done.returncode == code and len(lines) == 1, f"exit code {done.returncode} with: {done.stderr}")
    for word in words:
        check(word in lines[0], f"it does not say '{word}': {lines[0]}")


def starts_light():
    # The loader lists what it would load for the program, and runs nothing.
    listed = run(TOOL, LD_TRACE_LOADED_OBJECTS="1").stdout
    names = re.findall(r"^\s*(\S+)", listed, re.M)
    heavy = [name for name in names if re.search(r"curl|mpi|pmix|open-pal|ssl|krb5", name)]
    check(len(names) > 3, f"the loader lists: {listed}")
    check(not heavy, f"it starts with {', '.join(heavy)}")
    check(len(names) <= MOST_LIBRARIES, f"it starts with {len(names)} libraries: {', '.join(names)}")


def without_module(folder):
    tool = shutil.copy(TOOL, folder / "fovea")
    file = folder / "one.yaml"
    file.write_text(EXPERIMENT)
    ask = (tool, "run", file, "--out", folder / "out", "--quiet")
    refuses(run(*ask, OMPI_COMM_WORLD_SIZE="2"), 2, "built without MPI", "libopenmpi-dev", "--share")
    alone = run(*ask, OMPI_COMM_WORLD_SIZE="1")
    check(alone.returncode == 0, f"a fleet of one needs MPI: {alone.stderr}")
    refuses(run(tool, "ring", "--n", "1024"), 2, "built without MPI", "libopenmpi-dev")
    (folder / "fovea-mpi.so").write_text("no library")
    refuses(run(tool, "ring", "--n", "1024"), 2, "MPI cannot be loaded", "openmpi-bin")


def without_curl(folder):
    for name in ("libcurl.so.4", "libcurl-gnutls.so.4"):
        (folder / name).write_text("no library")
    ask = ("needle", "--endpoint", "http://127.0.0.1:9", "--model", "m", "--out", folder / "out", "--lengths", "300")
    refuses(run(TOOL, *ask, "--quiet", LD_LIBRARY_PATH=str(folder)), 1, "libcurl", "cannot be loaded", "libcurl4")


def moved(folder):
    """The module is found from the program's place, whichever that is, and is of the program's version."""
    place = folder / "another place" / "bin"
    place.mkdir(parents=True)
    tool = shutil.copy(TOOL, place / "fovea")
    shutil.copy(MODULE, place / MODULE.name)
    done = run(tool, "ring", "--n", "1024", "--heads", "1")
    check(done.returncode == 0, f"a moved tool and module end with {done.returncode}: {done.stderr}")


def main():
    starts_light()
    with tempfile.TemporaryDirectory(prefix="fovea-loaded-") as name:
        for i, part in enumerate([without_module, without_curl] + [moved] * (MODULE is not None)):
            folder = Path(name) / str(i)
            folder.mkdir()
            part(folder)
    print("loaded: few libraries at the start, and what is missing is said")


if __name__ == "__main__":
    main()
