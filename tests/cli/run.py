#!/usr/bin/env python3
"""Runs a file of commands and compares what they print with what the file says.

    # A comment, allowed before the first command.
    $ $FOVEA help seed
    train.seed  integer from 0 to 2147483647, default 0
    $ $FOVEA run missing.yaml
    fovea: missing.yaml: [..]
    ? 2

A line "$ command" is run by bash in a fresh, empty folder that all commands of the file share.
$FOVEA is the tool, $SRC the repository root. The lines after it are the expected output, stdout and
stderr together. "[..]" matches anything within a line, a line "..." any number of lines. "? N" is
the exit code where it is not 0. Usage: run.py TOOL FILE...
"""

import difflib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 250


def parse(text):
    """The file's commands, each as (command, expected lines, exit code)."""
    cases = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("$ "):
            cases.append([line[2:], [], 0])
        elif not cases:
            if line and not line.startswith("#"):
                raise ValueError(f"line {number}: expected a comment or '$ command', got: {line}")
        elif re.fullmatch(r"\? \d+", line):
            cases[-1][2] = int(line[2:])
        else:
            cases[-1][1].append(line)
    for case in cases:  # a blank line before the next command is layout, not output
        while case[1] and case[1][-1] == "":
            case[1].pop()
    return cases


def line_matches(pattern, line):
    parts = [re.escape(part) for part in pattern.split("[..]")]
    return re.fullmatch(".*".join(parts), line) is not None


def matches(expected, actual):
    """Whether the actual lines fit the expected ones, with "..." for any number of lines."""
    reachable = {0}  # how many actual lines the expected ones so far can have consumed
    for pattern in expected:
        if not reachable:
            return False
        if pattern == "...":
            reachable = set(range(min(reachable), len(actual) + 1))
        else:
            reachable = {
                i + 1 for i in reachable if i < len(actual) and line_matches(pattern, actual[i])
            }
    return len(actual) in reachable


def run_case(command, folder, environment):
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_SECONDS,
    )
    output = done.stdout.decode("utf-8", "replace").splitlines()
    while output and output[-1] == "":
        output.pop()
    return output, done.returncode


def run_file(tool, path):
    """Runs every command of the file; prints a diff for each that fails; returns success."""
    with tempfile.TemporaryDirectory(prefix="fovea-cli-") as links:
        return run_file_with(plain(Path(tool).resolve(), links), plain(ROOT, links), path)


def plain(path, links):
    """The path, or a link to it where $FOVEA and $SRC would need quotes."""
    if re.fullmatch(r"[A-Za-z0-9_./+-]+", str(path)):
        return path
    link = Path(links) / f"to-{len(os.listdir(links))}"
    link.symlink_to(path)
    return link


def run_file_with(tool, source, path):
    environment = dict(os.environ, FOVEA=str(tool), SRC=str(source), LC_ALL="C.UTF-8")
    environment.pop("FOVEA_CPU", None)
    cases = parse(Path(path).read_text())
    if not cases:
        print(f"{path}: no commands")
        return False
    good = True
    with tempfile.TemporaryDirectory(prefix="fovea-cli-") as folder:
        for command, expected, code in cases:
            output, returned = run_case(command, folder, environment)
            if matches(expected, output) and returned == code:
                continue
            good = False
            print(f"{path}: $ {command}")
            wanted = expected + ([f"? {code}"] if code else [])
            got = output + ([f"? {returned}"] if returned else [])
            print("\n".join(difflib.unified_diff(wanted, got, "expected", "actual", lineterm="")))
    return good


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    results = [run_file(sys.argv[1], path) for path in sys.argv[2:]]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
