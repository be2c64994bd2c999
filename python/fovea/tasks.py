"""Tasks in Python: sequences that NumPy makes, ahead of the training."""

import ctypes
import os
import sys
import threading
import traceback
import warnings
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from . import _interface as c
from ._library import UsageError, call, lib
from ._progress import inside_callback
from ._values import whole


class Task:
    """A task of one's own: a subclass says what sequences hold and what is to be predicted.

        class Sums(fv.Task):
            name, version = "sums", 1
            vocab_size, context_length, loss = 19, 2, "last"

            def batch(self, rng, n):
                tokens = rng.integers(0, 10, size=(n, 2), dtype=np.int32)
                return tokens, tokens.sum(1)

        runs = fv.sweep(task=Sums(), model=dict(n_embd=8), over={"train.seed": range(5)})

    `name` and `version` are the identity of its runs (with vocab_size, context_length and loss): raise the
    version with every change of what `batch` draws. Runs with the same identity are taken from the store.
    """

    name: Optional[str] = None  # default: the class's name, with a warning
    version: Optional[int] = None  # default: 0, with a warning
    vocab_size: int = 0  # V: tokens are 0 to V - 1; of reals alone it may be left out
    context_length: int = 0  # T
    # "last": one target a sequence, for its last position; "all": one for each. "mse" and "mse_all": the
    # same with real targets, under the mean squared error of their numbers.
    loss: str = "last"
    inputs: int = 0  # reals of a position, k, in place of its token; 0: tokens
    outputs: int = 1  # reals of a target, m, with loss "mse" or "mse_all"

    def batch(self, rng: np.random.Generator, n: int) -> Tuple[Any, Any]:
        """n sequences: tokens [n, T] whole numbers, or reals [n, T, k] with `inputs` ([n, k] where T is 1);
        and targets [n] (loss "last") or [n, T] (loss "all"), -1 for none, or reals [n, m] (loss "mse", [n]
        where m is 1) or [n, T, m] ("mse_all"). Drawn from `rng` alone: then runs can be repeated. n is that
        of many steps."""
        raise NotImplementedError(f"{type(self).__name__} must define batch(self, rng, n)")

    def _fields(self) -> Dict[str, Any]:
        """The fields of an experiment's task."""
        if self.loss not in ("last", "all", "mse", "mse_all"):
            raise UsageError(f"{type(self).__name__}.loss must be 'last', 'all', 'mse' or 'mse_all', not "
                             f"{self.loss!r}")
        reals = self.loss.startswith("mse")
        lowest = dict(vocab_size=1, context_length=1, inputs=0, outputs=1)
        if reals and self.inputs:
            del lowest["vocab_size"]  # there are no tokens
        sizes = {what: whole(getattr(self, what), f"{type(self).__name__}.{what}", least, 2 ** 31 - 1)
                 for what, least in lowest.items()}
        if not reals:
            del sizes["outputs"]
        if not sizes["inputs"]:
            del sizes["inputs"]
        name, version = _identity(self)
        loss = "all" if self.loss.endswith("all") else "last"
        return dict(name="custom", custom=name, custom_version=version, loss=loss, **sizes)


_warned = set()


def _identity(task):
    cls = type(task)
    if (task.name is None or task.version is None) and cls not in _warned:
        _warned.add(cls)
        warnings.warn(f"{cls.__name__} states no name and version, so that its runs are those of "
                      f"{task.name or cls.__name__!r}, version {task.version or 0}: state them, and raise the "
                      "version with every change of what batch() draws", stacklevel=5)
    name = task.name or cls.__name__
    if not isinstance(name, str) or len(name.encode(errors="replace")) >= c.FV_MAX_TEXT or not name.isprintable():
        raise UsageError(f"{cls.__name__}.name must be a text of 1 to {c.FV_MAX_TEXT - 1} bytes without control "
                         f"characters, not {str(name)[:100]!r}")
    return name, whole(task.version or 0, f"{cls.__name__}.version", 0, 2 ** 31 - 1)


