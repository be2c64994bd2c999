"""Several endpoints, several models, and servers that the command starts: checks of run.py."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench import FAST, HERE, check

GRID = ["--lengths", 300, "--depths", "0,50,100", "--samples", 8]


def shared(bench):
    """Endpoints of one model share its work, under one label; one that fails leaves it to the others."""
    out = bench.folder / "out"
    with bench.server(delay=0.02) as a, bench.server(delay=0.02) as b:
        both = ["--endpoint", b.url, "--concurrency", 2]
        bench.ask(a, out, *GRID, *both)
        sizes = len(a.log()), len(b.log())
        check(sum(sizes) == 24 and min(sizes) >= 6, f"shared as {sizes}")
        check(len({entry["digest"] for entry in a.log() + b.log()}) == 24, "a question was asked twice")
        origins = dict(bench.rows(out, "endpoint, count(*)", "1 GROUP BY endpoint"))
        check(origins == {a.url + "/v1": sizes[0], b.url + "/v1": sizes[1]}, f"{origins}")
        first = min(a.host, b.host)  # whichever comes first on the command line
        check({cell["model"] for cell in bench.cells(out)} == {f"m at {first}"}, "not one label")
        # Samples of one haystack go to one server, whose cache has their beginning.
        kept = bench.rows(out, "sample, count(DISTINCT endpoint)", "1 GROUP BY sample")
        check(sum(n == 1 for _, n in kept) >= 5, f"haystacks are torn: {kept}")
        bench.ask(b, out, *GRID, "--label", f"m at {first}")
        bench.ask(a, out, *GRID, *both)
        # In the other order they are the same endpoints.
        bench.ask(b, out, *GRID, "--endpoint", a.url)
        check({cell["model"] for cell in bench.cells(out)} == {f"m at {first}"}, "the order of endpoints makes another label")
        check(len(a.log()) + len(b.log()) == 24, "stored answers were asked again")
        done = bench.ask(a, out, *GRID, "--endpoint", a.url.upper().replace("HTTP", "http"), code=2)
        check("is given twice; leave out one of them" in done.stderr, done.stderr)
        b.plant(lists="other")
        done = bench.ask(a, out, *GRID, *both, code=0)  # a lists m, as it is asked: it tells nothing
        a.plant(lists="another")
        done = bench.ask(a, out, *GRID, *both, code=2)
        check(f"{a.url} serves another and {b.url} serves other; ask two models by two --model" in done.stderr, done.stderr)


def one_fails(bench):
    """An endpoint that is down, or goes down, or refuses the key: nothing is lost, and it is said."""
    for fault in ("key", "stall"):
        out = bench.folder / fault
        with bench.server() as a, bench.server(faults=[{"kind": fault, "share": 1, "times": -1}]) as b:
            command = ["--endpoint", a.url, "--endpoint", b.url, "--model", "m", "--out", out, "--retry-wait", 0.01,
                       "--retries", 1, "--timeout", 0.3]
            done = bench.run(*command, *GRID)
            check(f"{b.url} is left out: " in done.stderr and "the other endpoints do its work" in done.stderr, done.stderr)
            check(bench.rows(out, "count(*), sum(class = 'found')") == [(24, 24)], f"{fault}: {bench.rows(out, 'class')}")
    with bench.server() as a:
        out = bench.folder / "down"
        order = ["http://127.0.0.1:1", a.url]
        done = bench.run("--endpoint", order[0], "--endpoint", order[1], "--model", "m", "--label", "x", "--out", out, *GRID)
        check("http://127.0.0.1:1 is left out: it does not answer" in done.stderr, done.stderr)
        check(len(a.log()) == 24, f"{len(a.log())} asked")
    with bench.server(delay=0.05) as a, bench.server(delay=0.05) as b:
        out = bench.folder / "dies"
        command = [bench.tool, "needle", "--endpoint", a.url, "--endpoint", b.url, "--model", "m", "--out", out, *FAST, *GRID,
                   "--concurrency", 1]
        process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE)
        while not b.log():
            time.sleep(0.01)
        b.process.kill()
        check(process.wait(60) == 0, process.stderr.read().decode())
        check(bench.rows(out, "count(*), sum(class = 'found')") == [(24, 24)], "an answer is missing")


def models(bench):
    """Several models in one command: of one server, or each of its own; one store, a label each."""
    with bench.server() as a, bench.server(plant={"1": {"0": 0.0}}) as b:
        out = bench.folder / "one"
        bench.ask(a, out, *GRID, "--model", "n")
        asked = [entry["model"] for entry in a.log()]
        check(sorted(asked) == ["m"] * 24 + ["n"] * 24, f"{asked}")
        hits = {(cell["model"], cell["hits"]) for cell in bench.cells(out)}
        check(hits == {(f"m at {a.host}", 8), (f"n at {a.host}", 8)}, f"{hits}")
        out = bench.folder / "each"
        each = ["--endpoint", b.url, "--model", "m"]
        done = bench.ask(a, out, *GRID, *each, "--label", "right", "--label", "wrong", "--json")
        hits = {(cell["model"], cell["hits"]) for cell in bench.cells(out)}
        check(hits == {("right", 8), ("wrong", 0)}, f"{hits}")
        said = {(line["model"], line["endpoint"]) for line in map(json.loads, done.stdout.splitlines())}
        check(said == {("right", a.url + "/v1"), ("wrong", b.url + "/v1")}, f"{said}")
        before = len(a.log())
        for wrong, why in ((["--model", "m"], "--model m is given twice"),
                           ([*each, "--model", "o"], "3 models and 2 endpoints: give one --endpoint for all models"),
                           ([*each, "--label", "x"], "2 models and 1 labels"),
                           ([*each, "--label", "x", "--label", "x"], "--label x is given to two models"),
                           ([*each, "--predictions", "p"], "--predictions takes the answers of one model")):
            done = bench.ask(a, out, *GRID, *wrong, code=2)
            check(why in done.stderr, f"{wrong}: {done.stderr}")
        check(len(a.log()) == before, "a refused command asked")
        # What fails of one model leaves the others: b serves no n.
        b.plant(model="m", plant={"1": {"0": 1.0}})
        out = bench.folder / "failing"
        bench.ask(b, out, *GRID, "--model", "n", code=1)
        check(bench.rows(out, "count(*)", "class = 'found'") == [(24,)], "the other model was not asked")


def command(bench, **config):
    """A command line that starts the server, and the file where it writes who it is."""
    path = Path(bench.folder) / f"config {len(list(Path(bench.folder).iterdir()))}"
    path.write_text(json.dumps(config))
    return f"{shlex.quote(sys.executable)} '{HERE}/server.py' --config \"{path}\" --log '{path}.log' --port {{port}}", path


def is_there(port_or_pid):
    try:
        os.kill(port_or_pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_gone(pids, seconds=20):
    for _ in range(int(50 * seconds)):
        if not any(map(is_there, pids)):
            return True
        time.sleep(0.02)
    return False


def served(bench):
    """--serve starts a server, waits until it is ready, asks it and ends it; its answers are its command's."""
    out = bench.folder / "out"
    for health in (True, False):
        line, path = command(bench, loading=0.5, health=health)
        folder = bench.folder / f"out{health}"
        for samples in (3, 8)[1 - health :]:  # the second time at another port
            bench.run("--serve", line, "--model", "m", "--out", folder, *FAST, *GRID[:-1], samples)
        check(len(Path(f"{path}.log").read_text().splitlines()) == 24, "what is stored was asked again")
        check(bench.rows(folder, "DISTINCT endpoint") == [(line,)], f"{bench.rows(folder, 'DISTINCT endpoint')}")
        name = Path(sys.executable).name
        check({cell["model"] for cell in bench.cells(folder)} == {f"m by {name}"}, f"{bench.cells(folder)}")
    # What is stored needs no server: none is started, be it only planned; what is asked anew does.
    script, starts = bench.folder / "counted.sh", bench.folder / "starts"
    script.write_text(f"echo started >> {starts}\nexec {line.replace('{port}', '$1')}\n")
    ask = ["--serve", f"sh {script} {{port}}", "--model", "m", "--out", bench.folder / "counted", *GRID]
    for more, wanted in (([], 1), ([], 1), (["--dry-run"], 1), (["--fail-under", 0.5, "--json"], 1), (["--extra", '{"top_k":1}'], 2),
                         (["--same-model"], 3)):
        said = bench.run(*ask, *more)
        check(starts.read_text().count("started") == wanted, f"{more}: started {starts.read_text().split()}")
        check("--dry-run" in more or "--json" in more or said.stdout.count("8 of 8") == 3, said.stdout)
    check("m, whose server need not be started: 3 cells, 0 requests, 24 answered before" in bench.run(*ask, "--dry-run").stdout, "its plan")
    other, _ = command(bench, plant={"1": {"0": 0.0}})
    done = bench.run("--serve", other, "--model", "m", "--out", bench.folder / "outTrue", *FAST, *GRID, code=2)
    check("give a new --label, or say --same-model" in done.stderr, done.stderr)
    # Words that a shell would take apart, and programs that do not come up.
    for line, why, code in (("llama-server --port 8080", "has no {port}", 2),
                            ("x --port {port} 'open", "a quote or brace in it does not close", 2),
                            ("x --port {port} | tee y", "it has one of | &", 2),
                            ("x --port {port} $(id)", "it has a command within a command", 2),
                            ("x --port {port} $FOVEA_NOWHERE", "names a variable that the environment does not have", 2),
                            ("fovea-no-such-program {port}",
                             "the server fovea-no-such-program cannot be started: No such file or directory", 1),
                            ("sh -c 'echo one; echo no model {port} >&2; exit 3'", "the server sh ended with exit code 3; it "
                             "said last: one|no model ", 1),
                            ("sh -c 'kill -9 $$' {port}", "the server sh was ended by signal 9 and said nothing", 1)):
        done = bench.run("--serve", line, "--model", "m", "--out", out, *GRID, code=code)
        check(why in done.stderr and done.stderr.count("\n") == 1, f"{line}: {done.stderr}")
    done = bench.run("--serve", "sh -c 'echo loading; sleep 1000' {port}", "--model", "m", "--timeout", 0.3, "--out", out, code=1)
    check("the server sh was not ready in 0.3 s (--timeout); it said last: loading" in done.stderr, done.stderr)
    done = bench.run("--serve", "x {port}", "--endpoint", "http://127.0.0.1:1", "--model", "m", code=2)
    check("leave one of them out" in done.stderr, done.stderr)
    check(not out.exists(), "a command that asked nothing left a folder")


