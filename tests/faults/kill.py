#!/usr/bin/env python3
"""Kills a sweep at random instants and lets the same command go on: kill.py TOOL [--kills N] [--jobs N]

Afterwards the store must hold what an undisturbed sweep gives, bit for bit; no run that was stored
may have been trained again.
"""

import argparse
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SWEEP = ["train.seed=0..63", "task.vocab_size=4,10", "train.steps=5000"]


def command(tool, out, jobs):
    yaml = str(HERE / "tiny.yaml")
    return [tool, "run", yaml, *SWEEP, "--out", str(out), "--jobs", str(jobs)]


def stored(out):
    """When each stored run was stored."""
    path = out / "fovea.db"
    if not path.exists():
        return {}
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        try:
            return dict(db.execute("SELECT id, created FROM runs"))
        except sqlite3.OperationalError:  # killed before the tables were made
            return {}


def check(condition, message):
    if not condition:
        sys.exit(f"kill: {message}")


def digest(tool, out):
    arguments = [tool, "runs", str(out), "--digest"]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def kill_until_done(sweep, out, longest, rng):
    """Starts the sweep again and again, each time for at most `longest` seconds; the number of kills."""
    kills, before = 0, {}
    while True:
        process = subprocess.Popen(sweep, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            exit_code = process.wait(rng.uniform(0, longest))
            check(exit_code == 0, f"a continued sweep ended with exit code {exit_code}")
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        after = stored(out)
        again = [run for run in before if after.get(run) != before[run]]
        check(not again, f"{len(again)} stored runs were lost or trained again")
        if process.returncode == 0:
            return kills
        kills, before = kills + 1, after


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    rng = random.Random(0)
    kills = rounds = 0
    with tempfile.TemporaryDirectory(prefix="fovea-kill-") as name:
        whole = Path(name) / "whole"
        start = time.monotonic()
        undisturbed = command(options.tool, whole, options.jobs)
        subprocess.run(undisturbed, check=True, capture_output=True)
        seconds = time.monotonic() - start
        expected = digest(options.tool, whole)
        while kills < options.kills:
            rounds += 1
            out = Path(name) / f"killed-{rounds}"
            sweep = command(options.tool, out, options.jobs)
            kills += kill_until_done(sweep, out, seconds / 3, rng)
            check(
                digest(options.tool, out) == expected,
                "the results differ from an undisturbed sweep's",
            )
        n = len(stored(whole))
    print(f"kill: {kills} kills in {rounds} sweeps of {n} runs; each equals the undisturbed one")


if __name__ == "__main__":
    main()
