"""What published models cost at a context length: <fovea/cost.h>."""

import ctypes
import os
import weakref
from ctypes import byref
from typing import Any, Dict, List, Optional, Union

from . import _interface as c
from ._library import UsageError, call, lib, text
from ._values import whole
from .runs import _frame

_libc = ctypes.CDLL(None)
_libc.free.argtypes, _libc.free.restype = [ctypes.c_void_p], None

QUANTITIES = [text(lib.fv_cost_name(i)) for i in range(c.FV_COST_COUNT)]
ENGINES = [text(lib.fv_cost_engine_name(i)) for i in range(c.FV_COST_ENGINE_COUNT)]


def _wide(kind, n=1):
    """Memory for structures with numbers of 128 bits, which C expects at multiples of 16 bytes."""
    size = ctypes.sizeof(kind)
    memory = ctypes.create_string_buffer(n * size + 16)
    start = -ctypes.addressof(memory) % 16
    return [kind.from_buffer(memory, start + i * size) for i in range(n)]


class Cost:
    """Totals by name (``cost["cache"]``), all layers and sequences together, and what they are made of."""

    def __init__(self, model, setting):
        self._model, self._setting = model, setting
        weakref.finalize(self, lib.fv_cost_model_free, model)
        self.family: str = text(lib.fv_cost_model_family(model))
        self.max_tokens: int = lib.fv_cost_model_max_tokens(model)
        self.notes: List[str] = text(lib.fv_cost_model_notes(model)).splitlines()
        total, = _wide(c.fv_cost)
        call(lib.fv_cost_total, model, byref(setting), byref(total))
        self.total: Dict[str, int] = {name: int(total.value[i]) for i, name in enumerate(QUANTITIES)}

    def __getitem__(self, name: str) -> int:
        if name not in self.total:
            raise KeyError(f"there is no quantity {name!r}; there are {', '.join(self.total)}")
        return self.total[name]

    @property
    def layers(self):
        """One row a layer, one sequence; embedding and unembedding are the first and the last."""
        n = lib.fv_cost_n_layers(self._model)
        layers = _wide(c.fv_cost, n)
        call(lib.fv_cost_layers, self._model, byref(self._setting), byref(layers[0]))
        columns: Dict[str, List[Any]] = {"layer": list(range(n)), "parts": [self._parts(i) for i in range(n)]}
        for k, name in enumerate(QUANTITIES):
            columns[name] = [int(layer.value[k]) for layer in layers]
        return _frame(columns)

    def _part_name(self, part):
        found = c.fv_cost_part()
        lib.fv_cost_part_get(self._model, part, byref(found))
        return text(found.name)

    def _parts(self, layer):
        parts = (ctypes.c_int * 16)()
        n = lib.fv_cost_layer_parts(self._model, layer, parts, len(parts))
        return ", ".join(self._part_name(parts[i]) for i in range(n))

    def formula(self, part: str, quantity: str, numbers: bool = False) -> str:
        """What is computed for a quantity of one layer's part, with its names or with their numbers."""
        names = [self._part_name(i) for i in range(lib.fv_cost_n_parts(self._model))]
        if part not in names or quantity not in QUANTITIES:
            raise UsageError(f"there is no {quantity} of {part}; parts are {', '.join(names)}, quantities "
                             f"{', '.join(QUANTITIES)}")
        address = lib.fv_cost_formula(self._model, names.index(part), QUANTITIES.index(quantity),
                                      byref(self._setting), numbers)
        if not address:
            raise MemoryError("out of memory")
        try:
            return ctypes.string_at(address).decode()
        finally:
            _libc.free(address)

    def largest_context(self, memory: float) -> Optional[int]:
        """The longest context whose cache and state fit into so many bytes; None where none is too long."""
        if not 0 <= memory < 2 ** 64:
            raise UsageError(f"memory must be a number of bytes, 0 or more, not {memory!r}")
        n = lib.fv_cost_largest_context(self._model, byref(self._setting), int(memory))
        return None if n == 2 ** 64 - 1 else n

    def __repr__(self):
        return f"<cost of {self.family}: " + ", ".join(f"{k} {v:.4g}" for k, v in self.total.items() if v) + ">"


def cost(path: Union[str, os.PathLike], context: int, *, batch: int = 1, engine: str = "ideal",
         cache_bytes: Optional[float] = None, page: Optional[int] = None, **setting) -> Cost:
    """FLOPs, KV cache and state of a Hugging Face config.json (or a folder with one, or a GGUF) at a context.

    `setting` are members of fv_cost_setting: state_bytes, full, all_logits, recompute, ds_mla.
    """
    if engine not in ENGINES:
        raise UsageError(f"there is no engine {engine!r}; there are {', '.join(ENGINES)}")
    chosen = c.fv_cost_setting()
    lib.fv_cost_setting_init(byref(chosen))
    chosen.tokens, chosen.batch = whole(context, "context", 1), whole(batch, "batch", 1)
    chosen.engine = ENGINES.index(engine)
    given = dict(setting, cache_bytes=cache_bytes, page=None if page is None else whole(page, "page", 1))
    names = [member for member, *_ in chosen._fields_ if member not in ("tokens", "batch", "engine")]
    for name, value in given.items():
        if name not in names:
            raise UsageError(f"there is no setting {name!r}; there are {', '.join(names)}")
        if value is not None and not isinstance(value, (bool, int, float)):
            raise UsageError(f"{name} must be a number, not {value!r}")
        if value is not None:
            setattr(chosen, name, value)
    model = ctypes.c_void_p()
    call(lib.fv_cost_model_read, os.fspath(path).encode(), byref(model))
    return Cost(model, chosen)
