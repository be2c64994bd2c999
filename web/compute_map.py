#!/usr/bin/env python3
"""Computes a map that ships with the page: fills `values` of a file of web/maps, row by row of y.

    web/compute_map.py BUILD/tests/web_native web/maps/NAME.json

By the portable kernels, whose bits the page has: a cell that is trained in the page gets the same value."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile


def yaml_of(fields):
    sections = {}
    for key, value in fields.items():
        section, name = key.split(".")
        sections.setdefault(section, []).append(f"  {name}: {value}\n")
    return "".join(f"{section}:\n{''.join(lines)}" for section, lines in sections.items())


def main():
    program, path = sys.argv[1], pathlib.Path(sys.argv[2])
    plan = json.loads(path.read_text())
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for y in plan["y"]["values"]:
            for x in plan["x"]["values"]:
                files.append(pathlib.Path(folder) / f"{len(files)}.yaml")
                fields = {**plan["fields"], plan["x"]["key"]: x, plan["y"]["key"]: y}
                files[-1].write_text(yaml_of(fields))
        done = subprocess.run([program, "--cells", plan["measure"], *files], check=True, text=True,
                              stdout=subprocess.PIPE, env={**os.environ, "FOVEA_CPU": "portable"})
    plan["values"] = [json.loads(line)["value"] for line in done.stdout.splitlines()]
    path.write_text(json.dumps(plan, indent=1) + "\n")


if __name__ == "__main__":
    main()
