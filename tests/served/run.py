#!/usr/bin/env python3
"""`fovea needle` and `fovea middle` against server.py: run.py TOOL [--kills N] [--answers N] [--only NAME] [--jobs N]

Every check runs the tool as a user does and compares what it stored with what the server planted, or
with what the server logged.
"""

import argparse
import csv
import hashlib
import json
import math
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from against import AGAINST_CHECKS
from bench import FAST, KEY, Bench, check
from chats import CHAT_CHECKS
from context_use import CONTEXT_CHECKS
from edges import EDGE_CHECKS
from endurance import ENDURANCE_CHECKS
from loads import LOAD_CHECKS
from logprobs import LOGPROB_CHECKS
from orders import ORDER_CHECKS
from prompt_lengths import LENGTH_CHECKS
from repeated import REPEATED_CHECKS
from sets import SET_CHECKS
from speed import SPEED_CHECKS
from several import SEVERAL_CHECKS
from whose_answers import WHOSE_CHECKS


def binomial_low(hits, n, p):
    """Whether `hits` of n trials is possible under p: within 4.5 standard deviations and a half."""
    return abs(hits - n * p) <= 4.5 * math.sqrt(n * p * (1 - p)) + 0.5


PLANT = {"1000": {"0": 0.95, "50": 0.4, "100": 0.9}, "3000": {"0": 0.7, "50": 0.05, "100": 1.0}}
OTHERWISE = {"wrong": 2, "distractor": 3, "refusal": 2, "empty": 1, "cut off": 2, "looping": 2}


def planted_table(bench):
    """The accuracy planted by depth and length, and every class of answer, come back."""
    with bench.server(plant=PLANT, otherwise=OTHERWISE) as server:
        out = bench.folder / "out"
        bench.ask(server, out, "--task", "niah_multikey_2", "--lengths", "1000,3000", "--depths", "0,50,100",
                  "--samples", 60, "--concurrency", 16)
        outside = 0
        classes = dict.fromkeys([*OTHERWISE, "found"], 0)
        for cell in bench.cells(out):
            planted = PLANT[str(cell["length"])][f"{cell['depth']:.0f}"]
            check(cell["n"] == 60, f"{cell['n']} of 60 answers in {cell}")
            check(binomial_low(cell["hits"], 60, planted), f"{cell['hits']} of 60 is not {planted}")
            outside += not cell["low"] <= planted <= cell["high"]
            for name, n in json.loads(cell["answers"]).items():
                classes[name] += n
        check(outside <= 1, f"{outside} of 6 planted shares lie outside their 95 % intervals")
        check(all(classes.values()), f"a class is missing: {classes}")
        other = sum(classes.values()) - classes["found"]
        for name, weight in OTHERWISE.items():
            check(binomial_low(classes[name], other, weight / 10), f"{name}: {classes[name]} of {other}")
        # Which distractor: its value, and where it stands in the prompt.
        for value, depth, reply in bench.rows(out, "distractor, distractor_depth, reply", "class = 'distractor'"):
            check(value in reply and 0 <= depth <= 100, f"distractor {value} of '{reply}'")
        for name in ("map.svg", "map.png", "middle.svg", "lengths.png", "report.html"):
            check((out / name).stat().st_size > 1000, f"{name} is missing")
        check("95 %:" in (out / "report.html").read_text(), "the report has no intervals on hover")
        tokens = bench.rows(out, "DISTINCT length, prompt_tokens")
        check(all(0.9 * n - 200 < t <= n for n, t in tokens), f"lengths are not met: {tokens}")


def prefix_order(bench):
    """One request at a time: prompts of one haystack follow each other from deep to shallow."""
    with bench.server() as server:
        out = bench.folder / "out"
        bench.ask(server, out, "--lengths", 1000, "--depths", "0..100:5", "--samples", 3, "--concurrency", 1)
        order = bench.rows(out, "sample, depth", "1 ORDER BY id")
        check(order == [(s, d) for s in range(3) for d in (100, 75, 50, 25, 0)], f"order {order}")


def interval(bench):
    """Cells that are certain soon get few samples, uncertain ones more."""
    with bench.server(plant={"1": {"0": 1.0, "100": 0.5}}) as server:
        out = bench.folder / "out"
        bench.ask(server, out, "--lengths", 1000, "--depths", "0,100", "--samples", 200, "--interval", 0.25)
        sure, unsure = sorted(bench.cells(out), key=lambda cell: cell["depth"])
        check(sure["n"] < 24, f"{sure['n']} samples of a sure cell")
        check(unsure["n"] >= 48, f"{unsure['n']} samples of an unsure cell")
        check(all(c["high"] - c["low"] <= 0.25 for c in (sure, unsure)), "an interval is too wide")


