#!/usr/bin/env python3
"""Runs the examples that the tool gives of itself: run.py TOOL [--only WORD]

Every line under "Example:" of every verb's --help, and the example of every part, probe,
measure, figure, section and key of claims that `fovea help` lists, each in a folder of its own. What needs a
server, several processes, files of the user or minutes is named here and left out; every other line
has to work as it is printed.
"""

import argparse
import json
import os
import re
import shlex
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INDENT = " " * 23  # of an example below its name

# Lists of parts, and the field that chooses from them.
PARTS = {
    "tasks": "task.name",
    "layers": "model.layers",
    "activations": "model.activation",
    "scores": "model.score",
    "positions": "model.positions",
    "optimizers": "train.optimizer",
    "schedules": "train.schedule",
}

# What an example cannot do here: a part of it, and why.
LEFT_OUT = {
    "mpirun": "several processes",
    "localhost": "a server",
    "~/essays": "files of the user",
    "ruler/pred": "predictions of a server",
    "--show 17": "answers of a server",
    "fovea bench": "minutes; tests/cli times a case",
    "fovea reproduce": "minutes",
    "fovea explore": "serves until Ctrl-C; tests/web/explore.py asks it",
    "out/needle": "answers of a server",
    "out/3fa2 out/77ab": "two stored runs of needles",
}


def check(condition, message):
    if not condition:
        sys.exit(f"examples: {message}")


class Tool:
    def __init__(self, path):
        self.path = path

    def __call__(self, *arguments, folder=None, code=0):
        done = subprocess.run([self.path, *arguments], cwd=folder, capture_output=True, text=True, timeout=120)
        said = done.stdout + done.stderr
        check(done.returncode == code, f"{shlex.join(map(str, arguments))}: exit {done.returncode}: {said}")
        return done.stdout

    def shell(self, line, folder):
        environment = dict(os.environ, PATH=f"{Path(self.path).parent}:{os.environ['PATH']}")
        done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, env=environment, timeout=120)
        check(done.returncode == 0, f"{line}: exit {done.returncode}: {done.stdout}{done.stderr}")


# --- of verbs


def verbs(tool):
    return re.findall(r"^  (\w+) ", tool("help").split("Verbs:")[1], re.M)


def examples_of(tool, verb):
    return re.findall(r"^  (.*)$", tool(verb, "--help").split("\nExample:\n")[1], re.M)


def make_folder(tool, folder):
    """A folder like a user's: the checkout's experiments, a store of some runs, a checkpoint."""
    for name in ("experiments", "examples"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "small.yaml").write_text("task: {vocab_size: 100}\nmodel: {residual: true, norm: layer}\n"
                                       "train: {steps: 20, seed: 0..1}\n")
    tool("run", "small.yaml", "--out", "out", "--quiet", folder=folder)
    for share in ("1", "2"):
        tool("run", "small.yaml", f"train.steps={share}", "--out", f"share-{share}", "--quiet", folder=folder)
    run = json.loads(tool("runs", "out", "--json", folder=folder).splitlines()[0])["run_id"]
    tool("export", f"out/{run}", "--format", "safetensors", "--out", "model.safetensors", folder=folder)
    return run


def run_verb(tool, verb):
    n = 0
    for line in examples_of(tool, verb):
        if any(part in line for part in LEFT_OUT):
            continue
        with tempfile.TemporaryDirectory(prefix="fovea-examples-") as name:
            folder = Path(name)
            run = make_folder(tool, folder)
            tool.shell(line.replace("3fa2", run), folder)
            if verb == "run":
                drawn = list(folder.glob("out/*/*.svg"))
                check(drawn and "<path" in drawn[0].read_text(), f"{line} drew no figure")
        n += 1
    return f"{verb} {n}"


# --- of names


def listed(tool, kind):
    """{name: lines of its example} of `fovea help KIND`."""
    found, name = {}, None
    text = tool("help", kind).split("\nTasks of served models:")[0].split("\n'fovea help")[0]
    if kind in ("layers", "positions"):  # behind the field of that name
        text = text.split("\n\n", 1)[1]
    for line in text.splitlines():
        if not line.startswith(" "):
            name = re.match(r"\w+", line).group()
            found[name] = []
        elif line.startswith(INDENT):
            found[name].append(line.strip())
    for name, lines in found.items():
        # Help that did not fit beside a long name stands above the example.
        found[name] = [line for line in lines if re.match(r"[a-z]+: \S", line)]
        check(found[name], f"{name} of {kind} has no example")
    return found


def as_file(lines):
    if lines[0].startswith("measure: "):
        measure = json.dumps(lines[0][len("measure: ") :])
        claim = f"claims: [{{statement: It is so., measure: {measure}, above: -1e9}}]"
        return f"train: {{steps: 200, snapshot_every: 100}}\n{claim}\n"
    lines = list(lines)
    if not any(line.startswith("train:") for line in lines) and not lines[-1].startswith("figure:"):
        lines.append("train: {steps: 20}")
    return "\n".join(lines) + "\n"


def write_data(path):
    """Sequences for the task `file`: tokens [20, 8] below 20, targets [20]."""
    numbers = [(7 * i + 3) % 20 for i in range(180)]
    header = {"tokens": {"dtype": "I32", "shape": [20, 8], "data_offsets": [0, 640]},
              "targets": {"dtype": "I32", "shape": [20], "data_offsets": [640, 720]}}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + struct.pack("<180i", *numbers))


def run_name(tool, kind, name, lines):
    with tempfile.TemporaryDirectory(prefix="fovea-examples-") as at:
        folder = Path(at)
        (folder / "example.yaml").write_text(as_file(lines))
        write_data(folder / "data.safetensors")
        if kind == "tasks" and name == "custom":  # which is a Python program's: tests/python/test_tasks.py
            done = subprocess.run([tool.path, "run", "example.yaml"], cwd=folder, capture_output=True, text=True)
            refused = done.returncode == 2 and "belongs to the program that defines it" in done.stderr
            check(refused, f"custom: exit {done.returncode}: {done.stderr}")
            return name
        tool("run", "example.yaml", "--out", "out", "--quiet", folder=folder)
        runs = [json.loads(line) for line in tool("runs", "out", "--json", folder=folder).splitlines()]
        check(runs, f"{name} trained nothing")
        if kind in PARTS:
            check(name in str(runs[0]["config"][PARTS[kind]]), f"{name} is not in its own example")
        if kind == "probes":
            check(any(key.split(".")[0].split("[")[0] == name for key in runs[0]["probes"]), f"{name} measured nothing: {runs[0]['probes']}")
        if kind == "figures":
            check([path for path in (folder / "out").iterdir() if path.suffix in (".svg", ".gif")], f"{name} drew nothing")
        if kind in ("measures", "claims"):
            check(len(json.loads((folder / "out/claims.json").read_text())) == 1, f"{name} judged nothing")
    return name


def attempt(call, given):
    try:
        return call(*given)
    except SystemExit as failure:
        return str(failure)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--only")
    options = parser.parse_args()
    tool = Tool(options.tool)
    jobs = [(run_verb, (tool, verb)) for verb in verbs(tool)]
    for kind in (*PARTS, "figures", "probes", "measures", "claims", "sections"):
        jobs += [(run_name, (tool, kind, name, lines)) for name, lines in listed(tool, kind).items()]
    if options.only:
        jobs = [(call, given) for call, given in jobs if options.only in given]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda job: attempt(*job), jobs))
    failed = [result for result in done if result.startswith("examples: ")]
    print("\n".join(failed or [f"{len(done)} examples: {', '.join(done)}"]))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
