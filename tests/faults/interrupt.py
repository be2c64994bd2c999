#!/usr/bin/env python3
"""Interrupts a command while it draws: interrupt.py TOOL [--interrupts N]

At random instants, by SIGINT, SIGTERM or SIGHUP, to the tool alone or to its whole process group as a
terminal does, sometimes twice, sometimes by SIGKILL. The tool then ends soon, with one line that says so
and exit code 1, or had drawn everything; gnuplot is gone with it and has printed nothing; no file is cut
short; claims.json and the report are there only when all figures are. After a SIGKILL the next command
leaves nothing of what was begun. Last, a gnuplot that never ends and hears no signal.
"""

import argparse
import ctypes
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pictures

HERE = Path(__file__).resolve().parent
HANG_SECONDS = 30
SIGNALS = [signal.SIGINT] * 6 + [signal.SIGTERM, signal.SIGHUP]
PR_SET_CHILD_SUBREAPER = 36
SAID = re.compile(r"fovea: .*interrupted.*; the same command goes on from there")
STUBBORN = "#!/bin/sh\ncut -d' ' -f5 /proc/$$/stat >\"${0%/*}/group\"\ntrap '' INT TERM HUP\nwhile :; do sleep 0.1; done\n"


def check(condition, message):
    if not condition:
        sys.exit(f"interrupt: {message}")


def start(tool, out, **environment):
    return subprocess.Popen(
        [tool, "run", str(HERE / "drawn.yaml"), "--out", str(out), "--jobs", "1"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def send(process, number, to_group):
    try:
        if to_group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
    except ProcessLookupError:
        pass


def finish(process, what):
    """The exit code, stdout and stderr of a process that must end soon."""
    try:
        out, err = process.communicate(timeout=HANG_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        sys.exit(f"interrupt: {what}: it hangs")
    return process.returncode, out, err


def orphans_end(seconds):
    """Whether the processes that the tool left behind, now this one's children, end within that time."""
    end = time.monotonic() + seconds
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == 0:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)


def check_result(code, stderr, out, number, what):
    check("gnuplot>" not in stderr, f"{what}: gnuplot prints its prompt: {stderr}")
    reports = [(out / name).exists() for name in ("claims.json", "report.html")]
    if code == -number:  # before it listened, or as it was asked twice
        check(not all(reports) or pictures.fault(out) is None, f"{what}: a cut file")
        return
    check((wrong := pictures.fault(out)) is None, f"{what}: {wrong}")
    check(code in (0, 1), f"{what}: exit code {code}: {stderr}")
    errors = [line for line in stderr.splitlines() if line.startswith("fovea: ")]
    check(len(errors) == code, f"{what}: exit code {code} with {len(errors)} error lines: {stderr}")
    check(code == 0 or SAID.fullmatch(errors[0]), f"{what}: it says: {errors}")
    check(reports == [code == 0] * 2, f"{what}: exit code {code} with reports {reports}")


def interrupt(tool, out, seconds, rng, counts):
    for name in ("claims.json", "report.html"):
        (out / name).unlink(missing_ok=True)
    number, to_group = rng.choice(SIGNALS), rng.random() < 0.5
    twice, killed = rng.random() < 0.15, rng.random() < 0.08
    if killed:
        number = signal.SIGKILL
    moment, again = rng.uniform(0, seconds), rng.uniform(0, 0.5)
    what = f"{number.name} {'to the group' if to_group else 'alone'} after {moment:.3f} s"
    what += f" and again after {again:.3f} s" if twice else ""
    process = start(tool, out)
    time.sleep(moment)
    send(process, number, to_group)
    if twice:
        time.sleep(again)
        if process.poll() is None:
            send(process, number, to_group)
    code, _, stderr = finish(process, what)
    # A killed tool cannot end its gnuplot, which draws to its end.
    check(orphans_end(HANG_SECONDS if killed else 1), f"{what}: gnuplot goes on")
    check_result(code, stderr, out, number, what)
    counts[code] = counts.get(code, 0) + 1


def stubborn_gnuplot(tool, out, folder):
    """A gnuplot that never ends: interrupted, and given up after a time."""
    program = folder / "bin" / "gnuplot"
    program.parent.mkdir()
    program.write_text(STUBBORN)
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    for number in (signal.SIGINT, signal.SIGTERM):
        for name in ("claims.json", "report.html"):
            (out / name).unlink(missing_ok=True)
        process = start(tool, out, PATH=path)
        time.sleep(0.5)
        send(process, number, False)
        code, _, stderr = finish(process, f"a stubborn gnuplot and {number.name}")
        group = int((program.parent / "group").read_text())
        check(group != process.pid, "gnuplot is in the tool's group, and hears the terminal's signals")
        check(code == 1, f"a stubborn gnuplot and {number.name}: exit code {code}: {stderr}")
        check(orphans_end(1), "a stubborn gnuplot is not ended")
        check_result(code, stderr, out, number, "a stubborn gnuplot")
    process = start(tool, out, PATH=path, FOVEA_GNUPLOT_SECONDS="0.2")
    code, _, stderr = finish(process, "a gnuplot that takes for ever")
    check(code == 1 and "did not end within 0.2 s" in stderr, f"given up with {code}: {stderr}")
    check(orphans_end(1), "a gnuplot that takes for ever is not ended")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--interrupts", type=int, default=1000)
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    rng, counts = random.Random(0), {}
    with tempfile.TemporaryDirectory(prefix="fovea-interrupt-") as name:
        out = Path(name) / "out"
        code, _, stderr = finish(start(options.tool, out), "the undisturbed command")
        check(code == 0, f"the undisturbed command fails: {stderr}")
        begin = time.monotonic()
        finish(start(options.tool, out), "the undisturbed command")
        seconds = time.monotonic() - begin
        for _ in range(options.interrupts):
            interrupt(options.tool, out, seconds, rng, counts)
        stubborn_gnuplot(options.tool, out, Path(name))
        code, _, stderr = finish(start(options.tool, out), "the last command")
        check(code == 0, f"the last command fails: {stderr}")
        check((wrong := pictures.fault(out)) is None, f"the last command: {wrong}")
    codes = ", ".join(f"{n} with {code}" for code, n in sorted(counts.items()))
    print(f"interrupt: {options.interrupts} interrupts while drawing, none hangs; exit codes: {codes}")


if __name__ == "__main__":
    main()