def rebuild(bench):
    """Every prompt comes back from its row, to the byte."""
    essays = bench.folder / "essays"
    essays.mkdir()
    (essays / "a.txt").write_text('He said "no". \\ A second sentence!\n\nÜber alles; ein Satz.\n' * 40)
    (essays / "b.txt").write_text("Wait?  Two  blanks.\tA tab. " * 40)
    tasks = "niah_single_1,niah_single_3,niah_multikey_1,niah_multikey_3,niah_multiquery,niah_multivalue,vt,cwe,fwe,classic"
    with bench.server() as server:
        out = bench.folder / "out"
        bench.ask(server, out, "--task", tasks, "--lengths", 2000, "--depths", "30", "--samples", 2,
                  "--haystack", essays, "--api", "completions")
        bench.ask(server, out, "--sizes", "20", "--samples", 2, verb="middle")
        logged = {entry["digest"] for entry in server.log()}
        rows = bench.rows(out, "id, task, prompt_tokens")
        check(len(rows) == 2 * (10 + 5), f"{len(rows)} rows")
        for row, task, tokens in rows:
            shown = bench.run("--show", row, "--out", out)
            digest = hashlib.blake2b(shown.stdout.encode(), digest_size=8).hexdigest()
            check(digest in logged, f"the prompt of row {row} ({task}) is another one")
        (essays / "b.txt").write_text("Changed. " * 100)
        row = next(row for row, task, _ in rows if task == "niah_single_3")
        bench.run("--show", row, "--out", out, code=1)
        with sqlite3.connect(out / "eval.db") as db:
            db.execute("UPDATE asks SET sample = -7 WHERE id = ?", (row,))
            db.execute("PRAGMA user_version = 1")  # as an older file, whose rows have no digests
        db.close()
        check("is damaged: length 2000, sample -7" in bench.run("--show", row, "--out", out, code=1).stderr,
              "a sample below 0 is not refused")


def damaged(bench):
    """A damaged answer is named, kept and asked again; a reader refuses it."""
    def change(sql):
        with sqlite3.connect(out / "eval.db") as db:
            db.executescript(sql)
        db.close()

    with bench.server() as server:
        out = bench.folder / "out"
        ask = ["--lengths", 300, "--depths", "0,100", "--samples", 4]
        bench.ask(server, out, *ask)
        (reply,), before = bench.rows(out, "reply", "id = 3")[0], len(server.log())
        change("UPDATE asks SET reply = reply || 'x' WHERE id = 3")
        named = f"{out}/eval.db is damaged: row 3 of its table asks (m at {server.host}, "
        for wrong in (["--show", 3, "--out", out], ["--out", out, "--dry-run", "--endpoint", server.url, "--model", "m",
                                                    *ask]):
            check(named in bench.run(*wrong, code=1).stderr, f"{wrong} reads a damaged row")
        check(named in bench.run(out, "--check", verb="runs", code=1).stdout, "runs --check does not name it")
        check(bench.ask(server, out, *ask).stderr.count(named) == 1, "the damaged row is not named")
        with sqlite3.connect(out / "eval.db") as db:
            kept = db.execute("SELECT source, row, c15 FROM damaged").fetchall()
        check(kept == [("asks", 3, reply + "x")], f"kept: {kept}")
        check(len(server.log()) == before + 1, f"{len(server.log()) - before} asked again instead of 1")
        check(bench.rows(out, "count(*)")[0][0] == 8, "an answer is missing")

        change("DELETE FROM asks WHERE id = 2; UPDATE cells SET hits = 0")
        said = bench.ask(server, out, *ask).stderr
        check("asks should have 8 rows, and 7 are found" in said and said.count("of its table cells") == 2, said)
        check(len(server.log()) == before + 2, "what has vanished is not asked again")


def truncation(bench):
    """A server that silently reads less is found out; one that says so is believed."""
    with bench.server(context=2000, truncate=True) as server:
        out = bench.folder / "silent"
        done = bench.ask(server, out, "--lengths", "1000,4000", "--depths", 50, "--samples", 8, "--concurrency", 1, code=1)
        check(dict(bench.rows(out, "length, class")) == {1000: "found", 4000: "truncated"}, "not found out")
        check(len(server.log()) == 8 + 3, "went on asking for what the server cannot read")
        check("asks these 8 again" in done.stderr, f"those left out are not told: {done.stderr}")
    with bench.server(context=2000) as server:
        out = bench.folder / "open"
        done = bench.ask(server, out, "--lengths", "1000,4000", "--depths", 50, "--samples", 8, "--concurrency", 1, code=1)
        check("longer than the server's context" in done.stderr, f"no reason given: {done.stderr}")
        check("asks these 8 again" in done.stderr, f"not counted: {done.stderr}")
        server.plant(context=0)
        bench.ask(server, out, "--lengths", "1000,4000", "--depths", 50, "--samples", 8)
        check([c["n"] for c in bench.cells(out)] == [8, 8], "failed cells were not tried again")


