#!/usr/bin/env python3
"""Compares a model's logits in Fovea and in TransformerLens.

    transformerlens_check.py LIBFOVEA CHECKPOINT EXPORT

CHECKPOINT is what Fovea reads (exported without --widen), EXPORT what TransformerLens reads. Every
logit that the task's loss reads must agree within 1e-4 on 256 random sequences.
"""

import ctypes
import json
import sys

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformer_lens import HookedTransformer, HookedTransformerConfig

TOLERANCE = 1e-4
N_SEQUENCES = 256


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("text", ctypes.c_char * 1024)]


def fovea_logits(library, path, tokens, vocab_size):
    """The logits that Fovea computes, and their positions: [n][n_loss][V], [n_loss]."""
    fovea = ctypes.CDLL(library)
    config = ctypes.create_string_buffer(1 << 16)  # an fv_config, whatever its size
    model = ctypes.c_void_p()
    params = ctypes.POINTER(ctypes.c_float)()
    error = Error()
    if fovea.fv_checkpoint_read(
        path.encode(), config, ctypes.byref(model), ctypes.byref(params), ctypes.byref(error)
    ):
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


def lens_model(path):
    with safe_open(path, framework="pt") as file:
        settings = json.loads(file.metadata()["transformer_lens"])
    model = HookedTransformer(HookedTransformerConfig(device="cpu", **settings))
    tensors = load_file(path)
    expected = {name: tensor.shape for name, tensor in model.named_parameters()}
    assert {name: tensor.shape for name, tensor in tensors.items()} == expected, (
        "the file's tensors are not the parameters that TransformerLens has"
    )
    model.load_and_process_state_dict(
        tensors,
        fold_ln=False,
        center_writing_weights=False,
        center_unembed=False,
        fold_value_biases=False,
    )
    return model, settings


def main(library, checkpoint, export):
    model, settings = lens_model(export)
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, settings["d_vocab"], (N_SEQUENCES, settings["n_ctx"]))
    ours, positions = fovea_logits(library, checkpoint, tokens, settings["d_vocab"])
    with torch.no_grad():
        theirs = model(torch.from_numpy(tokens)).numpy()[:, positions]
    off = np.abs(ours - theirs).max()
    print(
        f"TransformerLens   {export}: {settings['n_layers']} blocks, width {settings['d_model']}, "
        f"logits up to {np.abs(theirs).max():.1f} differ by at most {off:.1e}"
    )
    assert off < TOLERANCE, f"more than {TOLERANCE}"


if __name__ == "__main__":
    main(*sys.argv[1:])
