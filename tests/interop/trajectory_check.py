#!/usr/bin/env python3
"""Trains in PyTorch what Fovea trained, from the same parameters on the same sequences.

    trajectory_check.py TOOL

Fovea trains 100 steps and exports what it began with, the batches that it saw and what it ended with. A plain
PyTorch model takes the same steps with torch.optim, clip_grad_norm_ and a schedule written out here. Every
tensor must end within 1e-4 of Fovea's, relative to the norm of the tensor, and what the tensor has moved by is
printed beside it: equal parameters that never moved would prove nothing.
"""

import json
import math
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

TOLERANCE = 1e-4
STEPS = 100

MODEL = {"model.n_embd": 8, "model.n_head": 2, "model.layers": "[attention, mlp, attention]", "model.residual": "true",
         "model.norm": "layer", "model.bias": "true", "model.positions": "learned", "task.vocab_size": 11,
         "task.context_length": 7, "task.offset": 2, "train.batch_size": 48, "train.steps": STEPS,
         "train.snapshots": "[0]", "train.learning_rate": 0.01}

# What each adds to MODEL.
RUNS = {
    "adam, decay, clipping, warm-up and cosine": {
        "train.weight_decay": 0.01, "train.clip_norm": 0.2, "train.schedule": "cosine", "train.warmup_steps": 10,
        "train.final_rate": 0.1},
    "adamw, linear": {
        "train.optimizer": "adamw", "train.weight_decay": 0.1, "train.schedule": "linear", "train.clip_norm": 1.0},
    "momentum, frozen queries and keys": {
        "train.optimizer": "momentum", "train.learning_rate": 0.1, "train.freeze": "[W_Q, W_K]",
        "train.clip_norm": 0.5},
    "adam, values ten times as fast": {"train.rates": "{W_V: 10}"},
    "adam, moments begun anew on another task": {
        "train.stages": "[{at: 40, task.offset: 1, train.learning_rate: 0.003, reset: true}]"},
}


