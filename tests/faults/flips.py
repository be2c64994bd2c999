#!/usr/bin/env python3
"""Flips single bits of a small run store: flips.py TOOL [--flips N] [--seed N] [--jobs N]

After each flip every reader of the store either prints exactly what it printed before, or fails with
exit code 1 and one clear line; `run` may also say what is damaged and train it again, and must leave
a store that is whole and has the results of before. Nothing may be silent.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
TIMEOUT_SECONDS = 60


class Readers:
    """The verbs that read a store, in one folder with a copy of it."""

    def __init__(self, tool, folder):
        self.tool, self.folder = tool, folder
        self.out = folder / "out"
        self.into = folder / "into"

    def call(self, *arguments):
        return subprocess.run([self.tool, *map(str, arguments)], capture_output=True, text=True,
                              errors="replace", timeout=TIMEOUT_SECONDS, cwd=self.folder)

    def put(self, store):
        for folder in (self.out, self.into):
            shutil.rmtree(folder, ignore_errors=True)
        self.out.mkdir()
        (self.out / "fovea.db").write_bytes(store)

    def readers(self, run):
        return {
            "runs": lambda: self.call("runs", "out"),
            "runs --json": lambda: self.call("runs", "out", "--json"),
            "export": lambda: self.call("export", "out"),
            "probe": lambda: self.call("probe", f"out/{run}"),
            "show": lambda: self.call("runs", "out", "show", run),
            "digest": lambda: self.call("runs", "out", "--digest"),
            "check": lambda: self.call("runs", "out", "--check"),
            "merge": lambda: self.merged(),
        }

    def merged(self):
        """What a merge into a new store prints, and what that store then has."""
        result = self.call("runs", "merge", "into", "out")
        if result.returncode == 0:
            for arguments in (["export", "into"], ["runs", "into", "--digest"], ["runs", "into"]):
                result.stdout += self.call(*arguments).stdout
        return result

    def run(self):
        return self.call("run", HERE / "flips.yaml", "--out", "out", "--jobs", "1", "--quiet")


def error_lines(result):
    return [line for line in result.stderr.splitlines() if line.startswith("fovea: ")]


def complaint(name, result, expected):
    """What is wrong about a reader, or None."""
    if result.returncode == 0:
        return None if result.stdout == expected else f"{name} is silent: prints other data"
    if result.returncode != 1:
        return f"{name} ends with {result.returncode}: {result.stderr.strip()}"
    lines = len(error_lines(result))
    if name == "check" and lines == 0 and "damaged" in result.stdout:
        return None
    return None if lines == 1 else f"{name} fails with {lines} lines: {result.stderr.strip()}"


def run_complaint(place, expected):
    result = place.run()
    if result.returncode == 1 and len(error_lines(result)) >= 1:
        return None
    if result.returncode != 0:
        return f"run ends with {result.returncode}: {result.stderr.strip()}"
    if place.call("runs", "out", "--digest").stdout != expected["digest"]:
        return "run is silent: the store has other results than before"
    check = place.call("runs", "out", "--check")
    if check.stdout and all("in database main" in line for line in check.stdout.splitlines()):
        # Unused bytes of a page, which no reader sees: the file is written anew when that is asked.
        check = place.call("runs", "out", "--check", "--write")
        if place.call("runs", "out", "--digest").stdout != expected["digest"]:
            return "a store written anew has other results"
    return None if check.returncode == 0 else f"run leaves damage: {check.stdout}{check.stderr}"


def try_flip(tool, folder, store, bit, run, expected):
    place = Readers(tool, folder)
    flipped = bytearray(store)
    flipped[bit // 8] ^= 1 << bit % 8
    place.put(flipped)
    wrong, noticed = [], False
    try:
        for name, read in place.readers(run).items():
            result = read()
            noticed |= result.returncode != 0
            wrong.append(complaint(name, result, expected[name]))
        place.put(flipped)
        wrong.append(run_complaint(place, expected))
    except subprocess.TimeoutExpired as hung:
        wrong.append(f"{' '.join(map(str, hung.cmd[1:]))} hangs")
    return [f"bit {bit % 8} of byte {bit // 8}: {what}" for what in wrong if what], noticed


def make_store(tool, folder):
    """The bytes of a store, one of its runs, and what every reader prints."""
    place = Readers(tool, folder)
    if place.run().returncode != 0:
        sys.exit("flips: the sweep itself fails")
    store = (place.out / "fovea.db").read_bytes()
    place.put(store)
    run = place.call("runs", "out").stdout.splitlines()[2].split()[0]
    results = {name: read() for name, read in place.readers(run).items()}
    for name, result in results.items():
        if result.returncode != 0:
            sys.exit(f"flips: {name} fails on a sound store: {result.stderr}")
    return store, run, {name: result.stdout for name, result in results.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--bit", type=int, help="this bit alone")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="fovea-flips-") as name:
        base = Path(name) / "base"
        base.mkdir()
        store, run, expected = make_store(options.tool, base)
        bits = [rng.randrange(8 * len(store)) for _ in range(options.flips)]
        if options.bit is not None:
            bits = [options.bit]

        def one(number):
            folder = Path(name) / str(number)
            folder.mkdir()
            result = try_flip(options.tool, folder, store, bits[number], run, expected)
            shutil.rmtree(folder)
            return result

        with ThreadPoolExecutor(options.jobs) as pool:
            results = list(pool.map(one, range(len(bits))))
    wrong = [line for lines, _ in results for line in lines]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    noticed = sum(noticed for _, noticed in results)
    print(f"flips: {len(bits)} bits of {len(store)} bytes, {noticed} noticed, the others without "
          f"effect; {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
