"""The planted comparison, asked again and again with other questions. Checks of run.py."""

import json
import math
from concurrent.futures import ThreadPoolExecutor

from against import compared
from bench import FAST, check

N = 167  # what the plan says for 80 % power where the worse model misses 4 % more


def tail(k, n, p):
    """P(at least k of n)."""
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))


def gates(bench, name, base, other, repetitions):
    """How often --fail-if-worse fails, and its p-values."""
    def once(seed):
        ask = ["--lengths", 300, "--depths", 50, "--samples", N, "--seed", seed, "--label", "other", "--against", base.url]
        done = bench.run("--endpoint", other.url, "--model", "m", "--out", bench.folder / f"{name}{seed}", *FAST, *ask,
                         "--against-label", "base", "--json", "--fail-if-worse", code=None)
        gate = compared(done)["gates"][0]
        check(done.returncode == (3 if gate["failed"] else 0), f"{done.returncode}: {done.stderr}")
        return gate["p"], gate["failed"]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(once, range(repetitions)))
    return [p for p, _ in found], sum(failed for _, failed in found)


def against_repeated(bench, repetitions):
    """0.86 against 0.90 fails the gate as often as the plan's power says, equal servers hardly ever."""
    quiet = {"tokenize": "", "stream": "", "usage": False}
    with bench.server(plant={"1": {"0": 0.9}}, **quiet) as base, bench.server(plant={"1": {"0": 0.86}}, **quiet) as other:
        _, failed = gates(bench, "worse", base, other, repetitions)
        check(tail(failed, repetitions, 0.81) > 0.0005 and tail(repetitions - failed, repetitions, 0.2) > 0.0005, f"{failed} of {repetitions} failed")
    with bench.server(plant={"1": {"0": 0.9}}, **quiet) as base, bench.server(plant={"1": {"0": 0.9}}, salt="other", **quiet) as equal:
        p, wrong = gates(bench, "equal", base, equal, repetitions)
        check(tail(wrong, repetitions, 0.05) > 0.001, f"equal servers failed {wrong} of {repetitions} times")
        for a in (0.01, 0.05, 0.1):
            k = sum(x <= a for x in p)
            check(tail(k, repetitions, a) > 0.001, f"p <= {a} in {k} of {repetitions}")
    return f"{failed} and {wrong} of {repetitions} repetitions failed the gate"


REPEATED_CHECKS = [against_repeated]
