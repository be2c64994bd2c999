"""The parts of attention that `fovea bench train` has rows of, in PyTorch: rotary positions, grouped queries,
norms of queries and keys, gates, sparsemax and 1.5-entmax.

Eager is what a notebook writes, once with a softmax of its own and once with
`scaled_dot_product_attention`; compiled is the whole step, data to update, as one graph. sparsemax and
entmax are exact, by sorting, with a gradient of their own where that is
eager. Times are of the process's own clock, which stops while another program has the core.
"""

import math
import time

import torch
import torch.nn.functional as F
from torch import nn

from peer_torch import BETA1, BETA2, EPSILON, LEARNING_RATE, above_diagonal, facts  # noqa: F401

CLOCK = time.process_time


def draw(case):
    tokens = torch.randint(case["vocab"], (case["batch"], case["context"]))
    return tokens, tokens


def turned(x, cosines, sines):
    """Rotary positions of [...][T][width], pairs (m, m + width / 2)."""
    half = x.shape[-1] // 2
    rotated = torch.cat((-x[..., half:], x[..., :half]), -1)
    return x * cosines + rotated * sines


def angles(context, width):
    a = torch.outer(torch.arange(context), 10000.0 ** (-torch.arange(0, width, 2) / width))
    a = torch.cat((a, a), -1)
    return a.cos(), a.sin()


def sparsemax(s):
    """[s - tau]+ with a sum of 1 (1602.02068)."""
    sorted_s = s.sort(dim=-1, descending=True).values
    k = torch.arange(1, s.shape[-1] + 1, dtype=s.dtype)
    # A score that is hidden is far below all others and never in the support.
    sums = sorted_s.cumsum(-1) - 1
    support = (k * sorted_s > sums).sum(-1, keepdim=True)
    return F.relu(s - sums.gather(-1, support - 1) / support)


def entmax15(s):
    """[s / 2 - tau]+ squared with a sum of 1 (1905.05702)."""
    s = s / 2
    sorted_s = s.sort(dim=-1, descending=True).values
    k = torch.arange(1, s.shape[-1] + 1, dtype=s.dtype)
    mean = sorted_s.cumsum(-1) / k
    variance = sorted_s.square().cumsum(-1) / k - mean.square()
    tau = mean - F.relu(1 / k - variance).sqrt()
    support = (tau <= sorted_s).sum(-1, keepdim=True)
    return F.relu(s - tau.gather(-1, support - 1)).square()


class Entmax(torch.autograd.Function):
    """Either, with its gradient: u (dp - <u, dp> / sum u), u = 1 on the support or sqrt(p)."""

    @staticmethod
    def forward(ctx, s, alpha):
        p = sparsemax(s) if alpha == 2 else entmax15(s)
        ctx.save_for_backward((p > 0).to(p.dtype) if alpha == 2 else p.sqrt())
        return p

    @staticmethod
    def backward(ctx, dp):
        (u,) = ctx.saved_tensors
        return u * (dp - (u * dp).sum(-1, keepdim=True) / u.sum(-1, keepdim=True)), None


def normalised(scores, name, eager):
    if name == "softmax":
        return scores.softmax(-1)
    if eager:
        return Entmax.apply(scores, 2 if name == "sparsemax" else 1.5)
    return sparsemax(scores) if name == "sparsemax" else entmax15(scores)


def initial_parameters(case):
    vocab, d, head = case["vocab"], case["width"], case["width"] // case["n_head"]
    bound, kv = 1 / math.sqrt(d), head * case["n_kv_head"]

    def linear(n_out):
        return torch.empty(d, n_out).uniform_(-bound, bound)

    parameters = {"embed": torch.randn(vocab, d), "unembed": linear(vocab)}
    if not case["rope"]:
        parameters["positions"] = torch.randn(case["context"], d)
    for l in range(case["layers"]):
        parameters |= {f"q{l}": linear(d), f"k{l}": linear(kv), f"v{l}": linear(kv), f"o{l}": linear(d)}
        if case["qk_norm"]:
            parameters |= {f"qn{l}": torch.ones(head), f"kn{l}": torch.ones(head)}
        if case["gate"] != "none":
            parameters[f"g{l}"] = linear(case["n_head"] if case["gate"] == "head" else d)
    return parameters


