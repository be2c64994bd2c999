"""Times one training step (fresh data, forward, backward, Adam) in Fovea, PyTorch and JAX.

The cases are those that `fovea bench train` itself times. Everything runs on one core, on one thread,
with AVX-512 allowed to every peer, or nobody anything above AVX2 (--isa), and no spinning threads. A case goes round by round, each round one
slice of every contender in turn (A B C ... A B C ... A), so that a drifting clock or a busy neighbour
hits all alike; with --parts, PyTorch alone, the parts of attention (peer_parts.py). A slice gives the median of its
repetitions, and a contender's result is its best slice. Writes peers.json and peers.md, or parts.json and
parts.md, into the folder given by --out and prints the table.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SLICE_SECONDS = 0.25
MIN_ROUNDS, MAX_ROUNDS = 3, 9

# Columns of the table: title, and the contenders of which the fastest counts.
COLUMNS = [
    ("PyTorch eager", ["torch eager"]),
    ("torch.compile", ["torch.compile"]),
    ("stacked", ["torch stacked", "torch stacked, compiled"]),
    ("JAX scan", ["jax scan", "jax scan, one-hot"]),
    ("JAX vmap", ["jax scan, vmap"]),
]
PART_COLUMNS = [
    ("PyTorch eager", ["torch eager", "torch eager, sdpa"]),
    ("torch.compile", ["torch.compile"]),
]


# What limits each contender to an instruction set: Fovea's kernels, and the peers' own switches.
LIMITS = {
    "avx512": {"FOVEA_CPU": "avx512", "ATEN_CPU_CAPABILITY": "avx512"},
    "avx2": {
        "FOVEA_CPU": "avx2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "DNNL_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
}


def peer_environment(folder, isa):
    widest = " --xla_cpu_max_isa=AVX2" if isa == "avx2" else ""
    return dict(
        os.environ,
        **LIMITS[isa],
        OMP_NUM_THREADS="1",
        OMP_WAIT_POLICY="passive",
        CUDA_VISIBLE_DEVICES="",
        TORCHINDUCTOR_CACHE_DIR=str(folder / f"inductor-{isa}"),
        TORCHINDUCTOR_COMPILE_THREADS="1",
        JAX_PLATFORMS="cpu",
        XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" + widest,
    )


class Worker:
    """A peer's process, on one core."""

    def __init__(self, framework, core, folder, isa):
        self.log = open(folder / f"{framework}.log", "w")
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), sys.executable, str(HERE / "worker.py"), framework],
            env=peer_environment(folder, isa), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.log, text=True,
        )
        hello = self.receive()
        self.names, self.facts = hello["names"], hello["facts"]

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"peers: a peer's process ended; see {self.log.name}")
        return json.loads(line)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.receive()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


class Fovea:
    def __init__(self, tool, core, isa):
        self.command = ["taskset", "-c", str(core), tool, "bench", "train", "--json"]
        self.environment = dict(os.environ, **LIMITS[isa])

    def rows(self, *options):
        done = subprocess.run([*self.command, *options], stdout=subprocess.PIPE, check=True, text=True,
                              env=self.environment)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def slice(self, name):
        (row,) = self.rows("--case", name, "--seconds", str(SLICE_SECONDS))
        return row


def flops(case):
    """Dense operations of one step; used to size what the peers do at once, not to judge."""
    width, context = case["width"], case["context"]
    layer = (24 if case["gpt"] else 8) * width * width + 4 * context * width
    rows = case["batch"] * context
    return 3 * rows * (case["layers"] * layer + 2 * width * case["vocab"])


# Parts of attention that the peers' models lack, each at its default.
PLAIN = {"normaliser": "softmax", "selector": "none", "n_kv_head": 0, "qk_norm": "none", "soft_cap": 0,
         "sink_logit": "none", "gate": "none"}


def peers_have(row):
    config = row["config"]
    heads = config["model.n_head"] == 1 or "mlp" in config["model.layers"]
    return (heads and config["model.positions"] in ("none", "learned")
            and all(config[f"model.{field}"] == plain for field, plain in PLAIN.items()))


def part_of(row):
    """What peer_parts.py needs to know of a row of a part, or None where it is none that it has."""
    config = row["config"]
    model = {name[6:]: value for name, value in config.items() if name.startswith("model.")}
    rest = {"selector": "none", "soft_cap": 0, "sink_logit": "none", "norm": "none"}
    if (not row["name"].startswith("all V64 d32 C64 L2")
            or any(model[name] != value for name, value in rest.items())
            or set(model["layers"]) != {"attention"}
            or model["normaliser"] not in ("softmax", "sparsemax", "entmax15")
            or model["positions"] not in ("learned", "rope")):
        return None
    return {"name": row["name"], "vocab": config["task.vocab_size"], "width": model["n_embd"],
            "context": config["task.context_length"], "layers": model["layers"].count("attention"),
            "batch": config["train.batch_size"], "n_head": model["n_head"],
            "n_kv_head": model["n_kv_head"] or model["n_head"], "rope": model["positions"] == "rope",
            "qk_norm": model["qk_norm"] != "none", "gate": model["gate"],
            "normaliser": model["normaliser"], "models": 1}