PASSING = ["429", "500", "html", "malformed", "other", "reset", "drop"]


def passing_faults(bench):
    """Faults that pass: every question is answered in the end, each once, after bounded retries."""
    # A pause of one second stops everything: few questions meet it.
    faults = [{"kind": kind, "share": 0.02 if kind == "429" else 0.13, "times": 2, "after": 1} for kind in PASSING]
    with bench.server(faults=faults) as server:
        out = bench.folder / "out"
        bench.ask(server, out, "--lengths", 500, "--depths", "0..100", "--samples", 6, "--concurrency", 8)
        attempts = dict(bench.rows(out, "attempts, count(*)", "1 GROUP BY attempts"))
        check(bench.rows(out, "DISTINCT class") == [("found",)], "something failed")
        # libcurl itself tries again where a kept connection is closed before any reply.
        check(set(attempts) <= {1, 2, 3} and attempts[3] > 30, f"attempts {attempts}")


LASTING = {
    "500": "server error (5xx)",
    "malformed": "malformed reply",
    "reset": "connection lost",
    "drop": "connection lost",
    "large": "reply too large",
    "endless": "no reply in time",
    "stall": "no reply in time",
    "429": "too many requests (429)",
}


def lasting_faults(bench):
    """Faults that stay: an error of the right kind, a table at the end, and everything asked again."""
    faults = [{"kind": kind, "share": 0.11, "times": -1, "after": 0} for kind in LASTING]
    with bench.server(faults=faults) as server:
        out = bench.folder / "out"
        ask = ["--lengths", 500, "--depths", "0..100", "--samples", 5, "--concurrency", 55, "--retries", 1]
        done = bench.ask(server, out, *ask, "--timeout", 10, code=1)
        kinds = dict(bench.rows(out, "error_kind, count(*)", "class = 'error' GROUP BY error_kind"))
        check(set(kinds) == set(LASTING.values()), f"kinds {kinds}")
        check(all(kind in done.stderr for kind in kinds), f"the table lacks a kind: {done.stderr}")
        check(max(bench.rows(out, "attempts"))[0] == 2, "more than one retry")
        large = bench.rows(out, "DISTINCT error", "error_kind = 'reply too large'")
        check(len(large) == 1 and "bytes, which is not read" in large[0][0], f"{large}")
        failed, before = sum(kinds.values()), len(server.log())
        server.plant(faults=[])
        bench.ask(server, out, *ask)
        check(len(server.log()) - before == failed, "answered questions were asked again")
        check(bench.rows(out, "DISTINCT class") == [("found",)], "failed questions were not asked again")


def null_content(bench):
    """A null content is an empty answer, not an error."""
    with bench.server(faults=[{"kind": "null", "share": 1, "times": -1}]) as server:
        out = bench.folder / "out"
        bench.ask(server, out, "--lengths", 500, "--depths", 50, "--samples", 2)
        check(bench.rows(out, "class, attempts") == [("empty", 1)] * 2, "null is not empty")


def forms(bench):
    """Thoughts are no answers, parts and loose JSON are some; values only thought of are not found."""
    point = ["--lengths", 500, "--depths", 50, "--samples", 3, "--retries", 0]
    for form, accuracy, otherwise, wanted, *more in [
        ("thought", 1, "wrong", "found"),
        ("thought", 0, "refusal", "refusal"),
        ("open thought", 1, "wrong", "cut off"),
        ("cut thought", 1, "wrong", "cut off"),
        ("begun thought", 1, "wrong", "cut off"),
        ("begun apart", 1, "wrong", "found"),
        ("reasoning", 1, "wrong", "cut off"),
        ("plan", 0, "refusal", "found"),
        ("plan", 0, "refusal", "refusal", "--thoughts", "<plan>,</plan>"),
        ("", 0, "runs on", "wrong"),
        ("", 0, "cut off", "cut off"),
        ("parts", 1, "wrong", "found"),
        ("loose", 1, "wrong", "found"),
    ]:
        plant = {"plant": {"1": {"0": accuracy}}, "otherwise": {otherwise: 1}}
        with bench.server(form=form, tokenize="llama.cpp", **plant) as server:
            out = bench.folder / f"{form} {accuracy} {otherwise} {len(more)}"
            bench.ask(server, out, *point, *more)
            check(bench.rows(out, "class") == [(wanted,)] * 3, f"{form}: {bench.rows(out, 'class, reply')}")


