"""Chats of several messages from files, MRCR's rows among them: checks of run.py."""

import difflib
import hashlib
import json
import math
import random
from pathlib import Path

from bench import check
from conversation import repeat

ROWS = Path(__file__).resolve().parent / "mrcr.jsonl"  # with Python's scores of their responses
WORDS = "salt silver letter river harbour tide window rope orchard quiet moon morning sparrow copper bread lantern".split()


def grade(response, answer, begin):
    """As openai/mrcr publishes it."""
    if not response.startswith(begin):
        return 0.0
    return difflib.SequenceMatcher(None, response.removeprefix(begin), answer.removeprefix(begin)).ratio()


def chat_row(rng, n_needles, n_messages, n_words):
    """A row of MRCR: n_needles messages of one kind among others."""
    kinds = [f"{form} about {topic}" for form in ("poem", "letter", "tale") for topic in ("tides", "bread", "moons")]
    asked = [kinds[0]] * n_needles + rng.choices(kinds[1:], k=n_messages - n_needles)
    rng.shuffle(asked)
    messages = []
    for kind in asked:
        messages.append({"role": "user", "content": f"write a {kind}"})
        messages.append({"role": "assistant", "content": " ".join(rng.choices(WORDS, k=n_words)) + ' "é".\n'})
    begin, i = f"{rng.getrandbits(50):010x}", rng.randrange(n_needles)
    number = ["1st", "2nd", "3rd", "4th"][i]
    messages.append({"role": "user", "content": f"Prepend {begin} to the {number} (1 indexed) {kinds[0]}. Do not include any other text in your response."})
    return {"prompt": json.dumps(messages), "answer": repeat(messages, True), "random_string_to_prepend": begin,
            "n_needles": n_needles, "desired_msg_index": i, "total_messages": len(messages), "n_chars": sum(len(m["content"]) for m in messages)}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def likeness(bench):
    """MRCR's metric is difflib's, frequent characters and all: its sample rows, and texts of every kind."""
    rng, folder, expected = random.Random(5), bench.folder / "rows", {}
    folder.mkdir()
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()]
    for row in rows:
        check(abs(grade(row["response"], row["answer"], row["random_string_to_prepend"]) - row["score"]) < 1e-12, "grade()")
    for i in range(150):
        letters = rng.choice(["ab", "abcdefghij ", "aé漢😀 \n", "".join(map(chr, range(40, 500)))])
        texts = ["".join(rng.choices(letters, k=rng.choice([0, 1, 30, 199, 200, 201, 650]))) for _ in range(2)]
        if i % 3 == 0:  # the one is the other, here and there changed
            texts[1] = "".join(c if rng.random() < 0.9 else rng.choice(letters) for c in texts[0])
        rows.append({"answer": "x1" + texts[1], "random_string_to_prepend": "x1", "response": "x1" + texts[0]})
    for i, row in enumerate(rows):
        write(folder / f"row{i}.jsonl", [row])
        expected[f"row{i}"] = grade(row["response"], row["answer"], row["random_string_to_prepend"])
    for line in bench.run("--score", folder, "--json").stdout.splitlines():
        scored = json.loads(line)
        wanted = expected.pop(scored["task"])
        check(abs(scored["score"] / 100 - wanted) < 1e-12, f"{scored} is not {wanted}")
    check(not expected, f"not scored: {expected}")
    broken = write(bench.folder / "broken.jsonl", [{"answer": "a", "random_string_to_prepend": "x"}])
    done = bench.run("--score", broken, code=2)
    check("broken.jsonl:1: is no answered row of MRCR" in done.stderr, done.stderr)


def mrcr(bench):
    """Rows of MRCR are asked message for message, by needles and length, and scored by its metric."""
    rng, out, pred = random.Random(7), bench.folder / "out", bench.folder / "pred"
    rows = [chat_row(rng, n, size, 30) for n, size in ((2, 8), (2, 60), (4, 8), (4, 60)) for _ in range(12)]
    rng.shuffle(rows)
    path = write(bench.folder / "rows.jsonl", rows)
    with bench.server(plant={"1": {"0": 0.7}}, template=5) as server:
        bench.ask(server, out, "--questions", path, "--predictions", pred)
        cells = {(cell["task"], cell["length"]): cell for cell in bench.cells(out)}
        check(len(cells) == 4 and {task for task, _ in cells} == {"mrcr_2, data", "mrcr_4, data"}, f"{list(cells)}")
        logged = {entry["digest"] for entry in server.log()}
        sent = {hashlib.blake2b(row["prompt"].encode(), digest_size=8).hexdigest() for row in rows}
        check(sent == logged, "other messages were sent")
        by_answer = {row["answer"]: row for row in rows}
        for expected, reply, score, kind in bench.rows(out, "expected, reply, score, class"):
            row = by_answer[json.loads(expected)[0]]
            check(abs(score - grade(reply, row["answer"], row["random_string_to_prepend"])) < 1e-12, f"{score}: {reply}")
            check(kind == ("found" if reply == row["answer"] else "distractor"), f"{kind}: {reply}")
        for (task, length), cell in cells.items():
            file = pred / str(length) / f"{task.split(',')[0]}.jsonl"
            score = json.loads(bench.run("--score", file, "--json").stdout)["score"]
            check(cell["n"] == 12 and math.isclose(score, 100 * cell["score"], rel_tol=1e-9), f"{cell}: {score}")
            check({*json.loads(file.read_text().splitlines()[0])} == {*rows[0], "response"}, "a member was lost")
        for row, task, length in bench.rows(out, "id, task, length", "sample = 5"):
            shown = json.loads(bench.run("--show", row, "--out", out).stdout)
            check(any(json.loads(r["prompt"]) == shown for r in rows), f"row {row} is not built again")
        bench.ask(server, out, "--questions", path)
        check(len(server.log()) == 48, "answered rows were asked again")
        done = bench.ask(server, out, "--questions", path, "--api", "completions", code=2)
        check("ask them with --api chat" in done.stderr, done.stderr)
        check(len({t for t, in bench.rows(out, "max_tokens")}) > 1, "room for an answer is not as its rows need it")


