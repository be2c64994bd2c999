"""The model of Fovea's benchmark in PyTorch, three ways.

Eager is what a notebook writes: modules, all positions, `loss.backward()`, `Adam.step()`. The two
others are functions over a dictionary of parameters with a leading axis of M models, and compute
only the last query where the loss reads only that.
"""

import math
import os

import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(0)

LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


def above_diagonal(n):
    return torch.triu(torch.ones(n, n, dtype=torch.bool), diagonal=1)


def draw(case, *models):
    """Tokens [...][B][T], the first position with a loss, and targets from there on."""
    shape = (*models, case["batch"])
    if case["gpt"]:  # induction: half a sequence twice
        half = torch.randint(case["vocab"], (*shape, case["context"] // 2))
        return torch.cat((half, half), -1), case["context"] // 2, half.roll(-1, -1)
    tokens = torch.randint(case["vocab"], (*shape, case["context"]))
    first = case["context"] - 1 if case["last_only"] else 0
    return tokens, first, tokens[..., first:]


class Attention(nn.Module):
    def __init__(self, width, context, residual, heads):
        super().__init__()
        self.heads = heads
        self.norm = nn.RMSNorm(width, elementwise_affine=True) if heads else nn.Identity()
        self.register_buffer("hidden", above_diagonal(context))
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.residual = residual

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3) if self.heads else x

    def forward(self, x):
        normed = self.norm(x)
        q, k, v = (self.split(f(normed)) for f in (self.query, self.key, self.value))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        weights = scores.masked_fill(self.hidden, float("-inf")).softmax(dim=-1)
        z = weights @ v
        out = self.output(z.transpose(-2, -3).flatten(-2) if self.heads else z)
        return x + out if self.residual else out


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.inner = nn.Linear(width, 4 * width, bias=False)
        self.outer = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        return x + self.outer(self.inner(self.norm(x)).relu())


class Model(nn.Module):
    def __init__(self, case):
        super().__init__()
        self.embed = nn.Embedding(case["vocab"], case["width"])
        self.positions = None
        if case["positions"]:
            self.positions = nn.Parameter(torch.randn(case["context"], case["width"]))
        self.layers = nn.ModuleList()
        for _ in range(case["layers"]):
            self.layers.append(
                Attention(case["width"], case["context"], case["residual"], case["heads"])
            )
            if case["gpt"]:
                self.layers.append(Mlp(case["width"]))
        if case["gpt"]:
            self.layers.append(nn.RMSNorm(case["width"]))
        self.unembed = nn.Linear(case["width"], case["vocab"], bias=False)

    def forward(self, tokens):
        x = self.embed(tokens)
        if self.positions is not None:
            x = x + self.positions
        for layer in self.layers:
            x = layer(x)
        return self.unembed(x)


class Eager:
    """As a notebook would write it."""

    def __init__(self, case):
        self.case, self.models, self.last_loss = case, 1, math.nan
        self.model = Model(case)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE)

    def run(self, steps):
        case = self.case
        for _ in range(steps):
            tokens, first, targets = draw(case)
            logits = self.model(tokens)[:, first:]
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.last_loss = loss.item()


def initial_parameters(case, models):
    """Flat names to tensors [M][in][out]: embeddings N(0, 1), maps U(+-1/sqrt(fan in))."""
    vocab, width = case["vocab"], case["width"]
    bound = 1 / math.sqrt(width)
    parameters = {"embed": torch.randn(models, vocab, width)}
    if case["positions"]:
        parameters["positions"] = torch.randn(models, case["context"], width)
    for layer in range(case["layers"]):
        for name in "qkvo":
            weight = torch.empty(models, width, width).uniform_(-bound, bound)
            parameters[f"{name}{layer}"] = weight
        if case["gpt"]:
            for name in ("a", "m"):  # norms in front of attention and MLP
                parameters[f"{name}{layer}"] = torch.ones(models, width)
            inner = torch.empty(models, width, 4 * width).uniform_(-bound, bound)
            outer = torch.empty(models, 4 * width, width).uniform_(-bound / 2, bound / 2)
            parameters.update({f"i{layer}": inner, f"u{layer}": outer})
    if case["gpt"]:
        parameters["norm"] = torch.ones(models, width)
    parameters["unembed"] = torch.empty(models, width, vocab).uniform_(-bound, bound)
    return parameters


