"""Whose answer a stored row is, and how it was asked: checks of run.py."""

import json
import sqlite3
import subprocess

from bench import FAST, HERE, KEY, check

GRID = ["--lengths", 300, "--depths", "0,100", "--samples", 3]
ORIGIN = "endpoint, server, model_asked, model_returned, sampling, extra, max_tokens, fovea"


def whose(bench):
    """Answers are those of the server that gave them: of another one they are asked for, or refused."""
    out, labelled = bench.folder / "out", bench.folder / "labelled"
    with bench.server() as right, bench.server(plant={"1": {"0": 0.0}}) as wrong:
        for server in (right, wrong, right, wrong):
            bench.ask(server, out, *GRID)
        check((len(right.log()), len(wrong.log())) == (6, 6), "answers of another server, or the same ones twice")
        found = dict(bench.rows(out, "model, sum(class = 'found')", "1 GROUP BY model"))
        check(found == {f"m at {right.host}": 6, f"m at {wrong.host}": 0}, f"{found}")
        hits = {cell["model"]: cell["hits"] for cell in bench.cells(out)}
        check(hits == {f"m at {right.host}": 3, f"m at {wrong.host}": 0}, f"{hits}")
        # A path is part of whose answers they are, the way to write a host is not.
        bench.run("--endpoint", right.url + "/v1/chat/completions", "--model", "m", "--out", out, *FAST, *GRID)
        check(len(right.log()) == 6, "an address written otherwise is another")

        bench.ask(right, labelled, *GRID, "--label", "x")
        done = bench.ask(wrong, labelled, *GRID, "--label", "x", code=2)
        check(f"the answers labelled 'x' in {labelled} are of m at {right.url}/v1, not of m at {wrong.url}/v1; give a new "
              "--label, or say --same-model if it is the same" in done.stderr, done.stderr)
        bench.ask(wrong, labelled, *GRID, "--label", "x", "--dry-run", code=2)
        done = bench.run("--endpoint", right.url, "--model", "other", "--label", "x", "--out", labelled, *FAST, *GRID, code=2)
        check(f"are of m at {right.url}/v1, not of other (m) at {right.url}/v1" in done.stderr, done.stderr)
        check((len(right.log()), len(wrong.log())) == (12, 6), "a refused command asked")
        bench.ask(wrong, labelled, "--lengths", 300, "--depths", "0,100", "--samples", 4, "--label", "x", "--same-model")
        check(len(wrong.log()) == 8, "confirmed, what is stored was asked again")
        bench.ask(wrong, labelled, *GRID, "--label", "x")
        bench.ask(right, labelled, *GRID, "--label", "x")
        check((len(right.log()), len(wrong.log())) == (12, 8), "what was confirmed is not remembered")
    # A dead server has answered nothing.
    ask = ["--endpoint", "http://127.0.0.1:1", "--model", "m", "--retries", 0, *FAST, *GRID]
    done = bench.run(*ask, "--out", out, code=1)
    check("no server answers at" in done.stderr, done.stderr)
    bench.run(*ask, "--out", labelled, "--label", "x", code=2)
    done = bench.run(*ask, "--out", labelled, "--label", "x", "--same-model", code=1)
    check("no server answers at http://127.0.0.1:1/v1" in done.stderr, done.stderr)
    check(bench.rows(labelled, "count(*)", "endpoint LIKE '%:1/v1'") == [(0,)], "a dead server has rows")


def another_model_there(bench):
    """A server of one model answers whatever it is asked for: its list of models tells which one it is."""
    with bench.server(lists="small.gguf", returns="m") as server:
        out = bench.folder / "out"
        bench.ask(server, out, *GRID)
        check(bench.rows(out, "DISTINCT model_asked, model_returned") == [("m", "small.gguf")], "not the model that is there")
        server.plant(lists="large.gguf")
        done = bench.ask(server, out, *GRID, code=2)
        check(f"are of m (small.gguf) at {server.url}/v1, not of m (large.gguf) at {server.url}/v1; give a new --label" in done.stderr,
              done.stderr)
        bench.ask(server, out, *GRID, "--label", "large")
        check(len(server.log()) == 12, "the other model was not asked")
        bench.ask(server, out, *GRID, "--same-model")
        check(len(server.log()) == 12, "the same model was asked again")
        # What told nothing once stands in nobody's way.
        server.plant(lists="m")
        bench.ask(server, bench.folder / "echo", *GRID)
        server.plant(lists="large.gguf")
        bench.ask(server, bench.folder / "echo", *GRID)
        url = server.url
    bench.run("--endpoint", url, "--model", "m", "--out", out, *FAST, *GRID)  # what is stored needs no server


