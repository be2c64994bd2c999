#!/usr/bin/env python3
"""Makes every allocation and every write of a small sweep fail in turn.

    run.py TOOL [--quick] [--kind memory|disk]

For each failing call: the tool ends with exit code 0 or 1, not by a signal; with 1 it prints exactly
one line that begins with "fovea: ", with 0 none; the store opens afterwards or is not there yet; and
the same command without the fault completes the sweep with the results of an undisturbed one.
--quick takes a sample of the calls instead of all of them.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
QUICK_SAMPLE = 25  # calls of each kind of fault
FULL_SAMPLE = 4000
TIMEOUT_SECONDS = 60

# kind, what is appended to the number of the call
FAULTS = [
    ("memory", ""),
    ("memory", "+"),
    ("disk", ":ENOSPC"),
    ("disk", "+:ENOSPC"),
    ("disk", ":EIO"),
    ("disk", ":short"),
]


def build_shim(folder):
    shim = folder / "shim.so"
    compiler = os.environ.get("CC", "cc").split()
    source = str(HERE / "shim.c")
    subprocess.run(
        [*compiler, "-std=gnu11", "-O1", "-shared", "-fPIC", source, "-o", str(shim), "-ldl"],
        check=True,
    )
    return shim


class Trial:
    """One tool in one folder."""

    def __init__(self, tool, shim, folder):
        self.tool, self.shim, self.out = tool, shim, folder / "out"

    def call(self, *arguments, **environment):
        return subprocess.run(
            [self.tool, *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )

    def sweep(self, **environment):
        yaml = str(HERE / "tiny.yaml")
        return self.call("run", yaml, "--out", str(self.out), "--jobs", "1", **environment)

    def faulty_sweep(self, **environment):
        return self.sweep(LD_PRELOAD=str(self.shim), **environment)

    def digest(self):
        return self.call("runs", str(self.out), "--digest").stdout.strip()

    def clear(self):
        shutil.rmtree(self.out, ignore_errors=True)


def count_calls(trial, folder):
    """The calls of each kind that the undisturbed sweep makes, and its digest."""
    counts = folder / "counts"
    result = trial.faulty_sweep(FOVEA_FAULT_COUNT=str(counts))
    if result.returncode != 0:
        sys.exit(f"the undisturbed sweep failed: {result.stderr}")
    digest = trial.digest()
    trial.clear()
    lines = counts.read_text().split("\n")
    return {kind: int(n) for kind, n in (line.split() for line in lines if line)}, digest


def complaint(trial, fault, expected):
    """What is wrong about the tool under this fault, or None."""
    trial.clear()
    try:
        result = trial.faulty_sweep(FOVEA_FAULT=fault)
    except subprocess.TimeoutExpired:
        return "it hangs"
    errors = [line for line in result.stderr.splitlines() if line.startswith("fovea: ")]
    if result.returncode not in (0, 1):
        return f"exit code {result.returncode}: {result.stderr.strip()}"
    if len(errors) != result.returncode:
        return f"exit code {result.returncode} with {len(errors)} error lines: {result.stderr}"
    if (trial.out / "fovea.db").exists():
        listed = trial.call("runs", str(trial.out))
        # A store that was never begun is an empty file.
        if listed.returncode != 0 and "is empty" not in listed.stderr:
            return f"the store does not open: {listed.stderr.strip()}"
    repeated = trial.sweep()
    if repeated.returncode != 0:
        return f"the repeated command fails: {repeated.stderr.strip()}"
    if trial.digest() != expected:
        return "the repeated command gives other results"
    return None


def sample(n, size):
    """At most `size` of the numbers 1 to n, evenly spread, first and last among them."""
    if n <= size:
        return list(range(1, n + 1))
    return sorted({1 + i * (n - 1) // (size - 1) for i in range(size)})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--kind", choices=["memory", "disk"])
    options = parser.parse_args()
    size = QUICK_SAMPLE if options.quick else FULL_SAMPLE

    with tempfile.TemporaryDirectory(prefix="fovea-faults-") as name:
        folder = Path(name)
        trial = Trial(options.tool, build_shim(folder), folder)
        if "runtime does not come first" in trial.faulty_sweep().stderr:
            print("faults: skipped, a sanitizer has taken malloc already")
            return 0
        trial.clear()
        counts, digest = count_calls(trial, folder)
        n_failed = 0
        for kind, how in FAULTS:
            if options.kind not in (None, kind):
                continue
            calls = sample(counts[kind], size)
            wrong = {}  # complaint -> the faults that bring it about
            for call in calls:
                fault = f"{kind}:{call}{how}"
                what = complaint(trial, fault, digest)
                if what is not None:
                    wrong.setdefault(what.replace(name, "..."), []).append(fault)
            for what, faults in wrong.items():
                print(f"FOVEA_FAULT={faults[0]} and {len(faults) - 1} more: {what}")
            n = sum(len(faults) for faults in wrong.values())
            print(f"faults: {kind}{how}: {len(calls)} of {counts[kind]} calls, {n} wrong", flush=True)
            n_failed += n
        return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
