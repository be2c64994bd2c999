"""How fast answers come, and answers that come in pieces: checks of run.py."""

import json

from bench import KEY, check

GRID = ["--lengths", 300, "--depths", "0,100", "--samples", 3]
TIMED = "first_token, prefill, decode, timed_by"


def near(value, wanted):
    return value is not None and abs(value - wanted) <= 1e-4 * wanted


def streams(bench):
    """An answer in pieces is the same answer, wherever its bytes are split, and is timed on its way."""
    with bench.server() as server:
        bench.ask(server, bench.folder / "whole", *GRID)
    answers = "sample, depth, class, reply, finish, prompt_tokens, completion_tokens, model_returned"
    wanted = bench.rows(bench.folder / "whole", answers, "1 ORDER BY 1, 2")
    for how in ("events", "events bytes", "events returns", "events bytes returns", "events held"):
        for api in ("chat", "completions") if how == "events bytes" else ("chat",):
            with bench.server(stream=how) as server:
                out = bench.folder / f"{how} {api}"
                bench.ask(server, out, *GRID, "--api", api)
                check(all(line["stream"] for line in server.log()), "not asked for in pieces")
                check(bench.rows(out, answers, "1 ORDER BY 1, 2") == wanted, f"{how}, {api}: {bench.rows(out, answers)}")
                timed = bench.rows(out, "DISTINCT timed_by")
                check(timed == [(None,)] if how == "events held" else ("stream",) in timed, f"{how}: {timed}")


def streamed_speed(bench):
    """Planted pauses come back: before the first piece, and between pieces."""
    with bench.server(stream="events", first=0.2, pace=0.04) as server:
        out = bench.folder / "out"
        said = bench.run("--endpoint", server.url, "--model", "m", "--out", out, *GRID, "--json")
        for first, prefill, decode, by, n in bench.rows(out, TIMED + ", prompt_tokens"):
            check(by == "stream" and 0.19 < first < 0.6, f"first token after {first} s ({by})")
            check(abs(prefill * first - n) < 1e-6 * n, f"{prefill} tokens a second of {n}")
            check(8 < decode < 27, f"{decode} tokens a second, not 25")
        line = json.loads(said.stdout.splitlines()[0])
        check(line["timed_by"] == "stream" and 0.19 < line["first_token"] < 0.6 and line["thought_tokens"] is None, said.stdout)
        check("first token" in said.stderr and " stream " in said.stderr, said.stderr)
        cell = bench.cells(out)[0]
        check(0.19 < cell["first_token"] < 0.6 and cell["timed_by"] == "stream", f"{cell}")
        for name, note in (("first_token", "Time to the first token"), ("prefill", "Prefill"), ("decode", "Decode")):
            drawn = (out / f"{name}.svg").read_text()
            check(note in drawn and "measured by streaming" in drawn and "tokens a second (stream)" in drawn, f"{name}.svg")
        check("Time to the first token" in (out / "report.html").read_text(), "the report has no map of speed")
        said = bench.run("--show", 1, "--out", out).stderr
        check("first token after 0.2" in said and "tokens a second (stream)" in said, said)
        # What a cache had was not read.
        server.plant(details={"prompt_tokens_details": {"cached_tokens": 50}})
        bench.ask(server, bench.folder / "cached", *GRID)
        for first, prefill, n, cached in bench.rows(bench.folder / "cached", "first_token, prefill, prompt_tokens, cached_tokens"):
            check(cached == 50 and abs(prefill * first - (n - 50)) < 1e-6 * n, f"{prefill}, {cached} cached")


def timings(bench):
    """llama.cpp's own timings are taken where there are any, in one piece and in many."""
    own = {"cache_n": 7, "prompt_n": 400, "prompt_ms": 200.0, "predicted_n": 11, "predicted_ms": 500.0}
    for how in ("", "events"):
        with bench.server(stream=how, first=0.1, pace=0.01, timings=own) as server:
            out = bench.folder / (how or "one")
            bench.ask(server, out, *GRID)
            for first, prefill, decode, by, cached in bench.rows(out, TIMED + ", cached_tokens"):
                check(by == "timings" and near(prefill, 2000) and near(decode, 20) and cached == 7, f"{prefill}, {decode}, {by}, {cached}")
                # The first token is waited for by whoever asks, where that can be seen.
                check(0.09 < first < 0.6 if how else near(first, 0.2), f"first token after {first} s")
            check("by llama.cpp" in (out / "prefill.svg").read_text(), "the map does not say by what")


def unwilling(bench):
    """Servers that know no streams, or then say less, are asked for the whole answer."""
    with bench.server(stream="refused") as server:
        out = bench.folder / "refused"
        bench.ask(server, out, *GRID, "--concurrency", 1)
        check([line["stream"] for line in server.log()] == [True] + 6 * [False], f"{server.log()}")
        check(bench.rows(out, "DISTINCT class, timed_by, prompt_tokens > 0") == [("found", None, 1)], "not answered")
        check(not (out / "first_token.svg").exists(), "a map of nothing")
    with bench.server(stream="events unread") as server:
        bench.ask(server, bench.folder / "unread", *GRID, "--concurrency", 1)
        check([line["stream"] for line in server.log()] == [True] + 5 * [False], f"{server.log()}")
    with bench.server(stream="events") as server:
        bench.ask(server, bench.folder / "off", *GRID, "--extra", '{"stream": false}')
        bench.ask(server, bench.folder / "on", *GRID, "--extra", '{"stream": true}')
        check([line["stream"] for line in server.log()] == 6 * [False] + 6 * [True], f"{server.log()}")
        check(bench.rows(bench.folder / "on", "DISTINCT class, timed_by") == [("found", "stream")], "not read")