def failures_bind_nobody(bench):
    """A label whose questions all failed is free for the right address."""
    with bench.server(base="/v3") as server:
        out = bench.folder / "out"
        bench.ask(server, out, *GRID, "--label", "x", code=1)
        check(bench.rows(out, "DISTINCT class") == [("error",)], "something was answered")
        bench.run("--endpoint", server.url + "/v3", "--model", "m", "--out", out, "--label", "x", *FAST, *GRID)
        check(bench.rows(out, "DISTINCT class, endpoint") == [("found", server.url + "/v3")], "failures stand in the way")


def settings(bench):
    """What a request says beside its prompt makes another answer, whichever way it is written."""
    with bench.server() as server:
        out, n = bench.folder / "out", 0
        for more, new in (
            ([], True),
            (["--extra", '{"top_k": 1, "seed": 7}'], True),
            (["--extra", '{ "seed":7,"top_k":1 }'], False),
            (["--extra", '{"top_k": 2, "seed": 7}'], True),
            (["--max-tokens", 100], True),
            (["--extra", '{"max_tokens": null}'], True),
            (["--api", "completions"], True),
            (["--extra", "{}", "--max-tokens", 128], False),
        ):
            before = len(server.log())
            bench.ask(server, out, *GRID, "--label", "x", *more)
            check(len(server.log()) - before == 6 * new, f"{more}: {len(server.log()) - before} asked")
            n += new
        check(bench.rows(out, "count(*)")[0] == (6 * n,), "an answer replaced another")
        kept = bench.rows(out, "DISTINCT sampling, extra, max_tokens", "api = 'chat' ORDER BY id")
        check(kept == [
            ('{"temperature":0.0}', "{}", 128),
            ('{"seed":7,"temperature":0.0,"top_k":1}', '{"seed":7,"top_k":1}', 128),
            ('{"seed":7,"temperature":0.0,"top_k":2}', '{"seed":7,"top_k":2}', 128),
            ('{"temperature":0.0}', "{}", 100),
            ('{"temperature":0.0}', '{"max_tokens":null}', 0),
        ], f"{kept}")
        # They stand apart in the map, too.
        shown = (out / "map.svg").read_text()
        names = {cell["settings"] for cell in bench.cells(out)}
        check(names == {"", 'extra {"seed":7,"top_k":1}', 'extra {"seed":7,"top_k":2}', "max_tokens 100",
                        'extra {"max_tokens":null}', "completions"}, f"{names}")
        check("<title>x, niah_single_1" in shown and "<title>x, max_tokens 100, niah_single_1" in shown, "the map mixes them")


def cut_off_again(bench):
    """An answer that was cut off is asked again with more tokens; one that ended by itself is not, of the same prompt."""
    with bench.server(needs=50) as server:
        out, pred = bench.folder / "out", bench.folder / "pred"
        ask = ["--sizes", "8,16", "--samples", 6, "--depths", "0,100"]
        bench.ask(server, out, *ask, "--max-tokens", 20, verb="middle")
        cut = bench.rows(out, "count(*)", "class = 'cut off'")[0][0]
        check(8 < cut < 24 and len(server.log()) == 24, f"{cut} of 24 cut off")
        bench.ask(server, out, *ask, "--max-tokens", 30, verb="middle")
        check(len(server.log()) == 24 + cut, "not those that were cut off")
        bench.ask(server, out, *ask, "--max-tokens", 60, "--predictions", pred, verb="middle")
        check(len(server.log()) == 24 + 2 * cut, "not those that were cut off")
        wanted = {cell["settings"]: 0 for cell in bench.cells(out)}
        for cell in bench.cells(out):
            wanted[cell["settings"]] += cell["hits"]
        check(wanted == {"max_tokens 20": 24 - cut, "max_tokens 30": 24 - cut, "max_tokens 60": 24}, f"{wanted}")
        lines = [json.loads(line) for path in pred.glob("*/*.jsonl") for line in path.read_text().splitlines()]
        check(len(lines) == 24 and not any("think" in line["pred"] for line in lines), f"{len(lines)} predictions")
        bench.ask(server, out, *ask, "--max-tokens", 20, verb="middle")
        check(len(server.log()) == 24 + 2 * cut, "fewer tokens asked again")
    # A prompt and its answer fill a length together: with a longer answer it is another prompt.
    with bench.server(needs=50) as server:
        out = bench.folder / "needle"
        bench.ask(server, out, *GRID, "--max-tokens", 20)
        bench.ask(server, out, *GRID, "--max-tokens", 60)
        check(bench.rows(out, "sum(class = 'found')", "max_tokens = 60")[0] == (6,), "cut off all the same")


