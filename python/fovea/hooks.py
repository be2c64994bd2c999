"""Activations replaced on the way of a forward pass: hooks, patching, patching of paths."""

import ctypes
import fnmatch
from ctypes import POINTER, byref
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from . import _interface as c
from ._library import UsageError, call, lib, text

Edit = Union[Callable[[np.ndarray], Optional[np.ndarray]], np.ndarray, float]
Place = Union[str, Tuple[str, int]]
Metric = Callable[[np.ndarray], float]

# What the dimensions of an activation count, behind that of the sequences; the last one is features or keys.
_AXES = {"attn.hook_q": ("position", "head"), "attn.hook_k": ("position", "head"), "attn.hook_v": ("position", "head"),
         "attn.hook_z": ("position", "head"), "attn.hook_pattern": ("head", "position")}
# What a path does not go through: what every attention and every mlp has computed.
_NODES = ("blocks.*.attn.hook_z", "blocks.*.mlp.hook_post")


class Patched(Dict[str, Any]):
    """The metric by the name of what was patched, and without any patch: `corrupt`, and of the `clean` sequences.

    A value is a float, or with `each` an array.
    """

    def __init__(self, clean, corrupt):
        super().__init__()
        self.clean, self.corrupt = clean, corrupt


def _axes(name):
    return next((axes for end, axes in _AXES.items() if name.endswith(end)), ("position",))


def _put(values, new, name):
    """What a hook has returned, into the activation."""
    if hasattr(new, "detach"):
        new = new.detach()
    new = np.asarray(new)
    if new.dtype.kind not in "fiub":
        raise UsageError(f"the hook of {name} must return numbers, not {new.dtype}")
    try:
        values[...] = new
    except ValueError:
        raise UsageError(f"the hook of {name} must return {list(values.shape)}, not {list(new.shape)}") from None


def _pass(model, flat, tokens, edits: Mapping[str, Edit], names: Sequence[str]):
    """A forward pass with these replacements: the activations that are asked for."""
    failures: List[BaseException] = []

    def edit(_, hook, n, values):
        if failures:
            return
        try:
            hook = hook.contents
            name = text(hook.name)
            view = np.ctypeslib.as_array(values, (n * hook.size,)).reshape(n, *hook.shape[:hook.n_dims])
            for pattern, function in edits.items():
                if fnmatch.fnmatchcase(name, pattern):
                    new = function(view) if callable(function) else function
                    if new is not None:
                        _put(view, new, name)
        except BaseException as failure:  # C cannot carry it
            failures.append(failure)

    def texts(words):
        return (ctypes.c_char_p * len(words))(*[word.encode() for word in words])

    wanted, replaced, function = texts(names), texts(list(edits)), c.fv_activation_edit(edit)
    replacing = c.fv_replacing(ctypes.cast(replaced, type(c.fv_replacing().names)), len(edits), function, None)
    handle = ctypes.c_void_p()
    call(lib.fv_activations_create_replacing, model.handle, wanted, len(names), len(tokens), byref(replacing),
         byref(handle))
    try:
        lib.fv_activations_fill(handle, flat.ctypes.data, tokens.ctypes.data, len(tokens))
        if failures:
            raise failures[0]
        return _kept(handle, len(tokens))
    finally:
        lib.fv_activations_free(handle)


def _kept(handle, n) -> Dict[str, np.ndarray]:
    kept = {}
    for i in range(lib.fv_activations_n(handle)):
        hook = ctypes.cast(lib.fv_activations_kept(handle, i), POINTER(c.fv_hook)).contents
        values = ctypes.cast(lib.fv_activations_at(handle, i), POINTER(ctypes.c_float))
        array = np.ctypeslib.as_array(values, (n * hook.size,)).copy()
        kept[text(hook.name)] = array.reshape(n, *hook.shape[:hook.n_dims])
    return kept


def _replaceable(model):
    """The names of the activations that can be replaced, in the order of a pass."""
    hooks, n = ctypes.c_void_p(), ctypes.c_int()
    call(lib.fv_hooks_list, model.handle, byref(hooks), byref(n))
    rows = ctypes.cast(hooks, POINTER(c.fv_hook))
    names = [text(rows[i].name) for i in range(n.value) if rows[i].replaceable]
    ctypes.CDLL(None).free(hooks)
    return names


def _chosen(model, names):
    names = [names] if isinstance(names, str) else list(names)
    known = _replaceable(model)
    for name in names:
        if not fnmatch.filter(known, name):
            raise UsageError(f"no activation that can be replaced is named {name!r}; there are {', '.join(known)}")
    return [name for name in known if any(fnmatch.fnmatchcase(name, pattern) for pattern in names)]


def _parts(name, shape, each):
    """Indices into an activation [n, *shape] for each of its parts, and the shape of them all."""
    axes = _axes(name)
    for word in each:
        if word not in axes:
            raise UsageError(f"{name} has no {word}s: its parts are {' and '.join(axes)}s"
                             if word in ("head", "position") else f"each must be 'head', 'position' or both, not {word!r}")
    sizes = tuple(shape[axes.index(word)] for word in each)
    for at in np.ndindex(*sizes):
        index: List[Any] = [slice(None)] * (1 + len(shape))
        for word, i in zip(each, at):
            index[1 + axes.index(word)] = i
        yield at, tuple(index)


