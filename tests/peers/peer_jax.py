"""The model of Fovea's benchmark in JAX, as its best users write it: the whole training loop in one
compiled `lax.scan`, only the last query where the loss reads only that, `vmap` over seeds."""

import math
import time

import jax
import jax.numpy as jnp

LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


def initial_parameters(key, case):
    vocab, width = case["vocab"], case["width"]
    keys = iter(jax.random.split(key, 3 + 4 * case["layers"]))
    bound = 1 / math.sqrt(width)

    def linear(n_in, n_out):
        return jax.random.uniform(next(keys), (n_in, n_out), jnp.float32, -bound, bound)

    return {
        "embed": jax.random.normal(next(keys), (vocab, width)),
        "positions": jax.random.normal(next(keys), (case["context"], width)),
        "layers": [
            {name: linear(width, width) for name in "qkvo"} for _ in range(case["layers"])
        ],
        "unembed": linear(width, vocab),
    }


def mean_loss(parameters, tokens, case):
    batch, context = tokens.shape
    width, last_only = case["width"], case["last_only"]
    if case["one_hot"]:  # its backward is a matrix product in place of a scatter
        x = jax.nn.one_hot(tokens, case["vocab"]) @ parameters["embed"]
    else:
        x = parameters["embed"][tokens]
    if case["positions"]:
        x = x + parameters["positions"]
    for layer, weights in enumerate(parameters["layers"]):
        pruned = last_only and layer == case["layers"] - 1
        stream = x[:, -1:] if pruned else x
        q, k, v = stream @ weights["q"], x @ weights["k"], x @ weights["v"]
        scores = jnp.einsum("bqd,bkd->bqk", q, k) / math.sqrt(width)
        if not pruned:
            scores = jnp.where(jnp.tri(context, dtype=bool), scores, -jnp.inf)
        out = jnp.einsum("bqk,bkd->bqd", jax.nn.softmax(scores), v) @ weights["o"]
        x = stream + out if case["residual"] else out
    logits = x @ parameters["unembed"]
    targets = tokens[:, -1:] if last_only else tokens
    picked = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - picked)


def train_step(state, _, case):
    parameters, first, second, step, key = state
    key, data_key = jax.random.split(key)
    shape = (case["batch"], case["context"])
    tokens = jax.random.randint(data_key, shape, 0, case["vocab"])
    loss, gradient = jax.value_and_grad(mean_loss)(parameters, tokens, case)
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
