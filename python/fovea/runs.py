"""Trained runs: their fields, curves and parameters, and what the trained models do with tokens."""

import contextlib
import ctypes
import pathlib
import weakref
from ctypes import POINTER, byref
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Union

import numpy as np

from . import _interface as c
from ._library import UsageError, call, lib, text
from ._values import FIELDS, whole
from .hooks import Interventions, _kept
from .selectors import Selecting
from .tasks import Known, Task


class Curve(NamedTuple):
    """A series of a run: steps [n] int32, values [n] float32."""

    steps: np.ndarray
    values: np.ndarray


class Snapshot(NamedTuple):
    """All parameters before the update of `step`; the last one of a run is its result."""

    step: int
    params: Mapping[str, np.ndarray]


def _array(pointer, n, dtype):
    """A copy of n numbers of C."""
    if n == 0:
        return np.empty(0, dtype)
    return np.ctypeslib.as_array(pointer, (n,)).astype(dtype, copy=True)


class _Model:
    """The plan of a configuration: tensors, loss positions, sizes."""

    def __init__(self, config):
        handle = ctypes.c_void_p()
        call(lib.fv_model_create, config, byref(handle))
        self.handle = handle
        weakref.finalize(self, lib.fv_model_free, handle)
        self.sizes = lib.fv_model_sizes_of(handle)
        n = ctypes.c_int()
        rows = ctypes.cast(lib.fv_model_tensors(handle, byref(n)), POINTER(c.fv_tensor))
        self.tensors = [(text(t.name), tuple(t.shape[:t.n_dims]), t.offset, t.size)
                        for t in (rows[i] for i in range(n.value))]
        positions = ctypes.cast(lib.fv_model_loss_positions(handle, byref(n)), POINTER(ctypes.c_int))
        self.loss_positions = _array(positions, n.value, np.int64)

    def tokens(self, tokens):
        """int32 [n, T], checked."""
        tokens = np.asarray(tokens)
        if tokens.dtype.kind not in "iu":
            raise UsageError(f"tokens must be whole numbers, not {tokens.dtype}")
        if tokens.ndim == 1:
            tokens = tokens[None]
        length, vocabulary = self.sizes.context_length, self.sizes.vocab_size
        if tokens.ndim != 2 or tokens.shape[1] != length or tokens.shape[0] == 0:
            raise UsageError(f"tokens must have the shape [n, {length}] or [{length}] "
                             f"(task.context_length {length}), not {list(tokens.shape)}")
        if tokens.min() < 0 or tokens.max() >= vocabulary:
            worst = tokens.min() if tokens.min() < 0 else tokens.max()
            raise UsageError(f"token {worst} is outside 0 to {vocabulary - 1} (task.vocab_size {vocabulary})")
        return np.ascontiguousarray(tokens, np.int32)


class Params(Mapping):
    """Parameter tensors by TransformerLens's names, each a read-only array of its own shape.

    Linear maps multiply from the right: y = x W, W [in, out]. ``blocks.0.attn.W_Q`` is [d, d]: columns
    h d_head to (h + 1) d_head are head h.
    """

    def __init__(self, model, flat):
        self.flat = flat  # float32 [n_params]
        flat.flags.writeable = False
        self._tensors = {name: (shape, offset, size) for name, shape, offset, size in model.tensors}

    def fit(self, model) -> bool:
        """Whether a model reads parameters of this layout."""
        return self._tensors == Params(model, self.flat)._tensors

    def __getitem__(self, name):
        if name not in self._tensors:
            raise KeyError(f"there is no tensor {name!r}; there are {', '.join(self._tensors)}")
        shape, offset, size = self._tensors[name]
        return self.flat[offset:offset + size].reshape(shape)

    def __iter__(self):
        return iter(self._tensors)

    def __len__(self):
        return len(self._tensors)

    def __repr__(self):
        return "{" + ", ".join(f"{name}: {list(shape)}" for name, (shape, _, _) in self._tensors.items()) + "}"


class _Records:
    """Records that the library made, freed with the last run that shows one of them."""

    def __init__(self, pointer, n):
        self.pointer, self.n = pointer, n
        weakref.finalize(self, lib.fv_records_free, ctypes.cast(pointer, ctypes.c_void_p), n)

    def runs(self):
        return [Run(self.pointer[i].contents, self) for i in range(self.n) if self.pointer[i]]


class _OneRecord:
    """A record that was read from a store."""

    def __init__(self, store, identity):
        self.record = c.fv_record()
        lib.fv_record_init(byref(self.record))
        weakref.finalize(self, lib.fv_record_free, ctypes.cast(ctypes.pointer(self.record), ctypes.c_void_p))
        call(lib.fv_store_get, store, identity, byref(self.record))


