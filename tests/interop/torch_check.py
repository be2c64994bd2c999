#!/usr/bin/env python3
"""Compares logits of Fovea with those of the recipe for plain PyTorch in docs/checkpoints.md, as it stands there.

    torch_check.py LIBFOVEA DOCS CHECKPOINT...             the same logits within 1e-5 of the largest one
    torch_check.py --refused DOCS CHECKPOINT=FIELD...      the recipe says that it lacks the field

256 random sequences, at every position that the task's loss reads. That this can fail is seen in each
checkpoint: with any one tensor of its attention changed by a tenth, the logits must differ.
"""

import re
import sys

import numpy as np
import torch

import fovea_model

TOLERANCE = 1e-5
# Tensors that change no logit: a bias of keys shifts all scores of a query alike; what the file has as zeros
# in place of a part that the model lacks.
IDLE = re.compile(r"\.b_K$|\.b_[QVO]$|\.b_(in|out|gate)$|b_U$|W_pos$|\.b$")


def recipe(docs):
    """The class that the page's own code defines."""
    page = open(docs, encoding="utf-8").read()
    (code,) = [c for c in re.findall(r"```python\n(.*?)```", page, re.S) if "class FoveaModel" in c]
    names = {}
    exec(compile(code, docs, "exec"), names)  # pylint: disable=exec-used
    return names["FoveaModel"]


def relative(ours, theirs):
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())


def compare(library, FoveaModel, path):
    model = FoveaModel(path)
    vocab_size = len(model.tensors["embed.W_E"])
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, vocab_size, (fovea_model.N_SEQUENCES, model.length))
    ours, positions = fovea_model.logits(library, path, tokens, vocab_size)

    def theirs():
        with torch.no_grad():
            return model(torch.from_numpy(tokens)).numpy()[:, positions]

    off = relative(ours, theirs())
    print(f"PyTorch           {path}: logits up to {np.abs(ours).max():.1f} differ by {off:.1e} of that")
    assert off < TOLERANCE, f"{path}: more than {TOLERANCE}"
    unseen = []
    for name in sorted(model.tensors):
        kept = model.tensors[name]
        if IDLE.search(name) or not kept.any():
            continue
        model.tensors[name] = kept + 0.1 * torch.randn(kept.shape)
        if relative(ours, theirs()) < TOLERANCE:
            unseen.append(name)
        model.tensors[name] = kept
    assert not unseen, f"{path}: a change of {unseen} goes unseen"


def refuse(FoveaModel, path, field):
    try:
        FoveaModel(path)
    except ValueError as error:
        assert field in str(error), f"{path}: '{error}' does not name {field}"
        print(f"PyTorch           {path}: {error}")
        return
    raise AssertionError(f"{path}: {field} was not refused")


def main(first, docs, *paths):
    FoveaModel = recipe(docs)
    torch.manual_seed(0)
    for path in paths:
        if first == "--refused":
            refuse(FoveaModel, *path.split("="))
        else:
            compare(first, FoveaModel, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