class Known:
    """A task while the library knows it: between `with` and its end."""

    _lock = threading.Lock()
    _in_use: Dict[Tuple[str, int], List[Any]] = {}  # task, how often

    @classmethod
    def begin_in_child(cls):
        """In a process that was forked, where nothing is being trained."""
        cls._lock = threading.Lock()
        cls._in_use = {}

    def __init__(self, task: Task):
        self.task, self.key = task, _identity(task)
        self.failures: List[BaseException] = []
        self.callback = dict(c.fv_custom_task._fields_)["batch"](self._batch)

    def __enter__(self):
        with self._lock:
            if self.key in self._in_use:
                raise UsageError(f"the task {self.key[0]} (version {self.key[1]}) is being trained by another "
                                 "thread; wait for it, or give this one another version")
            self._in_use[self.key] = self
        task = c.fv_custom_task(name=self.key[0].encode(), version=self.key[1], batch=self.callback)
        try:
            call(lib.fv_custom_task_add, ctypes.byref(task))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        lib.fv_custom_task_remove(self.key[0].encode(), self.key[1])
        with self._lock:
            del self._in_use[self.key]

    def _batch(self, _, asked, error):
        try:
            with inside_callback():
                self._fill(asked.contents)
            return c.FV_OK
        except BaseException as failure:  # none may pass through C
            if not isinstance(failure, UsageError):
                self.failures.append(failure)
                traceback.print_exc(file=sys.stderr)
            sentence = str(failure) if isinstance(failure, UsageError) else \
                f"task {self.key[0]} raised {type(failure).__name__}: {failure}"
            ctypes.memset(ctypes.addressof(error.contents), 0, ctypes.sizeof(c.fv_error))
            error.contents.status = c.FV_USAGE
            error.contents.text = sentence.encode(errors="replace")[:1000].decode(errors="ignore").encode()
            return c.FV_USAGE

    def _fill(self, asked):
        n, n_tokens, n_targets = asked.n, asked.n_tokens, asked.n_targets
        rng = np.random.default_rng([asked.seed, asked.stream, asked.index])
        made = self.task.batch(rng, n)
        if not isinstance(made, tuple) or len(made) != 2:
            raise UsageError(f"task {self.key[0]}: batch() must return (tokens, targets), not "
                             f"{type(made).__name__}")
        self._put_in(asked, made[0])
        self._put_out(asked, made[1])

    def _put_in(self, asked, made):
        n, n_tokens, k = asked.n, asked.n_tokens, asked.n_inputs
        if k:
            shapes = [(n, n_tokens, k)] + ([(n, k)] if n_tokens == 1 else [])
            self._copy_reals(made, "inputs", shapes, asked.tokens, n * n_tokens * k)
            return
        tokens = self._whole(made, "tokens")
        if tokens.shape != (n, n_tokens):
            raise UsageError(f"task {self.key[0]}: batch(rng, {n}) must return tokens of the shape "
                             f"[{n}, {n_tokens}], not {list(tokens.shape)}")
        self._copy_whole(tokens, asked, asked.tokens, n_tokens, "token")

    def _put_out(self, asked, made):
        n, n_tokens, n_targets, m = asked.n, asked.n_tokens, asked.n_targets, asked.n_outputs
        # What is asked for, whatever the class says: a sweep may replace its fields.
        own = self.task.loss.replace("mse_", "").replace("mse", "last")
        loss = own if n_tokens == 1 else "all" if n_targets == n_tokens else "last"
        if m:
            shapes = [(n, n_targets, m)] if loss == "all" else [(n, m)] + ([(n,)] if m == 1 else [])
            self._copy_reals(made, "targets", shapes, asked.targets, n * n_targets * m)
            return
        targets = self._whole(made, "targets")
        shapes = [(n, n_targets)] if loss == "all" else [(n,), (n, 1)]
        if targets.shape not in shapes:
            raise UsageError(f"task {self.key[0]}: with loss {loss!r} batch(rng, {n}) must return targets "
                             f"of the shape {list(shapes[0])}, not {list(targets.shape)}")
        self._copy_whole(targets, asked, asked.targets, n_targets, "target")

    def _copy_whole(self, array, asked, pointer, width, what):
        if array.dtype != np.int32 and array.size:  # what int32 cannot hold is no token either
            low, high = array.min(), array.max()
            if low < -2 ** 31 or high >= 2 ** 31:
                raise UsageError(f"task {self.key[0]}: {what} {low if low < 0 else high} is outside 0 to "
                                 f"{asked.vocab_size - 1} (task.vocab_size {asked.vocab_size})")
        np.copyto(np.ctypeslib.as_array(pointer, (asked.n, width)), array.reshape(asked.n, width),
                  casting="unsafe")

    def _copy_reals(self, made, what, shapes, pointer, size):
        array = np.asarray(made)
        if array.dtype.kind not in "fiu":
            raise UsageError(f"task {self.key[0]}: {what} must be real numbers, such as float32, not {array.dtype}")
        if array.shape not in shapes:
            raise UsageError(f"task {self.key[0]}: batch(rng, {shapes[0][0]}) must return {what} of the shape "
                             f"{list(shapes[0])}, not {list(array.shape)}")
        words = np.ctypeslib.as_array(pointer, (size,)).view(np.float32)
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
            np.copyto(words, array.reshape(size), casting="unsafe")

    def _whole(self, array, what):
        array = np.asarray(array)
        if array.dtype.kind not in "iu":
            hint = " (there are NaNs among them)" if array.dtype.kind == "f" and np.isnan(array).any() else ""
            raise UsageError(f"task {self.key[0]}: {what} must be whole numbers, not {array.dtype}{hint}")
        return array


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Known.begin_in_child)


def unwrap(task):
    """(what to write as the experiment's task, the task to make known or None)."""
    if isinstance(task, type) and issubclass(task, Task):
        task = task()
    if isinstance(task, Task):
        return task._fields(), task
    return task, None