def addresses(bench):
    """A path that is given is kept, a whole address is cut back, and a 404 says where it was asked."""
    point = ["--lengths", 500, "--depths", 50, "--samples", 2, "--retries", 0]
    with bench.server(base="/v1beta/openai", context=4000, tokenize="") as server:
        for i, path in enumerate(["/v1beta/openai", "/v1beta/openai/chat/completions"]):
            out = bench.folder / str(i)
            base = ["--endpoint", server.url + path, "--model", "m", "--out", out, *FAST]
            done = bench.run(*base, *point)
            check(bench.rows(out, "class") == [("found",)] * 2, done.stderr)
        done = bench.run(*base, "--lengths", 5000, "--dry-run")
        check("4000 tokens" in done.stdout + done.stderr, f"the list of models was not read: {done}")
        done = bench.ask(server, bench.folder / "wrong", *point, code=1)
        check(f"404 at {server.url}/v1/chat/completions: Not Found" in done.stderr, done.stderr)


def queries_and_headers(bench):
    """A query goes with every request, and headers do, whose secrets come from the environment and stay there."""
    point = ["--lengths", 500, "--depths", 50, "--samples", 2, "--retries", 0]
    secret = "s3cret-of-the-header"
    with bench.server(base="/openai/d", query="api-version=2024-10-21", header=f"Api-Key: {secret}", context=4000,
                      tokenize="") as server:
        for i, path in enumerate(["/openai/d", "/openai/d/chat/completions"]):
            out = bench.folder / str(i)
            base = ["--endpoint", f"{server.url}{path}?api-version=2024-10-21", "--model", "m", "--out", out, *FAST]
            with_key = ["--header", "X-Title: a test", "--header", "api-key: ${A_KEY}"]
            bench.run(*base, *point, *with_key, variables={"A_KEY": secret})
            check(bench.rows(out, "class") == [("found",)] * 2, f"{path}: {bench.rows(out, 'class, error')}")
            check(bench.rows(out, "DISTINCT endpoint") == [(f"{server.url}/openai/d?api-version=2024-10-21",)], "its address")
        done = bench.run(*base, "--lengths", 5000, "--dry-run", *with_key, variables={"A_KEY": secret})
        check("4000 tokens" in done.stdout, f"the list of models was not read: {done.stdout}")
        out = bench.folder / "refused"
        base = ["--endpoint", f"{server.url}/openai/d?api-version=2024-10-21", "--model", "m", "--out", out, *FAST]
        done = bench.run(*base, *point, "--header", "X-Key: $A_KEY", variables={"A_KEY": secret}, code=1)
        stored = b"".join(file.read_bytes() for file in out.iterdir())
        check("X-Key: ***" in done.stderr and secret not in done.stderr and secret.encode() not in stored, "a secret was told")
        for wrong, said in (("api-key: $NO_SUCH", "the environment has no variable NO_SUCH"), ("api-key", "takes NAME: VALUE"),
                            ("api-key: $", "after $ comes the name"), ("a: b\r\nc: d", "its value has a line break")):
            check(said in bench.run(*base, *point, "--header", wrong, code=2).stderr, f"{wrong} is not refused")
    done = bench.run("--endpoint", "http://h/v1?key=x", "--model", "m", code=2)
    check("has a key in its query" in done.stderr, done.stderr)


