"""Sweeps: the runs of a grid, trained on all cores and kept in a run store."""

import contextlib
import ctypes
import os
import threading
import warnings
from ctypes import POINTER, byref
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Union

from . import _interface as c
from ._library import Interrupted, UsageError, call, check, lib, text
from ._progress import Progress, is_inside_callback, lab_options, watched
from ._values import as_yaml
from .runs import Run, Runs, _OneRecord, _Records
from .tasks import Known, Task, unwrap

_locks: Dict[str, threading.Lock] = {}
_locks_lock = threading.Lock()


def _begin_in_child():  # the threads that held them are not there
    global _locks_lock
    _locks_lock = threading.Lock()
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)


@contextlib.contextmanager
def open_store(folder, mode=c.FV_STORE_WRITE):
    """The run store of a folder; threads of this process write one after the other, and read meanwhile."""
    path, lock = os.path.join(folder, "fovea.db"), contextlib.nullcontext()
    if mode == c.FV_STORE_WRITE:
        if is_inside_callback():
            raise UsageError("nothing can be trained from inside of a sweep, by its task or progress function: it "
                             "would wait for itself; do it behind the sweep")
        call(lib.fv_folder_make, os.fspath(folder).encode(), b"fovea.db")
        with _locks_lock:
            lock = _locks.setdefault(os.path.realpath(path), threading.Lock())
    handle = ctypes.c_void_p()
    with lock:
        call(lib.fv_store_open, path.encode(), mode, byref(handle))
        try:
            yield handle
        finally:
            lib.fv_store_close(handle)


def _section(name, values):
    if values is None:
        return ""
    if not isinstance(values, Mapping):
        raise UsageError(f"{name} must be a mapping of fields such as {{...}}, not {values!r}")
    return f"{name}: {as_yaml(dict(values), name)}\n"


def _grid(over):
    if isinstance(over, Mapping):
        return as_yaml(dict(over), "over")
    if not isinstance(over, (list, tuple)) or not all(isinstance(grid, Mapping) for grid in over):
        raise UsageError("over must be a mapping of fields to their values, such as {'train.seed': range(5)}, or a "
                         f"list of such mappings, not {over!r}")
    return "[" + ", ".join(as_yaml(dict(grid), "over") for grid in over) + "]"


def experiment_text(task, model, train, over, probes):
    """An experiment file of what sweep() was given."""
    text_ = _section("task", task) + _section("model", model) + _section("train", train)
    if over:
        text_ += f"sweep: {_grid(over)}\n"
    if probes:
        text_ += f"probes: {as_yaml([probes] if isinstance(probes, str) else list(probes), 'probes')}\n"
    return text_ or "{}\n"


@contextlib.contextmanager
def parsed(name, yaml):
    """An fv_experiment of a text."""
    handle = ctypes.c_void_p()
    data = yaml.encode()
    call(lib.fv_experiment_parse, name.encode(), data, len(data), byref(handle))
    try:
        yield ctypes.cast(handle, POINTER(c.fv_experiment))
    finally:
        lib.fv_experiment_free(handle)


def warn(experiment):
    """What the library would warn of: a sweep that trains one model twice, a task nobody can learn, ..."""

    def say(_, sentence):
        warnings.warn(text(sentence), stacklevel=5)

    call(lib.fv_experiment_warn, experiment, c.fv_say(say), None)


def stored_runs(experiment, store):
    """The runs of an experiment that a store has."""
    runs = []
    config, identity = c.fv_config(), ctypes.create_string_buffer(17)
    for i in range(lib.fv_experiment_n_runs(experiment)):
        lib.fv_experiment_config(experiment, i, byref(config))
        lib.fv_config_id(byref(config), lib.fv_kernels_arithmetic(), ctypes.addressof(identity))
        if lib.fv_store_has(store, identity.value):
            one = _OneRecord(store, identity.value)
            runs.append(Run(one.record, one))
    return runs


def sweep(task: Union[Mapping[str, Any], Task, None] = None, model: Optional[Mapping[str, Any]] = None,
          train: Optional[Mapping[str, Any]] = None,
          over: Union[Mapping[str, Any], Sequence[Mapping[str, Any]], None] = None, *,
          probes: Union[str, Sequence[str]] = (), name: str = "sweep", out: Union[str, os.PathLike, None] = None,
          jobs: Optional[int] = None, progress: Union[None, bool, Callable[[Progress], None]] = None) -> Runs:
    """Trains every run of a grid that the store does not have; all of its runs come back.

    `task`, `model` and `train` are fields by their names ("fovea help fields" lists them); `task` may be a
    :class:`Task` in Python. `over` maps
    dotted fields to the values they take, which are multiplied, the last fastest; a list of such mappings
    is several grids. `probes` are measured while training. The store is ``out/<name>/fovea.db``, the same
    as the command line's, and so are the runs' identities.

    `progress`: None shows a bar in a terminal or notebook, False shows nothing, a function is called some
    times a second with a :class:`Progress`. Ctrl-C raises :class:`Interrupted` with the runs that are
    finished, which are kept: the same call goes on from there. The GIL is released while training.
    """
    folder = os.fspath(out) if out is not None else os.path.join("out", name)
    task, own = unwrap(task)
    known = contextlib.nullcontext() if own is None else Known(own)
    with known, parsed(name, experiment_text(task, model, train, over, probes)) as experiment:
        warn(experiment)
        with open_store(folder) as store:
            return _train(experiment, store, folder, jobs, progress, known if own is not None else None)


def _train(experiment, store, folder, jobs, progress, known):
    records, error, failed = POINTER(POINTER(c.fv_record))(), c.fv_error(), []
    with watched(progress) as watch:
        options = lab_options(watch, jobs)
        if known is not None:  # its failures are the author's: the other runs go on
            kind = dict(c.fv_lab_options._fields_)["on_failed"]
            options.on_failed = kind(watch.guarded(lambda _, i, why: failed.append(text(why.contents.text))))
        status = lib.fv_lab_run(experiment, store, byref(options), byref(records), byref(error))
    watch.raise_failure()
    if status == c.FV_INTERRUPTED:
        raise Interrupted(text(error.text), Runs(stored_runs(experiment, store), folder))
    check(status, error)
    runs = _Records(records, lib.fv_experiment_n_runs(experiment)).runs()
    if failed and not runs:
        raise UsageError(failed[0]) from next(iter(known.failures), None)
    if failed:
        warnings.warn(f"{len(failed)} of {len(failed) + len(runs)} runs failed: {failed[0]}", stacklevel=4)
    return Runs(runs, folder, known.task if known is not None else None)


def load(out: Union[str, os.PathLike]) -> Runs:
    """All runs of a folder's store, the oldest first."""
    identities = []

    def visit(_, record, *__):
        identities.append(bytes(record.contents.id))
        return c.FV_OK

    with open_store(out, c.FV_STORE_READ) as store:
        call(lib.fv_store_each, store, c.fv_store_visit(visit), None)
        runs = []
        for identity in identities:
            one = _OneRecord(store, identity)
            runs.append(Run(one.record, one))
    return Runs(runs, os.fspath(out))
