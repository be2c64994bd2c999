"""Arrays of NumPy and torch on their way to kernels that take float32 without gaps."""

import sys

import numpy as np

from ._library import UsageError

NARROW = ("float16", "bfloat16")


def is_torch(x):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def are_torch(**arrays):
    """Whether these are tensors of torch; some of them alone are refused, as gradients would end there."""
    kinds = {name: is_torch(x) for name, x in arrays.items() if x is not None}
    if any(kinds.values()) and not all(kinds.values()):
        odd = ", ".join(name for name, tensor in kinds.items() if not tensor)
        raise UsageError(f"{odd} must be tensors of torch too: use torch.as_tensor")
    return any(kinds.values())


def as_floats(x, name):
    """float32 [..] without gaps: as it is, or a copy of narrower numbers or of other strides.

    Refused: float64, which would lose digits unseen, whole numbers, and tensors of other devices.
    """
    if is_torch(x):
        if x.device.type != "cpu":
            raise UsageError(f"{name} lies on {x.device}; the kernels run on the CPU: use {name}.cpu()")
        kind = str(x.dtype).replace("torch.", "")
        x = x.detach()
        array = (x.float() if kind in NARROW else x).contiguous().numpy()
    else:
        array = np.asarray(x)
        kind = array.dtype.name
        if kind in NARROW:
            array = array.astype(np.float32)
    if array.dtype != np.float32:
        raise UsageError(f"{name} must be float32 (or float16, bfloat16, which are copied), not {kind}; convert it, "
                         "as in x.astype('float32') or x.float()")
    return np.ascontiguousarray(array)


def back(array, like):
    """A result as the type of `like`: a tensor of its dtype, or an array of it."""
    if is_torch(like):
        import torch

        return torch.from_numpy(array).to(like.dtype)
    return array.astype(np.asarray(like).dtype, copy=False)
