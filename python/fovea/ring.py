"""Attention over a sequence that lies in pieces on the ranks of MPI: <fovea/ring.h> over mpi4py."""

import ctypes
import weakref
from ctypes import byref
from typing import Callable, Optional, Tuple

import numpy as np

from . import _interface as c
from ._arrays import as_floats, back
from ._library import UsageError, call, lib, text
from ._values import whole
from .attention import Mask, _fill, _four, _options

__all__ = ["ring", "ring_positions", "ring_vjp"]


def _layout(name):
    layout = ctypes.c_int()
    if not lib.fv_ring_layout_find(str(name).encode(), byref(layout)):
        known = ", ".join(text(lib.fv_ring_layout_name(i)) for i in range(c.FV_RING_LAYOUT_COUNT))
        raise UsageError(f"there is no layout {name!r}; there are {known}")
    return layout.value


def _world():
    try:
        from mpi4py import MPI
    except ImportError:
        raise UsageError("fv.ring needs mpi4py (pip install mpi4py), or a communicator of it as comm=") from None
    return MPI.COMM_WORLD


class _Transport:
    """The callbacks of an fv_ring_transport over a communicator's Isend and Irecv, a tag for each slot."""

    def __init__(self, comm):
        self.comm, self.pending, self.failure = comm, {}, None
        kinds = dict(c.fv_ring_transport._fields_)

        def begin(which, start):
            def callback(_, slot, other, data, size, error):
                def do():
                    bytes_ = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(data)) if size else \
                        np.empty(0, np.uint8)
                    self.pending[which, slot] = (start(bytes_, other, slot), bytes_)
                return self._try(do, error)
            return callback

        def wait(which):
            def callback(_, slot, error):
                def do():
                    request, _ = self.pending.pop((which, slot), (None, None))
                    if request is not None:
                        request.Wait()
                return self._try(do, error)
            return callback

        self.struct = c.fv_ring_transport(
            rank=comm.Get_rank(), n_ranks=comm.Get_size(),
            send=kinds["send"](begin("send", lambda data, to, slot: comm.Isend(data, dest=to, tag=slot))),
            receive=kinds["receive"](begin("receive", lambda data, of, slot: comm.Irecv(data, source=of, tag=slot))),
            wait_send=kinds["wait_send"](wait("send")), wait_receive=kinds["wait_receive"](wait("receive")))

    def _try(self, do, error):
        try:
            do()
            return c.FV_OK
        except Exception as failure:  # C cannot carry it
            self.failure = failure
            error.contents.status = c.FV_IO
            error.contents.text = str(failure).encode(errors="replace")[:1000]
            return c.FV_IO


class _Ring:
    def __init__(self, comm, layout, gradients, q, k, v, options):
        config = c.fv_ring_config(layout=_layout(layout), gradients=gradients)
        ranks, rank = comm.Get_size(), comm.Get_rank()
        self.length = int(comm.allreduce(q.shape[2]))
        rows = lib.fv_ring_rows(config.layout, self.length, ranks, rank)
        if not rows == q.shape[2] == k.shape[2]:
            raise UsageError(f"of {self.length} positions in {ranks} pieces, {layout}, rank {rank} holds {rows}, and q has "
                             f"{q.shape[2]}, k {k.shape[2]}; see fv.ring_positions")
        kept = _fill(config.attention, q, k, v, length=self.length, **options)
        self.transport, self.handle = _Transport(comm), ctypes.c_void_p()
        call(lib.fv_ring_create, byref(config), byref(self.transport.struct), byref(self.handle))
        del kept
        weakref.finalize(self, lib.fv_ring_free, self.handle)

    def _run(self, function, arrays):
        self.transport.failure = None
        try:
            call(function, self.handle, *(x.ctypes.data for x in arrays))
        except Exception:
            if self.transport.failure is not None:
                raise self.transport.failure
            raise

    def forward(self, q, k, v):
        o, logsumexp = np.empty_like(q), np.empty(q.shape[:3], np.float32)
        self._run(lib.fv_ring_forward, (q, k, v, o, logsumexp))
        return o, logsumexp

    def backward(self, *arrays):
        gradients = [np.empty_like(x) for x in arrays[:3]]
        self._run(lib.fv_ring_backward, (*arrays, *gradients))
        return gradients


def ring_positions(n: int, layout: str = "zigzag", comm=None, rank: Optional[int] = None,
                   ranks: Optional[int] = None) -> np.ndarray:
    """The positions of a sequence of n that a rank holds, in the order of its rows: int64 [rows].

    Those of this process, unless `rank` and `ranks` say whose. ``q[..., fv.ring_positions(n), :]`` is its piece.
    """
    kind, n = _layout(layout), whole(n, "n", 1)
    if rank is None or ranks is None:
        comm = comm or _world()
        rank, ranks = comm.Get_rank(), comm.Get_size()
    rows = lib.fv_ring_rows(kind, n, ranks, rank)
    return np.array([lib.fv_ring_position(kind, n, ranks, rank, row) for row in range(rows)], np.int64)


def ring(q, k, v, mask: Optional[Mask] = None, *, comm=None, layout: str = "zigzag", scale: Optional[float] = None,
         score: str = "dot", power: Optional[float] = None, threads: int = 1):
    """Attention of a sequence in pieces: this rank's queries over the keys and values of all ranks.

    A collective call: every rank of `comm` (None: MPI.COMM_WORLD) gives its own rows of q [batch, heads, rows, d] and of
    k, v [batch, kv heads, rows, d], NumPy arrays of float32, and gets its rows of o. Which rows are whose says the
    layout, "contiguous", "striped" or "zigzag": :func:`ring_positions`. Keys and values travel around the ring while
    ranks compute, so that memory falls as 1 over their number. mask, scale, score, power as :func:`attention`.
    """
    return ring_vjp(q, k, v, mask, comm=comm, layout=layout, scale=scale, score=score, power=power, threads=threads,
                    gradients=False)[0]


def ring_vjp(q, k, v, mask: Optional[Mask] = None, *, comm=None, layout: str = "zigzag", scale: Optional[float] = None,
             score: str = "dot", power: Optional[float] = None, threads: int = 1, gradients: bool = True
             ) -> Tuple[np.ndarray, Callable[[np.ndarray], Tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """:func:`ring`, and a function from d_o to this rank's (dq, dk, dv), which all ranks call together too."""
    options = _options(mask, scale, score, power, 0, threads)
    fours = [_four(as_floats(x, name), name) for x, name in ((q, "q"), (k, "k"), (v, "v"))]
    one = _Ring(comm or _world(), layout, gradients, *fours, options)
    o, logsumexp = one.forward(*fours)

    def pull(d_o):
        d_o = as_floats(d_o, "d_o")
        if d_o.shape != np.shape(q):
            raise UsageError(f"d_o must have the shape of o, {list(np.shape(q))}, not {list(d_o.shape)}")
        made = one.backward(*fours, o, logsumexp, d_o.reshape(o.shape))
        return tuple(back(g.reshape(np.shape(x)), x) for g, x in zip(made, (q, k, v)))

    return back(o.reshape(np.shape(q)), q), pull