def fovea(tool, *words):
    done = subprocess.run([tool, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def train_in_fovea(tool, folder, fields):
    """Parameters before and after, and the batches between."""
    out = os.path.join(folder, "out")
    experiment = os.path.join(folder, "run.yaml")
    with open(experiment, "w") as file:
        file.write("{}\n")
    words = [f"{key}={value}" for key, value in fields.items()]
    run = json.loads(fovea(tool, "run", experiment, *words, "--out", out, "--json").splitlines()[0])["run_id"]
    ends = []
    for step in (0, STEPS):
        path = os.path.join(folder, f"{step}.safetensors")
        fovea(tool, "export", f"{out}/{run}", "--format", "safetensors", "--step", step, "--out", path)
        ends.append(path)
    fovea(tool, "export", f"{out}/{run}", "--batches", os.path.join(folder, "batches"))
    batches = [np.load(os.path.join(folder, "batches", f"{name}.npy")) for name in ("tokens", "targets")]
    n = int(fields["train.batch_size"])
    return ends, [torch.from_numpy(b.astype(np.int64)).reshape(STEPS, n, -1) for b in batches]


def norm(x, p, name):
    return F.layer_norm(x, x.shape[-1:], p[f"{name}.w"], p[f"{name}.b"], 1e-5)


def attention(x, p, block):
    q, k, v = (torch.einsum("btd,hdk->bhtk", x, p[f"{block}.attn.W_{n}"]) + p[f"{block}.attn.b_{n}"][:, None]
               for n in "QKV")
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    z = scores.masked_fill(~mask, -math.inf).softmax(-1) @ v
    return torch.einsum("bhtk,hkd->btd", z, p[f"{block}.attn.W_O"]) + p[f"{block}.attn.b_O"]


def logits_of(p, tokens, has_mlp):
    x = p["embed.W_E"][tokens] + p["pos_embed.W_pos"]
    for i, mlp in enumerate(has_mlp):
        block = f"blocks.{i}"
        x = x + attention(norm(x, p, f"{block}.ln1"), p, block)
        if mlp:
            hidden = F.gelu(norm(x, p, f"{block}.ln2") @ p[f"{block}.mlp.W_in"] + p[f"{block}.mlp.b_in"],
                            approximate="tanh")
            x = x + hidden @ p[f"{block}.mlp.W_out"] + p[f"{block}.mlp.b_out"]
    return norm(x, p, "ln_final")[:, -1] @ p["unembed.W_U"] + p["unembed.b_U"]


def rate_of(fields, step):
    rate, warmup = float(fields["train.learning_rate"]), int(fields.get("train.warmup_steps", 0))
    if step < warmup:
        return rate * (step + 1) / warmup
    share = (step - warmup) / (STEPS - warmup - 1)
    rest = {"constant": 1, "linear": 1 - share, "cosine": 0.5 * (1 + math.cos(math.pi * share))}
    last = float(fields.get("train.final_rate", 0))
    schedule = fields.get("train.schedule", "constant")
    return rate if schedule == "constant" else rate * (last + (1 - last) * rest[schedule])


def optimizer_of(fields, groups):
    decay = float(fields.get("train.weight_decay", 0))
    name = fields.get("train.optimizer", "adam")
    if name == "momentum":
        return torch.optim.SGD(groups, lr=1, momentum=0.9, weight_decay=decay)
    return (torch.optim.AdamW if name == "adamw" else torch.optim.Adam)(groups, lr=1, weight_decay=decay)


def train_in_torch(fields, start, batches, learned):
    p = {name: value.clone() for name, value in start.items()}
    frozen = ("W_Q", "W_K") if "train.freeze" in fields else ()
    trained = [name for name in learned if not name.endswith(frozen or ("nothing",))]
    for name in trained:
        p[name].requires_grad_(True)
    fast = [name for name in trained if "train.rates" in fields and name.endswith("W_V")]
    groups = [{"params": [p[n] for n in trained if n not in fast], "factor": 1}]
    if fast:
        groups.append({"params": [p[n] for n in fast], "factor": 10})
    has_mlp = [f"blocks.{i}.mlp.W_in" in learned for i in range(2)]
    optimizer = optimizer_of(fields, groups)
    fields = dict(fields)
    for step in range(STEPS):
        if "train.stages" in fields and step == 40:
            fields["train.learning_rate"] = 0.003
            optimizer = optimizer_of(fields, [{"params": g["params"], "factor": g["factor"]} for g in groups])
        optimizer.zero_grad()
        F.cross_entropy(logits_of(p, batches[0][step], has_mlp), batches[1][step, :, 0]).backward()
        if "train.clip_norm" in fields:
            torch.nn.utils.clip_grad_norm_([p[n] for n in trained], float(fields["train.clip_norm"]))
        for group in optimizer.param_groups:
            group["lr"] = rate_of(fields, step) * group["factor"]
        optimizer.step()
    return {name: value.detach() for name, value in p.items()}


def compare(name, tool, fields):
    with tempfile.TemporaryDirectory() as folder:
        (first, last), batches = train_in_fovea(tool, folder, fields)
        start, end = load_file(first), load_file(last)
    # What never moves are zeros that only TransformerLens asks for. A bias of keys adds the same to all scores of a
    # query: its gradient is rounding, of which Adam makes whole steps, and nothing depends on it.
    learned = [n for n in start if not torch.equal(start[n], end[n]) or n.endswith(("W_Q", "W_K"))]
    judged = [n for n in learned if not n.endswith("b_K")]
    ours = train_in_torch(fields, start, batches, learned)
    worst, moved = 0.0, math.inf
    for tensor in judged:
        size = end[tensor].norm().item()
        worst = max(worst, (ours[tensor] - end[tensor]).norm().item() / size)
        if not torch.equal(start[tensor], end[tensor]):
            moved = min(moved, (start[tensor] - end[tensor]).norm().item() / size)
    print(f"{name}: largest difference {worst:.1e} of a tensor's norm, which have moved by {moved:.2g} and more")
    return worst <= TOLERANCE


def main():
    torch.manual_seed(0)
    results = [compare(name, sys.argv[1], {**MODEL, **fields}) for name, fields in RUNS.items()]
    if not all(results):
        sys.exit(f"trajectories differ by more than {TOLERANCE:g}")


if __name__ == "__main__":
    main()
