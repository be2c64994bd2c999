"""Two models on the same prompts: checks of run.py."""

import hashlib
import json
import math
import re
import shlex
import sqlite3
import xml.etree.ElementTree as ET

from bench import FAST, HERE, KEY, check

GRID = ["--lengths", 300, "--depths", "0,100", "--samples", 10]
PAIRS = """SELECT count(*), sum(a.class = 'found' AND b.class <> 'found'), sum(a.class <> 'found' AND b.class = 'found')
           FROM asks AS a JOIN asks AS b USING (task, length, depth, sample, prompt_hash) WHERE a.model = ? AND b.model = ?"""


def upper_tail(k, n):
    return sum(math.comb(n, i) for i in range(k, n + 1)) / 2**n


def compared(done):
    """The line of JSON about the comparison."""
    return next(line for line in map(json.loads, done.stdout.splitlines()) if "compared" in line)


def pairs(bench, out, first, second):
    """(n, lost, won), by SQL from what is stored."""
    with sqlite3.connect(f"file:{out}/eval.db?mode=ro", uri=True) as db:
        return tuple(db.execute(PAIRS, (first, second)).fetchone())


def against_planted(bench):
    """Accuracy 0.90 and 0.86, as many prompts as the plan says: the counts are those that are stored, p and gate are theirs."""
    gates = ["--fail-if-worse", "--fail-unless-within", 0.01, "--fail-under", 0.5]
    with bench.server(plant={"1": {"0": 0.9}}) as base, bench.server(plant={"1": {"0": 0.86}}) as other:
        out = bench.folder / "out"
        ask = ["--lengths", 300, "--depths", 50, "--label", "other", "--against", base.url, "--against-label", "base"]
        plan = bench.run("--endpoint", other.url, "--model", "m", "--out", out, *ask, "--dry-run", "--difference", 0.04).stdout
        n, independent = map(int, re.search(r"(\d+) prompts where errors nest, (\d+) prompts where they are ind", plan).groups())
        check((n, independent) == (167, 860), plan)
        done = bench.run("--endpoint", other.url, "--model", "m", "--out", out, *ask, "--dry-run", "--difference", 0.04, "--json")
        power = json.loads(done.stdout)["power"]
        check((power["nested"], power["independent"], power["stored"]) == (n, independent, False), f"{power}")
        done = bench.run("--endpoint", other.url, "--model", "m", "--out", out, *ask, "--dry-run", "--fail-unless-within", 0.05).stdout
        check(re.search(r"--fail-unless-within 0.05 at 0.05 passes equal models with 59 prompts where\s+they never differ, 94 prompts where they "
                        r"flip at one in a hundred, 455 prompts where errors are independent\n", done), done)
        done = bench.run("--endpoint", other.url, "--model", "m", "--out", out, *ask, "--dry-run", "--fail-unless-within", 0.01, "--json")
        within = json.loads(done.stdout)["power_within"]
        check((within["same"], within["independent"], within["exact"]) == (299, 11129, [True, True, False]), f"{within}")
        check(f"against        {base.url} is asked the same 10," in plan, plan)
        check(not other.log() and not base.log(), "a plan asked")
        done = bench.ask(other, out, *ask, "--samples", n, "--json", *gates, "--junit", bench.folder / "j.xml", code=None)
        said = compared(done)
        kept = pairs(bench, out, "base", "other")
        check(kept[0] == n and kept[2] == 0, f"errors do not nest: {kept}")
        check(abs(kept[1] - 0.04 * n) <= 4.5 * math.sqrt(0.04 * n), f"{kept[1]} lost of {n}")
        total = said["all"]
        check((total["n"], total["lost"], total["won"]) == kept, f"{total} is not {kept}")
        check(abs(total["p"] - min(1, 2 * upper_tail(max(kept[1:]), sum(kept[1:])))) < 1e-12, f"p {total['p']}")
        check(total["low"] < (kept[2] - kept[1]) / n < total["high"], f"interval {total}")
        by_name = {gate["gate"].split()[0]: gate for gate in said["gates"]}
        worse = upper_tail(kept[1], sum(kept[1:]))
        check(abs(by_name["--fail-if-worse"]["p"] - worse) < 1e-12, f"{by_name}")
        failed = {name: gate["failed"] for name, gate in by_name.items()}
        check(failed == {"--fail-if-worse": worse <= 0.05, "--fail-unless-within": True, "--fail-under": False}, f"{failed}")
        check(done.returncode == 3, f"exit code {done.returncode}")
        suite = ET.parse(bench.folder / "j.xml").getroot()
        cases = {case.get("name").split()[0]: case.find("failure") is not None for case in suite.iter("testcase")}
        check(cases == {**failed, "every": False}, f"{cases}")
        check(suite.get("failures") == str(sum(failed.values())) and suite.get("errors") == "0", "counts of the suite")
        # Nothing is paid twice, and figures show both.
        before = len(base.log()), len(other.log())
        again = bench.ask(other, out, *ask, "--samples", n, "--json", "--fail-if-worse", code=None)
        check(compared(again)["all"] == total and (len(base.log()), len(other.log())) == before, "asked again")
        check({cell["model"] for cell in bench.cells(out)} == {"base", "other"}, "cells of one model alone")