def loss_of(parameters, tokens, targets, tables, case, way):
    hidden, cosines, sines = tables
    n, n_kv, width = case["n_head"], case["n_kv_head"], case["width"] // case["n_head"]
    x = F.embedding(tokens, parameters["embed"])
    if not case["rope"]:
        x = x + parameters["positions"]

    def heads(name, l, n):
        y = x @ parameters[f"{name}{l}"]
        return y.unflatten(-1, (n, width)).transpose(1, 2) if n > 1 else y.unsqueeze(1)

    for l in range(case["layers"]):
        q, k, v = heads("q", l, n), heads("k", l, n_kv), heads("v", l, n_kv)
        if case["qk_norm"]:
            q = F.rms_norm(q, (width,), parameters[f"qn{l}"], 1e-5)
            k = F.rms_norm(k, (width,), parameters[f"kn{l}"], 1e-5)
        if case["rope"]:
            q, k = turned(q, cosines, sines), turned(k, cosines, sines)
        if way == "sdpa":
            z = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=n_kv < n)
        else:
            if n_kv < n:
                k, v = (y.repeat_interleave(n // n_kv, 1) for y in (k, v))
            scores = (q @ k.transpose(-2, -1) / math.sqrt(width)).masked_fill(hidden, -1e4)
            z = normalised(scores, case["normaliser"], way == "eager") @ v
        if case["gate"] != "none":
            gate = torch.sigmoid(x @ parameters[f"g{l}"]).unflatten(-1, (n, -1)).transpose(1, 2)
            z = z * gate
        x = z.transpose(1, 2).flatten(-2) @ parameters[f"o{l}"]
    return F.cross_entropy((x @ parameters["unembed"]).flatten(0, 1), targets.flatten())


class Part:
    def __init__(self, case):
        self.case, self.models, self.last_loss = case, 1, math.nan
        self.tables = (above_diagonal(case["context"]),
                       *angles(case["context"], case["width"] // case["n_head"]))
        self.parameters = initial_parameters(case)


class Eager(Part):
    def __init__(self, case, way):
        super().__init__(case)
        if way == "sdpa" and case["normaliser"] != "softmax":
            raise ValueError(f"it has no {case['normaliser']}")
        self.way = way
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)
        self.optimizer = torch.optim.Adam(self.parameters.values(), lr=LEARNING_RATE)

    def run(self, steps):
        for _ in range(steps):
            loss = loss_of(self.parameters, *draw(self.case), self.tables, self.case, self.way)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.last_loss = loss.item()


class Compiled(Part):
    def __init__(self, case):
        super().__init__(case)
        torch._dynamo.reset()
        self.first = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        self.second = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        self.step = torch.zeros(())
        gradient = torch.func.grad_and_value(loss_of)

        def train_step(parameters, first, second, step):
            gradients, loss = gradient(parameters, *draw(case), self.tables, case, "compiled")
            step.add_(1)
            rate = LEARNING_RATE / (1 - BETA1**step)
            root = torch.sqrt(1 - BETA2**step)
            for name, g in gradients.items():
                first[name].mul_(BETA1).add_(g, alpha=1 - BETA1)
                second[name].mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
                parameters[name].sub_(rate * first[name] / (second[name].sqrt() / root + EPSILON))
            return loss

        self.train_step = torch.compile(train_step, dynamic=False)

    def run(self, steps):
        with torch.no_grad():
            for _ in range(steps):
                loss = self.train_step(self.parameters, self.first, self.second, self.step)
        self.last_loss = loss.item()


CONTENDERS = {
    "torch eager": lambda case: Eager(case, "eager"),
    "torch eager, sdpa": lambda case: Eager(case, "sdpa"),
    "torch.compile": Compiled,
}