def nothing_left(bench):
    """However the command ends, its server and what that has started end, too, if need be by force."""
    config, _ = command(bench, delay=0.05)
    pids = bench.folder / "pids"
    # A server that does not mind SIGTERM, with a child of its own.
    script = bench.folder / "stubborn.sh"
    script.write_text(f"trap '' TERM\necho $$ >> {pids}\nsleep 1000 &\necho $! >> {pids}\n{config.replace('{port}', '$1')}\n")
    polite = bench.folder / "polite.sh"
    polite.write_text(script.read_text().replace("trap '' TERM", "trap 'kill $!; exit' TERM").replace("$1\n", "$1 & wait\n"))
    log = config.split("--log '")[1].split("'")[0]

    def run(line, end):
        pids.write_text("")
        Path(log).write_text("")
        ask = [bench.tool, "needle", "--serve", line, "--model", "m", "--out", bench.folder / f"left{end}", *FAST, "--lengths",
               "300", "--samples", "400"]
        process = subprocess.Popen(list(map(str, ask)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        while len(Path(log).read_text().splitlines()) < 5:
            time.sleep(0.02)
        started = [int(word) for word in pids.read_text().split()]
        check(len(started) == 2 and all(map(is_there, started)), f"{started}")
        if end == "group":  # Ctrl-C of a terminal
            os.killpg(process.pid, signal.SIGINT)
        elif end == "server":
            os.kill(started[0], signal.SIGKILL)
        else:
            process.send_signal(end)
        said = process.communicate(timeout=60)[1].decode()
        check(process.returncode in (1, -9), f"{end}: exit {process.returncode}: {said}")
        check(wait_gone(started), f"{end}: {[pid for pid in started if is_there(pid)]} are left running: {said}")
        return said

    for end in (signal.SIGTERM, signal.SIGKILL, "group"):
        run(f"sh {polite} {{port}}", end)
    said = run(f"sh {polite} {{port}}", "server")
    check("the server sh was ended by signal 9" in said, said)
    run(f"sh {script} {{port}}", signal.SIGKILL)


SEVERAL_CHECKS = [nothing_left, shared, one_fails, models, served]