def against_equal(bench):
    """Equal models pass; a clearly worse one fails every gate, and each states its null."""
    with bench.server() as base, bench.server() as same, bench.server(plant={"1": {"0": 0.5}}) as worse:
        out = bench.folder / "out"
        grid = ["--lengths", 300, "--depths", "0,100", "--samples", 30]
        both = ["--fail-if-worse", "--fail-unless-within", 0.1, "--fail-under", 0.9]
        bench.ask(base, out, *grid, "--label", "base")
        asked = len(base.log())
        done = bench.run("--endpoint", same.url, "--model", "m", "--out", out, "--label", "same", *grid, "--against", "base", *both)
        for text in ("null 'finds as often, or more often'", "null 'finds 10 % less, or less than that'",
                     "null 'found in 90 % or more'", "same against base: 60 and 60 of 60 found"):
            check(text in done.stdout, done.stdout)
        check(done.stdout.count("passed --fail") == 3, done.stdout)
        done = bench.ask(worse, out, *grid, "--label", "worse", "--against", "base", *both, code=3)
        check(done.stderr.count("FAILED --fail") == 3 and "passed" not in done.stderr, done.stderr)
        bench.ask(worse, out, *grid, "--label", "worse", "--fail-under", 0.9, code=3)
        bench.ask(worse, out, *grid, "--label", "worse", "--fail-under", 0.1)
        check(len(base.log()) == asked, "stored answers were asked for")
        said = compared(bench.ask(worse, out, *grid, "--label", "worse", "--against", "base", "--json"))
        raw, holm = zip(*((cell["p"], cell["holm"]) for cell in said["cells"]))
        check(sorted(holm) == sorted([min(1, 2 * min(raw)), max(min(1, 2 * min(raw)), max(raw))]), f"Holm: {raw} {holm}")
        shown = (out / "differences.svg").read_text()
        check("worse against base" in shown and (out / "differences.png").exists(), "the figure is another")
        check(sum(n for _, _, n in said["classes"]) == 60, f"{said['classes']}")
        # The same of the middle, and of several loads.
        pairs_of = ["--sizes", 8, "--depths", "0,100", "--samples", 6, "--concurrency", "1,4"]
        bench.ask(base, out, *pairs_of, "--label", "base", verb="middle")
        said = compared(bench.ask(worse, out, *pairs_of, "--label", "worse", "--against", "base", "--json", verb="middle"))
        check([(cell["settings"], cell["n"]) for cell in said["cells"]] ==
              [("concurrency 1", 6)] * 2 + [("concurrency 4", 6)] * 2, f"{said['cells']}")


def against_same_prompts(bench):
    """Both are asked the same bytes, whatever their tokens; who was asked others is not compared in silence."""
    with bench.server() as plain, bench.server(uneven=True, plant={"1": {"0": 0.5}}) as uneven:
        out = bench.folder / "out"
        for first, second, where in ((plain, uneven, "one"), (uneven, plain, "two")):
            before = len(first.log()), len(second.log())
            out = bench.folder / where
            bench.ask(first, out, *GRID, "--label", "first", "--against", second.url, "--against-label", "second")
            asked = [{entry["digest"] for entry in server.log()[k:]} for server, k in zip((first, second), before)]
            check(asked[0] == asked[1] and len(asked[0]) == 20, f"{len(asked[0])} and {len(asked[1])} prompts")
        check(pairs(bench, out, "second", "first")[0] == 20, "fingerprints differ")
        # By a label: the stored prompts are asked.
        stored = {entry["digest"] for entry in plain.log()}
        out = bench.folder / "label"
        bench.ask(plain, out, *GRID, "--label", "base")
        before = len(plain.log()), len(uneven.log())
        bench.ask(uneven, out, *GRID, "--label", "new", "--against", "base")
        asked = {entry["digest"] for entry in uneven.log()[before[1] :]}
        check(len(plain.log()) == before[0] and len(asked) == 20 and asked <= stored, "other prompts")
        # The prompts of flips, to the byte.
        lines = [json.loads(line) for line in (out / "flips.jsonl").read_text().splitlines()]
        digests = {hashlib.blake2b(line["prompt"].encode(), digest_size=8).hexdigest() for line in lines}
        check(len(lines) == len(digests) > 2 and digests <= asked, f"{len(lines)} flips")
        check(all((a == "found") != (b == "found") for a, b in (line["answers"] for line in lines)), "what did not flip")
        # Asked before, with prompts of its own: refused, not mixed.
        bench.ask(uneven, out, *GRID, "--label", "own")
        before = len(uneven.log())
        done = bench.ask(uneven, out, *GRID, "--label", "own", "--against", "base", code=2)
        check(re.search(r"'own' answered \d+ of these questions with other prompts than 'base'", done.stderr), done.stderr)
        done = bench.ask(uneven, out, *GRID, "--label", "new", "--against", "nobody", code=2)
        check("has no answers of 'nobody' to these questions" in done.stderr, done.stderr)
        bench.ask(uneven, out, *GRID, "--label", "new", "--against", "base", "--max-tokens", 60, code=2)
        check(len(uneven.log()) == before, "a refused command asked")


