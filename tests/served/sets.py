"""Frozen sets: the same questions everywhere, or a refusal; with needles of users' own. Checks of run.py."""

import gzip
import hashlib
import json
import random
import shutil

from bench import check
from needles import NEEDLE_CHECKS

PLANT = {"1000": {"0": 1.0, "50": 0.0, "100": 1.0}, "2000": {"0": 1.0, "50": 1.0, "100": 0.0}}
TASKS = ["--task", "niah_multikey_2,vt,classic", "--haystack", "noise", "--lengths", "1000,2000"]


def freeze(bench, server, path, *options, code=0):
    return bench.run("freeze", path, "--endpoint", server.url, "--model", "m", "--retry-wait", "0.01", *options, code=code)


def frozen(bench):
    """A set is asked prompt for prompt, with its depths and lengths, and stands for what it was frozen from."""
    path, out, pred = bench.folder / "set.jsonl.gz", bench.folder / "out", bench.folder / "pred"
    depths = ["--depths", "0,50,100", "--samples", 4]
    with bench.server(plant=PLANT, build="b4567", tokenize="llama.cpp", template=9) as server:
        made = json.loads(freeze(bench, server, path, *TASKS, *depths, "--json").stdout)
        first = path.read_bytes()
        freeze(bench, server, path, *TASKS, *depths, "--quiet")
        check(path.read_bytes() == first, "the same options gave another set")
        bench.ask(server, bench.folder / "direct", *TASKS, *depths)
        direct = {entry["digest"] for entry in server.log()}
        lines = [json.loads(line) for line in gzip.decompress(first).splitlines()]
        head, questions, end = lines[0], lines[1:-1], lines[-1]
        whole = b"".join(gzip.decompress(first).splitlines(keepends=True)[:-1])
        check(end == {"fovea_set_end": 56, "xxh3_128": made["xxh3_128"]} and made["questions"] == 56, f"{end}: {made}")
        check(head["tokenizer"] == {"counted_by": "llama.cpp", "estimated": False, "model": "m", "api": "chat",
                                    "server": "llama.cpp b4567"}, str(head))
        inputs = {hashlib.blake2b((q["input"] + q["answer_prefix"]).encode(), digest_size=8).hexdigest() for q in questions}
        check(inputs == direct, "a set has other prompts than are asked")
        check(all(0.9 * q["length"] - 310 < q["tokens"] <= q["length"] - q["max_tokens"] for q in questions), "lengths")
        check({q["task"]: "system" in q for q in questions} == {"niah_multikey_2": False, "vt": False, "classic": True}, "system")
    with bench.server(plant=PLANT, tokenize="") as server:  # another server, which does not count
        done = bench.run("--endpoint", server.url, "--model", "n", "--out", out, "--data", path, "--predictions", pred)
        check("its tokens counted by llama.cpp (m)" in done.stderr, done.stderr)
        check({entry["digest"] for entry in server.log()} >= direct, "not all was asked")
        cells = {(c["task"], c["length"], c["depth"]): c for c in bench.cells(out)}
        check(len(cells) == 14 and all(c["n"] == 4 for c in cells.values()), str(list(cells)))
        for length, plant in PLANT.items():
            for depth, share in plant.items():
                cell = cells["niah_multikey_2, data", int(length), float(depth)]
                check(cell["hits"] == 4 * share, f"{cell}: planted {share}")
        n = len(server.log())
        bench.ask(server, out, "--questions", path, "--label", f"n at {server.host}", "--same-model")
        check(len(server.log()) == n, "answered questions were asked again")
        hashes = bench.rows(out, "task, length, depth, sample, prompt_hash", "1 ORDER BY 1, 2, 3, 4")
        (bench.folder / "elsewhere").mkdir()
        copy = shutil.copy(path, bench.folder / "elsewhere")
        bench.ask(server, bench.folder / "again", "--data", copy, "--samples", 2)
        again = bench.rows(bench.folder / "again", "task, length, depth, sample, prompt_hash", "1 ORDER BY 1, 2, 3, 4")
        check([row for row in hashes if row[3] < 2] == again, "a copy of the set has other prompts")
        for row, task, length, depth, sample in bench.rows(out, "id, task, length, depth, sample", "sample = 2"):
            shown = bench.run("--show", row, "--out", out)
            question = [q for q in questions if (q["task"], q["length"], q["depth"], q["sample"]) == (task, length, depth, sample)]
            check(shown.stdout == question[0]["input"] + question[0]["answer_prefix"], f"row {row} is another prompt")
            check(task != "classic" or "system message: You are a helpful" in shown.stderr, "no system message")
        check(len((pred / "1000" / "niah_multikey_2.jsonl").read_text().splitlines()) == 12, "predictions")
        done = bench.ask(server, out, "--data", path, "--lengths", 1000, code=2)
        check("needle: --data asks what its files have; leave out --lengths" in done.stderr, done.stderr)
        check(whole.count(b"\n") == 57, "lines")


def changed(bench):
    """What is not the set that was frozen is refused with one message, wherever it was cut or changed."""
    path, broken, rng = bench.folder / "set.jsonl", bench.folder / "broken.jsonl", random.Random(9)
    bench.run("freeze", path, "--lengths", "400,700", "--depths", "0,100", "--samples", 2)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    flips = [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in rng.sample(range(20, len(whole)), 30)]
    cuts = [whole[:i] for i in rng.sample(range(20, len(whole) - 2), 30)]
    other = [b"".join(lines[:-1]), b"".join(lines[:3] + lines[4:]), whole + lines[2], b"".join([*lines[:2], lines[3], lines[2], *lines[4:]]),
             lines[0], lines[0] + lines[-1]]
    packed = gzip.compress(whole)
    packed = [packed[: len(packed) // 2], packed[:-4], packed[:-30] + bytes([packed[-30] ^ 4]) + packed[-29:]]
    with bench.server() as server:
        for data in flips + cuts + other + packed:
            broken.write_bytes(data)
            done = bench.ask(server, bench.folder / "out", "--data", broken, code=2)
            said = done.stderr.splitlines()
            check(len(said) == 1 and "broken.jsonl is not as it was frozen, it was cut short or changed (" in said[0], done.stderr)
        check(not server.log(), "a broken set was asked")
        broken.write_bytes(whole.replace(b'"fovea_set": 1', b'"fovea_set": 7', 1))
        done = bench.ask(server, bench.folder / "out", "--data", broken, code=2)
        check("is a frozen set of version 7, and this Fovea reads version 1" in done.stderr, done.stderr)
        broken.write_bytes(gzip.compress(whole))
        bench.ask(server, bench.folder / "out", "--data", broken)
        check(len(bench.rows(bench.folder / "out", "id")) == 8, "packed by another program")
    done = bench.run("freeze", path, "--lengths", "60,400", "--samples", 1, code=2)
    check("length 60 is below" in done.stderr and "all others are written" in done.stderr, done.stderr)
    check(len(path.read_bytes().splitlines()) == 13, "the other length is not written")


SET_CHECKS = [frozen, changed, *NEEDLE_CHECKS]
