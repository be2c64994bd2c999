"""Configurations of the examples and of families.jsonl with fields dropped, changed and added: `fovea
cost` counts them or refuses them in one line. And no field is silent: one that is dropped or changed
changes the output, or is named in a line, or stands in the list of those that cost nothing
(src/cost/unread.c).

    python3 tests/cost/mutate.py build/fovea 5000          # so many mutations, a quarter as many fields of families
    python3 tests/cost/mutate.py build/fovea 5000 --every  # and every field of every family"""
import fnmatch
import glob
import json
import os
import random
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
UNREAD = open(HERE + "/../../src/cost/unread.c").read()
COSTS_NOTHING = re.findall(r'X\("([^"]+)",', UNREAD)
# Asked for, and yet without a number of their own: a rotary part that another width is given for.
NO_NUMBER = {"qk_rope_head_dim"}
VALUES = [None, True, False, -1, 0, 1, 3, 7.5, 1e300, 2**40, 10**25, "x", "", [], {}, [1, 2], ["full_attention"], "auto",
          {"quant_method": "fp8", "weight_block_size": [128, 0]}, {"quant_method": "awq", "group_size": "x"}]


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
        elif how < 0.35:
            config[r.choice(["quantization_config", "text_config", "layer_types", "a_field"])] = r.choice(VALUES)
        elif how < 0.8 or isinstance(value, bool) or not isinstance(value, int):
            config[key] = r.choice(VALUES)
        else:
            config[key] = value * 2
    return config


def other(value):
    """Another value of the same kind, further away than what sizes are rounded to."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 4096
    if isinstance(value, list):
        return value[:-1]
    return "x" if isinstance(value, str) else 7 if value is None else {}


def is_known(key, notes):
    """Whether the field is said to change nothing, or to stand as something else."""
    if key in NO_NUMBER or any(fnmatch.fnmatchcase(key, pattern) for pattern in COSTS_NOTHING):
        return True
    return any(re.search(rf"(^|[ ,.]){re.escape(key)}($|[ ,:.])", note) for note in notes)


def is_seen(program, config, key):
    """Whether the field, changed or dropped, changes the output, or a line says something about it."""
    before = run(program, config)
    if before.returncode != 0 or is_known(key, json.loads(before.stdout)["notes"]):
        return True
    without = {k: v for k, v in config.items() if k != key}
    changes = [without] + [{**config, key: value} for value in (other(config[key]), 1, 2) if value != config[key]]
    return any(run(program, change).stdout != before.stdout for change in changes)


def main():
    program, count = sys.argv[1], int(sys.argv[2])
    configs = [json.load(open(path)) for path in sorted(glob.glob(HERE + "/../../examples/configs/*.json"))]
    configs += [json.loads(line)["config"] for line in open(HERE + "/families.jsonl")]
    r, wrong, quiet = random.Random(1), 0, 0
    for _ in range(count):
        config = mutate(r.choice(configs), r)
        got = run(program, config)
        if got.returncode not in (0, 2) or (got.returncode == 2 and (got.stderr.count("\n") != 1 or got.stdout)):
            wrong += 1
            print(got.returncode, got.stderr[:200], json.dumps(config))
    # A field may mean nothing in one model (experts where no layer has any), but not in all of a family.
    fields = {}
    for config in configs:
        for key in config.keys() - {"model_type"}:
            fields.setdefault((config["model_type"], key), []).append(config)
    for family, key in sorted(fields) if "--every" in sys.argv else r.sample(sorted(fields), count // 4):
        if not any(is_seen(program, config, key) for config in fields[family, key]):
            quiet += 1
            print(f"{family}: {key} changes nothing, and no line says so")
    for config in configs if "--every" in sys.argv else r.sample(configs, max(1, count // 40)):
        notes = json.loads(run(program, {**config, "a_new_field": 1}).stdout)["notes"]
        if not is_known("a_new_field", notes):
            quiet += 1
            print("a field that nobody knows is not named:", config["model_type"])
    print(f"{count} mutations: {wrong} answered wrongly, {quiet} fields silent")
    return wrong + quiet > 0


if __name__ == "__main__":
    sys.exit(main())