def provenance(bench):
    """Every answer says who gave it, and how it was asked; nothing in that is secret."""
    for i, (told, wanted) in enumerate((
        ({"name": "llama.cpp", "build": "b4567-0a1b"}, "llama.cpp b4567-0a1b"),
        ({"name": "uvicorn", "owner": "vllm", "version": "0.6.3"}, "vllm 0.6.3 (uvicorn)"),
        ({"name": "nginx\x07\xe9"}, "nginx???"),
        ({"build": "b7", "loading": 0.7}, "llama.cpp b7"),
        ({}, None),
    )):
        with bench.server(returns="m-q4", key=KEY, **told) as server:
            out = bench.folder / str(i)
            done = bench.ask(server, out, *GRID, "--json", "--extra", json.dumps({"b": KEY, "a": 1}), key=KEY)
            extra = '{"a":1,"b":"%s"}' % ("*" * len(KEY))
            rows = bench.rows(out, "DISTINCT " + ORIGIN)
            check(rows == [(f"{server.url}/v1", wanted, "m", "m-q4", '{"temperature":0.0}', extra, 128, rows[0][-1])], f"{rows}")
            check(rows[0][-1] and rows[0][-1][0].isdigit(), f"Fovea's version: {rows}")
            line = json.loads(done.stdout.splitlines()[0])
            check((line["endpoint"], line["server"], line["model_asked"], line["max_tokens"], line["unknown"]) ==
                  (f"{server.url}/v1", wanted, "m", 128, 0), f"{line}")
            before = len(server.log())
            again = bench.ask(server, out, *GRID, "--json", "--extra", json.dumps({"b": KEY, "a": 1}), key=KEY)
            check(again.stdout == done.stdout and len(server.log()) == before, "a second look asks, or says something else")
            said = bench.run("--show", 1, "--out", out).stderr
            check(f"asked m at {server.url}/v1" in said and "which calls it m-q4" in said and "max_tokens 128" in said, said)
            check(KEY.encode() not in b"".join(path.read_bytes() for path in out.iterdir()), "the key was stored")


