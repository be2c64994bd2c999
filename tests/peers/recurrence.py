"""Times SSD and the gated delta rule in Fovea and PyTorch, forward and backward: recurrence.py LIBFOVEA.SO

One head, one thread each; both run in this process, in turn, and the time is the process's own, which does
not run while another program has the core. The best of the rounds counts. The peer is the chunked form of
the papers in chunks of 64, written plainly: what lies within chunks for all chunks at once, as batched
products and one batched triangular solve, and a loop over chunks for the states; gradients are autograd's.
"""

import argparse
import os
import pathlib
import sys
import time

os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive", CUDA_VISIBLE_DEVICES="")
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import torch  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "interop"))
from fovea_recurrence import Recurrence  # noqa: E402

CHUNK = 64
INPUTS = ["q", "k", "v", "log_decay", "rate"]


def peer(rule, q, k, v, log_decay, rate):
    """Chunks in the first axis: q, k, v [chunks][64][d]."""
    q, k, v = (x.view(-1, CHUNK, x.shape[1]) for x in (q, k, v))
    sums, rate = log_decay.view(-1, CHUNK).cumsum(1), rate.view(-1, CHUNK, 1)
    lower = torch.ones(CHUNK, CHUNK, dtype=torch.bool).tril()
    pairs = (sums[:, :, None] - sums[:, None, :]).masked_fill(~lower, float("-inf")).exp()
    since, until = sums.exp()[..., None], (sums[:, -1:] - sums).exp()[..., None]
    scores = q @ k.transpose(1, 2) * pairs / k.shape[2] ** 0.5
    queries, keys = q * since / k.shape[2] ** 0.5, (k * until).transpose(1, 2)
    written = rate * v
    if rule == "gated_delta":
        solver = (rate * (k @ k.transpose(1, 2)) * pairs).tril(-1) + torch.eye(CHUNK)
        solved = torch.linalg.solve_triangular(solver, torch.cat((written, rate * since * k), 2), upper=False,
                                               unitriangular=True)
        written, held = solved[..., :v.shape[2]], solved[..., v.shape[2]:]
    state, ys = torch.zeros(k.shape[2], v.shape[2]), []
    rows = [x.unbind(0) for x in (queries, scores, keys, written, since[:, -1])]  # x[i] has a gradient of x's size
    rows.append(held.unbind(0) if rule == "gated_delta" else [None] * len(q))
    for query, score, key, w, decay, read in zip(*rows):
        w = w if read is None else w - read @ state
        ys.append(query @ state + score @ w)
        state = decay * state + key @ w
    return torch.cat(ys)


def make_tensors(n, d):
    """Keys of length 1; decays that forget within some hundred positions."""
    torch.manual_seed(0)
    return {"q": torch.randn(n, d), "k": torch.nn.functional.normalize(torch.randn(n, d), dim=1),
            "v": torch.randn(n, d), "log_decay": -0.02 * torch.rand(n), "rate": torch.rand(n)}


def timed(work):
    start = time.process_time()
    work()
    return time.process_time() - start


def check(what, got, want):
    off = float((got - want).norm() / want.norm())
    if not off < 1e-4:
        raise SystemExit(f"recurrence: {what} is off by {off:.1e}")


def with_head(x):
    """One sequence of one head: [n][..] to [1][n][1][..]."""
    return x[None, :, None]


def case(path, rule, n, d, rounds):
    tensors = make_tensors(n, d)
    y, dy = torch.empty(n, d), torch.randn(n, d)
    gradients = {name: torch.empty_like(x) for name, x in tensors.items()}
    fovea = Recurrence(path, rule, {name: with_head(x) for name, x in tensors.items()})

    def fovea_both():
        fovea.forward(y, keep=True)
        fovea.backward(dy, gradients)

    @torch.no_grad()
    def peer_forward():
        return peer(rule, **tensors)

    def peer_both():
        leaves = {name: x.detach().requires_grad_() for name, x in tensors.items()}
        return torch.autograd.grad(peer(rule, **leaves), list(leaves.values()), dy)

    fovea_both()
    check("y", y, peer_forward())
    for name, gradient in zip(INPUTS, peer_both()):
        check("d" + name, gradients[name], gradient)
    for what, own, other in (("forward", lambda: fovea.forward(y), peer_forward), ("both", fovea_both, peer_both)):
        best = [float("inf")] * 2
        for _ in range(rounds):
            best = [min(old, timed(run)) for old, run in zip(best, (own, other))]
        print(f"{rule:11s} {what:7s} n {n:6d} d {d:3d}  Fovea {1e3 * best[0]:8.2f} ms  PyTorch"
              f" {1e3 * best[1]:8.2f} ms {best[1] / best[0]:6.1f}x", flush=True)
    fovea.free()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("library")
    parser.add_argument("--n", type=int, nargs="+", default=[16384])
    parser.add_argument("--d", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread")
    for rule in ("ssd", "gated_delta"):
        for d in options.d:
            for n in options.n:
                case(options.library, rule, n, d, options.rounds)


if __name__ == "__main__":
    main()