def against_noise(bench):
    """The model against itself: the share that was planted, and none where there is none."""
    for noise, low, high in ((0, 0, 0), (0.4, 6, 40)):
        with bench.server(noise=noise, plant={"1": {"0": 0.5}}) as server, bench.server() as base:
            out = bench.folder / str(noise)
            ask = ["--lengths", 300, "--depths", "0,100", "--samples", 50, "--label", "x", "--against", base.url, "--noise"]
            said = compared(bench.ask(server, out, *ask, "--json"))
            check(said["noise"]["n"] == 100 and low <= said["noise"]["flips"] <= high, f"{said['noise']} of {noise}")
            check(said["noise"]["flips"] == sum(pairs(bench, out, "x", "x (again)")[1:]), "the counts are others")
            check(len(server.log()) == 200 and len(base.log()) == 100, "not asked twice")
            check("x (again)" not in {cell["model"] for cell in bench.cells(out)}, "the second time stands in the map")


def against_closed(bench):
    """What is not answered shows nothing: 'unless' fails, and the command too."""
    with bench.server() as base, bench.server(faults=[{"kind": "500", "share": 0.2, "times": -1}]) as other:
        out = bench.folder / "out"
        grid = ["--lengths", 300, "--depths", "0,100", "--samples", 30, "--retries", 0, "--concurrency", 2]
        bench.ask(base, out, *grid, "--label", "base")
        xml = bench.folder / "j.xml"
        ask = ["--label", "other", "--against", "base", "--junit", xml]
        bench.ask(other, out, *grid, *ask, "--fail-unless-within", 0.4, code=3)
        check(ET.parse(xml).getroot().get("errors") == "1", "no error in JUnit's file")
        bench.ask(other, out, *grid, *ask, "--fail-if-worse", code=1)
        other.plant(faults=[])
        bench.ask(other, out, *grid, *ask, "--fail-unless-within", 0.4)
        check(ET.parse(xml).getroot().get("errors") == "0", "an error is left")


def against_key(bench):
    """A key goes to the server that it is for."""
    with bench.server() as base, bench.server(key=KEY) as other:
        out = bench.folder / "out"
        ask = ["--lengths", 300, "--depths", "50", "--samples", 2, "--retries", 0]
        bench.run("--endpoint", base.url, "--model", "m", "--out", out, *FAST, *ask, "--against", other.url, key=KEY, code=1)
        bench.run("--endpoint", other.url, "--model", "m", "--out", bench.folder / "b", *FAST, *ask, "--against", base.url, key=KEY)


def against_example(bench):
    """The example for CI, as it is printed, in a small grid."""
    text = (HERE.parents[1] / "examples/ci/needle-gate.yml").read_text()
    gate = shlex.split(re.search(r"run: >\n(( {10}.*\n)+)", text).group(1).replace("$GRID", " ".join(map(str, GRID))))
    check(gate[:2] == ["fovea", "needle"], f"{gate}")
    gate[gate.index("needle", 2)] = out = bench.folder / "needle"
    gate[gate.index("needle.xml")] = bench.folder / "needle.xml"
    with bench.server() as used, bench.server() as candidate:
        bench.ask(used, out, *GRID, "--label", "in-use")
        gate[gate.index("http://localhost:8000")] = candidate.url
        said = bench.run(*gate[2:], code=3).stdout  # so few show nothing
        check("passed --fail-if-worse" in said and "FAILED --fail-unless-within 0.02" in said, said)
        check(all((bench.folder / name).exists() for name in re.findall(r"^ {12}(needle\S+)$", text, re.M)), "what it keeps")


AGAINST_CHECKS = [against_planted, against_equal, against_same_prompts, against_noise, against_closed, against_key, against_example]
