"""The selective scan of Mamba, forward and backward, for NumPy and torch: <fovea/scan.h>."""

import ctypes
import weakref
from ctypes import POINTER, byref
from typing import Optional

import numpy as np

from . import _interface as c
from ._arrays import are_torch, as_floats, back
from ._library import UsageError, call, lib
from ._values import whole

# The inputs in the order of selective_scan(), with the letters of their shapes.
INPUTS = {"u": "bnc", "delta": "bnc", "A": "cs", "B": "bns", "C": "bns", "D": "c", "z": "bnc", "bias": "c",
          "initial": "bsc"}


def _floats(arrays):
    """float32 arrays by their names, of matching shapes; the sizes of the letters."""
    sizes, floats = {}, {}
    for (name, letters), x in zip(INPUTS.items(), arrays):
        if x is None and name in ("u", "delta", "A", "B", "C"):
            raise UsageError(f"{name} is None; only D, z, bias and initial may be left out")
        if x is None:
            continue
        x = floats[name] = as_floats(x, name)
        if x.ndim != len(letters):
            raise UsageError(f"{name} must have {len(letters)} axes [{', '.join(letters)}], not {list(x.shape)}")
        for letter, size in zip(letters, x.shape):
            if sizes.setdefault(letter, size) != size:
                raise UsageError(f"{name} {list(x.shape)} does not fit the others: {letter} is {sizes[letter]} "
                                 "(b batch, n positions, c channels, s states)")
    return floats, sizes


class _Plan:
    def __init__(self, sizes, softplus, threads):
        config = c.fv_selective_scan_config()
        lib.fv_selective_scan_config_init(byref(config))
        config.n_batch, config.n, config.n_channels, config.n_state = (sizes[x] for x in "bncs")
        config.softplus, config.n_threads = softplus, whole(threads, "threads", 0, 2 ** 31 - 1)
        self.handle = ctypes.c_void_p()
        call(lib.fv_selective_scan_create, byref(config), byref(self.handle))
        weakref.finalize(self, lib.fv_selective_scan_free, self.handle)

    def forward(self, floats, sizes, keep):
        y = np.empty_like(floats["u"])
        final = np.empty([sizes[x] for x in "bsc"], np.float32)
        given = self._input(floats)
        call(lib.fv_selective_scan_forward, self.handle, byref(given), y.ctypes.data, final.ctypes.data, keep)
        return y, final

    def backward(self, floats, dy):
        gradients = {name: np.empty_like(x) for name, x in floats.items() if name != "initial"}
        out = c.fv_selective_scan_gradient()
        for name, x in gradients.items():
            setattr(out, "d" + name, x.ctypes.data_as(POINTER(ctypes.c_float)))
        given = self._input(floats)
        call(lib.fv_selective_scan_backward, self.handle, byref(given), dy.ctypes.data, byref(out))
        return gradients

    @staticmethod
    def _input(floats):
        given = c.fv_selective_scan_input()
        for name, x in floats.items():
            setattr(given, name, x.ctypes.data_as(POINTER(ctypes.c_float)))
        return given


def selective_scan(u, delta, A, B, C, D=None, z=None, bias=None, initial=None, *, softplus: bool = True,
                   final: bool = False, threads: Optional[int] = None):
    """y [batch, n, channels] of u and delta [batch, n, channels], A [channels, state] (negative), B and C
    [batch, n, state]:

        step_t = log(1 + exp(delta_t + bias)), or delta_t + bias without softplus
        h_t[s] = exp(step_t A[s]) h_{t-1}[s] + step_t u_t B_t[s]
        y_t    = (sum_s h_t[s] C_t[s] + D u_t) silu(z_t)

    D and bias [channels], z [batch, n, channels] and the state before position 0, initial [batch, state,
    channels], may be left out. `final`: (y, the last state) comes back. Tensors of torch have gradients, of
    all inputs but `initial`. float32; float16 and bfloat16 are copied, float64 is refused.
    """
    arrays = (u, delta, A, B, C, D, z, bias, initial)
    if are_torch(**dict(zip(INPUTS, arrays))):
        from ._torch import Scan

        y, last = Scan.apply(softplus, threads or 0, *arrays)
    else:
        floats, sizes = _floats(arrays)
        y, last = _Plan(sizes, softplus, threads or 0).forward(floats, sizes, False)
        y = back(y, u)
    return (y, last) if final else y
