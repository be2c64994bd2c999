"""The kernels as torch's functions with gradients. Imported where a tensor is given."""

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from ._arrays import as_floats, back
from .attention import _forward
from .scan import INPUTS, _floats, _Plan


class Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, options):
        ctx.plan, *ctx.saved = _forward(q, k, v, options)
        # The inputs themselves, so that torch sees where one is changed before the backward pass.
        ctx.save_for_backward(q, k, v)
        return back(ctx.saved[3].reshape(q.shape), q)

    @staticmethod
    @once_differentiable
    def backward(ctx, d_o):
        inputs = ctx.saved_tensors
        q, k, v, o, logsumexp = ctx.saved
        gradients = ctx.plan.backward(q, k, v, o, logsumexp, as_floats(d_o, "d_o").reshape(o.shape))
        return (*(back(g.reshape(x.shape), x) for g, x in zip(gradients, inputs)), None)


class Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, softplus, threads, *arrays):
        ctx.floats, sizes = _floats(arrays)
        ctx.plan = _Plan(sizes, softplus, threads)
        y, final = ctx.plan.forward(ctx.floats, sizes, any(ctx.needs_input_grad))
        ctx.save_for_backward(*arrays)
        final = torch.from_numpy(final)
        ctx.mark_non_differentiable(final)
        return back(y, arrays[0]), final

    @staticmethod
    @once_differentiable
    def backward(ctx, dy, _):
        arrays = ctx.saved_tensors
        gradients = ctx.plan.backward(ctx.floats, np.ascontiguousarray(as_floats(dy, "dy")))
        return (None, None, *(None if x is None or name not in gradients else back(gradients[name], x)
                              for name, x in zip(INPUTS, arrays)))
