#!/usr/bin/env python3
"""Follows the recipes of CONTRIBUTING.md to the letter: run.py [--quick] [--build DIR] [RECIPE ...]

Each folder here is one: the files that it adds, where they stand in the tree, and in `recipe` the lines
that it writes into files which are there already:

    line FILE TEXT          behind the last line of FILE
    after FILE LINE | TEXT  behind LINE

All of them are applied, one after the other, to a copy of the tree; the tool is built and run, and what
is new has to be used and not its neighbour. Then every file, every line of a list and every member of a
descriptor is left out in turn: what is left must not compile, or be refused in one line that names what
is wrong. The copy is built without optimisation from the objects of --build, where that is a build made
by make; only what a recipe touches is compiled.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
ROOMS = ("CMakeLists.txt", "CHANGELOG.md", "cmake", "include", "python", "src", "tools")
QUICK = {"task": ("include/fovea/parts/tasks.def", ".answer")}


class Failure(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


# --- the copy


class Tree:
    """A copy of the tree with a build of the tool."""

    def __init__(self, folder, build, jobs):
        self.root, self.build, self.jobs = folder / "tree", folder / "tree/build", jobs
        for room in ROOMS:
            source, to = ROOT / room, self.root / room
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, to) if source.is_dir() else shutil.copy2(source, to)
        flags = ["-DFOVEA_TESTS=OFF", "-DFOVEA_INSTALL=OFF", "-DCMAKE_BUILD_TYPE=Release"]
        flags += ["-DCMAKE_C_FLAGS_RELEASE=-O0 -DNDEBUG"]
        self.command("cmake", "-G", "Unix Makefiles", "-S", self.root, "-B", self.build, *flags)
        self.take_objects(build)

    def command(self, *words):
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=900)
        check(done.returncode == 0, f"{words[0]} failed: {done.stdout}{done.stderr}")

    def take_objects(self, build):
        """The objects that a build of the same tree has, and what each was made from."""
        for made in sorted(build.glob("CMakeFiles/*/**/*.c.o")):
            to = self.build / made.relative_to(build)
            made_from = Path(f"{made}.d")
            if not made_from.exists() or not to.parent.parent.exists():
                continue
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made, to)
            text = made_from.read_text().replace(str(ROOT), str(self.root))
            Path(f"{to}.d").write_text(text)

    def make(self, *targets):
        """Whether it compiles, and what the compiler said."""
        words = ["make", "-C", str(self.build), f"-j{self.jobs}", *(targets or ("fovea",))]
        done = subprocess.run(words, capture_output=True, text=True, timeout=900)
        return done.returncode == 0, done.stdout + done.stderr

    def tool(self, *words, folder):
        done = subprocess.run(
            [self.build / "fovea", *words], cwd=folder, capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout, done.stderr


# --- recipes


class Recipe:
    def __init__(self, folder):
        self.name, self.folder = folder.name, folder
        self.files = [p.relative_to(folder) for p in sorted(folder.rglob("*")) if p.is_file()]
        self.files.remove(Path("recipe"))
        self.lines = []  # (file, line before it or None, text)
        for row in (folder / "recipe").read_text().splitlines():
            how, file, text = row.split(" ", 2)
            before, text = text.split(" | ") if how == "after" else (None, text)
            self.lines.append((file, before, text))
        self.sources = [file for file in self.files if file.suffix == ".c"]

    def write_file(self, tree, file, without=None):
        to = tree.root / file
        lines = (self.folder / file).read_text().splitlines()
        to.write_text("\n".join(l for i, l in enumerate(lines) if i != without) + "\n")

    def write_line(self, tree, file, before, text):
        path = tree.root / file
        lines = path.read_text().splitlines()
        at = len(lines)
        if before is not None:
            found = [i for i, l in enumerate(lines) if l.rstrip("\\ ") == before.rstrip("\\ ")]
            check(len(found) == 1, f"{file} has {len(found)} lines '{before}'")
            at = found[0] + 1
            text = text if text.startswith("#") else "    " + text
        lines.insert(at, text)
        path.write_text("\n".join(lines) + "\n")

    def drop_line(self, tree, file, text):
        path = tree.root / file
        lines = path.read_text().splitlines()
        lines.remove(next(l for l in lines if l.strip() == text.strip()))
        path.write_text("\n".join(lines) + "\n")

    def members(self):
        """The lines of its files that can be left out: members of descriptors, and fields, whole or word
        by word."""
        for file in self.files:
            inside = words = False
            for i, line in enumerate((self.folder / file).read_text().splitlines()):
                inside = (inside or re.match(r"const \w+ \w+ = \{$", line)) and line != "};"
                begins = re.match(r"FV_\w+\(", line)
                words = words and line.startswith(" ") or begins and line.endswith(",")
                if begins or words or (inside and re.match(r"\s+\.\w+ = .*,$", line)):
                    yield file, i, line.strip()


# --- that a part is used


def write(folder, text):
    (folder / "new.yaml").write_text(text)


def train(tree, folder, text):
    """Trains an experiment file; its runs as `fovea runs --json` prints them."""
    write(folder, text)
    shutil.rmtree(folder / "out", ignore_errors=True)
    code, said, error = tree.tool("run", "new.yaml", "--out", "out", "--quiet", folder=folder)
    check(code == 0, f"{text!r}: exit {code}: {said}{error}")
    code, said, error = tree.tool("runs", "out", "--json", folder=folder)
    return [json.loads(line) for line in said.splitlines()]


def config(field, names, rest):
    section, key = field.split(".")
    return {name: rest.replace(f"{section}: {{", f"{section}: {{{key}: {name}, ") for name in names}


def losses(tree, folder, texts):
    return {name: train(tree, folder, text)[0]["final"]["loss"] for name, text in texts.items()}


def check_apart(tree, folder, field, name, others, rest):
    """The part gives other losses than each of the others, from the same seed."""
    found = losses(tree, folder, config(field, [name, *others], rest))
    for other in others:
        check(found[name] != found[other], f"{field} {name} trains as {other}: loss {found[name]}")


def refuse_export(tree, folder, run, field):
    """TransformerLens does not have the part, and the export says so."""
    words = f"export out/{run['run_id']} --format safetensors --widen --out lens.safetensors".split()
    code, _, error = tree.tool(*words, folder=folder)
    check(code == 2 and field in error, f"{' '.join(words)}: exit {code}: {error}")


TASK = "task: {vocab_size: 7, context_length: 4}\ntrain: {steps: 5, log_every: 1}\n"
MODEL = "task: {vocab_size: 7, context_length: 4}\nmodel: {n_embd: 4}\ntrain: {steps: 5, log_every: 1}\n"
TRAIN = "task: {vocab_size: 7, context_length: 4}\ntrain: {learning_rate: 0.01, steps: 5, log_every: 1}\n"


def use_task(tree, folder):
    check_apart(tree, folder, "task.name", "modular_sum", ("copy", "similar", "position", "induction"), TASK)


def use_task_with_fields(tree, folder):
    check_apart(tree, folder, "task.name", "shifted", ("copy", "position"), TASK)
    texts = {shift: TASK.replace("task: {", f"task: {{name: shifted, shift: {shift}, ") for shift in (1, 2)}
    one, two = losses(tree, folder, texts).values()
    check(one != two, "task.shift changes nothing")
    write(folder, TASK.replace("task: {", "task: {shift: 3, "))
    code, _, error = tree.tool("run", "new.yaml", "--out", "out", folder=folder)
    check(code == 2 and "task.shift" in error, f"task.shift beside another task: {error}")


def use_layer(tree, folder):
    texts = {
        str(layers): MODEL.replace("model: {", f"model: {{layers: {layers}, residual: {residual}, ")
        for layers, residual in (
            ("[attention]", "false"), ("[attention, feature_scale]", "false"),
            ("[attention, mlp]", "false"), ("[feature_scale, attention]", "true"), ("[feature_scale]", "true"),
        )
    }
    found = losses(tree, folder, texts)
    check(len(set(found.values())) == len(found), f"layers train alike: {found}")


def use_positions(tree, folder):
    check_apart(tree, folder, "model.positions", "ramp", ("none", "learned", "sinusoidal", "rope", "alibi"), MODEL)


def use_score(tree, folder):
    others = ("dot", "euclidean", "harmonic")
    check_apart(tree, folder, "model.score", "student", others, MODEL)
    long = MODEL.replace("context_length: 4", "context_length: 520").replace("steps: 5", "batch_size: 16, steps: 2")
    check_apart(tree, folder, "model.score", "student", others, long)
    run = train(tree, folder, config("model.score", ["student"], MODEL)["student"])[0]
    refuse_export(tree, folder, run, "model.score")


def use_selector(tree, folder):
    others = ("topk", "block_topk", "block_max", "oracle_topk", "random_topk", "indexer", "group_indexer")
    rest = MODEL.replace("model: {", "model: {selector_k: 2, ").replace("context_length: 4", "context_length: 9")
    check_apart(tree, folder, "model.selector", "middle", others, rest)
    run = train(tree, folder, config("model.selector", ["middle"], rest)["middle"])[0]
    refuse_export(tree, folder, run, "model.selector")


def use_normaliser(tree, folder):
    others = ("softmax", "sparsemax", "entmax15", "entmax", "ssmax", "asentmax", "sigmoid")
    rest = MODEL.replace("context_length: 4", "context_length: 9")
    check_apart(tree, folder, "model.normaliser", "entmax43", others, rest)
    apart = rest.replace("model: {", "model: {layers: [attention(normaliser=entmax43), attention], ")
    write(folder, apart)
    run = train(tree, folder, apart)[0]
    refuse_export(tree, folder, run, "model.normaliser")


def use_activation(tree, folder):
    rest = MODEL.replace("model: {", "model: {layers: [attention, mlp], residual: true, ")
    check_apart(tree, folder, "model.activation", "squared_relu", ("relu", "gelu"), rest)
    run = train(tree, folder, config("model.activation", ["squared_relu"], rest)["squared_relu"])[0]
    refuse_export(tree, folder, run, "model.activation")


def use_optimizer(tree, folder):
    check_apart(tree, folder, "train.optimizer", "sign", ("sgd", "momentum", "adam", "adamw"), TRAIN)


def use_schedule(tree, folder):
    check_apart(tree, folder, "train.schedule", "inverse_root", ("constant", "cosine", "linear"), TRAIN)


def use_probe(tree, folder):
    run = train(tree, folder, "probes: [weight_mean]\n" + MODEL)[0]
    value = run["probes"].get("weight_mean.all")
    check(value is not None and value > 0, f"weight_mean measured {run['probes']}")


def use_served_task(tree, folder):
    shutil.rmtree(folder / "ruler", ignore_errors=True)
    words = "needle --data ruler --task last_word --lengths 300 --samples 2".split()
    code, said, error = tree.tool(*words, folder=folder)
    check(code == 0, f"{' '.join(words)}: exit {code}: {said}{error}")
    rows = [json.loads(line) for line in next(folder.rglob("validation.jsonl")).read_text().splitlines()]
    for row in rows:
        words = row["input"].split("Read this list of words.\n")[1].split("\nQuestion")[0].split()
        check(row["outputs"] == [words[-1]], f"last_word asks for {row['outputs']}, not {words[-1]}")


def use_family(tree, folder):
    (folder / "config.json").write_text('{"model_type": "tiny_lm", "hidden_size": 128}')
    code, said, error = tree.tool("cost", "config.json", "--json", folder=folder)
    check(code == 0, f"cost: exit {code}: {error}")
    # 4 layers: queries, keys, values with biases and output; two matrices; two norms; the rest.
    d, m, n = 128, 1024, 4
    layer = 4 * d * d + 3 * d + 2 * d * m + 2 * d
    check(str(n * layer + 2 * 1000 * d + d) in said, f"tiny_lm counts other parameters: {said[:300]}")


USES = {name[len("use_") :]: function for name, function in globals().items() if name.startswith("use_")}


# --- the trials


class Trials:
    def __init__(self, tree, folder, only):
        self.tree, self.folder, self.only = tree, folder, only
        self.caught, self.missed = 0, []

    def wanted(self, what):
        return self.only is None or what.split(" = ")[0] in self.only

    def use(self, recipe):
        USES[recipe.name](self.tree, self.folder)

    def leave_out(self, recipe, what):
        """What is left must not compile, or be refused in a line that names it."""
        for source in recipe.sources:
            if (self.tree.root / source).exists() and not self.tree.make(f"{source}.o")[0]:
                self.caught += 1
                return
        if not self.tree.make()[0]:
            self.caught += 1
            return
        try:
            self.use(recipe)
            self.missed.append(f"{recipe.name}: without '{what}' nothing is said")
        except Failure as failure:
            said = str(failure)
            refused = re.search(r"exit [12]: fovea: [^\n]+\n?$", said)
            if refused:
                self.caught += 1
            else:
                self.missed.append(f"{recipe.name}: without '{what}': {said}")

    def follow(self, recipe):
        """Leaves out what can be before the whole is built, builds and uses it, leaves out the rest."""
        tree = self.tree
        for file in recipe.files:
            recipe.write_file(tree, file)
        for file, before, text in recipe.lines:  # each alone is missing
            others = [line for line in recipe.lines if line != (file, before, text)]
            for line in others:
                recipe.write_line(tree, *line)
            if self.wanted(file):
                self.leave_out(recipe, text)
            for line in others:
                recipe.drop_line(tree, line[0], line[2])
        for line in recipe.lines:
            recipe.write_line(tree, *line)
        begin = time.monotonic()
        made, said = tree.make()
        seconds = time.monotonic() - begin
        check(made, f"{recipe.name} does not compile:\n{said[-3000:]}")
        self.use(recipe)
        for file, i, text in recipe.members():
            if self.wanted(text):
                recipe.write_file(tree, file, without=i)
                self.leave_out(recipe, text)
                recipe.write_file(tree, file)
        for file in recipe.files:
            if self.wanted(str(file)):
                (tree.root / file).unlink()
                self.leave_out(recipe, file)
                recipe.write_file(tree, file)
        return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--quick", action="store_true", help="one recipe, two omissions")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    recipes = [Recipe(p.parent) for p in sorted(HERE.glob("*/recipe"))]
    if options.recipes or options.quick:
        recipes = [r for r in recipes if r.name in (options.recipes or QUICK)]
    failed = []
    with tempfile.TemporaryDirectory(prefix="fovea-recipes-") as at:
        folder = Path(at)
        begin = time.monotonic()
        tree = Tree(folder, options.build.resolve(), options.jobs)
        made, said = tree.make()
        check(made, f"the copy does not build:\n{said[-3000:]}")
        print(f"{'the tree':18} {time.monotonic() - begin:6.1f} s", flush=True)
        for recipe in recipes:
            trials = Trials(tree, folder, QUICK.get(recipe.name) if options.quick else None)
            begin = time.monotonic()
            seconds = trials.follow(recipe)
            whole = time.monotonic() - begin
            print(f"{recipe.name:18} {seconds:6.1f} s to build it, {trials.caught} omissions caught, "
                  f"{whole:.1f} s in all", flush=True)
            failed += trials.missed
    print("\n".join(failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"recipes: {failure}")
