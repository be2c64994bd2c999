"""Fovea's attention from Python, with nothing but ctypes: the structures of <fovea/attention.h>.

As a program it is a smoke test of the shared library: fovea_attention.py LIBFOVEA.SO checks a causal
window with sinks against the same sums in plain Python.
"""

import ctypes
import math
import random
import sys
from ctypes import POINTER, byref, c_bool, c_char, c_double, c_float, c_int, c_int64, c_size_t
from ctypes import c_uint8, c_uint64, c_void_p


class Mask(ctypes.Structure):
    _fields_ = [
        ("causal", c_bool), ("window", c_int64), ("sinks", c_int64), ("stride", c_int64),
        ("stride_window", c_int64), ("globals", POINTER(c_int64)), ("n_globals", c_int64),
        ("block", c_int64), ("random_blocks", c_int64), ("random_seed", c_uint64),
        ("bitmap", POINTER(c_uint8)), ("bitmap_bytes", c_size_t),
    ]


class Config(ctypes.Structure):
    _fields_ = [
        ("n_batch", c_int64), ("n_head", c_int64), ("n_kv_head", c_int64), ("n_query", c_int64),
        ("n_key", c_int64), ("d_head", c_int64), ("first_query", c_int64), ("layout", c_int),
        ("kv_type", c_int), ("score", c_int), ("scale", c_double), ("power", c_double),
        ("floor", c_double), ("soft_cap", c_double), ("slopes", POINTER(c_double)), ("mask", Mask),
        ("n_threads", c_int),
    ]


class Error(ctypes.Structure):
    _fields_ = [("status", c_int), ("text", c_char * 1024)]


class Attention:
    """A plan; keyword arguments are fields of the configuration, `mask` a dictionary of its own."""

    def __init__(self, library, mask=None, **fields):
        self.library, self.error = library, Error()
        self.plan = c_void_p()
        config = Config()
        library.fv_attention_config_init(byref(config))
        for name, value in fields.items():
            setattr(config, name, value)
        for name, value in (mask or {}).items():
            setattr(config.mask, name, value)
        self.check(library.fv_attention_create(byref(config), byref(self.plan), byref(self.error)))

    def check(self, status):
        if status != 0:
            raise ValueError(self.error.text.decode())

    def forward(self, q, k, v, o, logsumexp):
        """Arguments are addresses of float arrays."""
        arguments = [c_void_p(x) for x in (q, k, v, o, logsumexp)]
        self.check(self.library.fv_attention_forward(self.plan, *arguments, byref(self.error)))

    def backward(self, *arrays):
        """q, k, v, o, logsumexp, d_o, dq, dk, dv as addresses."""
        arguments = [c_void_p(x) for x in arrays]
        self.check(self.library.fv_attention_backward(self.plan, *arguments, byref(self.error)))

    def __del__(self):
        self.library.fv_attention_free(self.plan)


def main():
    library = ctypes.CDLL(sys.argv[1])
    n, d, window, sinks = 90, 12, 20, 3
    random.seed(1)
    q, k, v, o = ((c_float * (n * d))() for _ in range(4))
    logsumexp = (c_float * n)()
    for array in (q, k, v):
        array[:] = [random.uniform(-1, 1) for _ in range(n * d)]
    attention = Attention(library, n_query=n, n_key=n, d_head=d, mask={"window": window, "sinks": sinks})
    attention.forward(*(ctypes.addressof(x) for x in (q, k, v, o, logsumexp)))
    worst = 0.0
    for i in range(n):
        keys = [j for j in range(i + 1) if i - j < window or j < sinks]
        scores = [sum(q[i * d + f] * k[j * d + f] for f in range(d)) / math.sqrt(d) for j in keys]
        weights = [math.exp(s) for s in scores]
        for f in range(d):
            truth = sum(w * v[j * d + f] for w, j in zip(weights, keys)) / sum(weights)
            worst = max(worst, abs(truth - o[i * d + f]))
        worst = max(worst, abs(math.log(sum(weights)) - logsumexp[i]))
    try:
        Attention(library, n_query=n, n_key=0)
        sys.exit("an empty sequence was accepted")
    except ValueError as error:
        refused = str(error)
    print(f"ctypes: off by at most {worst:.1e}; '{refused}'")
    sys.exit(worst > 1e-5 or "n_key" not in refused)


if __name__ == "__main__":
    main()
