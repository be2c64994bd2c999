"""Models of the lab behind llama.cpp's server: served_own.py TOOL FOLDER

A run is exported for transformers, written as GGUF by hf_gguf.py, and asked the same questions twice: by `fovea needle
RUN`, as tokens, and by `fovea needle --endpoint`, as texts of words that are tokens. llama.cpp keeps keys and values in
halves: replies may differ where two tokens are as likely to within that, in 1 of 100 questions.
"""

import json
import sys
from pathlib import Path

from hf_gguf import tokens_of, words, write
from llama import HERE, Llama, check, rows, run

# name, what it changes in exported.yaml, and in how many percent of the questions it finds something, at least
MODELS = [
    ("llama", [], 50),
    ("llama-shared", ["model.n_kv_head=1", "model.rope_scaling=linear", "model.rope_factor=2", "model.tied=true"], 10),
    ("qwen3", ["model.qk_norm=head", "model.n_kv_head=1"], 50),
    ("gpt2", ["model.norm=layer", "model.positions=learned", "model.activation=gelu", "model.bias=true"], 10),
    ("mamba", ["model.layers=[mamba, mamba]", "model.positions=none", "model.activation=gelu"], 10),
]
LENGTHS = [16, 32, 48]  # the last is beyond what they were trained on, where some find it and some do not
WITHIN = [16, 24, 31]  # of a table of positions, which has a place for the answer too
DEPTHS = [0, 50, 100]
SAMPLES = 20
AGREE = 0.99


def trained(tool, folder, changes):
    done = run(tool, "run", HERE / "exported.yaml", *changes, "--out", folder, "--json")
    return folder / json.loads(done.stdout.splitlines()[0])["run_id"]


def frozen(tool, trained_run, folder, lengths):
    """The questions as a set, and as texts: a folder of files of RULER's form."""
    path = folder / "set.jsonl"
    run(tool, "needle", trained_run, "--freeze", path, "--lengths", ",".join(map(str, lengths)), "--depths",
        ",".join(map(str, DEPTHS)), "--samples", SAMPLES)
    for line in map(json.loads, path.read_text().splitlines()):
        if "tokens" not in line:
            continue
        cell = folder / "texts" / f"needle-{line['length']}-{line['depth']:g}"
        cell.mkdir(parents=True, exist_ok=True)
        with open(cell / "validation.jsonl", "a") as file:
            print(json.dumps({"index": line["sample"], "input": words(line["tokens"]), "length": line["length"],
                              "outputs": [words(line["outputs"])]}), file=file)
    return path


def compare(tool, folder, name, changes, least):
    folder = folder / name
    folder.mkdir(parents=True)
    trained_run = trained(tool, folder / "out", changes)
    lengths = WITHIN if "model.positions=learned" in changes else LENGTHS
    path = frozen(tool, trained_run, folder, lengths)
    run(tool, "export", trained_run, "--format", "hf", "--out", folder / "hf")
    write(folder / "hf", str(folder / "model.gguf"))
    run(tool, "needle", trained_run, "--data", path, "--out", folder / "own", "--label", "own")
    with Llama(folder / "model.gguf", folder / "server.log", context=512) as address:
        run(tool, "needle", "--endpoint", address, "--model", name, "--api", "completions", "--questions",
            folder / "texts", "--max-tokens", 1, "--out", folder / "served", "--quiet")
    own = {(f"needle-{length}-{depth:g}, data", sample): json.loads(f"[{reply}]")
           for length, depth, sample, reply in rows(folder / "own", "length, depth, sample, reply")}
    found = {(f"needle-{length}-{depth:g}, data", sample): answer == "found"
             for length, depth, sample, answer in rows(folder / "own", "length, depth, sample, class")}
    served = rows(folder / "served", "task, sample, reply, class, prompt_tokens, length")
    check(len(served) == len(own) == len(lengths) * len(DEPTHS) * SAMPLES, f"{name}: {len(served)} and {len(own)} answers")
    same = 0
    for task, sample, reply, answer, prompt_tokens, length in served:
        key = (task if task.endswith(", data") else f"{task}, data", sample)
        check(prompt_tokens == length, f"{name}: {prompt_tokens} tokens were read of {length}")
        same += tokens_of(reply or "") == own[key] and (answer == "found") == found[key]
    n_found = sum(found.values())
    print(f"interop: {name}: llama.cpp says the same as Fovea in {same} of {len(served)} questions, {n_found} of them "
          "found", flush=True)
    check(same >= AGREE * len(served), f"{name}: replies differ in more than {1 - AGREE:.0%}")
    check(n_found >= least / 100 * len(served), f"{name}: too few were found to tell")


def main():
    tool, folder = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2]).resolve()
    for model in MODELS:
        compare(tool, folder / "served-own", *model)


if __name__ == "__main__":
    main()
