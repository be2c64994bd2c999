#!/usr/bin/env python3
"""Compares a model's logits in Fovea and in TransformerLens.

    transformerlens_check.py LIBFOVEA NAME...

NAME.safetensors is what Fovea reads (exported without --widen), NAME.lens.safetensors what TransformerLens
reads. Every logit that the task's loss reads must agree on 256 random sequences within 1e-4, and where the largest is
above 10 within 1e-5 of that: rounding is relative.
"""

import json
import sys

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformer_lens import HookedTransformer, HookedTransformerConfig

import fovea_model

TOLERANCE, RELATIVE = 1e-4, 1e-5


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


def compare(library, checkpoint, export):
    model, settings = lens_model(export)
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, settings["d_vocab"], (fovea_model.N_SEQUENCES, settings["n_ctx"]))
    ours, positions = fovea_model.logits(library, checkpoint, tokens, settings["d_vocab"])
    with torch.no_grad():
        theirs = model(torch.from_numpy(tokens)).numpy()[:, positions]
    off, largest = np.abs(ours - theirs).max(), np.abs(theirs).max()
    print(
        f"TransformerLens   {export}: {settings['n_layers']} blocks, width {settings['d_model']}, "
        f"logits up to {largest:.1f} differ by at most {off:.1e}"
    )
    allowed = max(TOLERANCE, RELATIVE * largest)
    assert off < allowed, f"{export}: more than {allowed:.1e}"


def main(library, *names):
    for name in names:
        compare(library, f"{name}.safetensors", f"{name}.lens.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
