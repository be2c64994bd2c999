"""Needles that users bring: a file of them, and one in place of the sandwich. Checks of run.py."""

import json

from bench import check

NEEDLE = "The special magic number for {key} is: {value}."
QUESTION = "Which number is the one for {key} mentioned in the provided text?"


def latent(bench):
    """Needles of a file stand at their depths, in turns, among their distractors; one of the answers is enough."""
    path, out = bench.folder / "needles.jsonl", bench.folder / "out"
    rows = [{"needle": f"Row {i}. {NEEDLE}", "question": f"Row {i}? {QUESTION}", "answers": ["never said", "{value}"],
             "distractors": [f"Row {i} is \"{word}\"." for word in "abc"[:i]]} for i in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ask = ["--task", "latent", "--needles", path, "--haystack", "noise", "--lengths", 1500, "--depths", "0,50,100", "--samples", 6]
    with bench.server(plant={"1": {"0": 1.0, "50": 0.0, "100": 1.0}}) as server:
        bench.ask(server, out, *ask)
        check({(c["depth"], c["hits"], c["n"]) for c in bench.cells(out)} == {(0.0, 6, 6), (50.0, 0, 6), (100.0, 6, 6)}, bench.cells(out))
        found = bench.rows(out, "id, depth, sample, reply, expected, prompt_tokens")
        for row, depth, sample, reply, expected, tokens in found:
            prompt, i = bench.run("--show", row, "--out", out).stdout, sample % 3
            hidden, value = prompt.index(f"Row {i}. The special"), json.loads(expected)[1]
            check(f"is: {value}." in prompt[hidden : hidden + 90] and "{" not in prompt, "words are not drawn")
            context = len(prompt) - 450  # without what frames it
            check(abs(hidden - 70 - depth / 100 * context) < 0.06 * len(prompt), f"depth {depth}: at {hidden} of {len(prompt)}")
            check([prompt.count(f"Row {i} is \"{word}\".") for word in "abc"] == [int(k < i) for k in range(3)], "distractors")
            check(f"\n\nQuestion: Row {i}? Which number" in prompt, "no question")
            check(0.9 * 1500 - 130 < tokens <= 1500 - 128, f"{tokens} tokens")
            check(depth == 50 or value in reply, reply)
        bench.ask(server, out, *ask)
        check(len(server.log()) == 18, "answered questions were asked again")
        path.write_text(path.read_text().replace("Row 1.", "Row one."))
        row = next(row for row, _, sample, *_ in found if sample == 1)
        bench.run("--show", row, "--out", out, code=1)
        bench.ask(server, out, *ask)
        check(len(server.log()) == 36, "needles that were changed count as the same")
        path.write_text('{"needle": "a", "question": "b", "answers": []}\n')
        done = bench.ask(server, out, *ask, code=2)
        check("needles.jsonl:1: has no texts in `answers`; a line is {" in done.stderr, done.stderr)


def told(bench):
    """The classic test with a needle of the user's: drawn or not, stored as it was told."""
    out = bench.folder / "out"
    ask = ["--task", "classic", "--haystack", "noise", "--lengths", 1000, "--depths", "0,100", "--samples", 4]
    needle = ["--needle", NEEDLE, "--question", QUESTION]
    with bench.server(plant={"1": {"0": 1.0, "100": 0.0}}) as server:
        bench.ask(server, out, *ask, *needle)
        check({(c["depth"], c["hits"]) for c in bench.cells(out)} == {(0.0, 4), (100.0, 0)}, str(bench.cells(out)))
        check(len({value for value, in bench.rows(out, "expected")}) == 8, "the same number again")
        bench.ask(server, out, *ask, *needle, "--answer", "It|{value}")
        bench.ask(server, out, *ask)
        check({c["task"] for c in bench.cells(out)} == {"classic, noise, own needle", "classic, noise"}, "cells of several needles")
        check(bench.rows(out, "count(*), count(DISTINCT haystack)") == [(24, 3)], str(bench.rows(out, "DISTINCT haystack")))
        for row, haystack in bench.rows(out, "id, haystack"):
            shown = bench.run("--show", row, "--out", out)
            check(("San Francisco" in shown.stdout) == (haystack == "noise"), f"{haystack}: {shown.stdout[-400:]}")
            check("Don't give information outside the document" in shown.stdout, shown.stdout[-400:])
            check("system message: You are a helpful AI bot" in shown.stderr, shown.stderr)
        check(bench.rows(out, "count(*)", "class = 'found' AND expected LIKE '%\"It\"%'") == [(4,)], "both of two answers")


NEEDLE_CHECKS = [latent, told]
