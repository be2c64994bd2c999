#!/usr/bin/env python3
"""Opens exported files with the safetensors package: safetensors_check.py FILE...

The package refuses what the format does not allow; on top of that, files that it writes again from
the same tensors must be the same bytes, header included, up to the order of the metadata.
"""

import json
import struct
import sys

from safetensors import safe_open
from safetensors.numpy import load_file, save


def header_of(data):
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def check(path):
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    ours, our_bytes = header_of(open(path, "rb").read())
    theirs, their_bytes = header_of(save(tensors, metadata=metadata))
    assert ours["__metadata__"] == metadata
    del ours["__metadata__"], theirs["__metadata__"]
    assert list(ours.items()) == list(theirs.items()), "another order or layout than the package's"
    assert our_bytes == their_bytes, "other tensor bytes than the package's"
    assert metadata["format"] == "fovea"
    return len(tensors)


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(f"safetensors       {path}: {check(path)} tensors")
