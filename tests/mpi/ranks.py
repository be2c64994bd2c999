#!/usr/bin/env python3
"""Sequences over processes: ranks.py TOOL MPIRUN

A run with train.context_ranks on 2 and 4 ranks must have the losses and the parameters of one process, print
what a step took, and be refused by name where its parts do not travel, or where other processes are there.
"""

import os
import re
import sqlite3
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

TOOL, MPIRUN = sys.argv[1:3]
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                   OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_mpi_yield_when_idle="1",
                   OMPI_MCA_btl_vader_single_copy_mechanism="none")
TOLERANCE = 1e-5
FILE = """
task: {name: needle, vocab_size: 16, context_length: 49, data: fixed, n_train: 64, n_test: 32}
train: {steps: 6, batch_size: 24, log_every: 1, snapshots: [0, 3]}
model: {n_embd: 16, layers: [attention, mlp, "attention(window=12 sinks=2)"], n_head: 2, positions: rope,
        residual: true, norm: rms}
probes: [effective_dimension]
"""


def check(condition, message):
    if not condition:
        sys.exit(f"mpi: {message}")


def run(n, file, out, *more):
    launcher = [MPIRUN, "-n", str(n)] if n > 1 else []
    return subprocess.run(launcher + [TOOL, "run", str(file), *more, "--out", str(out)],
                          env=ENVIRONMENT, capture_output=True, text=True, timeout=240)


def stored(out):
    """Every number of the one run: its series, and the parameters of its snapshots."""
    with sqlite3.connect(f"file:{out / 'fovea.db'}?mode=ro", uri=True) as db:
        tables = [name for name, in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        check("snapshots" in tables, f"the store has {tables}")
        series = {}
        columns = [row[1] for row in db.execute("PRAGMA table_info(series)")]
        for row in db.execute("SELECT * FROM series"):
            row = dict(zip(columns, row))
            series[row["name"]] = floats(row["values"])
        columns = [row[1] for row in db.execute("PRAGMA table_info(snapshots)")]
        for row in db.execute("SELECT * FROM snapshots"):
            row = dict(zip(columns, row))
            series[f"parameters {row['step']}"] = floats(row["params"])
        return series


def floats(blob):
    return struct.unpack(f"<{len(blob) // 4}f", blob)


def apart(x, y):
    check(len(x) == len(y), f"{len(x)} numbers, and {len(y)}")
    return max(abs(a - b) for a, b in zip(x, y)) / max(1e-30, max(map(abs, y)))


def equal_to_one_process(folder, file):
    one = run(1, file, folder / "one", "--quiet")
    check(one.returncode == 0, one.stderr)
    truth, worst = stored(folder / "one"), 0
    check({"loss", "test_loss", "parameters 0", "parameters 6"} <= set(truth), f"{set(truth)}")
    for n in (2, 4):
        found = run(n, file, folder / f"on{n}", f"train.context_ranks={n}")
        check(found.returncode == 0, found.stderr)
        told = re.search(rf"sequences on {n} ranks: ([\d.]+) us a step, of which the ranks waited for "
                         r"each other ([\d.]+) us at most; a rank sent (\d+) bytes", found.stderr)
        check(told and float(told[1]) > 0 and int(told[3]) > 0, f"no report in '{found.stderr}'")
        series = stored(folder / f"on{n}")
        check(set(series) == set(truth), f"{set(series) ^ set(truth)} differ")
        for name, values in series.items():
            # Steps of Adam turn what little gradients differ by into steps of their own size.
            bound = 1e-3 if name.startswith(("parameters", "effective")) else TOLERANCE
            far = apart(values, truth[name])
            check(far <= bound, f"{n} ranks: {name} differs by {far:.1e}")
            if name == "loss":
                worst = max(worst, far)
    print(f"mpi: training over ranks equal to one process, largest difference of a loss {worst:.1e}")


def refusals(folder, file):
    for n, more, text in [
            (2, ["train.context_ranks=4"], "train.context_ranks is 4 and 2 processes were started"),
            (1, ["train.context_ranks=2"], "'mpirun -n 2 fovea run FILE' starts them"),
            (2, ["train.context_ranks=2", "model.layers=[mamba,attention]"], "layers of the kind mamba"),
            (2, ["train.context_ranks=2", "model.selector=topk"], "model.selector topk"),
            (2, ["train.context_ranks=2", "model.normaliser=entmax15"], "model.normaliser entmax15")]:
        result = run(n, file, folder / "refused", *more, "--quiet")
        check(result.returncode == 2 and result.stderr.count(text) == 1, f"{more}: {result.stderr}")


with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch)
    file = folder / "ranks.yaml"
    file.write_text(FILE)
    equal_to_one_process(folder, file)
    refusals(folder, file)
