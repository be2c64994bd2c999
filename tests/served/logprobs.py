"""Log-probabilities of the expected answer: checks of run.py."""

import json
import math

from against import compared
from bench import check
from server import token_logprobs

GRID = ["--lengths", 300, "--depths", "0,100", "--samples", 5]


def expected_logprobs(prompt, said, value, sure=1.0):
    """Those of the tokens that have a part of the value, at its last place, as the server tells them."""
    place, at, found = said.rindex(value), 0, []
    for token, logprob in token_logprobs(prompt, said, sure):
        if at < place + len(value) and at + len(token) > place:
            found.append(logprob)
        at += len(token)
    return found


def logprobs_stored(bench):
    """Every form, in one and in pieces: the tokens of the expected answer, and their sum."""
    for api, form, stream, written in [("chat", "content", "", ""), ("chat", "content", "events", ""), ("chat", "content", "", "thought"),
                                       ("completions", "content", "", ""), ("completions", "usual", "", ""),
                                       ("completions", "usual", "events", "")]:
        with bench.server(logprobs=form, stream=stream, form=written, plant={"1": {"0": 1.0, "100": 0.5}}) as server:
            out = bench.folder / f"{api} {form} {stream} {written}"
            bench.ask(server, out, *GRID, "--api", api, "--logprobs")
            rows = bench.rows(out, "id, class, expected, answer_logprob, answer_logprobs")
            check(len(rows) == 10, f"{len(rows)} rows of {out}")
            shown = 0
            for row, kind, expected, total, told in rows:
                if kind != "found":
                    check(total is None and told is None, f"{kind} has {told}")
                    continue
                shown += 1
                if shown > 2:
                    continue
                prompt, value = bench.run("--show", row, "--out", out).stdout, json.loads(expected)[0]
                said = f"It is {value}."
                if written == "thought":
                    said = f"<think>\nIt says {value}, a trap?\n</think>\n\n{said}"
                wanted = expected_logprobs(prompt, said, value)
                check(len(json.loads(told)) == len(wanted) >= 3, f"{out}: {told} is not {wanted}")
                check(all(abs(a - b) < 1e-6 for a, b in zip(json.loads(told), wanted)), f"{out}: {told} is not {wanted}")
                check(abs(total - sum(wanted)) < 1e-6, f"{total} is not the sum of {wanted}")
            check(all(entry["logprobs"] for entry in server.log()), "not asked for")
            check(shown > 2, f"little found: {rows}")
    with bench.server(logprobs="content") as server:
        bench.ask(server, bench.folder / "no", *GRID)
        check(not any(entry["logprobs"] for entry in server.log()), "asked for without need")
        check(not any(bench.rows(bench.folder / "no", "answer_logprob")[0]), "stored")


def logprobs_refused(bench):
    """A server that refuses them, by name, in other words or by breaking, answers all the same."""
    for how, most in (("refused", 2), ("strict", 2), ("broken", 2), ("", 10)):
        for stream in ("", "events") if how != "strict" else ("",):
            with bench.server(logprobs=how, stream=stream) as server:
                out = bench.folder / f"{how}{stream}"
                bench.ask(server, out, *GRID, "--logprobs", "--concurrency", 2, "--retries", 0)
                check(bench.rows(out, "DISTINCT class, answer_logprob") == [("found", None)], f"{how}: not answered")
                asked = sum(entry["logprobs"] for entry in server.log())
                check(asked <= most or not how, f"{how}: asked for {asked} times")
    with bench.server(logprobs="content") as server:  # --extra decides
        out = bench.folder / "extra"
        bench.ask(server, out, *GRID, "--logprobs", "--extra", '{"logprobs": null}')
        check(not any(entry["logprobs"] for entry in server.log()), "asked for against --extra")


def logprobs_compared(bench):
    """Two models that find everything: McNemar's test sees nothing, log-probabilities do; equal ones are equal."""
    ask = ["--lengths", 300, "--depths", "0,50,100", "--samples", 10]
    with bench.server(logprobs="content") as base, bench.server(logprobs="content", sure=1.5) as unsure, \
            bench.server(logprobs="") as silent:
        out = bench.folder / "out"
        both = bench.ask(unsure, out, *ask, "--label", "unsure", "--against", base.url, "--against-label", "base", "--json")
        said = compared(both)
        rows = bench.rows(out, "model, sum(answer_logprob), count(answer_logprob)", "1 GROUP BY model ORDER BY model")
        check([row[2] for row in rows] == [30, 30], f"{rows}")
        told = said["logprobs"]
        check((told["pairs"], told["told_by_one"], told["exact"], told["permutations"]) == (30, 0, False, 99999), f"{told}")
        check(all(abs(mean - row[1] / 30) < 1e-9 for mean, row in zip(told["mean"], rows)), f"{told} is not {rows}")
        check(said["all"]["p"] == 1 and told["p"] == 1e-5 and math.isclose(told["difference"], rows[1][1] / 30 - rows[0][1] / 30), f"{told}")
        text = bench.run("--endpoint", unsure.url, "--model", "m", "--out", out, *ask, "--label", "unsure", "--against", "base").stdout
        check("log-probability of the expected answer: told by both of 30 of 30 pairs\n" in text and "p = 1e-05 by 99999 drawn permutations" in text, text)
        few = ["--lengths", 300, "--depths", "50", "--samples", 8, "--label"]
        told = compared(bench.ask(base, out, *few, "twin", "--against", "base", "--json"))["logprobs"]
        check((told["pairs"], told["p"], told["difference"], told["permutations"], told["exact"]) == (8, 1, 0, 256, True), f"{told}")
        told = compared(bench.ask(silent, out, *few, "silent", "--against", "base", "--json"))["logprobs"]
        check((told["pairs"], told["told_by_one"], told["mean"], told["p"]) == (0, 8, [None, None], 1), f"{told}")


LOGPROB_CHECKS = [logprobs_stored, logprobs_refused, logprobs_compared]
