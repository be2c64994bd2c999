#!/usr/bin/env python3
"""Sweeps over processes: run.py TOOL MPIRUN

A sweep of 200 runs under mpirun must give the store of a single process, bit for bit. A worker that
is killed must cost no run that was stored, and the same command must complete the sweep. Where
mpirun goes on without a dead process, and where a worker only stalls or is asked to end, its run
must be given out again, and the sweep end as if nothing had been.
"""

import os
import shutil
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


class Sweep:
    """A long sweep under mpirun, caught in the middle of its work."""

    def __init__(self, file, out, lease=None, options=()):
        self.out = out
        command = fleet(file, out)
        command[1:1] = options
        environment = dict(ENVIRONMENT, FOVEA_LEASE=str(lease)) if lease else ENVIRONMENT
        self.errors = tempfile.TemporaryFile("w+")
        self.launcher = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL,
                                         stderr=self.errors)
        self.wait_for(1)  # from now on rank 0 is the one that has the store open
        self.workers = workers_of(self.launcher.pid)
        check(len(self.workers) == 3, f"{len(self.workers)} workers are found, not 3")
        self.wait_for(20)

    def wait_for(self, n_stored):
        deadline = time.monotonic() + 60
        while len(stored(self.out)) < n_stored and time.monotonic() < deadline:
            time.sleep(0.02)

    def end(self):
        code = self.launcher.wait(120)
        self.errors.seek(0)
        return code, self.errors.read()


def lost_worker(folder, file, whole, name, signals, message, **options):
    """The sweep must end well although `signals` (signal, worker) are sent in the middle of it."""
    sweep = Sweep(file, folder / name, **options)
    before = stored(sweep.out)
    for number, worker in signals:
        os.kill(sweep.workers[worker], number)
    code, errors = sweep.end()
    check(code == 0, f"{name}: exit code {code}: {errors}")
    for _, worker in signals:
        check(message in errors, f"{name}: nothing says that it {message}: {errors}")
    after = stored(sweep.out)
    check(len(after) == 200, f"{name}: {len(after)} of 200 runs are stored")
    check(all(after[id] == when for id, when in before.items()), f"{name}: a run was trained again")
    check(digest(sweep.out) == whole, f"{name}: the stores differ")
    check((sweep.out / f"{file.stem}.svg").exists(), f"{name}: no figure is drawn")
    print(f"mpi: {name} with {len(before)} of 200 runs stored, its run given out again")


def knows_recovery():
    return "--enable-recovery" in run([MPIRUN, "--help", "all"]).stdout + run([MPIRUN, "--help"]).stdout


def ended_by_mpirun(folder, file, whole):
    """Without recovery mpirun ends all when one dies; the same command does the rest."""
    sweep = Sweep(file, folder / "killed")
    before = stored(sweep.out)
    os.kill(sweep.workers[0], signal.SIGKILL)
    check(sweep.end()[0] != 0, "a killed worker went unnoticed")
    after = stored(sweep.out)
    check(20 <= len(after) < 200, f"{len(after)} runs are stored after the kill")
    check(all(after.get(id) == when for id, when in before.items()), "a stored run is lost")
    result = run(fleet(file, sweep.out))
    check(result.returncode == 0, f"the repeated command failed: {result.stderr}")
    final = stored(sweep.out)
    check(len(final) == 200, f"{len(final)} runs are stored in the end")
    check(all(final[id] == when for id, when in after.items()), "a stored run was trained again")
    check(digest(sweep.out) == whole, "the completed store differs")
    print(f"mpi: killed with {len(after)} of 200 runs stored, then completed")


def sweep_of(least, folder, name):
    """A sweep of `least` seconds or more for three workers, however fast they are, and its digest."""
    file, alone = folder / f"{name}.yaml", folder / name
    steps, seconds = round(1000 * least), 0
    while seconds < least:
        file.write_text(SWEEP.replace("STEPS", str(steps)))
        shutil.rmtree(alone, ignore_errors=True)
        start = time.monotonic()
        run([TOOL, "run", str(file), "--out", str(alone), "--jobs", "3", "--quiet"], check=True)
        seconds = time.monotonic() - start
        steps = round(steps * min(max(1.2 * least / seconds, 1.2), 8))
    return file, digest(alone)


def lost_workers(folder):
    # mpirun takes a second to notice that a process is dead, and another to end the rest. A run that
    # is given out again takes as long as its lease, however short the sweep.
    ended_by_mpirun(folder, *sweep_of(6, folder, "long"))
    file, whole = sweep_of(2, folder, "short")
    lost_worker(folder, file, whole, "asked to end", [(signal.SIGTERM, 0)], "has left")
    lost_worker(folder, file, whole, "stopped", [(signal.SIGSTOP, 1)], "is lost", lease=3)
    if not knows_recovery():
        print("mpi: this mpirun has no --enable-recovery")
        return
    recovery = ["--enable-recovery"]
    lost_worker(folder, file, whole, "killed and gone on", [(signal.SIGKILL, 0)], "is lost", lease=3,
                options=recovery + ["--mca", "btl", "tcp,self"])  # as between hosts
    lost_worker(folder, file, whole, "all killed", [(signal.SIGKILL, i) for i in range(3)], "is lost",
                lease=3, options=recovery)


with tempfile.TemporaryDirectory() as name:
    equal_stores(Path(name))
    lost_workers(Path(name))
