"""Models that lie in files: checkpoints of Fovea, and folders of transformers."""

import ctypes
import os
import weakref
from ctypes import POINTER, byref
from typing import List, Union

import numpy as np

from . import _interface as c
from ._library import UsageError, call, lib
from ._values import whole
from .runs import Params, Run, Snapshot

__all__ = ["Model", "open_model"]


class _OwnRecord:
    """A record that has a configuration and nothing else."""

    def __init__(self):
        self.record = c.fv_record()
        lib.fv_record_init(byref(self.record))
        weakref.finalize(self, lib.fv_record_free, ctypes.cast(ctypes.pointer(self.record), ctypes.c_void_p))
        call(lib.fv_record_set_config, byref(self.record), None)


class Model(Run):
    """What a run's model does (params, logits, attention, cache, hooks, patch, path, select), of a model in a file."""

    def __init__(self, path: str, length: int):
        owner = _OwnRecord()
        super().__init__(owner.record, owner)
        self.path, config = path, owner.record.config
        model, params = ctypes.c_void_p(), ctypes.c_void_p()
        if os.path.isdir(path):
            call(lib.fv_checkpoint_read_hf, path.encode(), length, config, byref(model), byref(params))
        else:
            call(lib.fv_checkpoint_read, path.encode(), config, byref(model), byref(params))
        lib.fv_model_free(model)
        free = ctypes.CDLL(None).free
        free.argtypes = [ctypes.c_void_p]
        n = sum(size for _, _, _, size in self._model.tensors)
        # The array is the library's memory, and frees it with its last view.
        room = (ctypes.c_float * n).from_address(params.value)
        weakref.finalize(room, free, params)
        self._params = Params(self._model, np.frombuffer(room, np.float32))

    @property
    def params(self) -> Params:
        """The parameters: ``model.params["blocks.0.attn.W_Q"]``."""
        return self._params

    @property
    def snapshots(self) -> List[Snapshot]:
        """One, of what is there."""
        return [Snapshot(0, self._params)]

    def __repr__(self):
        return f"<model {self.path}: {', '.join(self['model.layers'][:4])}{', ...' * (len(self['model.layers']) > 4)}>"


def open_model(path: Union[str, "os.PathLike[str]"], length: int = 64) -> Model:
    """A checkpoint that Fovea wrote, or a folder of transformers with a GPT-2, Llama, Qwen 3 or Mamba (docs/checkpoints.md).

    A model that Fovea did not write reads `length` tokens at a time: its sequences are [n, length]. Tokens are numbers, as
    a tokenizer of transformers makes them.
    """
    path = os.fspath(path)
    if not isinstance(path, str):
        raise UsageError(f"path must be a text, not {type(path).__name__}")
    return Model(path, whole(length, "length", 1, 65536))
