#!/usr/bin/env python3
"""Holds the training steps of one build of Fovea against those of another, row by row.

  scripts/against.py BEFORE AFTER [--case REGEX] [--cpu SET] [--pairs N] [--seconds S] [--most RATIO]

BEFORE and AFTER are two `fovea` programs. Of every row of `fovea bench train` that both have, pairs of
runs are timed in turns, BEFORE and AFTER, by the thread's own clock; a pair's ratio is that of the fastest
slices. (Programs before a8123f6 take the time on the clock, which is only good where slices are short: compare
rows of milliseconds by the user time of `fovea run`.) A row whose median ratio is above RATIO is timed once more, and fails if it is again.
Exit code 1 where a row fails.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys


def run(tool, case, options):
    environment = dict(os.environ)
    if options.cpu:
        environment["FOVEA_CPU"] = options.cpu
    command = [tool, "bench", "train", "--case", case, "--seconds", str(options.seconds), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"against: {' '.join(command)} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)["best"]


def rows_of(tool):
    """What the program says when it is asked for a row that there is not."""
    done = subprocess.run([tool, "bench", "train", "--case", "?"], capture_output=True, text=True)
    names = re.findall(r"'([^']*)'", done.stderr)[1:]
    if not names:
        sys.exit(f"against: {tool} names no rows of `bench train`: {done.stderr.strip()}")
    return names


def measure(case, options):
    pairs = []
    for _ in range(options.pairs):
        before = run(options.before, case, options)
        pairs.append((before, run(options.after, case, options)))
    ratio = statistics.median(after / before for before, after in pairs)
    return min(b for b, _ in pairs), min(a for _, a in pairs), ratio


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--case", default="", metavar="REGEX", help="rows whose name it matches")
    parser.add_argument("--cpu", metavar="SET", help="with these kernels (FOVEA_CPU)")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.1, help="of each run")
    parser.add_argument("--most", type=float, default=1.03, metavar="RATIO")
    options = parser.parse_args()
    known = set(rows_of(options.before))
    cases = [c for c in rows_of(options.after) if c in known and re.search(options.case, c)]
    if not cases:
        sys.exit(f"against: no row that both programs have matches '{options.case}'")
    failed = []
    print(f"{'row':<32} {'before us':>12} {'after us':>12}  ratio", flush=True)
    for case in cases:
        before, after, ratio = measure(case, options)
        again = ""
        if ratio > options.most:
            again = f" (at first {ratio:.3f})"
            before, after, ratio = measure(case, options)
        if ratio > options.most:
            failed.append(case)
            again += " SLOWER"
        print(f"{case:<32} {before:12.2f} {after:12.2f}  {ratio:.3f}{again}", flush=True)
    if failed:
        print(f"{len(failed)} of {len(cases)} rows take more than {options.most} of their time before")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
