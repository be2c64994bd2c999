"""Times attention in Fovea and in PyTorch's scaled_dot_product_attention: attention.py LIBFOVEA.SO

Both run in this process on one thread, slice by slice in turn, with AVX-512 allowed to both; the time is
the process's own, which does not run while another program has the core, and the best slice counts.
Causal, one batch, as many heads as --heads. PyTorch's backward pass is timed alone, like Fovea's.
"""

import argparse
import ctypes
import os
import sys
import time
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive", ATEN_CPU_CAPABILITY="avx512",
                  CUDA_VISIBLE_DEVICES="")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "interop"))

import torch  # noqa: E402
from fovea_attention import Attention  # noqa: E402

SHAPES = [(1024, 64), (1024, 128), (4096, 64), (4096, 128), (16384, 64), (16384, 128)]


def timed(work):
    start = time.process_time()
    work()
    return time.process_time() - start


def case(library, n, d, heads, rounds):
    shape = (1, heads, n, d)
    q, k, v = (torch.randn(shape).requires_grad_() for _ in range(3))
    d_o = torch.randn(shape)
    o, dq, dk, dv = (torch.empty(shape) for _ in range(4))
    log_sum = torch.empty(shape[:3])
    plan = Attention(library, n_query=n, n_key=n, d_head=d, n_head=heads, n_kv_head=heads, n_threads=1)
    at = [x.data_ptr() for x in (q, k, v, o, log_sum, d_o, dq, dk, dv)]
    sdpa = torch.nn.functional.scaled_dot_product_attention

    def torch_forward():
        with torch.no_grad():
            sdpa(q, k, v, is_causal=True)

    their_o = sdpa(q, k, v, is_causal=True)
    contenders = {
        "forward": [lambda: plan.forward(*at[:5]), torch_forward],
        "backward": [lambda: plan.backward(*at), lambda: their_o.backward(d_o, retain_graph=True)],
    }
    best = {name: [float("inf")] * 2 for name in contenders}
    for _ in range(rounds):
        for name, pair in contenders.items():
            for i, work in enumerate(pair):
                best[name][i] = min(best[name][i], timed(work))
    off = max(float((o - their_o.detach()).abs().max()), float((dk - k.grad / (rounds)).abs().max()))
    for name, (ours, theirs) in best.items():
        print(f"n {n:6d} d {d:3d} {name:8s}  Fovea {1e3 * ours:9.2f} ms  PyTorch {1e3 * theirs:9.2f} ms"
              f"  {theirs / ours:5.2f}x   largest difference {off:.1e}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library")
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=16384, help="the longest sequence")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread")
    library = ctypes.CDLL(options.library)
    for n, d in SHAPES:
        if n <= options.most:
            case(library, n, d, options.heads, options.rounds)


if __name__ == "__main__":
    main()