class Run(Interventions, Selecting):
    """One trained run."""

    def __init__(self, record, owner):
        self._record, self._owner = record, owner
        self._task: Optional[Task] = None  # in Python
        self._series: Optional[Dict[str, Curve]] = None
        self._planned: Optional[_Model] = None

    # --- what it was -----------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """16 hexadecimal digits: the run's name in the store, and on the command line."""
        return text(self._record.id)

    @property
    def config(self) -> Dict[str, Any]:
        """Every field by its dotted key."""
        config = self._record.config.contents
        return {field.key: field.value(config) for field in FIELDS}

    def __getitem__(self, key: str) -> Any:
        """One field: ``run["train.learning_rate"]``."""
        for field in FIELDS:
            if field.key == key:
                return field.value(self._record.config.contents)
        nearest = text(lib.fv_field_nearest(key.encode()))
        raise KeyError(f"there is no field {key!r}; the nearest is {nearest!r}")

    @property
    def outcome(self) -> str:
        """ "done", "stopped" (train.stop_value was reached) or "diverged"."""
        return text(lib.fv_outcome_text(self._record.outcome))

    @property
    def steps(self) -> int:
        """Steps that were taken."""
        return self._record.steps

    @property
    def seconds(self) -> float:
        """What training took, with its measurements."""
        return self._record.wall_seconds

    @property
    def us_per_step(self) -> float:
        """Microseconds a step, training alone."""
        return self._record.us_per_step

    # --- what it measured ------------------------------------------------------------------------

    @property
    def series(self) -> Mapping[str, Curve]:
        """Curves by their names: loss, perplexity, accuracy, learning_rate, ..., and the probes'."""
        if self._series is None:
            rows = [self._record.series[i] for i in range(self._record.n_series)]
            self._series = {text(s.name): Curve(_array(s.steps, s.n, np.int32), _array(s.values, s.n, np.float32))
                            for s in rows}
        return self._series

    @property
    def final(self) -> Dict[str, float]:
        """The last value of every series."""
        return {name: float(curve.values[-1]) for name, curve in self.series.items() if len(curve.values)}

    # --- what it learned -------------------------------------------------------------------------

    @property
    def _model(self):
        if self._planned is None:
            self._planned = _Model(self._record.config)
        return self._planned

    @property
    def snapshots(self) -> List[Snapshot]:
        """Of train.snapshot_every and train.snapshots, and the result, by increasing step."""
        rows = [self._record.snapshots[i] for i in range(self._record.n_snapshots)]
        n = self._record.n_params
        return [Snapshot(s.step, Params(self._model, _array(s.params, n, np.float32))) for s in rows]

    @property
    def params(self) -> Params:
        """The trained parameters: ``run.params["blocks.0.attn.W_Q"]``."""
        n = self._record.n_snapshots
        if n == 0:
            raise UsageError(f"run {self.id} has no parameters: it was not trained to its end")
        last = self._record.snapshots[n - 1]
        return Params(self._model, _array(last.params, self._record.n_params, np.float32))

    def _flat(self, params):
        if params is None:
            return np.ascontiguousarray(self.params.flat, np.float32)
        if not isinstance(params, Params):
            raise UsageError(f"params must be those of a run or a snapshot, not {type(params).__name__}")
        if not params.fit(self._model):
            raise UsageError(f"these parameters are not of the model of run {self.id}: their tensors have other names "
                             "or shapes")
        return np.ascontiguousarray(params.flat, np.float32)

    @property
    def loss_positions(self) -> np.ndarray:
        """The positions whose predictions the task's loss reads, increasing."""
        return self._model.loss_positions.copy()

    def logits(self, tokens, params: Optional[Params] = None) -> np.ndarray:
        """Of tokens [n, T] (or [T]): float32 [n, loss positions, V]. `params` may be a snapshot's."""
        model = self._model
        tokens, flat = model.tokens(tokens), self._flat(params)
        out = np.empty((len(tokens), len(model.loss_positions), model.sizes.vocab_size), np.float32)
        call(lib.fv_model_logits, model.handle, flat.ctypes.data, tokens.ctypes.data, len(tokens), out.ctypes.data)
        return out

    def attention(self, tokens, params: Optional[Params] = None) -> np.ndarray:
        """Attention patterns of tokens [n, T] (or [T]): float32 [n, attention layers, H, T query, T key].

        Every row of a query adds up to 1, but for the shares of a sink (model.sink_logit), for model.normaliser
        sigmoid, and for a query that sees no key. `params` may be a snapshot's.
        """
        model = self._model
        tokens, flat = model.tokens(tokens), self._flat(params)
        sizes, n_layers = model.sizes, lib.fv_model_n_attention(model.handle)
        shape = (len(tokens), n_layers, sizes.n_head, sizes.context_length, sizes.context_length)
        out = np.empty(shape, np.float32)
        call(lib.fv_model_patterns, model.handle, flat.ctypes.data, tokens.ctypes.data, len(tokens), out.ctypes.data)
        return out

    def cache(self, tokens, names: Union[str, Sequence[str]] = "*", params: Optional[Params] = None
              ) -> Dict[str, np.ndarray]:
        """Activations of tokens [n, T] (or [T]) by TransformerLens's names, each [n, shape of the hook].

        `names` are names or shell patterns ("blocks.*.attn.hook_pattern"); a pattern is [H, T, T], the
        residual stream [T, d], logits [T, V].
        """
        model = self._model
        tokens, flat = model.tokens(tokens), self._flat(params)
        names = [names] if isinstance(names, str) else list(names)
        texts = (ctypes.c_char_p * len(names))(*[name.encode() for name in names])
        handle = ctypes.c_void_p()
        call(lib.fv_activations_create, model.handle, texts, len(names), c.FV_KEEP_ALL_POSITIONS, len(tokens),
             byref(handle))
        try:
            lib.fv_activations_fill(handle, flat.ctypes.data, tokens.ctypes.data, len(tokens))
            return _kept(handle, len(tokens))
        finally:
            lib.fv_activations_free(handle)

    def test_data(self, n: int = 16, seed: int = 0, task: Optional["Task"] = None):
        """Sequences of the run's task that training never drew: tokens [n, T] and targets [n, loss
        positions], int32, -1 for none. Of a run of a task in Python `task` is that, unless the sweep is at
        hand that trained it."""
        with self._known(task):
            return self._test_data(n, seed)

    def _known(self, task):
        """While the run's task in Python is known to the library, if it has one."""
        task = task or self._task
        if task is None and self["task.name"] == "custom":
            raise UsageError(f"the task {self['task.custom']} (version {self['task.custom_version']}) draws its own "
                             "sequences: give it as task=")
        known = contextlib.nullcontext() if task is None else Known(task)
        if task is not None and known.key != (self["task.custom"], self["task.custom_version"]):
            raise UsageError(f"the run's task is {self['task.custom'] or self['task.name']} (version "
                             f"{self['task.custom_version']}), not {known.key[0]} (version {known.key[1]})")
        return known

    def _test_data(self, n, seed):
        n, seed = whole(n, "n", 1, 2 ** 31 - 1), whole(seed, "seed", 0, 2 ** 64 - 1)
        model = self._model
        tokens = np.empty((n, model.sizes.context_length), np.int32)
        targets = np.empty((n, len(model.loss_positions)), np.int32)
        call(lib.fv_model_test_sequences, model.handle, seed, 0, n, tokens.ctypes.data, targets.ctypes.data)
        return tokens, targets

    def batches(self, steps: int = 100, first: int = 0, task: Optional[Task] = None):
        """The very sequences that the run trained on: tokens [steps, B, T] and targets [steps, B, loss
        positions], int32, -1 for none. `task` as in :meth:`test_data`."""
        with self._known(task):
            return self._batches(steps, first)

    def _batches(self, steps, first):
        first, steps = whole(first, "first"), whole(steps, "steps", 1)
        if first + steps > self["train.steps"]:
            raise UsageError(f"there are no steps {first} to {first + steps - 1}; the run has 0 to "
                             f"{self['train.steps'] - 1}")
        model, size = self._model, (steps, self["train.batch_size"])
        tokens = np.empty((*size, model.sizes.context_length), np.int32)
        targets = np.empty((*size, len(model.loss_positions)), np.int32)
        call(lib.fv_training_batches, self._record.config, first, steps, tokens.ctypes.data, targets.ctypes.data)
        return tokens, targets

    def measure(self, expression: str) -> float:
        """A measure as claims have it, "plateau(perplexity) / task.vocab_size"; nan for never."""
        value = ctypes.c_double()
        call(lib.fv_measure, expression.encode(), byref(self._record), byref(value))
        return value.value

    def export(self, path: Union[str, "pathlib.Path"], widen: bool = False, format: str = "safetensors") -> None:
        """Writes a safetensors checkpoint with TransformerLens's names, or with format "hf" a folder that transformers
        opens (docs/checkpoints.md)."""
        flat = self._flat(None)
        if format not in ("safetensors", "hf") or (widen and format == "hf"):
            raise UsageError(f"format must be 'safetensors' or 'hf', which is not widened, not {format!r}")
        if format == "hf":
            call(lib.fv_checkpoint_write_hf, str(path).encode(), self._model.handle, flat.ctypes.data)
            return
        call(lib.fv_checkpoint_write, str(path).encode(), self._model.handle, flat.ctypes.data, widen)

    def __repr__(self):
        return f"<run {self.id}: {self['task.name']}, {self.steps} steps, {self.outcome}>"


