#!/usr/bin/env python3
"""Holds `fovea help --schema` against every experiment file of the repository, and against mistakes.

    run.py TOOL REPOSITORY

Needs jsonschema and PyYAML (Debian's python3-jsonschema, python3-yaml); skipped (77) where they are not there.
"""

import json
import pathlib
import re
import subprocess
import sys

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


class Loader(yaml.SafeLoader):
    """Scalars as Fovea and YAML 1.2 read them: 1e-3 is a number, `no` a text."""


Loader.yaml_implicit_resolvers = {}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), "tf")
Loader.add_implicit_resolver("!number", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"), "-+.0123456789")
Loader.add_constructor("!number", lambda loader, node: float(node.value))

# A line of an experiment file that the schema must not take.
MISTAKES = [
    "tsk: {name: copy}",
    "task: {vocabsize: 4}",
    "task: {name: copyy}",
    "task: {vocab_size: 1}",
    "task: {vocab_size: 4.5}",
    "train: {learning_rate: fast}",
    "train: {rates: {W_Q: 0}}",
    "train: {stages: [{train.batch_size: 8}]}",
    "train: {stages: [{at: 5, model.n_embd: 8}]}",
    "model: {residual: yes}",
    "sweep: {train.sede: 0..4}",
    "probes: [effective_rnk]",
    "figure: {y: loss}",
    "figure: {kind: curves, y: loss, colour: train.seed}",
    "figure: {kind: heatmap, x: model.n_embd, y: task.vocab_size}",
    "choose: {train.learning_rate: [1e-3, 1e-2], seeds: 100..102}",
    "choose: {train.lerning_rate: [1e-3, 1e-2], seeds: 100..102, measure: final(loss)}",
    "optional: {task.vocabsize: 8}",
    "claims: [{statement: It learns., above: 1}]",
    "claims: [{statement: It learns., measure: final(loss), belw: 1}]",
]
GOOD = [
    "{}",
    "train: {stages: [{at: 5, task: {offset: 1}, reset: true}], freeze: W_Q, rates: {\"*.W_Q\": 10}}",
    "sweep: [{train.freeze: [[], [W_Q]]}, {train.rates: [{}, {W_Q: 2}]}, {train.seed: [0..3, 7]}]",
    "choose: {train.learning_rate: [1e-3, 1e-2], seeds: 100..102, measure: final(loss), best: lowest}",
    "sweep: {random: 3, model.n_embd: {range: [2, 8]}, train.learning_rate: {log_range: [1e-4, 1e-1]}}",
]


def printed(tool, option):
    return json.loads(subprocess.run([tool, "help", option], stdout=subprocess.PIPE, check=True).stdout)


def check_topics(tool):
    """Everything has a name and a line of help, and fields have what writes them."""
    topics = printed(tool, "--json")
    kinds = [kind for kind in topics if kind != "version"]
    for kind in kinds:
        for topic in topics[kind]:
            assert topic["name"] and topic["help"], (kind, topic)
    for field in topics["fields"]:
        assert field["type"] and "default" in field, field
        assert ("choices" in field) == (field["type"] in ("choice", "layers")), field
    for kind in "fields", "tasks", "layers", "probes", "measures", "figures", "keys", "claims":
        assert len(topics[kind]) >= 8, kind
    return {kind: len(topics[kind]) for kind in kinds}


def main():
    tool, repository = sys.argv[1], pathlib.Path(sys.argv[2])
    schema = printed(tool, "--schema")
    jsonschema.Draft7Validator.check_schema(schema)
    check = jsonschema.Draft7Validator(schema)
    print("topics:", check_topics(tool))
    failed = 0
    files = sorted(repository.glob("experiments/**/*.yaml")) + sorted(repository.glob("examples/*.yaml"))
    for path in files:
        for error in check.iter_errors(yaml.load(path.read_text(encoding="utf-8"), Loader)):
            failed += 1
            print(f"{path}: {'.'.join(map(str, error.path))}: {error.message[:300]}")
    for text in GOOD:
        for error in check.iter_errors(yaml.load(text, Loader)):
            failed += 1
            print(f"{text}: {error.message[:300]}")
    for text in MISTAKES:
        if check.is_valid(yaml.load(text, Loader)):
            failed += 1
            print(f"taken for an experiment: {text}")
    print(f"{len(files)} experiment files, {len(MISTAKES)} mistakes, {failed} failures")
    sys.exit(failed > 0 or len(files) < 30)


if __name__ == "__main__":
    main()
