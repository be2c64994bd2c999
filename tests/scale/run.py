#!/usr/bin/env python3
"""Sweeps of thousands of runs: run.py TOOL

They take hardly more memory than one run does, trained or found in the store, and of very many faint
lines a figure draws some. The two pictures of a figure are drawn side by side where there are two cores.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TOOL = Path(sys.argv[1]).resolve()
MOST_MEMORY = 64 << 10  # KiB
MOST_PER_RUN = 1500  # bytes; a record has 5 KB, and some hundred wait to be stored
FEW, MANY = 500, 5500
SWEEP = """source: "scale"
task: {{name: copy, vocab_size: 4, context_length: 4}}
model: {{n_embd: 2}}
train: {{batch_size: 8, steps: 2, log_every: 1, seed: 0..{last}}}
"""
# Stands in for gnuplot: begins to draw once another has begun too, or after two seconds, and logs that.
STAND_IN = """#!/bin/sh
echo begin >> "$FOVEA_LOG"
for i in $(seq 40); do
    [ "$(grep -c begin "$FOVEA_LOG")" -lt 2 ] && sleep 0.05
done
GNUPLOT "$@"
echo end >> "$FOVEA_LOG"
"""
FIGURE = "figure: {kind: curves, y: perplexity}\n"


def check(condition, message):
    if not condition:
        sys.exit(f"scale: {message}")


def run(*arguments, before=(), **environment):
    """What it prints, and the most memory that it took, in KiB."""
    command = [*before, str(TOOL), *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, **environment})
    out, err = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    check(process.returncode == 0, f"{command} ends with {process.returncode}: {err}")
    return out, usage.ru_maxrss


def sweep(folder, n, figure=""):
    file = folder / f"sweep-{n}.yaml"
    file.write_text(SWEEP.format(last=n - 1) + figure)
    return file


def memory(folder):
    taken = {}
    for n in (FEW, MANY):
        file, out = sweep(folder, n), folder / f"out-{n}"
        for how in ("trained", "found"):
            _, taken[how, n] = run("run", file, "--out", out, "--quiet")
    for how in ("trained", "found"):
        few, many = taken[how, FEW], taken[how, MANY]
        each = (many - few) * 1024 / (MANY - FEW)
        check(many < MOST_MEMORY, f"{MANY} runs that are {how} take {many} KiB")
        check(each < MOST_PER_RUN, f"a run more that is {how} takes {each:.0f} bytes more")
    return folder / f"out-{MANY}"


def figure(folder, out):
    run("run", sweep(folder, MANY, FIGURE), "--out", out, "--quiet")
    svg = (out / f"sweep-{MANY}.svg").read_text()
    check(re.search(r"median over 5500 seeds \(strong\) and 4000 of them \(faint\)", svg), "the figure is silent")
    n_lines = len(re.findall(r"<path", svg))
    check(4000 <= n_lines < 4100, f"the figure has {n_lines} lines")


def side_by_side(folder):
    programs, log = folder / "programs", folder / "log"
    programs.mkdir()
    (programs / "gnuplot").write_text(STAND_IN.replace("GNUPLOT", shutil.which("gnuplot")))
    (programs / "gnuplot").chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    cores = sorted(os.sched_getaffinity(0))
    for n in range(1, min(len(cores), 2) + 1):
        log.write_text("")
        only = ["taskset", "-c", ",".join(map(str, cores[:n]))]
        run("run", sweep(folder, 3, FIGURE), "--out", folder / "few", "--quiet", before=only, PATH=path,
            FOVEA_LOG=str(log))
        expected = "begin begin end end" if n > 1 else "begin end begin end"
        check(log.read_text().split() == expected.split(), f"on {n} cores gnuplots {log.read_text().split()}")


def main():
    with tempfile.TemporaryDirectory(prefix="fovea-scale-") as name:
        out = memory(Path(name))
        figure(Path(name), out)
        side_by_side(Path(name))
    print(f"scale: {MANY} runs in less than {MOST_MEMORY >> 10} MiB")


if __name__ == "__main__":
    main()