def older(bench):
    """Files of earlier versions: read as they are, brought up by a writer, their answers kept apart and reused when asked."""
    dump = (HERE / "schema2.sql").read_text()

    def make(name, schema, change=""):
        out = bench.folder / name
        out.mkdir()
        with sqlite3.connect(out / "eval.db") as db:
            db.executescript(dump + change)
            if schema == 1:
                db.executescript("".join(f"ALTER TABLE {table} DROP COLUMN digest;" for table in ("cells", "asks", "fits"))
                                 + "DROP TABLE total; DROP TABLE damaged; PRAGMA user_version = 1")
        db.close()
        return out

    grid = ["--lengths", 300, "--depths", "0,100", "--samples", 2, "--label", "m"]
    for schema in (1, 2):
        with bench.server() as server:
            out = make(f"schema{schema}", schema)
            before = (out / "eval.db").read_bytes()
            check("of an unknown server" in bench.run("--show", 2, "--out", out).stderr, "an older row is not read")
            bench.run(out, "--check", verb="runs")
            loud = ["--endpoint", server.url, "--model", "m", "--out", out, *grid]
            plan = bench.run(*loud, "--dry-run").stdout
            check("4 requests, 4 of the requests by an unknown server" in plan, plan)
            plan = bench.run(*loud, "--dry-run", "--reuse-unknown").stdout
            check("0 requests, 4 answered before" in plan, plan)
            check((out / "eval.db").read_bytes() == before, "a reader changed an older file")
            said = bench.run(*loud, "--reuse-unknown", "--json")
            check(not server.log(), "what was to be reused was asked")
            check([json.loads(line)["unknown"] for line in said.stdout.splitlines()] == [2, 2], said.stdout)
            said = bench.run(*loud).stdout
            check(len(server.log()) == 4, f"{len(server.log())} asked instead of 4")
            above, apart = said.split("of an unknown server, stored before that was noted; --reuse-unknown counts them:")
            check(above.count("2 of 2") == 2 and apart.count("2 of 2") == 1 and "wrong 2" in apart, said)
            check(bench.rows(out, "count(*), count(endpoint), count(digest)")[0] == (9, 4, 9), "old rows did not stay")
            cells = {(c["model"], c["settings"], c["task"]): c["n"] for c in bench.cells(out)}
            check(cells == {("m", "server unknown", "niah_single_1"): 2, ("m", "server unknown", "kv"): 1, ("own", "", "needle"): 16,
                            ("m", "unknown reused", "niah_single_1"): 2, ("m", "", "niah_single_1"): 2}, f"{cells}")
            shown = (out / "map.svg").read_text()
            check("<title>m, niah_single_1" in shown and "<title>m, server unknown, niah_single_1" in shown, "the map mixes them")
            said = bench.run(out, "--check", verb="runs").stdout
            check("none damaged" in said, said)
    # Schema 3 knows whose its answers are: they count, and what they do not have is NULL.
    with bench.server() as server:
        out = bench.folder / "schema3"
        out.mkdir()
        with sqlite3.connect(out / "eval.db") as db:
            db.executescript((HERE / "schema3.sql").read_text())
            (address,) = db.execute("SELECT DISTINCT endpoint FROM asks").fetchone()
        db.close()
        before = (out / "eval.db").read_bytes()
        ask = ["--endpoint", server.url, "--model", "m", "--out", out, *grid, "--extra", '{"top_k":1}', "--same-model"]
        plan = bench.run(*ask, "--dry-run").stdout
        check("0 requests, 4 answered before" in plan and (out / "eval.db").read_bytes() == before, plan)
        bench.run(*ask, "--samples", 3, "--logprobs")
        check(len(server.log()) == 2, f"{len(server.log())} asked instead of 2")
        kept = bench.rows(out, "count(*), count(answer_logprob), count(digest)", f"endpoint = '{address}'")
        check(kept == [(5, 0, 5)], f"{kept}")
        check("none damaged" in bench.run(out, "--check", verb="runs").stdout, "brought up wrongly")
    # Whatever kills a writer, the file is of one schema, and whole.
    more = "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO asks " \
           "SELECT NULL, model, api, task, haystack, seed, length, unit, depth, i, units, prompt_hash, class, score, expected, " \
           "reply, NULL, NULL, finish, NULL, NULL, http_status, 1, 172, 3, 0.1, asked, NULL FROM asks, n WHERE id = 2;"
    out, seen = make("killed", 1, more), set()
    for wait in (0.01, 0.05, 0.1, 0.15, 0.2, 0.3, None):
        process = subprocess.Popen([bench.tool, "needle", "--endpoint", "http://127.0.0.1:1", "--model", "m", "--out", out,
                                    "--lengths", "300", "--retries", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with sqlite3.connect(out / "eval.db") as db:
            seen.add(db.execute("PRAGMA user_version").fetchone()[0])
            check(db.execute("SELECT count(*) FROM asks").fetchone() == (20004,), "answers are missing")
        db.close()
        check("none damaged" in bench.run(out, "--check", verb="runs").stdout, "damaged by a kill")
    check(seen == {1, 4}, f"kills saw schemas {seen}")
    # Damage is not carried over: named, put aside, and asked again where it is to be reused.
    with bench.server() as server:
        out = make("damaged", 2, "UPDATE asks SET reply = 'It is so.' WHERE id = 3; DELETE FROM asks WHERE id = 1;")
        check("row 3 of its table asks (m, " in bench.run("--show", 2, "--out", out, code=1).stderr, "read all the same")
        said = bench.ask(server, out, *grid, "--reuse-unknown").stderr
        check("row 3 of its table asks (m, " in said and "asks should have 5 rows, and 4 are found" in said, said)
        check(len(server.log()) == 2 and bench.rows(out, "count(*)")[0] == (5,), f"{len(server.log())} asked")
        with sqlite3.connect(out / "eval.db") as db:
            kept = db.execute("SELECT source, row, c15, c26 IS NOT NULL, c28 FROM damaged").fetchall()
        check(kept == [("asks", 3, "It is so.", 1, None)], f"kept: {kept}")


WHOSE_CHECKS = [whose, another_model_there, failures_bind_nobody, settings, cut_off_again, provenance, older]