def certificates(bench):
    """An https server is believed by the authorities that --cacert or curl's variables name, and by no other."""
    if not shutil.which("openssl"):
        return "no openssl, nothing checked"
    cert, key = bench.folder / "cert.pem", bench.folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    with bench.server(tls=[str(cert), str(key)]) as server:
        base = ["--endpoint", f"https://{server.host}", "--model", "m", *FAST, "--lengths", 500, "--depths", 50, "--samples", 1,
                "--retries", 0]
        done = bench.run(*base, "--out", bench.folder / "no", code=1)
        check("--cacert FILE names the authorities" in done.stderr, done.stderr)
        bench.run(*base, "--out", bench.folder / "yes", "--cacert", cert)
        for name in ("CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            bench.run(*base, "--out", bench.folder / name, variables={name: str(cert)})
        done = bench.run(*base, "--out", bench.folder / "no", "--cacert", bench.folder / "none.pem", code=2)
        check("none.pem, the certificates that servers are checked by, cannot be read" in done.stderr, done.stderr)


def hopeless(bench):
    """A wrong model, a wrong key, no server: few requests, a clear word, nothing lost."""
    with bench.server(model="other") as server:
        done = bench.ask(server, bench.folder / "model", "--lengths", 500, "--samples", 50, code=1)
        check("no such model" in done.stderr and len(server.log()) <= 16, f"{len(server.log())}: {done.stderr}")
    with bench.server(faults=[{"kind": "key", "share": 1, "times": -1, "echo": KEY}]) as server:
        out = bench.folder / "key"
        done = bench.ask(server, out, "--lengths", 500, "--samples", 50, code=1, key=KEY)
        check("key refused" in done.stderr, done.stderr)
        server.plant(faults=[], key=KEY)
        bench.ask(server, out, "--lengths", 500, "--depths", 50, "--samples", 3, key=KEY)
        stored = b"".join(path.read_bytes() for path in out.iterdir())
        check(KEY.encode() not in stored and KEY not in done.stderr + done.stdout, "the key was stored")
        url = server.url
        out = bench.folder / "gone"
        bench.ask(server, out, "--lengths", 500, "--depths", 50, "--samples", 3, key=KEY)
    ask = ["--endpoint", url, "--model", "m", "--out", out, *FAST]
    done = bench.run(*ask, "--lengths", 500, "--depths", 50, "--samples", 30, "--retries", 1, code=1)
    check("no server answers at" in done.stderr, done.stderr)
    done = bench.run(*ask, "--lengths", 600, "--depths", 50, "--retries", 1, code=1)
    check("no server answers at" in done.stderr, done.stderr)


def ruler_files(bench):
    """Our predictions get the scores that our cells have; hand-written files RULER's own."""
    with bench.server(plant={"1": {"0": 0.6}}) as server:
        out, pred = bench.folder / "out", bench.folder / "pred"
        bench.ask(server, out, "--lengths", 1000, "--depths", "0,100", "--samples", 20, "--predictions", pred)
        scores = bench.run("--score", pred / "1000", "--json").stdout
        cells = bench.cells(out)
        share = sum(c["hits"] for c in cells) / sum(c["n"] for c in cells)
        check(abs(json.loads(scores)["score"] - 100 * share) < 0.005, f"{scores} is not {share}")
        with open(pred / "1000" / "summary.csv") as file:
            check([row[0] for row in csv.reader(file)] == ["0", "Tasks", "Score", "Nulls"], "summary.csv")
    data = bench.folder / "data"
    bench.run("--data", data, "--lengths", "2000", "--samples", 3, "--task", "all", "--haystack", "noise")
    for path in data.glob("2000/*/validation.jsonl"):
        for i, line in enumerate(path.read_text().splitlines()):
            row = json.loads(line)
            check(row["index"] == i and row["outputs"] and row["length"] <= 2000, f"{path}: {line[:200]}")
            text = row["input"]
            check(path.parent.name == "classic" or all(o in text for o in row["outputs"]), f"{path}: no answer")
    check(len(list(data.glob("2000/*"))) == 12, "a task is missing")
    first = {path: path.read_bytes() for path in data.glob("2000/*/*")}
    bench.run("--data", data, "--lengths", "2000", "--samples", 3, "--task", "all", "--haystack", "noise")
    check(all(path.read_bytes() == text for path, text in first.items()), "the same seed gave other data")


def ruler_questions(bench):
    """RULER's data files are asked as they are, once, and their predictions are its client's."""
    data, out, pred = bench.folder / "data", bench.folder / "out", bench.folder / "pred"
    bench.run("--data", data, "--lengths", 2000, "--samples", 4, "--task", "niah_single_1,niah_multikey_2,vt")
    with bench.server() as server:
        done = bench.ask(server, out, "--questions", data / "2000", "--predictions", pred, "--api", "completions")
        check(len(server.log()) == 12, f"{len(server.log())} of 12 questions were asked: {done.stdout}")
        logged = {entry["digest"] for entry in server.log()}
        for task in ("niah_single_1", "niah_multikey_2", "vt"):
            lines = [json.loads(line) for line in (data / "2000" / task / "validation.jsonl").read_text().splitlines()]
            answers = [json.loads(line) for line in (pred / f"{task}.jsonl").read_text().splitlines()]
            for line, answer in zip(lines, answers, strict=True):
                asked = (line["input"] + line["answer_prefix"]).encode()
                check(hashlib.blake2b(asked, digest_size=8).hexdigest() in logged, f"{task}: not asked as it is")
                check(list(answer) == ["index", "pred", "input", "outputs", "others", "truncation", "length"], str(answer))
                check(all(answer[key] == line[key] for key in ("index", "input", "outputs", "length")), str(answer))
                check(answer["others"] == {} and answer["truncation"] == -1, str(answer))
        scores = {s["task"]: s["score"] for s in map(json.loads, bench.run("--score", pred, "--json").stdout.splitlines())}
        cells = {cell["task"]: cell for cell in bench.cells(out)}
        check(set(cells) == {f"{task}, data" for task in scores}, f"{cells}")
        for task, score in scores.items():
            cell = cells[f"{task}, data"]
            check(abs(100 * cell["score"] - score) < 0.005 and cell["n"] == 4 and cell["length"] == 2000, f"{cell}: {score}")
        for row, digest in bench.rows(out, "id, prompt_hash"):
            check(bench.run("--show", row, "--out", out).stdout, f"row {row} ({digest}) is not built again")
        # The same command asks nothing; --samples asks the first ones of a file.
        bench.ask(server, out, "--questions", data / "2000", "--api", "completions")
        bench.ask(server, out, "--questions", data / "2000" / "vt" / "validation.jsonl", "--samples", 2)
        check(len(server.log()) == 14, f"{len(server.log())} requests")
        # Another program's file: its own name, numbers as answers, members that are passed on.
        # The year in its path is no length: its lines tell theirs.
        (bench.folder / "2024").mkdir()
        other = bench.folder / "2024" / "qa_7.jsonl"
        other.write_text(json.dumps({"index": 5, "input": "Say 12345.", "outputs": [12345, "never"], "others": {"id": 3},
                                     "truncation": 0, "length": 300}) + "\n")
        bench.ask(server, out, "--questions", other, "--predictions", pred)
        answer = json.loads((pred / "qa_7.jsonl").read_text())
        check((answer["index"], answer["others"], answer["truncation"], answer["length"]) == (5, {"id": 3}, 0, 300), str(answer))
        check(bench.rows(out, "DISTINCT length", "task = 'qa_7'") == [(300,)], "its length")
        other.write_text('{"index": 0}\n')
        done = bench.ask(server, out, "--questions", other, code=2)
        check("qa_7.jsonl:1: has no `input` and `outputs`" in done.stderr, done.stderr)
        done = bench.ask(server, out, "--questions", bench.folder / "out", code=2)
        check("has no TASK/validation.jsonl of RULER's data" in done.stderr, done.stderr)
        row = bench.rows(out, "id", "task = 'qa_7'")[0][0]
        bench.run("--show", row, "--out", out, code=2)
        done = bench.ask(server, out, "--questions", other, "--lengths", 500, code=2)
        check("leave out --lengths" in done.stderr, done.stderr)


def own_and_served(bench):
    """A model of the lab and a served one share a folder and its figures, in whichever order they come."""
    runs, out, config = bench.folder / "runs", bench.folder / "out", bench.folder / "tiny.yaml"
    config.write_text("task: {name: needle, vocab_size: 8, context_length: 8, length_min: 4}\n"
                      "train: {steps: 5, batch_size: 4}\nmodel: {n_embd: 8, layers: [attention]}\n")
    bench.run(config, "--out", runs, verb="run")
    run = bench.run(runs, verb="runs").stdout.splitlines()[1].split()[0]
    with bench.server() as server:
        ask = ["--lengths", "1000,2000", "--depths", "0,50,100", "--samples", 4]
        bench.ask(server, out, *ask)
        bench.run(runs / run, "--samples", 16, "--label", "own", "--out", out)
        before = len(server.log())
        bench.ask(server, out, *ask)
        check(len(server.log()) == before, "answered questions were asked again")
        tasks = {(cell["model"], cell["task"]) for cell in bench.cells(out)}
        served = f"m at {server.host}"
        check(tasks == {(served, "niah_single_1"), ("own", "needle")}, f"cells of {tasks}")
        for name in ("map.svg", "middle.svg", "together.svg", "lengths.svg", "report.html"):
            drawn = (out / name).read_text()
            check(f"<title>{served}, niah_single_1\n" in drawn and "<title>own, needle\n" in drawn, f"{name} lacks a model")
        # One panel, each model at its longest length, the bands' lines named.
        together = (out / "together.svg").read_text()
        check(f"{served}, niah_single_1, 2000 tokens" in together and "own, needle, 8 tokens" in together, "lines have no names")
        check("depth 50 %, 1000 tokens" not in together, "a model stands in one panel at two lengths")
        # Six cells of the served model, beside the numbers of the axes.
        check((out / "map.svg").read_text().count("<text>100</text>") >= 8, "the map's cells have no numbers")
        # Folders of their own are drawn together, in either half and without asking, and stay as they are.
        apart, both = bench.folder / "apart", [bench.folder / f"both{i}" for i in range(3)]
        bench.run(runs / run, "--samples", 16, "--label", "own", "--out", apart, verb="middle")
        bench.ask(server, both[0], *ask, "--with", apart)
        bench.run(runs / run, "--samples", 16, "--label", "own", "--out", both[1], "--with", both[0])
        bench.run("--with", f"{apart},{both[0]}", "--out", both[2])
        for folder in both:
            together = (folder / "together.svg").read_text()
            check(f"<title>{served}, niah_single_1\n" in together and "<title>own, needle\n" in together, f"{folder} lacks a model")
        check({cell["model"] for cell in bench.cells(both[0])} == {served}, "cells of --with were stored")
        check(not bench.cells(both[2]), "cells of --with were stored")
        bench.run(runs / run, "--samples", 32, "--label", "own", "--out", bench.folder / "other", verb="middle")
        done = bench.run("--with", f"{apart},{bench.folder / 'other'}", "--out", both[2], code=2)
        check("has own, needle at length 8 with other answers" in done.stderr, done.stderr)


def documents(bench):
    """Lost-in-the-middle's questions, the document with the answer moved through the others."""
    path = bench.folder / "qa.jsonl"
    contexts = [{"title": f"T{i}", "text": f"Text {i}.", "isgold": i == 3} for i in range(12)]
    path.write_text(json.dumps({"question": "Which?", "answers": ["The Text 3"], "ctxs": contexts}) + "\n")
    with bench.server() as server:
        out = bench.folder / "out"
        bench.ask(server, out, "--task", "qa", "--documents", path, "--sizes", 10, "--samples", 1,
                  "--depths", "0,50,100", "--api", "completions", verb="middle")
        for row, depth in bench.rows(out, "id, depth"):
            prompt = bench.run("--show", row, "--out", out).stdout
            place = {0: 1, 50: 6, 100: 10}[depth]
            check(f"Document [{place}](Title: T3) Text 3." in prompt, f"gold is not at {place}: {prompt}")
            check(prompt.count("Document [") == 10, "not ten documents")
        bench.ask(server, out, "--task", "qa", "--documents", path, "--sizes", 13, code=2, verb="middle")


def reading_files(folder):
    """SQuAD's and HotpotQA's files, small: everyone keeps something, and says so in a document."""
    rng = random.Random(3)
    words = "amber brook cedar delta ember fjord grove heath inlet jetty".split()

    def text(i):
        filler = [" ".join(rng.choices(words, k=9)) + "." for _ in range(rng.randint(2, 30))]
        return " ".join([*filler, f"Person{i} keeps {words[i % 10]} {i}.", *filler])

    documents = [text(i) for i in range(120)]
    qas = [[{"question": f"What does Person{i} keep?", "is_impossible": False,
             "answers": [{"text": f"{words[i % 10]} {i}"}, {"text": "never said"}]}] for i in range(120)]
    articles = [{"paragraphs": [{"context": documents[i], "qas": qas[i]} for i in range(a, a + 10)]} for a in range(0, 120, 10)]
    folder.mkdir()
    (folder / "squad.json").write_text(json.dumps({"data": articles}))
    hotpot = [{"question": f"What does Person{i} keep?", "answer": f"{words[i % 10]} {i}",
               "context": [[f"T{k % 120}", [documents[k % 120]]] for k in range(i, i + 4)]} for i in range(120)]
    (folder / "hotpotqa.json").write_text(json.dumps(hotpot))


def reading(bench):
    """RULER's qa tasks: questions about the documents of a user's files, at the depth that a grid wants."""
    files, out, pred = bench.folder / "json", bench.folder / "out", bench.folder / "pred"
    reading_files(files)
    with bench.server(plant={"1": {"0": 1.0, "50": 0.3, "100": 0.9}}) as server:
        ask = ["--task", "qa_1,qa_2", "--lengths", "3000,6000", "--samples", 30, "--documents", files]
        bench.ask(server, out, *ask, "--depths", "0,50,100", "--predictions", pred, "--concurrency", 16)
        for cell in bench.cells(out):
            check(cell["n"] == 30, f"{cell}")
            if cell["depth"] is not None:
                planted = {0: 1.0, 50: 0.3, 100: 0.9}[cell["depth"]]
                check(binomial_low(cell["hits"], 30, planted), f"{cell['hits']} of 30 is not {planted}")
        # A question's own documents make the first two of HotpotQA differ; no prompt is longer than asked.
        tokens = bench.rows(out, "length, max(prompt_tokens), min(prompt_tokens)", "1 GROUP BY task, length")
        check(all(0.93 * n - 32 < low and high <= n - 32 + 0.01 * n for n, high, low in tokens), f"lengths are not met: {tokens}")
        for row, depth in bench.rows(out, "id, depth", "sample < 2 AND task = 'qa_1'"):
            prompt = bench.run("--show", row, "--out", out).stdout
            n, who = prompt.count("Document "), prompt.split("What does ")[1].split(" keep")[0]
            number = prompt[: prompt.index(f"{who} keeps")].count("Document ")
            check(abs(100 * (number - 1) / (n - 1) - depth) <= 50.1 / (n - 1), f"{who} is document {number} of {n}, not at {depth} %")
        # Found is any of the answers, as RULER scores it.
        score = json.loads(bench.run("--score", pred / "3000" / "qa_1.jsonl", "--json").stdout)["score"]
        cells = [cell for cell in bench.cells(out) if cell["task"] == "qa_1" and cell["length"] == 3000]
        check(abs(score - 100 * sum(c["hits"] for c in cells) / 90) < 0.01, f"{score}")
        before = len(server.log())
        bench.ask(server, out, *ask, "--depths", "0,50,100")
        check(len(server.log()) == before, "answered questions were asked again")
        done = bench.ask(server, out, "--task", "qa_2", "--documents", files / "squad.json", code=2)
        check("squad.json has no questions with answers; it must be HotpotQA" in done.stderr, done.stderr)
        done = bench.ask(server, out, "--task", "qa_1", code=2)
        check("qa_1 asks about your documents: give SQuAD's" in done.stderr, done.stderr)
    data = bench.folder / "data"
    bench.run("--data", data, "--lengths", 3000, "--samples", 2, "--task", "all", "--haystack", "noise", "--documents", files)
    check(len(list(data.glob("3000/*"))) == 14, "a task is missing")
    line = json.loads((data / "3000" / "qa_1" / "validation.jsonl").read_text().splitlines()[1])
    check(line["outputs"][1] == "never said" and line["answer_prefix"] == " Answer:", str(line)[-200:])


def stored(bench, out):
    try:
        return bench.rows(out, "count(*)")[0][0]
    except sqlite3.OperationalError:  # killed before the tables were made
        return 0


def killed(bench, kills):
    """kill -9 at any time: nothing stored is asked again, and at most the requests in flight twice."""
    in_flight, rng, done_kills, rounds, repeated = 6, random.Random(1), 0, 0, 0
    while done_kills < kills:
        rounds += 1
        with bench.server(delay=0.02) as server:
            out = bench.folder / f"killed{rounds}"
            ask = ["--lengths", "300", "--depths", "0..100", "--samples", "30", "--concurrency", in_flight]
            command = [bench.tool, "needle", "--endpoint", server.url, "--model", "m", "--out", out, *FAST, *ask]
            round_kills = 0
            while stored(bench, out) < 330 and done_kills + round_kills < kills:
                process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
                time.sleep(rng.uniform(0, 0.5))
                process.kill()
                process.wait()
                round_kills += 1
            done_kills += round_kills
            bench.ask(server, out, *ask)
            digests = [entry["digest"] for entry in server.log()]
            rows = bench.rows(out, "count(*), sum(class = 'found')")[0]
            check(rows == (330, 330), f"{rows} of 330 answers are stored")
            again = len(digests) - len(set(digests))
            check(len(set(digests)) == 330, f"{len(set(digests))} questions instead of 330")
            check(again <= in_flight * round_kills, f"{again} repeated in {round_kills} kills")
            repeated += again
    return f"{done_kills} kills in {rounds} rounds, {repeated} requests asked twice"


def interrupted(bench):
    """One command at a time asks into a folder. Ctrl-C: a word, an exit code, and the same command goes on."""
    import signal
    with bench.server(delay=0.05) as server:
        out = bench.folder / "out"
        command = [bench.tool, "needle", "--endpoint", server.url, "--model", "m", "--out", out, "--lengths", "300",
                   "--depths", "0..100", "--samples", "50", "--concurrency", "4"]
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        while len(server.log() if server.log_path.exists() else []) < 20:
            time.sleep(0.02)
        done = bench.ask(server, out, "--lengths", 300, code=1)
        check(f"{out}/eval.db is being written by process {process.pid} " in done.stderr, done.stderr)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[0].decode()
        check(process.returncode == 1 and "the same command asks the rest" in said, said)
        check(16 <= bench.rows(out, "count(*)")[0][0] < 550, "what was answered is not stored")


CHECKS = [killed, *REPEATED_CHECKS, passing_faults, lasting_faults, *AGAINST_CHECKS, *LENGTH_CHECKS, *CHAT_CHECKS, *SET_CHECKS, rebuild,
          damaged, *WHOSE_CHECKS, truncation, planted_table, prefix_order, interval, null_content, forms, addresses,
          queries_and_headers, certificates, hopeless, ruler_files, ruler_questions, own_and_served, reading,
          documents, interrupted, *EDGE_CHECKS, *LOAD_CHECKS, *SPEED_CHECKS, *SEVERAL_CHECKS,
          *ORDER_CHECKS, *LOGPROB_CHECKS, *CONTEXT_CHECKS, *ENDURANCE_CHECKS]


def run_check(one, options):
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fovea-served-", ignore_cleanup_errors=True) as folder:
        bench = Bench(options.tool, Path(folder))
        counts = {**dict.fromkeys(ENDURANCE_CHECKS, options.answers), **dict.fromkeys(REPEATED_CHECKS, options.repetitions),
                  killed: options.kills}
        more = [counts[one]] if one in counts else []
        said = one(bench, *more)
    return f"served: {one.__name__} {time.monotonic() - start:.1f} s" + (f", {said}" if said else "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--answers", type=int, default=5000)
    parser.add_argument("--repetitions", type=int, default=4)
    parser.add_argument("--only")
    parser.add_argument("--jobs", type=int, default=4)
    options = parser.parse_args()
    wanted = [one for one in CHECKS if options.only in (None, one.__name__)]
    # They wait more than they compute. The longest come first.
    with ThreadPoolExecutor(options.jobs) as pool:
        try:
            for done in [pool.submit(run_check, one, options) for one in wanted]:
                print(done.result(), flush=True)
        except BaseException as failed:  # said at once, and nothing more is begun
            print(failed, file=sys.stderr, flush=True)
            pool.shutdown(cancel_futures=True)
            raise


if __name__ == "__main__":
    main()
