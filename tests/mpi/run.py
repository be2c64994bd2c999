#!/usr/bin/env python3
"""Sweeps over processes: run.py TOOL MPIRUN

A sweep of 200 runs under mpirun must give the store of a single process, bit for bit. A worker that
is killed must cost no run that was stored, and the same command must complete the sweep.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOOL, MPIRUN = sys.argv[1:3]
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                   OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_btl_vader_single_copy_mechanism="none")
SWEEP = """
task: {context_length: 3}
train: {batch_size: 16, log_every: 10, snapshots: [0, 5], steps: STEPS}
sweep: {task.vocab_size: [4, 9], train.seed: 0..99}
probes: [effective_dimension]
figure: {kind: curves, y: perplexity}
"""


def check(condition, message):
    if not condition:
        sys.exit(f"mpi: {message}")


def run(arguments, **options):
    return subprocess.run(arguments, env=ENVIRONMENT, capture_output=True, text=True, timeout=120,
                          **options)


def fleet(file, out, n=4):
    return [MPIRUN, "-n", str(n), TOOL, "run", str(file), "--out", str(out), "--quiet"]


def digest(out):
    return run([TOOL, "runs", str(out), "--digest"], check=True).stdout


def stored(out):
    path = out / "fovea.db"
    if not path.exists():
        return {}
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        try:
            return dict(db.execute("SELECT id, created FROM runs"))
        except sqlite3.OperationalError:
            return {}


def workers_of(launcher):
    """The tool's processes below mpirun that hold no store: the workers."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_text().split("\0")
            parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
            files = {os.readlink(file) for file in (process / "fd").iterdir()}
        except (OSError, ValueError, IndexError):
            continue
        if parent == launcher and command[0] == TOOL:
            if not any(file.endswith("fovea.db") for file in files):
                found.append(int(process.name))
    return found


def equal_stores(folder):
    file = folder / "sweep.yaml"
    file.write_text(SWEEP.replace("STEPS", "100"))
    run([TOOL, "run", str(file), "--out", str(folder / "alone"), "--quiet"], check=True)
    result = run(fleet(file, folder / "fleet"))
    check(result.returncode == 0, f"exit code {result.returncode}: {result.stderr}")
    check(len(stored(folder / "fleet")) == 200, "the fleet did not store 200 runs")
    check(digest(folder / "fleet") == digest(folder / "alone"), "the stores differ")
    check((folder / "fleet" / "sweep.svg").exists(), "the fleet drew no figure")
    result = run(fleet(folder / "missing.yaml", folder / "none"))
    check(result.stderr.count("missing.yaml") == 1, f"not one message: {result.stderr}")


def killed_worker(folder):
    file = folder / "long.yaml"
    file.write_text(SWEEP.replace("STEPS", "6000"))
    out = folder / "killed"
    launcher = subprocess.Popen(fleet(file, out), env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(stored(out)) < 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = workers_of(launcher.pid)
    check(len(workers) == 3, f"{len(workers)} workers are found, not 3")
    before = stored(out)
    os.kill(workers[0], signal.SIGKILL)
    check(launcher.wait(60) != 0, "a killed worker went unnoticed")
    after = stored(out)
    check(20 <= len(after) < 200, f"{len(after)} runs are stored after the kill")
    check(all(after.get(id) == when for id, when in before.items()), "a stored run is lost")
    result = run(fleet(file, out))
    check(result.returncode == 0, f"the repeated command failed: {result.stderr}")
    final = stored(out)
    check(len(final) == 200, f"{len(final)} runs are stored in the end")
    check(all(final[id] == when for id, when in after.items()), "a stored run was trained again")
    run([TOOL, "run", str(file), "--out", str(folder / "long"), "--quiet"], check=True)
    check(digest(out) == digest(folder / "long"), "the completed store differs")
    print(f"mpi: killed with {len(after)} of 200 runs stored, then completed")


with tempfile.TemporaryDirectory() as name:
    equal_stores(Path(name))
    killed_worker(Path(name))
