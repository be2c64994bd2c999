#!/usr/bin/env python3
"""What surrounds training, timed: scale.py TOOL [--runs N] [--folder DIR] [--steps N]

How fast the tool starts; what a sweep of N short runs takes, in time and memory; the same command once
more, when there is nothing to do; listings of its store; figures over all of it; and the time from the last
run to the last file of an experiment with one figure. Prints a table, the machine over it. The store
is kept in DIR and used again; with 100,000 runs it has 0.5 GB and takes about two minutes of two cores.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SWEEP = """source: "What surrounds training"
task: {{name: copy, vocab_size: 4, context_length: 4}}
model: {{n_embd: 2}}
train: {{batch_size: 256, steps: {steps}, seed: 0..{last}}}
"""
FIGURE = "figure: {kind: curves, y: perplexity}\n"


def run(*command):
    """Seconds, seconds of processors, MiB (no less than this program has: what it starts begins as a copy)."""
    begin = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"scale: {' '.join(map(str, command))}: {error}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def best(n, *command):
    return min(run(*command) for _ in range(n))


def row(what, measured, note=""):
    seconds, processor, memory = measured
    time_text = f"{1000 * seconds:.1f} ms" if seconds < 0.1 else f"{seconds:.2f} s"
    print(f"| {what} | {time_text} | {processor:.2f} s | {memory:.0f} MiB | {note} |", flush=True)


def write(folder, name, last, steps, figure=""):
    file = folder / f"{name}.yaml"
    file.write_text(SWEEP.format(last=last, steps=steps) + figure)
    return file


def measure(options, folder):
    tool, n = options.tool, options.runs
    file, out = write(folder, "sweep", n - 1, options.steps), folder / f"out-{n}-{options.steps}"
    drawn = write(folder, "drawn", n - 1, options.steps, FIGURE)
    one = write(folder, "one", 4, options.steps, FIGURE)
    print("| what | time | of all cores | memory | |\n| --- | ---: | ---: | ---: | --- |")
    row("`fovea --version`", best(50, tool, "--version"), "best of 50")
    if not (out / "claims.json").exists():
        trained = run(tool, "run", file, "--out", out, "--quiet")
        row(f"a sweep of {n:,} runs", trained, f"cores busy: {trained[1] / trained[0] / os.cpu_count():.2f}")
    row("the same command again", best(3, tool, "run", file, "--out", out, "--quiet"), "best of 3")
    row("`fovea runs OUT`", best(3, tool, "runs", out), "best of 3")
    few = ("--where", "final(accuracy) < 0.9", "--limit", "10")
    row("`... --where 'final(accuracy) < 0.9' --limit 10`", best(3, tool, "runs", out, *few), "best of 3")
    row(f"a figure over {n:,} runs", best(3, tool, "run", drawn, "--out", out, "--quiet"), "best of 3")
    run(tool, "run", one, "--out", folder / "one", "--quiet")
    row("from the last run to the last file, one figure",
        best(10, tool, "run", one, "--out", folder / "one", "--quiet"), "5 runs, best of 10")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--runs", type=int, default=100000)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    machine = subprocess.run([options.tool, "info"], capture_output=True, text=True).stdout
    print("".join(line + "\n" for line in machine.splitlines() if "cpu" in line.lower() or "core" in line.lower()))
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        measure(options, options.folder)
        return
    with tempfile.TemporaryDirectory(prefix="fovea-scale-") as name:
        measure(options, Path(name))


if __name__ == "__main__":
    main()
