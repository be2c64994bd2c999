"""Fovea: a laboratory for sparse attention.

    import fovea as fv
    runs = fv.sweep(task=dict(name="copy", vocab_size=10, context_length=4), model=dict(n_embd=2),
                    train=dict(steps=3000), over={"train.seed": range(20)})
    runs.frame, runs.plot("perplexity"), runs[0].params["blocks.0.attn.W_Q"]

Everything is computed by the library, which is the command line's: docs/python.md.
"""

from ._library import (Error, FileError, FormatError, Interrupted, MissingProgramError, NewerError,
                       NotFoundError, OutOfMemoryError, StoreError, UsageError, lib as _lib, text as _text)
from ._progress import Progress
from .attention import Mask, attention, attention_vjp, causal, window
from .costs import Cost, cost
from .hooks import Patched
from .models import Model, open_model
from .ring import ring, ring_positions, ring_vjp
from .runs import Curve, Params, Run, Runs, Snapshot
from .scan import selective_scan
from .selectors import Selector
from .studies import Claim, Claims, Figure, Study, run
from .sweeps import load, sweep
from .tasks import Task
from .words import schema, topics

__version__ = _text(_lib.fv_version())

__all__ = [
    "Claim", "Claims", "Cost", "Curve", "Error", "Figure", "FileError", "FormatError", "Interrupted", "Mask",
    "MissingProgramError", "Model", "NewerError", "NotFoundError", "OutOfMemoryError", "Params", "Patched", "Progress", "Run",
    "Runs", "Selector", "Snapshot", "StoreError", "Study", "Task", "UsageError", "attention", "attention_vjp", "causal", "cost",
    "load", "open_model", "ring", "ring_positions", "ring_vjp", "run", "schema", "selective_scan", "sweep", "topics", "window",
]
