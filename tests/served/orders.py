"""Documents in different orders, compared question by question: checks of run.py."""

import itertools
import json
import math
import random
import re

from bench import check

NAMES = ["ends", "rank", "shuffled"]


def write_questions(path, n, scored=True):
    """Questions with 12 documents in random order, whose scores rank the one with the answer first or second."""
    rng = random.Random(5)
    lines = []
    for i in range(n):
        documents = [{"title": f"D{k}", "text": f"Filler {i} {k}. " * 3, "score": str(12.5 - k)} for k in range(12)]
        gold = documents[i % 2]
        gold.update(text=f"Person{i} keeps amber {i}. And more.", isgold=True)
        rng.shuffle(documents)
        if not scored:
            del documents[3]["score"]
        lines.append(json.dumps({"question": f"What does Person{i} keep?", "answers": [f"amber {i}"], "ctxs": documents}))
    path.write_text("\n".join(lines) + "\n")
    return [json.loads(line) for line in lines]


def titles(prompt):
    return [int(k) for k in re.findall(r"\(Title: D(\d+)\)", prompt)]


def mcnemar(won, lost):
    n = won + lost
    return min(1, 2 * sum(math.comb(n, k) for k in range(max(won, lost), n + 1)) / 2**n)


def orders(bench):
    """Each order holds the same documents, in its order; answers are compared in pairs, exactly."""
    path, out = bench.folder / "qa.jsonl", bench.folder / "out"
    write_questions(path, 60)
    with bench.server(plant={"1": {"0": 0.95, "50": 0.3, "100": 0.95}}) as server:
        ask = ["--task", "qa", "--documents", path, "--sizes", "9", "--samples", 100, "--api", "completions", "--concurrency", 16]
        done = bench.ask(server, out, *ask, "--order", ",".join(NAMES), "--json", verb="middle")
        check(len(server.log()) == 180, f"{len(server.log())} asked")
        for sample in (0, 1, 7):
            shown = {task: titles(bench.run("--show", row, "--out", out).stdout)
                     for task, row in bench.rows(out, "task, id", f"sample = {sample}")}
            check(shown["qa_rank"] == list(range(9)), f"{shown}")
            check(shown["qa_ends"] == [0, 2, 4, 6, 8, 7, 5, 3, 1], f"{shown}")
            check(sorted(shown["qa_shuffled"]) == list(range(9)) != shown["qa_shuffled"], f"{shown}")
        found = {name: [value for (value,) in bench.rows(out, "class = 'found'", f"task = 'qa_{name}' ORDER BY sample")]
                 for name in NAMES}
        pairs = [line for line in map(json.loads, done.stdout.splitlines()) if "order" in line]
        check([(p["order"], p["against"]) for p in pairs] == list(itertools.combinations(NAMES, 2)), f"{pairs}")
        for pair in pairs:
            both = list(zip(found[pair["order"]], found[pair["against"]], strict=True))
            won, lost = both.count((1, 0)), both.count((0, 1))
            counts = (pair["questions"], pair["found_alone"], pair["missed_alone"])
            check(counts == (60, won, lost), f"{pair}: {won}, {lost}")
            check(abs(pair["p"] - mcnemar(won, lost)) < 1e-9 and pair["holm"] >= pair["p"], f"{pair}")
        check(pairs[1]["p"] < 0.01 and pairs[1]["low"] > 0, f"what was planted is not seen: {pairs[1]}")
        done = bench.run("--endpoint", server.url, "--model", "m", "--out", out, *ask, "--order", "ends,shuffled", verb="middle")
        check("ends against shuffled" in done.stdout and "rank" not in done.stdout, done.stdout)
        check(len(server.log()) == 180, "answered questions were asked again")
        # Where a score is missing, the file's order ranks.
        lines = write_questions(path, 3, scored=False)
        bench.ask(server, bench.folder / "file", *ask, "--order", "rank", verb="middle")
        for row, sample in bench.rows(bench.folder / "file", "id, sample"):
            shown = titles(bench.run("--show", row, "--out", bench.folder / "file").stdout)
            place = [int(d["title"][1:]) for d in lines[sample]["ctxs"]]
            gold = sample % 2
            others = [k for k in place if k != gold][:8]
            check(shown == [k for k in place if k in others or k == gold], f"{shown} of {place}")
        for wrong, why in ((["--order", "ends,best"], "--order takes ends, rank and shuffled, with commas, not 'ends,best'"),
                           (["--order", "ends,ends"], "--order has ends twice"),
                           (["--order", "ends", "--depths", "50"], "qa_ends has no depth; leave out --depths"),
                           (["--order", "ends", "--task", "kv"], "give --task qa and --documents FILE")):
            done = bench.ask(server, out, *ask, *wrong, code=2, verb="middle")
            check(why in done.stderr, done.stderr)


ORDER_CHECKS = [orders]