class Runs(Sequence):
    """Runs in the order of their sweep."""

    def __init__(self, runs: List[Run], folder: str, task: Optional[Task] = None):
        self._runs, self.folder = runs, folder
        for run in runs if task is not None else ():
            run._task = task

    def __len__(self) -> int:
        return len(self._runs)

    def __getitem__(self, i):
        return Runs(self._runs[i], self.folder) if isinstance(i, slice) else self._runs[i]

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def where(self, **fields) -> "Runs":
        """Those of which fields have these values; dots are written as two underscores: train__seed=0."""
        wanted = {key.replace("__", "."): value for key, value in fields.items()}
        return Runs([r for r in self._runs if all(r[k] == v for k, v in wanted.items())], self.folder)

    @property
    def varying(self) -> List[str]:
        """The fields in which these runs differ."""
        configs = [run.config for run in self._runs]
        return [f.key for f in FIELDS if any(x[f.key] != configs[0][f.key] for x in configs[1:])]

    @property
    def frame(self):
        """One row a run: the fields that vary, outcome, steps, time, the final value of every series, then
        all other fields. A pandas DataFrame, or a dictionary of columns where pandas is not installed."""
        varying = self.varying
        configs = [run.config for run in self._runs]
        finals = [run.final for run in self._runs]
        columns: Dict[str, list] = {"id": [run.id for run in self._runs]}
        for key in varying:
            columns[key] = [x[key] for x in configs]
        for name in ("outcome", "steps", "seconds", "us_per_step"):
            columns[name] = [getattr(run, name) for run in self._runs]
        for name in dict.fromkeys(name for final in finals for name in final):
            columns[name] = [final.get(name, float("nan")) for final in finals]
        for field in FIELDS:
            if field.key not in columns:
                columns[field.key] = [x[field.key] for x in configs]
        return _frame(columns)

    def curves(self, name: str = "perplexity"):
        """A series of all runs, one row a point: run (its place here), the fields that vary, step, `name`."""
        self._check_series(name)
        varying = self.varying
        steps = [run.series[name].steps for run in self._runs if name in run.series]
        n = [len(s) for s in steps]
        runs = [(i, run) for i, run in enumerate(self._runs) if name in run.series]
        columns = {"run": np.repeat([i for i, _ in runs], n)}
        for key in varying:
            columns[key] = [value for (_, run), k in zip(runs, n) for value in [run[key]] * k]
        columns["step"] = np.concatenate(steps)
        columns[name] = np.concatenate([run.series[name].values for _, run in runs])
        return _frame(columns)

    def plot(self, name: str = "perplexity", color: Optional[str] = None, ax=None, log: bool = False, **style):
        """Draws a series of all runs over steps with matplotlib; lines are coloured by the field `color`.

        Returns the axes. `style` goes to matplotlib's plot.
        """
        import matplotlib.pyplot as plt

        self._check_series(name)
        ax = plt.gca() if ax is None else ax
        values = sorted({run[color] for run in self._runs}) if color else []
        shades = {v: plt.get_cmap("viridis")(i / max(len(values) - 1, 1) * 0.9) for i, v in enumerate(values)}
        named = set()
        for run in self._runs:
            if name not in run.series:
                continue
            own = dict(style)
            if color:
                own.setdefault("color", shades[run[color]])
                if run[color] not in named:
                    own["label"] = str(run[color])
                    named.add(run[color])
            ax.plot(*run.series[name], **own)
        ax.set_xlabel("step")
        ax.set_ylabel(name)
        if log:
            ax.set_yscale("log")
        if color:
            ax.legend(title=color)
        return ax

    def patch(self, clean, corrupt, names, metric, **options) -> list:
        """:meth:`Run.patch` of every run, in their order."""
        return [run.patch(clean, corrupt, names, metric, **options) for run in self._runs]

    def path(self, clean, corrupt, sender, receiver, metric, **options) -> list:
        """:meth:`Run.path` of every run, in their order."""
        return [run.path(clean, corrupt, sender, receiver, metric, **options) for run in self._runs]

    def _check_series(self, name):
        known = dict.fromkeys(s for run in self._runs for s in run.series)
        if name not in known:
            raise UsageError(f"no run has a series {name!r}; there are {', '.join(known) or 'none'}")

    def __repr__(self):
        return f"<{len(self)} runs in {self.folder}>"


class Columns(dict):
    """Columns by their names, in place of a DataFrame where pandas is not installed."""

    def __repr__(self):
        n = len(next(iter(self.values()), ()))
        return f"<{n} rows of {len(self)} columns: {', '.join(self)}>"


def _frame(columns):
    try:
        import pandas
    except ImportError:
        return Columns(columns)
    return pandas.DataFrame(columns)
