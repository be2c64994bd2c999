"""What experiments are made of: every field, part, probe, measure, figure and claim, from the library's tables."""

import json
from typing import Any, Dict, List

from ._library import OutOfMemoryError, lib

__all__ = ["schema", "topics"]


def _read(text) -> Any:
    if text is None:
        raise OutOfMemoryError("out of memory")
    return json.loads(text)


def topics() -> Dict[str, List[Dict[str, Any]]]:
    """All that ``fovea help`` knows: lists of "fields", "tasks", "layers", ..., "probes", "measures", "figures", "keys",
    "claims" and "sections", each of dicts with name, help and, where they have them, takes, read_by and example; fields
    have type, default, lowest, highest and choices too."""
    everything = _read(lib.fv_topics_json())
    everything.pop("version")
    return everything


def schema() -> Dict[str, Any]:
    """A JSON schema (draft 7) of experiment files, for editors and for programs that write them."""
    return _read(lib.fv_experiment_schema())
