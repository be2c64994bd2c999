"""Where the middle is lost: checks of run.py."""

import json

from bench import check


def context_use(bench):
    """A dip that was planted at the longer length is named, with its place and a p-value; a slope is none."""
    plant = {"600": {"0": 0.9, "25": 0.9, "50": 0.9, "75": 0.9, "100": 0.9},
             "1200": {"0": 0.95, "25": 0.5, "50": 0.2, "75": 0.5, "100": 0.95}}
    grid = ["--lengths", "600,1200", "--depths", "0..100:5", "--samples", 40, "--concurrency", 16]
    with bench.server(plant=plant) as server:
        out = bench.folder / "out"
        done = bench.ask(server, out, *grid, "--json")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        short, long = ([line["context_use"] for line in lines if line["length"] == length] for length in (600, 1200))
        check(len(short) == len(long) == 5 and all(use == short[0] for use in short), f"{short}")
        short, long = short[0], long[0]
        check((long["degrees"], long["lost"], long["from"], short["lost"]) == (2, True, 1200, True), f"{long}")
        check(long["p"] == short["p"] < 0.001 and long["dip_low"] > 0 and short["dip_low"] < 0 < short["dip_high"], f"{short} {long}")
        check(35 < long["least"]["depth"] < 65 and long["least"]["low"] < 0.25 < long["begin"]["low"], f"{long}")
        loud = bench.run("--endpoint", server.url, "--model", "m", "--out", out, *grid).stdout
        check(f"\nContext use: {long['text']}\n" in loud and "The middle is lost at 1200 tokens (p = " in loud, loud)
        check(len(server.log()) == 400, "asked again")
    slope = {"1": {"0": 0.2, "25": 0.4, "50": 0.6, "75": 0.75, "100": 0.85}}
    with bench.server(plant=slope) as server:
        done = bench.ask(server, bench.folder / "slope", "--sizes", 8, "--depths", "0..100:5", "--samples", 40, "--json", verb="middle")
        use = json.loads(done.stdout.splitlines()[-1])["context_use"]
        check(use["text"].startswith("No dip in the middle is shown at 8 pairs") and not use["lost"], f"{use}")


CONTEXT_CHECKS = [context_use]
