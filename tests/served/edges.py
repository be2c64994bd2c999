"""Keys, replies, options and limits at their edges: checks of run.py."""

import gzip
import json
import resource
import subprocess

from bench import FAST, check

POINT = ["--lengths", 500, "--depths", 50, "--samples", 2]


def keys(bench):
    """A key that would begin another header is refused, and a short one is masked where it is a word of its own."""
    with bench.server(returns="abc-1") as server:
        out = bench.folder / "out"
        for key in ("sk-1\r\nX-Admin: yes", "sk-1\n"):
            done = bench.ask(server, out, *POINT, key=key, code=2)
            check("the key of the server has a line break or another control character at byte 5" in done.stderr, done.stderr)
            check("sk-1" not in done.stderr and not server.log(), "a refused key was printed or sent")
        server.plant(faults=[{"kind": "key", "share": 1, "times": -1, "echo": "abc, not abcd"}])
        done = bench.ask(server, out, *POINT, "--retries", 0, key="abc", code=1)
        check("provided: ***, not abcd" in done.stderr, done.stderr)
        check(bench.rows(out, "DISTINCT error") == [("HTTP 401: Incorrect API key provided: ***, not abcd",)], "the key was stored")
        # A key that is a word of JSON leaves replies whole.
        server.plant(faults=[])
        for key in ("It", "stop", "0", "m"):
            bench.ask(server, bench.folder / key, *POINT, key=key)
            check(bench.rows(bench.folder / key, "DISTINCT class") == [("found",)], f"the key {key} spoils replies")


def shown(bench):
    """What a model or a server writes steers no terminal, and is stored as it is."""
    with bench.server(form="terminal") as server:
        out = bench.folder / "out"
        bench.ask(server, out, *POINT)
        (reply,) = bench.rows(out, "reply")[0]
        check(reply.endswith("\x1b]0;x\x07\n\x9b2J"), f"not stored as it is: {reply!r}")
        said = bench.run("--show", 1, "--out", out).stderr
        check(said.endswith("\\x1b]0;x\\x07\\n\\u009b2J\n"), f"{said!r}")
        server.plant(faults=[{"kind": "key", "share": 1, "times": -1, "echo": "\x1b[2J\x07\x9b"}])
        done = bench.ask(server, bench.folder / "error", *POINT, "--retries", 0, code=1)
        check("\\x1b[2J\\x07\\u009b" in done.stderr and not set("\x1b\x07\x9b") & set(done.stderr), f"{done.stderr!r}")


def packed(bench):
    """Questions and documents come from gzip files as from plain ones; a damaged one is named."""
    data, plain, packed_out = bench.folder / "data", bench.folder / "plain", bench.folder / "packed"
    bench.run("--data", data, "--lengths", 2000, "--samples", 4, "--task", "niah_single_1")
    source = data / "2000" / "niah_single_1" / "validation.jsonl"
    with bench.server() as server:
        bench.ask(server, plain, "--questions", source)
        whole = gzip.compress(source.read_bytes())
        source.with_suffix(".jsonl.gz").write_bytes(whole)
        bench.ask(server, packed_out, "--questions", source.with_suffix(".jsonl.gz"))
        columns = "task, sample, prompt_hash, class"
        order = "1 ORDER BY sample"
        check(bench.rows(plain, columns, order) == bench.rows(packed_out, columns, order), "other questions")
        damaged = bench.folder / "damaged.jsonl.gz"
        damaged.write_bytes(whole[:-20])
        done = bench.ask(server, plain, "--questions", damaged, code=1)
        check(f"{damaged} cannot be unpacked: its gzip data are damaged" in done.stderr, done.stderr)
        documents = bench.folder / "nq.jsonl.gz"
        contexts = [{"title": f"T{i}", "text": f"Text {i}.", "isgold": i == 3} for i in range(4)]
        documents.write_bytes(gzip.compress(json.dumps({"question": "Which?", "answers": ["3"], "ctxs": contexts}).encode()))
        bench.ask(server, bench.folder / "qa", "--task", "qa", "--documents", documents, "--sizes", 4, "--samples", 1, verb="middle")


def unread(bench):
    """Options that nothing reads are refused before anything is asked."""
    with bench.server() as server:
        out = bench.folder / "out"
        for verb, ask, said in (
            ("middle", ["--task", "kv", "--documents", "x.jsonl"], "kv asks about no documents; leave out --documents"),
            ("needle", ["--documents", "x.json"], "niah_single_1 asks about no documents; leave out --documents"),
            ("needle", ["--task", "vt,cwe", "--haystack", "noise"], "vt has a haystack of its own alone; leave out --haystack"),
            ("needle", ["--task", "fwe", "--depths", "50"], "fwe has no depth; leave out --depths"),
            ("needle", ["--dry-run", "--predictions", "p"], "--predictions does not go with --dry-run"),
        ):
            done = bench.ask(server, out, *ask, verb=verb, code=2)
            check(said in done.stderr, done.stderr)
        check(not server.log() and not out.exists(), "something was asked or written")
    for ask, said in (
        (["--show", 1, "--samples", 3], "--samples does not go with --show"),
        (["--data", out, "--depths", 50], "--depths does not go with --data"),
        (["--score", "x.jsonl", "--model", "m"], "--model does not go with --score"),
        (["--data", out, "--task", "vt", "--haystack", "noise"], "vt has a haystack of its own alone"),
    ):
        done = bench.run(*ask, code=2)
        check(said in done.stderr and not out.exists(), done.stderr)


def beyond_context(bench):
    """The plan says which lengths the server cannot read, also when it has counted them before."""
    with bench.server(context=2000) as server:
        ask = ["--endpoint", server.url, "--model", "m", "--out", bench.folder / "out", "--lengths", "1000,3000", "--depths", "0,50",
               "--samples", 3]
        for _ in range(2):
            said = bench.run(*ask, "--dry-run").stdout
            check("context        2000 tokens; the lengths of 6 requests are above it\n" in said, said)
            bench.run(*ask, code=1)


def few_descriptors(bench):
    """Where descriptors are few, fewer requests are in flight, and all are answered."""
    with bench.server(delay=0.05) as server:
        out = bench.folder / "out"
        command = [bench.tool, "needle", "--endpoint", server.url, "--model", "m", "--out", out, "--lengths", 300, "--depths",
                   "0..100", "--samples", 10, "--concurrency", 200, "--retry-wait", "0.01"]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=100,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60)))
        check(done.returncode == 0, done.stderr)
        check("at once, for which descriptors are enough" in done.stderr, done.stderr)
        check(bench.rows(out, "class, max(attempts), count(*)", "1 GROUP BY class") == [("found", 1, 110)], "not all at once")


def pauses(bench):
    """A pause that the server asks for is told, once for all that wait."""
    with bench.server(faults=[{"kind": "429", "share": 1, "times": 1, "after": 2}]) as server:
        ask = ["--endpoint", server.url, "--model", "m", "--out", bench.folder / "out", "--lengths", 300, "--depths", 50, "--samples", 8]
        done = bench.run(*ask)
        # The first question may be asked alone, and one that came late waits for itself.
        check(1 <= done.stderr.count("the server asks for a pause of 2 s (Retry-After)\n") < 8, done.stderr)


EDGE_CHECKS = [keys, shown, packed, unread, beyond_context, few_descriptors, pauses]