def case_of(row):
    """What the peers need to know of one row of `fovea bench train --json`."""
    config = row["config"]
    case = {
        "name": row["name"],
        "vocab": config["task.vocab_size"],
        "width": config["model.n_embd"],
        "context": config["task.context_length"],
        "layers": config["model.layers"].count("attention"),
        "gpt": "mlp" in config["model.layers"],  # on induction, with RMS norms
        "heads": config["model.n_head"] if "mlp" in config["model.layers"] else 0,
        "positions": config["model.positions"] != "none",
        "residual": config["model.residual"],
        "last_only": config["task.loss"] == "last",
        "batch": config["train.batch_size"],
    }
    work = flops(case)
    # Stacking models gains nothing once one of them fills the core for a tenth of a second.
    stack = 2 ** max(1, min(6, math.floor(math.log2(3e8 / work))))
    case["models"] = stack if work < 1e10 else 1
    case["chunk"] = round(max(2, min(500, 0.05 / (work / 20e9 + 50e-6))))
    return case


def measure(case, fovea, workers, deadline):
    """{contender: {"us": best slice, "slices": [...]}} and Fovea's last row."""
    owners, slices = {}, {"fovea": []}
    for worker in workers:
        for name in worker.names:
            if case["models"] == 1 and ("stacked" in name or "vmap" in name):
                continue
            reply = worker.ask(prepare=name, case=case)
            if "error" in reply:
                print(f"peers: {case['name']}: {name}: {reply['error']}", file=sys.stderr)
            else:
                owners[name], slices[name] = worker, []
    rounds = 0
    while rounds < MIN_ROUNDS or (rounds < MAX_ROUNDS and time.monotonic() < deadline):
        slices["fovea"].append(fovea.slice(case["name"])["median"])
        for name, worker in owners.items():
            slices[name].append(worker.ask(slice=name, seconds=SLICE_SECONDS)["us"])
        rounds += 1
    row = fovea.slice(case["name"])
    slices["fovea"].append(row["median"])
    for worker in workers:
        worker.ask(forget=True)
    return {name: {"us": min(s), "slices": s} for name, s in slices.items()}, row


def microseconds(us):
    return f"{us:.1f}" if us < 100 else f"{us:,.0f}"


def table(results, columns):
    """Markdown: Fovea's time, then how many times longer each peer takes."""
    titles = [title for title, _ in columns]
    best = "the better" if columns is PART_COLUMNS else "best of the last four"
    lines = [
        "| case | Fovea, µs | of its limit | " + " | ".join(titles) + f" | {best} |",
        "| --- |" + " ---: |" * (len(titles) + 3),
    ]
    for result in results:
        times = result["times"]
        own = times["fovea"]["us"]
        ratios = []
        for _, names in columns:
            peers = [times[name]["us"] for name in names if name in times]
            ratios.append(min(peers) / own if peers else math.inf)
        cells = [f"{ratio:.1f}x" if math.isfinite(ratio) else "-" for ratio in ratios]
        lines.append(
            f"| {result['case']['name']} | {microseconds(own)} | {result['fraction_of_limit']:.2f} | "
            + " | ".join(cells) + f" | **{min(ratios if columns is PART_COLUMNS else ratios[1:]):.1f}x** |"
        )
    return "\n".join(lines) + "\n"


def cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return "unknown CPU"


def write_results(folder, machine, results, columns):
    """After every case, so that a run that is stopped leaves what it has."""
    name = "parts" if columns is PART_COLUMNS else "peers"
    (folder / f"{name}.json").write_text(
        json.dumps({"machine": machine, "results": results}, indent=1) + "\n"
    )
    (folder / f"{name}.md").write_text(table(results, columns))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool", help="the fovea binary")
    parser.add_argument("--out", type=Path, required=True, help="folder for caches and results")
    parser.add_argument("--budget", type=float, default=800, help="seconds for the whole table")
    parser.add_argument("--isa", choices=LIMITS, default="avx512", help="the widest instructions")
    parser.add_argument("--parts", action="store_true", help="parts of attention, beside PyTorch")
    parser.add_argument("--only", default="", help="only cases whose name this regular expression finds")
    options = parser.parse_args()

    core = max(os.sched_getaffinity(0))
    end = time.monotonic() + options.budget
    fovea = Fovea(options.tool, core, options.isa)
    rows = fovea.rows("--seconds", "0.01")
    if options.parts:
        cases, columns = [case for case in map(part_of, rows) if case], PART_COLUMNS
    else:
        cases, columns = [case_of(row) for row in rows if peers_have(row)], COLUMNS
    cases = [case for case in cases if re.search(options.only, case["name"])]
    frameworks = ("parts",) if options.parts else ("torch", "jax")
    workers = [Worker(framework, core, options.out, options.isa) for framework in frameworks]
    machine = {"cpu": cpu_model(), "core": core, "isa": options.isa}
    for worker in workers:
        machine.update(worker.facts)
    print(", ".join(f"{key} {value}" for key, value in machine.items()), file=sys.stderr)

    results = []
    for i, case in enumerate(cases):
        now = time.monotonic()
        times, row = measure(case, fovea, workers, now + (end - now) / (len(cases) - i))
        results.append(
            {"case": case, "times": times, "limit": row["limit"],
             "fraction_of_limit": row["limit"] / times["fovea"]["us"]}
        )
        write_results(options.out, machine, results, columns)
        print(f"peers: {i + 1}/{len(cases)} {case['name']}", file=sys.stderr)
    for worker in workers:
        worker.close()

    print(table(results, columns), end="")


if __name__ == "__main__":
    main()
