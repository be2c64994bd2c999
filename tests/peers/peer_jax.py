"""The model of Fovea's benchmark in JAX, as its best users write it: the whole training loop in one
compiled `lax.scan`, only the last query where the loss reads only that, `vmap` over seeds."""

import math
import time

import jax
import jax.numpy as jnp

LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


def initial_parameters(key, case):
    vocab, width = case["vocab"], case["width"]
    keys = iter(jax.random.split(key, 3 + 6 * case["layers"]))
    bound = 1 / math.sqrt(width)

    def linear(n_in, n_out):
        return jax.random.uniform(next(keys), (n_in, n_out), jnp.float32, -bound, bound)

    def block():
        weights = {name: linear(width, width) for name in "qkvo"}
        if case["gpt"]:
            weights.update(
                inner=linear(width, 4 * width), outer=linear(4 * width, width) / 2,
                attention_norm=jnp.ones(width), mlp_norm=jnp.ones(width),
            )
        return weights

    return {
        "embed": jax.random.normal(next(keys), (vocab, width)),
        "positions": jax.random.normal(next(keys), (case["context"], width)),
        "layers": [block() for _ in range(case["layers"])],
        "norm": jnp.ones(width),
        "unembed": linear(width, vocab),
    }


def draw(key, case):
    """Tokens [B][T], the first position with a loss, and targets from there on."""
    batch, context = case["batch"], case["context"]
    if case["gpt"]:  # induction: half a sequence twice
        half = jax.random.randint(key, (batch, context // 2), 0, case["vocab"])
        return jnp.concatenate((half, half), -1), context // 2, jnp.roll(half, -1, -1)
    tokens = jax.random.randint(key, (batch, context), 0, case["vocab"])
    first = context - 1 if case["last_only"] else 0
    return tokens, first, tokens[:, first:]


def mean_loss(parameters, tokens, first, targets, case):
    batch, context = tokens.shape
    width, heads, gpt = case["width"], max(1, case["heads"]), case["gpt"]
    if case["one_hot"]:  # its backward is a matrix product in place of a scatter
        x = jax.nn.one_hot(tokens, case["vocab"]) @ parameters["embed"]
    else:
        x = parameters["embed"][tokens]
    if case["positions"]:
        x = x + parameters["positions"]

    def norm(x, weight):
        return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-5) * weight if gpt else x

    def split(x):
        return x.reshape(batch, -1, heads, width // heads)

    for layer, weights in enumerate(parameters["layers"]):
        start = first if layer == case["layers"] - 1 else 0
        normed = norm(x, weights["attention_norm"] if gpt else None)
        q = split(normed[:, start:] @ weights["q"])
        k, v = split(normed @ weights["k"]), split(normed @ weights["v"])
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(width / heads)
        if start < context - 1:
            scores = jnp.where(jnp.tri(context, dtype=bool)[start:], scores, -jnp.inf)
        z = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v)
        out = z.reshape(batch, -1, width) @ weights["o"]
        x = x[:, start:] + out if case["residual"] else out
        if gpt:
            hidden = jax.nn.relu(norm(x, weights["mlp_norm"]) @ weights["inner"])
            x = x + hidden @ weights["outer"]
    logits = norm(x, parameters["norm"]) @ parameters["unembed"]
    picked = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - picked)


def train_step(state, _, case):
    parameters, first, second, step, key = state
    key, data_key = jax.random.split(key)
    tokens, start, targets = draw(data_key, case)
    loss, gradient = jax.value_and_grad(mean_loss)(parameters, tokens, start, targets, case)
    step = step + 1
    rate = LEARNING_RATE / (1 - BETA1**step)
    root = jnp.sqrt(1 - BETA2**step)
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, gradient)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, gradient)
    parameters = jax.tree.map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + EPSILON), parameters, first, second
    )
    return (parameters, first, second, step, key), loss


def initial_state(key, case):
    parameters = initial_parameters(key, case)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    return parameters, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros(()), key


class Scan:
    """`run` takes whole scans of `chunk` steps; models > 1 is a vmap over seeds."""

    def __init__(self, case, models, one_hot=False):
        case = dict(case, one_hot=one_hot)
        self.models, self.chunk, self.last_loss = models, case["chunk"], math.nan

        def loop(state):
            return jax.lax.scan(lambda s, x: train_step(s, x, case), state, length=self.chunk)

        if models == 1:
            self.state = initial_state(jax.random.key(0), case)
        else:
            keys = jax.random.split(jax.random.key(0), models)
            self.state = jax.vmap(lambda key: initial_state(key, case))(keys)
            loop = jax.vmap(loop)
        self.loop = jax.jit(loop, donate_argnums=0)

    def run(self, steps):
        for _ in range(max(1, round(steps / self.chunk))):
            self.state, losses = self.loop(self.state)
        self.last_loss = float(jnp.mean(losses[..., -1]))


CONTENDERS = {
    "jax scan": lambda case: Scan(case, 1),
    "jax scan, one-hot": lambda case: Scan(case, 1, one_hot=True),
    "jax scan, vmap": lambda case: Scan(case, case["models"]),
}


def facts():
    """Version, and the speed of a matrix product: a peer at half speed would make a bad peer."""
    a = jax.random.normal(jax.random.key(0), (1024, 1024))
    product = jax.jit(lambda a: a @ a)
    best = math.inf
    for _ in range(10):
        start = time.perf_counter()
        product(a).block_until_ready()
        best = min(best, time.perf_counter() - start)
    return {"jax": jax.__version__, "jax sgemm GFLOP/s": round(2 * 1024**3 / best / 1e9, 1)}
