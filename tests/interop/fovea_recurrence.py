"""Fovea's recurrences over long sequences from Python, with nothing but ctypes: <fovea/recurrence.h>.

Arrays are given by objects with data_ptr(), as torch's tensors have it: float32, contiguous.
"""

import ctypes
from ctypes import byref, c_bool, c_double, c_int, c_int64, c_void_p

RULES = ["ssd", "gated_delta"]
INPUTS = ["q", "k", "v", "log_decay", "rate", "initial"]


class Config(ctypes.Structure):
    _fields_ = [("rule", c_int)] + [
        (name, c_int64) for name in ("n_batch", "n", "n_head", "n_key_head", "d_key", "d_value")] + [
        ("scale", c_double), ("checkpoint", c_int64), ("segments", c_int64), ("n_threads", c_int)]


class Input(ctypes.Structure):
    _fields_ = [(name, c_void_p) for name in INPUTS]


class Gradient(ctypes.Structure):
    _fields_ = [("d" + name, c_void_p) for name in INPUTS]


def pointer(x):
    return None if x is None else c_void_p(x.data_ptr())


class Recurrence:
    """A plan for q, k [batch, n, key heads, d_key], v [batch, n, heads, d_value], log_decay and rate
    [batch, n, heads], initial [batch, heads, d_key, d_value], all by name; the last three may lack.
    Other keyword arguments are fields of the configuration."""

    def __init__(self, path, rule, tensors, **fields):
        self.library, self.plan = ctypes.CDLL(path), c_void_p()
        config = Config()
        self.library.fv_recurrence_config_init(byref(config))
        config.rule, config.n_threads = RULES.index(rule), 1
        config.n_batch, config.n, config.n_key_head, config.d_key = tensors["q"].shape
        config.n_head, config.d_value = tensors["v"].shape[2:]
        for name, value in fields.items():
            setattr(config, name, value)
        if self.library.fv_recurrence_create(byref(config), byref(self.plan), None) != 0:
            raise SystemExit("fovea: no recurrence of these sizes")
        self.input = Input(**{name: pointer(x) for name, x in tensors.items()})

    def forward(self, y, final=None, keep=False):
        self.library.fv_recurrence_forward(self.plan, byref(self.input), pointer(y), pointer(final), c_bool(keep),
                                           None)

    def backward(self, dy, gradients):
        """Gradients by the names of the inputs, overwritten, after a forward with `keep`."""
        out = Gradient(**{"d" + name: pointer(x) for name, x in gradients.items()})
        self.library.fv_recurrence_backward(self.plan, byref(self.input), pointer(dy), None, byref(out), None)

    def free(self):
        self.library.fv_recurrence_free(self.plan)
