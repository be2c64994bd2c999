"""Values on their way to the library, as YAML, and configurations on their way back."""

import ctypes
import json
import operator
import re

from . import _interface as c
from ._library import UsageError, lib, text

_PLAIN = re.compile(r"[A-Za-z0-9_.+*/-]*[A-Za-z0-9_*]")


def whole(value, where, least=0, most=2 ** 63 - 1):
    """A whole number in these bounds as an int: ctypes would cut off the bits that C has no room for."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or not least <= number <= most:
        raise UsageError(f"{where} must be a whole number from {least} to {most}, not {value!r}")
    return number


def as_yaml(value, where):
    """One value as YAML in one line: numbers, texts, lists (ranges and arrays too), mappings."""
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        value = value.tolist()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        items = (f"{json.dumps(str(k), ensure_ascii=False)}: {as_yaml(v, f'{where}: {k}')}"
                 for k, v in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, (list, tuple, range, set, frozenset)) or hasattr(value, "__next__"):
        return "[" + ", ".join(as_yaml(v, where) for v in value) + "]"
    raise UsageError(f"{where} must be a number, a text, a list or a mapping of these, not {value!r}")


class Field:
    """A row of the table of fields."""

    def __init__(self, row):
        self.key, self.type = text(row.key), row.type
        self.section, self.name = self.key.split(".")
        self.help, self.default = text(row.help), text(row.default_text)
        self.choices = []
        while row.choices and row.choices[len(self.choices)] is not None:
            self.choices.append(text(row.choices[len(self.choices)]))
        self.row = row

    def value(self, config):
        """Of an fv_config: a number, a bool, a text, or a list; freeze, rates and stages as their text."""
        value = getattr(getattr(config, self.section), self.name)
        if self.type in (c.FV_TYPE_INT, c.FV_TYPE_REAL, c.FV_TYPE_BOOL):
            return value
        if self.type == c.FV_TYPE_CHOICE:
            return self.choices[value]
        if self.type in (c.FV_TYPE_TEXT, c.FV_TYPE_NAMES, c.FV_TYPE_FACTORS, c.FV_TYPE_STAGES):
            return text(value.value)
        if self.type == c.FV_TYPE_INTS:
            return list(value.value[:value.n])
        return [self._layer(value, i) for i in range(value.n)]

    @staticmethod
    def _layer(layers, i):
        room = ctypes.create_string_buffer(c.FV_LAYER_SIZE)
        lib.fv_layer_text(ctypes.byref(layers), i, ctypes.addressof(room), len(room))
        return text(room.value)


def _all_fields():
    n = ctypes.c_int()
    rows = ctypes.cast(lib.fv_fields(ctypes.byref(n)), ctypes.POINTER(c.fv_field))
    return [Field(rows[i]) for i in range(n.value)]


FIELDS = _all_fields()
