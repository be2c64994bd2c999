"""How long prompts are, and whose rates are of how many: checks of run.py."""

import json

from bench import check


def counting(bench):
    """Lengths by every way of counting tokens, and without any; a chat's template counts, however long."""
    for way, shown in (("vllm", True), ("llama.cpp", True), ("llama.cpp", False), ("llama-cpp", False), ("", False)):
        with bench.server(tokenize=way, template=200, shown=shown) as server:
            out = bench.folder / f"out{way}{shown}"
            bench.ask(server, out, "--lengths", "1000,4000", "--depths", 50, "--samples", 1)
            tokens = dict(bench.rows(out, "length, prompt_tokens"))
            least = 0.97 if way else 0.93  # an estimate keeps 5 % spare
            check(all(least * (n - 128) - 5 < t <= n - 128 for n, t in tokens.items()), f"'{way}': {tokens}")
            done = bench.run("--endpoint", server.url, "--model", "m", "--out", bench.folder / "dry", "--lengths", 1000, "--dry-run")
            said = f"counted by: {way}" if way else "estimated by: usage, 5 % to spare"
            check(said in done.stdout, done.stdout)
    with bench.server(tokenize="", usage=False) as server:
        out = bench.folder / "none"
        bench.ask(server, out, "--lengths", 1000, "--depths", 50, "--samples", 2)
        check(bench.rows(out, "class, prompt_tokens") == [("found", None)] * 2, "no usage, no answer")


def too_short(bench):
    """A length that a question does not fit into, by the server's count, is left out; all others are asked."""
    with bench.server() as server:
        out = bench.folder / "out"
        done = bench.ask(server, out, "--lengths", 60, "--depths", 50, code=2)
        check("length 60 is below what niah_single_1 needs" in done.stderr, done.stderr)
        check(not out.exists() and not server.log(), "something was written or asked")
        done = bench.ask(server, out, "--lengths", "1000,60", "--depths", 50, "--samples", 4, code=1)
        check("length 60 is below what niah_single_1 needs" in done.stderr, done.stderr)
        check("4 have no prompt of their length" in done.stderr and "asks these" not in done.stderr, done.stderr)
        check(bench.rows(out, "length, class") == [(1000, "found")] * 4, "the others were not asked")
        data = bench.folder / "data"
        done = bench.run("--data", data, "--task", "niah_single_1,fwe", "--lengths", "300,4000", "--samples", 2, code=2)
        check("length 300 is below what fwe needs" in done.stderr and "all others are written" in done.stderr, done.stderr)
        found = sorted(str(path.parent.relative_to(data)) for path in data.glob("*/*/validation.jsonl"))
        check(found == ["300/niah_single_1", "4000/fwe", "4000/niah_single_1"], f"{found}")


def every_prompt(bench):
    """Where words cost unequal tokens, every prompt fits into its length, which is the context, and fills it."""
    tasks = ["--task", "niah_multikey_2,vt,fwe", "--samples", 12, "--depths", 50, "--lengths", "1500,4096"]
    for way, most in (("vllm", 1), ("llama.cpp", 1), ("", 1.1)):
        with bench.server(tokenize=way, uneven=True, context=4096, template=40) as server:
            out = bench.folder / f"out{way}"
            bench.ask(server, out, *tasks, "--max-tokens", 100)
            rows = bench.rows(out, "task, length, class, prompt_tokens")
            check(len(rows) == 72 and {row[2] for row in rows} <= {"found", "wrong", "empty"}, f"'{way}': {rows}")
            for task, length, _, tokens in rows:
                filled = (tokens + 100) / length
                check((0.93 if way else 0.7) < filled <= most, f"'{way}': {task} fills {filled:.3f} of {length}")


def first_length(bench):
    """RULER's first length has room for `cwe` where a word costs two tokens, as words in a list do."""
    with bench.server(tokenize="vllm", uneven=True, context=4096) as server:
        out = bench.folder / "out"
        bench.ask(server, out, "--task", "cwe", "--lengths", 4096, "--samples", 3, "--api", "completions")
        tokens = [row[0] for row in bench.rows(out, "prompt_tokens")]
        check(len(tokens) == 3 and all(3800 < t <= 4096 - 120 for t in tokens), f"{tokens}")
        prompt = bench.run("--show", 1, "--out", out).stdout
        check("-" not in prompt.replace("numbered", ""), "words of two parts")


def longer_answers(bench):
    """More tokens for an answer leave fewer for the prompt, whatever was measured before."""
    with bench.server() as server:
        out, ask = bench.folder / "out", ["--lengths", 4000, "--depths", 50]
        bench.ask(server, out, *ask, "--samples", 1, "--max-tokens", 8)
        bench.ask(server, out, *ask, "--samples", 3, "--max-tokens", 3000)
        tokens = [row[0] for row in bench.rows(out, "prompt_tokens", "max_tokens = 3000")]
        check(len(tokens) == 3 and all(900 < t <= 1000 for t in tokens), f"prompts of {tokens} and 3000 in 4000")


def loading(bench):
    """A server that loads its model is waited for, and counts; one that never gets ready is an error."""
    ask = ["--lengths", 1000, "--depths", 50, "--samples", 2, "--retry-wait", 0.01, "--retries", 0]
    with bench.server(loading=1.5, tokenize="llama.cpp", uneven=True) as server:
        out = bench.folder / "out"
        done = bench.run("--endpoint", server.url, "--model", "m", "--out", out, *ask)
        check(done.stderr.count("waiting for the server: HTTP 503: Loading model\n") == 1, done.stderr)
        check("counted by: llama.cpp" in done.stderr and bench.rows(out, "class") == [("found",)] * 2, done.stderr)
    with bench.server(loading=100) as server:
        done = bench.ask(server, bench.folder / "never", *ask, "--timeout", 0.5, code=1)
        check("is not ready after 0.5 s: HTTP 503: Loading model" in done.stderr, done.stderr)
        check(not (bench.folder / "never").exists(), "something was written")


def survivors(bench):
    """A rate of some of the questions says how many were asked."""
    faults = [{"kind": "context", "share": 0.5, "times": -1}]
    with bench.server(faults=faults) as server:
        out = bench.folder / "out"
        done = bench.ask(server, out, "--lengths", 500, "--depths", 50, "--samples", 40, "--json", code=1)
        cell = json.loads(done.stdout)
        check(cell["asked"] == 40 and 5 < cell["n"] < 35, f"{cell}")
        again = bench.run("--endpoint", server.url, "--model", "m", "--out", out, "--retry-wait", 0.01, "--lengths", 500, "--depths", 50,
                          "--samples", 40, code=1)
        said = f"{cell['hits']} of {cell['n']}, 40 asked"
        check(said in again.stdout and said in (out / "report.html").read_text(), again.stdout)
        check("*: of those answered" in (out / "map.svg").read_text(), "the map hides what was not answered")


LENGTH_CHECKS = [counting, too_short, every_prompt, first_length, longer_answers, loading, survivors]
