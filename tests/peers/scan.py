"""Times the selective scan in Fovea, PyTorch and JAX, forward: scan.py LIBFOVEA.SO

Softplus, skip and gate included, one sequence, a state of 16, one thread each; all run in this process,
in turn, and the time is the process's own, which does not run while another program has the core. The
best of the rounds counts. The peers:

  reference    PyTorch, eager: all decays at once, then a loop over positions (what selective_scan_ref does)
  associative  JAX, compiled: lax.associative_scan over the whole sequence
  chunked      JAX, compiled: lax.scan over chunks, lax.associative_scan within, the best of four lengths
  loop         JAX, compiled: lax.scan over positions, which is no associative scan
"""

import argparse
import ctypes
import os
import time

os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive", ATEN_CPU_CAPABILITY="avx512",
                  CUDA_VISIBLE_DEVICES="", JAX_PLATFORMS="cpu",
                  XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import torch  # noqa: E402

N_STATE = 16
CHUNKS = [16, 64, 256, 1024]


class Config(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("n_batch", "n", "n_channels", "n_state")] + [
        ("softplus", ctypes.c_bool), ("chunk", ctypes.c_int64), ("segments", ctypes.c_int64),
        ("n_threads", ctypes.c_int)]


class Input(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p)
                for name in ("u", "delta", "A", "B", "C", "D", "bias", "z", "initial")]


class Scan:
    """Fovea's, on tensors [n][channels] and [n][state]."""

    def __init__(self, path, n, channels):
        self.library = ctypes.CDLL(path)
        config = Config()
        self.library.fv_selective_scan_config_init(ctypes.byref(config))
        config.n, config.n_channels, config.n_state, config.n_threads = n, channels, N_STATE, 1
        self.scan = ctypes.c_void_p()
        if self.library.fv_selective_scan_create(ctypes.byref(config), ctypes.byref(self.scan), None) != 0:
            raise SystemExit(f"scan: Fovea refuses {n} positions of {channels} channels")

    def __call__(self, tensors, y):
        given = Input(**{name: tensor.data_ptr() for name, tensor in tensors.items()})
        self.library.fv_selective_scan_forward(self.scan, ctypes.byref(given), ctypes.c_void_p(y.data_ptr()),
                                               None, ctypes.c_bool(False), None)

    def free(self):
        self.library.fv_selective_scan_free(self.scan)


@torch.no_grad()
def torch_reference(u, delta, A, B, C, D, z):
    step = torch.nn.functional.softplus(delta)
    decay = torch.exp(torch.einsum("te,en->ten", step, A))
    drive = torch.einsum("te,tn->ten", step * u, B)
    h, ys = torch.zeros_like(A), []
    for t in range(len(u)):
        h = decay[t] * h + drive[t]
        ys.append(torch.einsum("en,n->e", h, C[t]))
    return (torch.stack(ys) + D * u) * torch.nn.functional.silu(z)


def join(left, right):
    return right[0] * left[0], right[0] * left[1] + right[1]


def finish(h, u, C, D, z):
    return (jnp.einsum("ten,tn->te", h, C) + D * u) * jax.nn.silu(z)


def steps(u, delta, A, B):
    step = jax.nn.softplus(delta)
    return jnp.exp(step[..., None] * A), (step * u)[..., None] * B[:, None, :]


@jax.jit
def jax_associative(u, delta, A, B, C, D, z):
    return finish(jax.lax.associative_scan(join, steps(u, delta, A, B))[1], u, C, D, z)


def jax_chunked(length):
    def chunk(h, x, A, D):
        u, delta, B, C, z = x
        decay, state = jax.lax.associative_scan(join, steps(u, delta, A, B))
        state = state + decay * h
        return state[-1], finish(state, u, C, D, z)

    @jax.jit
    def run(u, delta, A, B, C, D, z):
        cut = [x.reshape(-1, length, x.shape[1]) for x in (u, delta, B, C, z)]
        return jax.lax.scan(lambda h, x: chunk(h, x, A, D), jnp.zeros_like(A), cut)[1].reshape(u.shape)

    return run


@jax.jit
def jax_loop(u, delta, A, B, C, D, z):
    def position(h, x):
        u, delta, B, C = x
        step = jax.nn.softplus(delta)
        h = jnp.exp(step[:, None] * A) * h + (step * u)[:, None] * B
        return h, h @ C

    y = jax.lax.scan(position, jnp.zeros_like(A), (u, delta, B, C))[1]
    return (y + D * u) * jax.nn.silu(z)


def make_tensors(n, channels):
    """Steps between 1e-3 and 1e-1, decays of 1 to 16 a unit: what a model begins with."""
    torch.manual_seed(0)
    return {"u": torch.randn(n, channels), "delta": torch.empty(n, channels).uniform_(-6.9, -2.3),
            "A": -torch.arange(1.0, N_STATE + 1).repeat(channels, 1), "B": torch.randn(n, N_STATE),
            "C": torch.randn(n, N_STATE), "D": torch.ones(channels), "z": torch.randn(n, channels)}


def timed(work):
    start = time.process_time()
    work()
    return time.process_time() - start


def case(path, n, channels, rounds):
    tensors = make_tensors(n, channels)
    arrays = {name: jnp.asarray(x.numpy()) for name, x in tensors.items()}
    y, scan = torch.empty(n, channels), Scan(path, n, channels)
    peers = {"reference": lambda: torch_reference(**tensors)}
    compiled = {"associative": jax_associative, "loop": jax_loop}
    compiled.update({f"chunked {length}": jax_chunked(length) for length in CHUNKS if n % length == 0})
    for name, run in compiled.items():
        peers[name] = lambda run=run: run(**arrays).block_until_ready()
    scan(tensors, y)
    largest = float(y.abs().max())
    for name, run in peers.items():  # also compiles
        off = float((y - torch.from_numpy(jax.device_get(run()).copy() if name != "reference"
                                          else run().numpy())).abs().max())
        if off > 1e-4 * largest:
            raise SystemExit(f"scan: {name} is off by {off:.1e} of {largest:.1e}")
    peers = {"Fovea": lambda: scan(tensors, y), **peers}
    best = {name: float("inf") for name in peers}
    for _ in range(rounds):
        for name, run in peers.items():
            best[name] = min(best[name], timed(run))
    scan.free()
    for name, seconds in best.items():
        print(f"n {n:6d} channels {channels:5d} {name:13s} {1e3 * seconds:10.2f} ms"
              f" {seconds / best['Fovea']:8.1f}x", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("library")
    parser.add_argument("--n", type=int, nargs="+", default=[4096])
    parser.add_argument("--channels", type=int, nargs="+", default=[1024, 2048])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"PyTorch {torch.__version__}, JAX {jax.__version__}, one thread")
    for channels in options.channels:
        for n in options.n:
            case(options.library, n, channels, options.rounds)


if __name__ == "__main__":
    main()