def chats(bench):
    """Any chat is asked from a file; every way of counting counts all its messages."""
    rng = random.Random(8)
    rows = []
    for i in range(6):
        messages = json.loads(chat_row(rng, 2, 4 + 6 * i, 20)["prompt"])
        # The server repeats a message, whatever the file expects of it.
        rows.append({"messages": messages, "answers": ["never said", repeat(messages, True)]})
    rows[3]["messages"].insert(0, {"role": "system", "content": "Be \"brief\"."})
    path = write(bench.folder / "talk.jsonl", rows)
    for way, shown in (("vllm", True), ("llama.cpp", True), ("llama.cpp", False), ("llama-cpp", False), ("", True)):
        with bench.server(tokenize=way, template=40, shown=shown) as server:
            out = bench.folder / f"out{way}{shown}"
            bench.ask(server, out, "--questions", path)
            check(bench.rows(out, "DISTINCT task, class") == [("talk", "found")], f"{way}: {bench.rows(out, 'class, error, reply')}")
            read = {entry["digest"]: entry["tokens"] for entry in server.log()}
            check(len(read) == 6, f"{len(read)} prompts were asked")
            tokens = sum(read.values())
            dry = bench.run("--endpoint", server.url, "--model", "n", "--out", bench.folder / "dry", "--questions", path,
                            "--dry-run", "--json")
            planned = json.loads(dry.stdout)["prompt_tokens"]
            check(not way or 0.3 < planned / tokens < 1.5, f"{way}: {planned} planned, {tokens} read")
    for line, said in (({"messages": []}, "is no chat"), ({"messages": [{"role": "user"}], "answers": ["a"]}, "is no chat"),
                       ({"messages": [{"role": "user", "content": "a"}], "outputs": ["a"]}, "is scored otherwise"),
                       ({"prompt": "[", "answer": "a", "random_string_to_prepend": "b"}, "is no chat")):
        write(path, [rows[0], line])
        with bench.server() as server:
            done = bench.ask(server, bench.folder / "bad", "--questions", path, code=2)
            check(f"talk.jsonl:2: {said}" in done.stderr, done.stderr)
    write(path, [{"prompt": "[", "answer": "a", "random_string_to_prepend": "b"}])
    done = bench.run("--endpoint", "http://127.0.0.1:9", "--model", "m", "--questions", path, "--retries", 0, code=2)
    check("talk.jsonl:1: is no row of MRCR" in done.stderr, done.stderr)


def generated(bench):
    """MRCR without a file: the asked message stands at its depth, as the i-th of its kind, at any length, frozen too."""
    out, again, path = bench.folder / "out", bench.folder / "again", bench.folder / "set.jsonl.gz"
    ask = ["--task", "mrcr_2,mrcr_8", "--lengths", "3000,6000", "--depths", "0,50,100", "--samples", 3]
    for way in ("vllm", "llama.cpp", ""):
        with bench.server(plant={"1": {"0": 0.6}}, tokenize=way, template=7) as server:
            bench.ask(server, out / way, *ask)
            rows = bench.rows(out / way, "id, class, length, depth, prompt_tokens, max_tokens, expected, distractor_depth")
            check(len(rows) == 36 and {row[1] for row in rows} == {"found", "distractor"}, f"{way}: {rows}")
            least = 0.97 if way else 0.85
            check(all(least * (n - most) - 80 < t <= n - most for _, _, n, _, t, most, *_ in rows), f"{way}: {[row[2:6] for row in rows]}")
    for row, kind, length, depth, _, _, expected, other in rows[::5]:
        messages = json.loads(bench.run("--show", row, "--out", out).stdout)
        answer, begin = json.loads(expected)
        check(repeat(messages, True) == answer, "another message is expected than is asked for")
        said = [message["content"] for message in messages]
        at = said.index(answer.removeprefix(begin)) // 2
        check(at == int((len(messages) // 2 - 1) * depth / 100 + 0.5), f"{at} of {len(messages)} is not at {depth}")
        check(kind == "found" or 0 <= other <= 100, f"a wrong message stands at {other}")
    with bench.server(plant={"1": {"0": 0.6}}) as server:
        frozen = ["freeze", path, "--endpoint", server.url, "--model", "m", *ask]
        bench.run(*frozen)
        bench.ask(server, again, "--data", path)
        n = {entry["digest"] for entry in server.log()}
        bench.ask(server, again, *ask)
        check(n == {entry["digest"] for entry in server.log()} and len(n) == 36, "a set has other chats than are asked")


CHAT_CHECKS = [likeness, mrcr, chats, generated]
