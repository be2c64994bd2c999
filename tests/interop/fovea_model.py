"""Logits of a checkpoint as Fovea computes them, through its C library."""

import ctypes
import sys

import numpy as np

N_SEQUENCES = 256


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("text", ctypes.c_char * 1024)]


def logits(library, path, tokens, vocab_size):
    """The logits that Fovea computes, and their positions: [n][n_loss][V], [n_loss]; of a checkpoint or a folder
    of transformers."""
    fovea = ctypes.CDLL(library)
    config = ctypes.create_string_buffer(1 << 16)  # an fv_config, whatever its size
    model = ctypes.c_void_p()
    params = ctypes.POINTER(ctypes.c_float)()
    error = Error()
    folder = not path.endswith(".safetensors")
    read, length = (fovea.fv_checkpoint_read_hf, [tokens.shape[1]]) if folder else (fovea.fv_checkpoint_read, [])
    if read(path.encode(), *length, config, ctypes.byref(model), ctypes.byref(params), ctypes.byref(error)):
        sys.exit(error.text.decode())
    n_loss = ctypes.c_int()
    fovea.fv_model_loss_positions.restype = ctypes.POINTER(ctypes.c_int)
    positions = fovea.fv_model_loss_positions(model, ctypes.byref(n_loss))
    positions = [positions[i] for i in range(n_loss.value)]
    logits = np.empty((len(tokens), len(positions), vocab_size), np.float32)
    tokens = np.ascontiguousarray(tokens, np.int32)
    if fovea.fv_model_logits(
        model,
        params,
        tokens.ctypes.data_as(ctypes.c_void_p),
        len(tokens),
        logits.ctypes.data_as(ctypes.c_void_p),
        ctypes.byref(error),
    ):
        sys.exit(error.text.decode())
    return logits, positions