class Interventions:
    """What a run's model does where activations of it are replaced."""

    def hooks(self, edits: Mapping[str, Edit], tokens, names: Union[None, str, Sequence[str]] = None, params=None):
        """Logits of tokens [n, T] (or [T]) with activations replaced: float32 [n, loss positions, V].

        `edits` maps names, or shell patterns, to functions or arrays. A function is called once with the activation
        [n, shape of the hook] of all sequences, and returns what later layers shall read in its place, or None where
        it has changed it in place. An array is what stands there. Replaceable are the residual stream
        (``hook_resid_pre``, ``_mid``, ``_post``), ``attn.hook_q``, ``hook_k``, ``hook_v``, ``hook_pattern`` and
        ``hook_z``, ``mlp.hook_pre``, ``hook_pre_linear`` and ``hook_post``, ``hook_attn_out`` and ``hook_mlp_out``.
        With `names` the activations of that pass are returned, as :meth:`cache` does.
        """
        model = self._model
        tokens, flat = model.tokens(tokens), self._flat(params)
        if names is not None:
            return _pass(model, flat, tokens, edits, [names] if isinstance(names, str) else list(names))
        return self._logits(flat, tokens, edits)

    def _logits(self, flat, tokens, edits):
        model = self._model
        return _pass(model, flat, tokens, edits, ["logits"])["logits"][:, model.loss_positions]

    def _pair(self, clean, corrupt):
        model = self._model
        clean, corrupt = model.tokens(clean), model.tokens(corrupt)
        if clean.shape != corrupt.shape:
            raise UsageError(f"clean and corrupt sequences must be as many, not {len(clean)} and {len(corrupt)}")
        return clean, corrupt

    def _over(self, snapshots, params, function):
        """Of one set of parameters, or of every snapshot: {step: result}."""
        if not snapshots:
            return function(params)
        if params is not None:
            raise UsageError("snapshots=True takes the parameters of every snapshot; leave out params")
        return {snapshot.step: function(snapshot.params) for snapshot in self.snapshots}

    def patch(self, clean, corrupt, names: Union[str, Sequence[str]], metric: Metric,
              each: Union[str, Sequence[str]] = (), params=None, snapshots: bool = False):
        """The metric of corrupt sequences [n, T] where one activation is that of the clean ones [n, T].

        Every activation that `names` name (names or shell patterns) is patched alone. `metric` makes a number of logits
        [n, loss positions, V]. With ``each="head"``, ``"position"`` or ``("head", "position")`` every part of an
        activation is patched alone, and a value is an array of these axes. Returns a :class:`Patched`, or with
        `snapshots` one for each step of which the run has parameters.
        """
        clean, corrupt = self._pair(clean, corrupt)
        each = (each,) if isinstance(each, str) else tuple(each)
        chosen = _chosen(self._model, names)

        def all_of(params):
            flat = self._flat(params)
            there = self.cache(clean, chosen, params)
            patched = Patched(metric(self._logits(flat, clean, {})), metric(self._logits(flat, corrupt, {})))
            for name in chosen:
                values = {}
                for at, index in _parts(name, there[name].shape[1:], each):
                    def put(activation, index=index, name=name):
                        activation[index] = there[name][index]
                    values[at] = float(metric(self._logits(flat, corrupt, {name: put})))
                shape = tuple(1 + max(at[i] for at in values) for i in range(len(each)))
                patched[name] = np.array(list(values.values())).reshape(shape) if each else values[()]
            return patched

        return self._over(snapshots, params, all_of)

    def path(self, clean, corrupt, sender: Place, receiver: Place, metric: Metric,
             frozen: Sequence[str] = _NODES, params=None, snapshots: bool = False):
        """The metric of corrupt sequences where one path carries the clean ones: from a sender to a receiver.

        Both are the name of an activation, or a pair of it and a head. The sender is that of the clean sequences,
        what all attentions and mlps compute stays that of the corrupt ones (`frozen`, names or patterns), and what
        then arrives at the receiver replaces it in a corrupt pass (Wang et al. 2022, arXiv 2211.00593). Returns a
        float, or with `snapshots` one for each step of which the run has parameters.
        """
        clean, corrupt = self._pair(clean, corrupt)
        ends = [self._end(place) for place in (sender, receiver)]
        (sender, part), (receiver, reached) = ends
        others = [kind for kind in self["model.layers"] if not kind.startswith(("attention", "mlp"))]
        if others:
            raise UsageError(f"a path can go through {others[0]}, which is not frozen; paths are those of models of "
                             "attention and mlp")
        kept = [name for name in _chosen(self._model, list(frozen)) if name != receiver] if frozen else []

        def one(params):
            flat = self._flat(params)
            still = self.cache(corrupt, list(dict.fromkeys([*kept, sender])), params)
            moved = still[sender].copy()
            moved[part] = self.cache(clean, sender, params)[sender][part]
            edits = {**{name: still[name] for name in kept}, sender: moved}
            arrived = _pass(self._model, flat, corrupt, edits, [receiver])[receiver]

            def put(activation):
                activation[reached] = arrived[reached]
            return float(metric(self._logits(flat, corrupt, {receiver: put})))

        return self._over(snapshots, params, one)

    def _end(self, place):
        """The one activation that a sender or receiver is, and its part."""
        name, head = (place, None) if isinstance(place, str) else place
        chosen = _chosen(self._model, name)
        if len(chosen) != 1:
            raise UsageError(f"a path has one sender and one receiver; {name!r} names {', '.join(chosen)}")
        name = chosen[0]
        if head is None:
            return name, (slice(None),)
        if "head" not in _axes(name):
            raise UsageError(f"{name} has no heads")
        head = int(head)
        return name, (slice(None),) * (1 + _axes(name).index("head")) + (head,)
