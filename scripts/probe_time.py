#!/usr/bin/env python3
"""CPU time of the head probes: the four runs of experiments/heads/induction.yaml with seed 0, once
without probes and once with the five that read attention, measured every 40 steps as the file says
and every 4. Prints seconds, best of N, and their ratio.

    scripts/probe_time.py [build/fovea] [--best 3]
"""
import argparse
import re
import resource
import subprocess
import tempfile
from pathlib import Path

EXPERIMENT = Path(__file__).parent.parent / "experiments/heads/induction.yaml"
PROBES = "probes: [current_token, previous_token, duplicate_token, induction, attention_mass]\n"


def seconds(tool, text, every, folder):
    """User and system time of one call, which trains on one thread."""
    path = Path(folder) / "experiment.yaml"
    path.write_text(text)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([tool, "run", path, "train.seed=0", f"train.probe_every={every}", "--jobs",
                        "1", "--quiet", "--out", out], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool", nargs="?", default="build/fovea")
    parser.add_argument("--best", type=int, default=3)
    options = parser.parse_args()
    # The settings and the sweep alone: no figures, no claims.
    text = EXPERIMENT.read_text().split("\nprobes:")[0] + "\n"
    assert re.search(r"^sweep:", text, re.M), EXPERIMENT
    print("measured every  no probes  five head probes  ratio")
    with tempfile.TemporaryDirectory() as folder:
        for every in (40, 4):
            times = [[seconds(options.tool, text + probes, every, folder)
                      for _ in range(options.best)] for probes in ("", PROBES)]
            none, five = map(min, times)
            print(f"{every:8} steps  {none:7.2f} s  {five:14.2f} s  {five / none:5.2f}")


if __name__ == "__main__":
    main()
