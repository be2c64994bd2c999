"""Attention over long sequences, forward and backward, for NumPy and torch: <fovea/attention.h>."""

import ctypes
import dataclasses
import weakref
from ctypes import POINTER, byref
from typing import Any, Callable, Optional, Sequence, Tuple

import numpy as np

from . import _interface as c
from ._arrays import are_torch, as_floats, back
from ._library import UsageError, call, lib
from ._values import FIELDS, whole


@dataclasses.dataclass(frozen=True)
class Mask:
    """Which keys the query at position i sees: the union of the parts that are given, or every key.

    Work is proportional to the pairs that are left. See :func:`causal` and :func:`window` for the usual
    ones; the mask of a configuration that has more is e.g. ``Mask(causal=True, window=512, sinks=4,
    globals=[0, 100])``.
    """

    causal: bool = False  # takes away the keys behind the query
    window: int = 0  # |i - j| < window
    sinks: int = 0  # the first keys
    stride: int = 0  # i - j is a multiple of it ...
    stride_window: int = 0  # ... and |i - j| < stride * stride_window; 0: at any distance
    globals: Sequence[int] = ()  # positions that see every key and that every query sees
    block: int = 0  # positions in a block, 0: 64
    random_blocks: int = 0  # drawn for each row of blocks
    seed: int = 0
    blocks: Any = None  # bool [block rows, block columns]: which are seen

    def _fill(self, mask, end_query, n_key):
        """Into an fv_attention_mask of queries up to position end_query and so many keys; returns what it points
        to."""
        kept = []
        mask.causal = self.causal
        for name in ("window", "sinks", "stride", "stride_window", "block", "random_blocks"):
            setattr(mask, name, whole(getattr(self, name), name))
        mask.random_seed = whole(self.seed, "seed", 0, 2 ** 64 - 1)
        if len(self.globals):
            places = np.asarray(sorted({whole(place, "a place of globals") for place in self.globals}), np.int64)
            kept.append(places)
            mask.globals, mask.n_globals = places.ctypes.data_as(POINTER(ctypes.c_int64)), len(places)
        if self.blocks is not None:
            blocks = np.asarray(self.blocks, bool)
            size = self.block or 64
            shape = tuple((n + size - 1) // size for n in (end_query, n_key))
            if blocks.shape != shape:
                raise UsageError(f"blocks must have the shape [block rows, block columns], {list(shape)} in blocks of "
                                 f"{size} positions, not {list(blocks.shape)}")
            bits = np.packbits(blocks, axis=1, bitorder="little")
            kept.append(bits)
            mask.bitmap, mask.bitmap_bytes = bits.ctypes.data_as(POINTER(ctypes.c_uint8)), bits.nbytes
        return kept


def causal() -> Mask:
    """Every key at or before the query."""
    return Mask(causal=True)


def window(n: int, sinks: int = 0) -> Mask:
    """The last n keys, the query's own among them, and the first `sinks` of the sequence."""
    return Mask(causal=True, window=whole(n, "a window", 1), sinks=whole(sinks, "sinks"))


def _four(x, name):
    """[batch, heads, positions, d] of an array of two to four axes."""
    if not 2 <= x.ndim <= 4:
        raise UsageError(f"{name} must have the shape [batch, heads, n, d], [heads, n, d] or [n, d], "
                         f"not {list(x.shape)}")
    return x.reshape((1,) * (4 - x.ndim) + x.shape)


def _scores():
    return next(field.choices for field in FIELDS if field.key == "model.score")


def _fill(config, q, k, v, mask, scale, score, power, first_query, threads, length=None):
    """Into an fv_attention_config of these shapes, or of so many positions; returns what its mask points to."""
    if k.shape != v.shape:
        raise UsageError(f"k and v must have the same shape, not {list(k.shape)} and {list(v.shape)}")
    if q.shape[0] != k.shape[0] or q.shape[3] != k.shape[3]:
        raise UsageError(f"q {list(q.shape)} and k {list(k.shape)} must have the same batch and d")
    if score not in _scores():
        raise UsageError(f"there is no score {score!r}; there are {', '.join(_scores())}")
    lib.fv_attention_config_init(byref(config))
    config.n_batch, config.n_head, config.n_query, config.d_head = q.shape
    config.n_kv_head, config.n_key = k.shape[1:3]
    if length is not None:
        config.n_query = config.n_key = length
    config.first_query = whole(first_query, "first_query")
    config.n_threads = whole(threads, "threads", 0, 2 ** 31 - 1)
    config.score = _scores().index(score)
    if scale is not None:
        config.scale = scale
    if power is not None:
        if score != "harmonic":
            raise UsageError(f"power is read by score 'harmonic' alone, not by {score!r}")
        config.power = power
    return (mask or Mask())._fill(config.mask, config.first_query + config.n_query, config.n_key)


class _Plan:
    """fv_attention of shapes and a mask."""

    def __init__(self, q, k, v, **options):
        config = c.fv_attention_config()
        kept = _fill(config, q, k, v, **options)  # copied
        self.handle = ctypes.c_void_p()
        call(lib.fv_attention_create, byref(config), byref(self.handle))
        del kept
        weakref.finalize(self, lib.fv_attention_free, self.handle)

    def forward(self, q, k, v):
        o, logsumexp = np.empty_like(q), np.empty(q.shape[:3], np.float32)
        call(lib.fv_attention_forward, self.handle, *(x.ctypes.data for x in (q, k, v, o, logsumexp)))
        return o, logsumexp

    def backward(self, q, k, v, o, logsumexp, d_o):
        gradients = [np.empty_like(x) for x in (q, k, v)]
        arrays = (q, k, v, o, logsumexp, d_o, *gradients)
        call(lib.fv_attention_backward, self.handle, *(x.ctypes.data for x in arrays))
        return gradients


def _forward(q, k, v, options):
    q, k, v = (_four(as_floats(x, name), name) for x, name in ((q, "q"), (k, "k"), (v, "v")))
    plan = _Plan(q, k, v, **options)
    return (plan, q, k, v, *plan.forward(q, k, v))


def _options(mask, scale, score, power, first_query, threads):
    if mask is not None and not isinstance(mask, Mask):
        raise UsageError(f"mask must be a fv.Mask such as fv.window(1024), not {type(mask).__name__}: masks are "
                         "described, not given as matrices")
    return dict(mask=mask, scale=scale, score=score, power=power, first_query=first_query, threads=threads)


def attention(q, k, v, mask: Optional[Mask] = None, *, scale: Optional[float] = None, score: str = "dot",
              power: Optional[float] = None, first_query: int = 0, threads: int = 0):
    """softmax over the visible keys of scale q.k, times v: exact, in tiles, memory proportional to n.

    q [batch, heads, n, d]; k, v [batch, kv heads, n keys, d], kv heads divide heads; batch and heads may be
    left out. Arrays of NumPy give arrays, tensors of torch tensors with gradients. float32; float16 and
    bfloat16 are copied and come back as they were, float64 is refused.

    mask: which keys a query sees (:func:`causal`, :func:`window`, :class:`Mask`), None: all. scale: None is
    1 / sqrt(d), for scores of distances 1. score: "dot", "euclidean" or "harmonic" (with `power`).
    first_query: the position of query 0; key j is at position j. threads: 0 means all cores.
    """
    options = _options(mask, scale, score, power, first_query, threads)
    if are_torch(q=q, k=k, v=v):
        from ._torch import Attention

        return Attention.apply(q, k, v, options)
    _, fours, _, _, o, _ = _forward(q, k, v, options)
    return back(o.reshape(np.shape(q)), q)


def attention_vjp(q, k, v, mask: Optional[Mask] = None, *, scale: Optional[float] = None, score: str = "dot",
                  power: Optional[float] = None, first_query: int = 0, threads: int = 0
                  ) -> Tuple[np.ndarray, Callable[[np.ndarray], Tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """attention() of NumPy arrays, and a function from d_o (like o) to (dq, dk, dv)."""
    plan, *saved = _forward(q, k, v, _options(mask, scale, score, power, first_query, threads))
    four_q, four_k, four_v, o, logsumexp = saved

    def pull(d_o):
        d_o = as_floats(d_o, "d_o")
        if d_o.shape != np.shape(q):
            raise UsageError(f"d_o must have the shape of o, {list(np.shape(q))}, not {list(d_o.shape)}")
        gradients = plan.backward(four_q, four_k, four_v, o, logsumexp, d_o.reshape(o.shape))
        return tuple(back(g.reshape(np.shape(x)), x) for g, x in zip(gradients, (q, k, v)))

    return back(o.reshape(np.shape(q)), q), pull
