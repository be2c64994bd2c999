#!/usr/bin/env python3
"""Writes muon.json beside it: parameters after some steps of Muon, in double precision.

The update rules in plain lists, for gradients that follow from a formula. Shapes are those of
test_optimizers.c's model, in its order.
"""

import json
import math
import pathlib

MATRICES = {  # [n_in][n_out]
    "blocks.0.attn.W_Q": (4, 4),
    "blocks.0.attn.W_K": (4, 4),
    "blocks.0.attn.W_V": (4, 4),
    "blocks.0.attn.W_O": (4, 4),
    "blocks.0.mlp.W_in": (4, 6),
    "blocks.0.mlp.W_out": (6, 4),
}
OTHERS = {
    "embed.W_E": (5, 4),
    "blocks.0.ln1.w": (4,),
    "blocks.0.ln2.w": (4,),
    "ln_final.w": (4,),
    "unembed.W_U": (4, 5),
}
ORDER = [
    "embed.W_E",
    "blocks.0.ln1.w",
    "blocks.0.attn.W_Q",
    "blocks.0.attn.W_K",
    "blocks.0.attn.W_V",
    "blocks.0.attn.W_O",
    "blocks.0.ln2.w",
    "blocks.0.mlp.W_in",
    "blocks.0.mlp.W_out",
    "ln_final.w",
    "unembed.W_U",
]
STEPS, RATE, MOMENTUM, DECAY = 6, 0.02, 0.95, 0.1
ADAM_RATE, BETA1, BETA2, EPSILON = 0.003, 0.9, 0.999, 1e-8


def times(a, b):
    return [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]


def add(a, x, b, y):
    return [[a * p + b * q for p, q in zip(r, s)] for r, s in zip(x, y)]


def orthogonal(g):
    """Five Newton-Schulz steps of Jordan et al.; the iteration runs on the wide side."""
    tall = len(g) > len(g[0])
    x = [list(row) for row in zip(*g)] if tall else g
    norm = max(math.sqrt(sum(v * v for row in x for v in row)), 1e-7)
    x = [[v / norm for v in row] for row in x]
    for _ in range(5):
        s = times(x, [list(column) for column in zip(*x)])
        x = add(3.4445, x, 1, times(add(-4.7750, s, 2.0315, times(s, s)), x))
    return [list(row) for row in zip(*x)] if tall else x


def size(shape):
    return math.prod(shape)


params, first = {}, 0
for name in ORDER:
    n = size(MATRICES.get(name) or OTHERS[name])
    params[name] = [math.sin(0.37 * (first + i + 1)) for i in range(n)]
    first += n
moment = {name: [0.0] * len(values) for name, values in params.items()}
square = {name: [0.0] * len(values) for name, values in params.items()}

for step in range(STEPS):
    first = 0
    for name in ORDER:
        p, m, v = params[name], moment[name], square[name]
        g = [0.1 * math.cos(0.11 * (first + i + 1) * (step + 1)) for i in range(len(p))]
        first += len(p)
        if name in MATRICES:
            rows, columns = MATRICES[name]
            for i in range(len(p)):
                m[i] = MOMENTUM * m[i] + (1 - MOMENTUM) * g[i]
            ahead = [(1 - MOMENTUM) * a + MOMENTUM * b for a, b in zip(g, m)]
            update = orthogonal([ahead[r * columns : (r + 1) * columns] for r in range(rows)])
            flat = [v for row in update for v in row]
            wide = math.sqrt(max(1, columns / rows))
            for i in range(len(p)):
                p[i] -= RATE * DECAY * p[i] + RATE * wide * flat[i]
            continue
        for i in range(len(p)):
            m[i] = BETA1 * m[i] + (1 - BETA1) * g[i]
            v[i] = BETA2 * v[i] + (1 - BETA2) * g[i] ** 2
            mean, root = m[i] / (1 - BETA1 ** (step + 1)), v[i] / (1 - BETA2 ** (step + 1))
            p[i] -= ADAM_RATE * (DECAY * p[i] + mean / (math.sqrt(root) + EPSILON))

record = {
    "steps": STEPS,
    "tensors": [[name, list(MATRICES.get(name) or OTHERS[name])] for name in ORDER],
    "params": [round(v, 9) for name in ORDER for v in params[name]],
}
path = pathlib.Path(__file__).with_name("muon.json")
path.write_text(json.dumps(record) + "\n")