def stacked_loss(parameters, tokens, first, targets, hidden, case):
    """Sum over models of each one's mean loss. tokens [M][B][T], hidden [T][T] above the diagonal."""
    models, batch, context = tokens.shape
    width, heads, gpt = case["width"], max(1, case["heads"]), case["gpt"]
    rows = tokens + case["vocab"] * torch.arange(models)[:, None, None]
    x = F.embedding(rows, parameters["embed"].flatten(0, 1))
    if case["positions"]:
        x = x + parameters["positions"][:, None]

    def linear(a, name):
        flat = a.reshape(models, -1, a.shape[-1])
        return torch.bmm(flat, parameters[name]).view(*a.shape[:-1], -1)

    def norm(a, name):
        if not gpt:
            return a
        return F.rms_norm(a, (width,)) * parameters[name][:, None, None]

    def split(a):
        return a.unflatten(-1, (heads, -1)).transpose(2, 3) if heads > 1 else a

    for layer in range(case["layers"]):
        last = layer == case["layers"] - 1
        start = first if last else 0
        normed = norm(x, f"a{layer}")
        q = split(linear(normed[:, :, start:], f"q{layer}"))
        k, v = split(linear(normed, f"k{layer}")), split(linear(normed, f"v{layer}"))
        scores = q @ k.transpose(-2, -1) / math.sqrt(width / heads)
        if start < context - 1:
            scores = scores.masked_fill(hidden[start:], float("-inf"))
        z = scores.softmax(dim=-1) @ v
        out = linear(z.transpose(2, 3).flatten(-2) if heads > 1 else z, f"o{layer}")
        x = x[:, :, start:] + out if case["residual"] else out
        if gpt:
            x = x + linear(linear(norm(x, f"m{layer}"), f"i{layer}").relu(), f"u{layer}")
    logits = linear(norm(x, "norm"), "unembed")
    losses = F.cross_entropy(logits.flatten(0, 2), targets.flatten(), reduction="none")
    return losses.view(models, -1).mean(dim=1).sum()


class Stacked:
    """M models of a sweep in one set of tensors, batched matrix products, fused Adam."""

    compiled = False

    def __init__(self, case, models):
        self.case, self.models, self.last_loss = case, models, math.nan
        self.hidden = above_diagonal(case["context"])
        self.parameters = initial_parameters(case, models)
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)
        self.optimizer = torch.optim.Adam(self.parameters.values(), lr=LEARNING_RATE, fused=True)

    def run(self, steps):
        case = self.case
        for _ in range(steps):
            loss = stacked_loss(self.parameters, *draw(case, self.models), self.hidden, case)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        self.last_loss = loss.item() / self.models


class Compiled:
    """The whole step, data to update, as one compiled graph; M > 1 stacks models as well."""

    def __init__(self, case, models):
        torch._dynamo.reset()
        self.case, self.models, self.last_loss = case, models, math.nan
        context = case["context"]
        hidden = above_diagonal(context)
        self.parameters = initial_parameters(case, models)
        self.first = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        self.second = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        self.step = torch.zeros(())
        gradient = torch.func.grad_and_value(stacked_loss)

        def train_step(parameters, first, second, step):
            tokens, start, targets = draw(case, models)
            gradients, loss = gradient(parameters, tokens, start, targets, hidden, case)
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
        self.last_loss = loss.item() / self.models


CONTENDERS = {
    "torch eager": lambda case: Eager(case),
    "torch.compile": lambda case: Compiled(case, 1),
    "torch stacked": lambda case: Stacked(case, case["models"]),
    "torch stacked, compiled": lambda case: Compiled(case, case["models"]),
}


def facts():
    """Version, and the speed of a matrix product: a peer at half speed would make a bad peer."""
    import time

    a = torch.randn(1024, 1024)
    best = math.inf
    for _ in range(10):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return {
        "torch": torch.__version__,
        "torch capability": torch.backends.cpu.get_cpu_capability(),
        "torch sgemm GFLOP/s": round(2 * 1024**3 / best / 1e9, 1),
        "torch threads": torch.get_num_threads(),
        "ATEN_CPU_CAPABILITY": os.environ.get("ATEN_CPU_CAPABILITY", ""),
    }
