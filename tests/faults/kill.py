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
SWEEP = ["train.seed=0..63", "task.vocab_size=4,10", "train.steps=2000"]


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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    rng = random.Random(0)

    with tempfile.TemporaryDirectory(prefix="fovea-kill-") as name:
        whole, killed = Path(name) / "whole", Path(name) / "killed"
        start = time.monotonic()
        subprocess.run(
            command(options.tool, whole, options.jobs), check=True, capture_output=True
        )
        seconds = time.monotonic() - start
        n_kills, before = 0, {}
        while n_kills < options.kills:
            process = subprocess.Popen(
                command(options.tool, killed, options.jobs),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                process.wait(rng.uniform(0, 2 * seconds / options.kills))
                break  # it was done
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                n_kills += 1
            after = stored(killed)
            again = [run for run in before if after.get(run) != before[run]]
            check(not again, f"{len(again)} stored runs were lost or trained again")
            before = after
        n_before = len(before)
        subprocess.run(
            command(options.tool, killed, options.jobs), check=True, capture_output=True
        )
        check(
            all(stored(killed)[run] == when for run, when in before.items()),
            "stored runs were trained again",
        )
        digests = [
            subprocess.run(
                [options.tool, "runs", str(out), "--digest"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            for out in (whole, killed)
        ]
        check(digests[0] == digests[1], "the results differ from an undisturbed sweep's")
        print(
            f"kill: {n_kills} kills, {n_before} of {len(stored(whole))} runs survived them; "
            f"the finished store equals an undisturbed one"
        )


if __name__ == "__main__":
    main()
