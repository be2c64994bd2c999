"""How many requests are in flight as an axis of the grid, and answers that run in circles: checks of run.py."""

import json
import resource
import subprocess

from bench import check

GRID = ["--lengths", 300, "--depths", "0,100"]


def loads(bench):
    """A fault that shows only under load shows in the cells of that load, and nowhere else."""
    with bench.server(delay=0.03, crowd=5) as server:
        out = bench.folder / "out"
        ask = [*GRID, "--samples", 8, "--concurrency", "1,8"]
        said = bench.ask(server, out, *ask, "--json")
        check(len(server.log()) == 32, f"{len(server.log())} questions instead of 16 under each load")
        rows = bench.rows(out, "load, in_flight, class")
        check(all(n <= load and (n == 1 or load == 8) for load, n, _ in rows), f"more in flight than wanted: {rows}")
        check(max(n for _, n, _ in rows) == 8, "the load was never reached")
        check(all(c == "found" for load, _, c in rows if load == 1), "wrong without a load")
        check(sum(c == "wrong" for load, _, c in rows if load == 8) >= 4, "the load broke nothing")
        check(bench.rows(out, "count(DISTINCT prompt_hash)")[0] == (16,), "other prompts under another load")
        cells = {(c["settings"], c["depth"]): c["hits"] for c in bench.cells(out)}
        check(len(cells) == 4 and cells[("concurrency 1", 0)] == 8 and cells[("concurrency 8", 0)] < 8, f"{cells}")
        lines = [json.loads(line) for line in said.stdout.splitlines()]
        check([line["concurrency"] for line in lines] == [1, 1, 8, 8], said.stdout)
        drawn = (out / "map.svg").read_text()
        check(f"m at {server.host}, concurrency 8, niah_single_1" in drawn, "the map mixes loads")
        # What is stored under a load is asked again neither there nor in another order of loads.
        bench.ask(server, out, *GRID, "--samples", 8, "--concurrency", "8,1")
        check(len(server.log()) == 32, "answered questions were asked again")
        said = bench.run("--endpoint", server.url, "--model", "m", "--out", out, *GRID, "--samples", 8, "--concurrency", "8,1").stdout
        check("8 in flight:\n" in said and said.index("8 in flight:") < said.index("1 in flight:"), said)
        said = bench.run("--show", 17, "--out", out).stderr
        check(" in flight of 8 wanted\n" in said, said)
        # Without the axis answers count whatever they were asked under, and are others.
        bench.ask(server, out, *GRID, "--samples", 2, "--concurrency", 2)
        bench.ask(server, out, *GRID, "--samples", 2, "--concurrency", 3)
        check(len(server.log()) == 36, f"{len(server.log())}")
        plan = bench.run("--endpoint", server.url, "--model", "m", "--out", out, *GRID, "--samples", 9, "--concurrency", "1,16",
                         "--dry-run").stdout
        check("in flight      never 16 at once: there are fewer requests under that load" not in plan, plan)
        plan = bench.run("--endpoint", server.url, "--model", "m", "--out", out, *GRID, "--samples", 9, "--concurrency", "1,32",
                         "--dry-run").stdout
        check("20 requests, 16 answered before" in plan, plan)
        check("in flight      never 32 at once: there are fewer requests under that load; --samples gives more\n" in plan, plan)
        for wrong, why in (("0", "from 1 to 1024"), ("4,x", "from 1 to 1024"), ("4,4", "4 requests in flight are wanted twice"),
                           ("1,2000", "from 1 to 1024")):
            done = bench.ask(server, out, *GRID, "--concurrency", wrong, code=2)
            check(why in done.stderr, done.stderr)
        done = bench.ask(server, out, *GRID, "--concurrency", "1,2", "--predictions", bench.folder / "p", code=2)
        check("give one number to --concurrency" in done.stderr, done.stderr)
        command = [bench.tool, "needle", "--endpoint", server.url, "--model", "m", "--out", out, *GRID, "--concurrency", "1,200"]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=100,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60)))
        check(done.returncode == 2 and "not for 200; raise 'ulimit -n'" in done.stderr, done.stderr)


def circles(bench):
    """What repeats itself up to the limit of tokens is a class of its own, in the answer or in a thought before it."""
    for form in ("", "looping thought", "apart"):
        with bench.server(plant={"1": {"0": 0.0}}, otherwise={"looping": 1}, form=form) as server:
            out = bench.folder / (form or "plain")
            said = bench.run("--endpoint", server.url, "--model", "m", "--out", out, *GRID, "--samples", 2).stdout
            check("looping 2" in said, said)
            check(bench.rows(out, "DISTINCT class, score, finish") == [("looping", 0, "length")], f"{form}: {bench.rows(out, 'class, reply')}")
            check({c["answers"] for c in bench.cells(out)} == {'{"looping":2}'}, f"{bench.cells(out)}")
    # It is asked again with more tokens, as what was cut off.
    with bench.server(plant={"1": {"0": 0.0}}, otherwise={"looping": 1}) as server:
        out = bench.folder / "again"
        for limit in (20, 30, 30):
            bench.ask(server, out, "--sizes", 8, "--samples", 2, "--depths", 50, "--max-tokens", limit, verb="middle")
        check(len(server.log()) == 4, f"{len(server.log())}")


LOAD_CHECKS = [loads, circles]