def broken_streams(bench):
    """A stream that ends too soon or tells of an error is a failed try, and nothing of a key is kept."""
    for how, why in (("events unclosed", "the stream ended before the answer did"), ("events broken", "HTTP 500: the engine died")):
        with bench.server(stream=how) as server:
            out = bench.folder / how
            done = bench.ask(server, out, *GRID, "--retries", 1, code=1)
            check(why in done.stderr and bench.rows(out, "DISTINCT class, attempts") == [("error", 2)], done.stderr)
            server.plant(stream="events bytes")
            bench.ask(server, out, *GRID)
            check(bench.rows(out, "DISTINCT class") == [("found",)], "not asked again")
    with bench.server(stream="events bytes", returns=KEY, key=KEY) as server:
        out = bench.folder / "key"
        bench.ask(server, out, *GRID, key=KEY)
        check(bench.rows(out, "DISTINCT class") == [("found",)], "not answered")
        check(KEY.encode() not in b"".join(path.read_bytes() for path in out.iterdir()), "the key was stored")


def thoughts_counted(bench):
    """Tokens of thought are counted apart: as usage has them, else by the share of their bytes."""
    for name, plant, wanted in (
        ("told", {"details": {"completion_tokens": 50, "completion_tokens_details": {"reasoning_tokens": 44}}}, (44, "usage")),
        ("sglang", {"details": {"reasoning_tokens": 9}}, (9, "usage")),
        ("in marks", {"form": "thought", "details": {"completion_tokens": 50}}, (None, "estimate")),
        ("in pieces", {"stream": "events thought", "details": {"completion_tokens": 50}}, (None, "estimate")),
        ("none", {}, (None, None)),
    ):
        with bench.server(**plant) as server:
            out = bench.folder / name
            said = bench.ask(server, out, *GRID, "--json")
            rows = bench.rows(out, "class, thought_tokens, thought_by, length(reply)")
            check(all(c == "found" and by == wanted[1] for c, _, by, _ in rows), f"{name}: {rows}")
            line = json.loads(said.stdout.splitlines()[0])
            if wanted[0]:
                check(all(n == wanted[0] for _, n, _, _ in rows) and line["thought_tokens"] == wanted[0], f"{name}: {rows}, {line}")
            elif wanted[1]:
                check(all(5 < n < 45 for _, n, _, _ in rows) and 5 < line["thought_tokens"] < 45, f"{name}: {rows}")
                check("tokens are thought (estimated)" in bench.run("--show", 1, "--out", out).stderr, "not shown")
            else:
                check(rows[0][1] is None and line["thought_tokens"] is None, f"{name}: {rows}")


def effort(bench):
    """How hard a model thinks is said by --extra: other answers, whose tokens of thought are counted apart, and a budget of them."""
    long = ["--lengths", 900, *GRID[2:], "--label", "m"]
    grid = [*long, "--max-tokens", 100]
    with bench.server(form="effort", stream="events") as server:
        out = bench.folder / "out"
        for extra, thought, kind in (({"reasoning_effort": "low"}, 10, "found"), ({"reasoning_effort": "high"}, 100, "cut off"),
                                     ({"reasoning_effort": "high", "thinking_budget": 30}, 30, "found"),
                                     ({"reasoning_effort": "none"}, 0, "found")):
            text = json.dumps(extra, sort_keys=True, separators=(",", ":"))
            said = bench.run("--endpoint", server.url, "--model", "m", "--out", out, *grid, "--extra", text).stdout
            rows = bench.rows(out, "class, thought_tokens, thought_by, reply LIKE 'It is %'", f"extra = '{text}'")
            check(rows == [(kind, thought, "usage", int(kind == "found"))] * 6, f"{extra}: {rows}")
            cells = [cell for cell in bench.cells(out) if f"extra {text}" in cell["settings"]]
            check(cells and {cell["thought_tokens"] or 0 for cell in cells} == {thought}, f"{extra}: {cells}")
            check(thought == 0 or f"  {thought}\n" in said, f"{extra}: its table lacks {thought}: {said}")
        check(len(bench.cells(out)) == 8 and len(server.log()) == 24, "efforts are not told apart")
        # With room for it, what was cut off inside its thought is found.
        more = [*long, "--max-tokens", 300, "--extra", '{"reasoning_effort":"high"}']
        bench.run("--endpoint", server.url, "--model", "m", "--out", out, *more)
        check(bench.rows(out, "class, thought_tokens", "max_tokens = 300") == [("found", 200)] * 6, "no room")


SPEED_CHECKS = [effort, streams, streamed_speed, timings, unwilling, broken_streams, thoughts_counted]
