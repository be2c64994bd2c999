"""Scores of `fovea needle --score` against RULER's metrics: ruler_scores.py TOOL PACKAGES FOLDER

RULER's own scorer is in no package, but two carry its metrics: OpenCompass both of them as RULER has
them, lm-eval string_match_all and the cleaning of predictions before it (its string_match_part is
another one). Files to score are hand-made, full of what could be read in two ways, and the answers
that the test suite's server gave to the tool itself, asked by its own data files.
"""

import importlib.util
import json
import random
import subprocess
import sys
import types
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "served"))
import run as served  # noqa: E402

NIAH = ["niah_single_1", "niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multikey_2", "niah_multikey_3",
        "niah_multivalue", "niah_multiquery"]
TASKS = {**dict.fromkeys(NIAH, "Niah"), "vt": "Vt", "cwe": "Cwe", "fwe": "Fwe", "qa_1": "Qa", "qa_2": "Qa"}
PIECES = ["1234567", "quiet-otter", "École", "ΑΒΓ αβγ", "Москва", "Ørsted Ÿ", "a", "yes", "no", "", " ", "\n", "\t", "\x00",
          "\x01\x1f", "\x7f", "\u00a0", "\u2028", "\u200b", '"', "\\", "The Answer is: ", ".", "1234567.", "日本語", "🌵", "ß"]


class Stub(types.ModuleType):
    """A package that is not needed for scores: any name of it is a class that does nothing."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name.isupper():
            return types.SimpleNamespace(register_module=lambda *_, **__: lambda one: one)
        return type(name, (), {})


def load(path):
    """A module of a package, stubs in the place of what it would import."""
    while True:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
            return module
        except ModuleNotFoundError as missing:
            sys.modules[missing.name] = Stub(missing.name)
            sys.modules[missing.name].__path__ = []  # it may have modules of its own


class Theirs:
    def __init__(self, packages):
        self.lm_eval = load(packages / "lm_eval/tasks/ruler/common_utils.py")
        folder = packages / "opencompass/datasets/ruler"
        self.metrics = {}
        for name in sorted(set(TASKS.values())):
            module = load(folder / f"ruler_{name.lower()}.py")
            self.metrics[name] = getattr(module, f"Ruler{name}Evaluator")()

    def score(self, task, lines):
        """(score, nulls), after checking that both programs agree where both have the metric."""
        predictions = self.lm_eval.postprocess_pred([line["pred"] for line in lines])
        outputs = [line["outputs"] for line in lines]
        score = self.metrics[TASKS[task]].score(predictions, outputs)["score"]
        if TASKS[task] != "Qa":
            other = round(100 * self.lm_eval.string_match_all(predictions, outputs), 2)
            served.check(abs(score - other) < 0.011, f"{task}: {score} and {other} differ")
        return score, f"{sum(not p for p in predictions)}/{len(lines)}"


def hostile(rng):
    def text(most):
        pieces = rng.choices(PIECES, k=rng.randint(0, most))
        return "".join(rng.choice([str.upper, str.lower, str])(piece) for piece in pieces)

    lines = []
    for index in range(200):
        outputs = [text(2).replace("\x00", "") or "x" for _ in range(rng.randint(1, 4))]
        kept = [rng.choice([output.upper(), output.lower(), output]) for output in outputs if rng.random() < 0.6]
        pred = text(3) + " ".join([*kept, text(4)])
        lines.append({"index": index, "pred": pred, "input": "", "outputs": outputs, "others": {}, "truncation": -1,
                      "length": -1})
    return lines


def write_hostile(folder, rng):
    folder.mkdir()
    for task in TASKS:
        text = "".join(json.dumps(line, ensure_ascii=rng.random() < 0.5) + "\n" for line in hostile(rng))
        (folder / f"{task}.jsonl").write_text(text)


def write_asked(bench, folder):
    """The tool's data files, asked by the tool from a server that is right most of the time."""
    files, data = bench.folder / "json", bench.folder / "data"
    served.reading_files(files)
    bench.run("--data", data, "--lengths", 3000, "--samples", 20, "--task", "all", "--haystack", "noise", "--documents", files)
    with bench.server(plant={"1": {"0": 0.7}}, otherwise={"wrong": 1, "empty": 1, "refusal": 1}) as server:
        bench.ask(server, bench.folder / "out", "--questions", data / "3000", "--predictions", folder, "--concurrency", 16)
    (folder / "classic.jsonl").unlink()


def compare(tool, theirs, folder):
    done = subprocess.run([tool, "needle", "--score", folder, "--json"], capture_output=True, text=True, check=True)
    ours = {line["task"]: line for line in map(json.loads, done.stdout.splitlines())}
    served.check(set(ours) == set(TASKS), f"{folder.name}: tasks {sorted(ours)}")
    for task, row in ours.items():
        lines = [json.loads(line) for line in (folder / f"{task}.jsonl").read_text().split("\n") if line]
        score, nulls = theirs.score(task, lines)
        served.check(abs(row["score"] - score) < 0.001, f"{folder.name}: {task} is {row['score']} here, {score} there")
        served.check(f"{row['nulls']}/{row['n']}" == nulls, f"{folder.name}: {task} has {row['nulls']} nulls, not {nulls}")
    print(f"interop: {folder.name}: {len(ours)} files have RULER's scores", flush=True)


def main():
    tool, packages, folder = (Path(argument).resolve() for argument in sys.argv[1:4])
    theirs, bench = Theirs(packages), served.Bench(str(tool), folder)
    write_hostile(folder / "hostile", random.Random(5))
    write_asked(bench, folder / "asked")
    for name in ("hostile", "asked"):
        compare(tool, theirs, folder / name)


if __name__ == "__main__":
    main()
