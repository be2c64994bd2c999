"""Configurations of the examples and of families.jsonl with fields dropped or changed: `fovea cost`
counts them or refuses them in one line. And no field is silent: one that is dropped or changed
changes the output, or is named in a line, or is known to cost nothing.

    python3 tests/cost/mutate.py build/fovea 5000"""
import glob
import json
import os
import random
import subprocess
import sys

# Their values are seen nowhere: factors, positions, the order in which experts are chosen.
COSTS_NOTHING = {"n_group", "topk_group", "pad_token_id", "qk_rope_head_dim"}
VALUES = [None, True, False, -1, 0, 1, 3, 7.5, 1e300, 2**40, 10**25, "x", "", [], {}, [1, 2], ["full_attention"], "auto"]


def run(program, config):
    return subprocess.run([program, "cost", "-", "--json"], input=json.dumps(config), text=True, capture_output=True)


def mutate(config, r):
    config = dict(config)
    for _ in range(r.randint(1, 3)):
        if not config:
            break
        key, how = r.choice(list(config)), r.random()
        value = config[key]
        if how < 0.3:
            del config[key]
        elif how < 0.8 or isinstance(value, bool) or not isinstance(value, int):
            config[key] = r.choice(VALUES)
        else:
            config[key] = value * 2
    return config


def main():
    program, count = sys.argv[1], int(sys.argv[2])
    here = os.path.dirname(os.path.abspath(__file__))
    configs = [json.load(open(path)) for path in sorted(glob.glob(here + "/../../examples/configs/*.json"))]
    examples = list(configs)
    configs += [json.loads(line)["config"] for line in open(here + "/families.jsonl")]
    r, wrong, silent = random.Random(1), 0, 0
    for _ in range(count):
        config = mutate(r.choice(configs), r)
        got = run(program, config)
        if got.returncode not in (0, 2) or (got.returncode == 2 and (got.stderr.count("\n") != 1 or got.stdout)):
            wrong += 1
            print(got.returncode, got.stderr[:200], json.dumps(config))
    for _ in range(count // 4):  # one field of a published model alone: its change is seen
        config = r.choice(examples)
        key = r.choice([k for k in config if k != "model_type"])
        value = config[key]
        other = not value if isinstance(value, bool) else value + 4096 if isinstance(value, int) else None  # more than what sizes are rounded to
        if other in (None, value):
            continue
        before, after = run(program, config), run(program, {**config, key: other})
        without = run(program, {k: v for k, v in config.items() if k != key})
        named = key in before.stdout or key in COSTS_NOTHING
        for what, now in (("changed", after), ("dropped", without)):
            if now.stdout == before.stdout and not named:
                silent += 1
                print(what, key, "changes nothing", json.dumps(config)[:200])
    print(f"{count} mutations: {wrong} answered wrongly, {silent} fields silent")
    return wrong + silent > 0


if __name__ == "__main__":
    sys.exit(main())
