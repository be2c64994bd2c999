"""Times attention in Fovea and in PyTorch's scaled_dot_product_attention: attention.py LIBFOVEA.SO

With --blocked BLOCKED.SO also that of blocked.c, which says how it is built. All run in this process on one
thread, slice by slice in turn, with AVX-512 allowed to each; the time is the process's own, which does not run while another program has the core, and the best slice counts.
Causal, one batch, as many heads as --heads. PyTorch's backward pass is timed alone, like Fovea's.
"""

import argparse
import ctypes
import os
import sys
import time
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive", ATEN_CPU_CAPABILITY="avx512",
                  CUDA_VISIBLE_DEVICES="", OPENBLAS_NUM_THREADS="1", OPENBLAS_CORETYPE="SKYLAKEX")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "interop"))

import torch  # noqa: E402
from fovea_attention import Attention  # noqa: E402

SHAPES = [(1024, 64), (1024, 128), (4096, 64), (4096, 128), (16384, 64), (16384, 128)]


def timed(work):
    start = time.process_time()
    work()
    return time.process_time() - start


def blocked_contenders(blocked, n, d, arrays):
    q, k, v, o, logsumexp, d_o, dq, dk, dv = map(ctypes.c_void_p, arrays)
    return {"forward": lambda: blocked.blocked_forward(n, d, q, k, v, o, logsumexp),
            "backward": lambda: blocked.blocked_backward(n, d, q, k, v, o, logsumexp, d_o, dq, dk, dv)}


def case(library, blocked, n, d, heads, rounds):
    shape = (1, heads, n, d)
    q, k, v = (torch.randn(shape).requires_grad_() for _ in range(3))
    d_o = torch.randn(shape)
    o, dq, dk, dv = (torch.empty(shape) for _ in range(4))
    logsumexp = torch.empty(shape[:3])
    plan = Attention(library, n_query=n, n_key=n, d_head=d, n_head=heads, n_kv_head=heads, n_threads=1)
    at = [x.data_ptr() for x in (q, k, v, o, logsumexp, d_o, dq, dk, dv)]
    sdpa = torch.nn.functional.scaled_dot_product_attention

    def torch_forward():
        with torch.no_grad():
            sdpa(q, k, v, is_causal=True)

    their_o = sdpa(q, k, v, is_causal=True)
    contenders = {
        "forward": [lambda: plan.forward(*at[:5]), torch_forward],
        "backward": [lambda: plan.backward(*at), lambda: their_o.backward(d_o, retain_graph=True)],
    }
    if blocked:
        theirs = [torch.empty_like(x) for x in (o, logsumexp, dq, dk, dv)]
        b_o, b_sum, b_dq, b_dk, b_dv = (x.data_ptr() for x in theirs)
        arrays = at[:3] + [b_o, b_sum, at[5], b_dq, b_dk, b_dv]
        for name, work in blocked_contenders(blocked, n, d, arrays).items():
            contenders[name].append(work)
    best = {name: [float("inf")] * len(works) for name, works in contenders.items()}
    for _ in range(rounds):
        for name, works in contenders.items():
            for i, work in enumerate(works):
                best[name][i] = min(best[name][i], timed(work))
    if blocked:
        assert torch.allclose(o, theirs[0], atol=1e-4) and torch.allclose(dk, theirs[3], atol=1e-3)
    off = max(float((o - their_o.detach()).abs().max()), float((dk - k.grad / (rounds)).abs().max()))
    for name, (ours, *others) in best.items():
        print(f"n {n:6d} d {d:3d} {name:8s}  Fovea {1e3 * ours:9.2f} ms", end="")
        for peer, seconds in zip(["PyTorch", "blocked"], others):
            print(f"  {peer} {1e3 * seconds:9.2f} ms {seconds / ours:5.2f}x", end="")
        print(f"   largest difference {off:.1e}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library")
    parser.add_argument("--blocked", help="the library made of blocked.c; one head")
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=16384, help="the longest sequence")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread")
    if options.blocked and options.heads > 1:
        parser.error("blocked.c has one head")
    library = ctypes.CDLL(options.library)
    blocked = ctypes.CDLL(options.blocked) if options.blocked else None
    for n, d in SHAPES:
        if n <= options.most:
            case(library, blocked, n, d, options.heads, options.rounds)


if __name__ == "__main__":
    main()
