"""The shared library: where it lies, its functions with their types, its errors as exceptions."""

import ctypes
import os
import pathlib

from . import _interface as c


class Error(Exception):
    """What the library says went wrong, where, and what would be right."""


class UsageError(Error, ValueError):
    """A value that cannot be, a field that there is not."""


class FormatError(Error, ValueError):
    """A malformed file."""


class FileError(Error, OSError):
    """Reading or writing failed."""


class NotFoundError(Error, LookupError):
    """No such file, run or series."""


class NewerError(Error):
    """A file that a newer version has written."""


class StoreError(Error):
    """The run store failed: damaged, or another process writes into it."""


class MissingProgramError(Error):
    """A program such as gnuplot is not installed."""


class OutOfMemoryError(Error, MemoryError):
    """The library could not allocate."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. `runs` are those that were finished, which the store keeps: the same call goes on from there."""

    def __init__(self, sentence, runs=None):
        super().__init__(sentence)
        self.runs = runs


EXCEPTIONS = {
    c.FV_NO_MEMORY: OutOfMemoryError,
    c.FV_USAGE: UsageError,
    c.FV_FORMAT: FormatError,
    c.FV_IO: FileError,
    c.FV_NOT_FOUND: NotFoundError,
    c.FV_NEWER: NewerError,
    c.FV_STORE: StoreError,
    c.FV_INTERRUPTED: Interrupted,
    c.FV_MISSING_PROGRAM: MissingProgramError,
}


def _find():
    named = os.environ.get("FOVEA_LIBRARY")
    if named:
        return named
    folder = pathlib.Path(__file__).parent / "lib"
    for pattern in ("libfovea.so*", "libfovea*.dylib"):
        for path in sorted(folder.glob(pattern)):
            return str(path)
    raise ImportError(
        f"there is no libfovea in {folder}; install the package with 'pip install ./python', or name "
        "the library in FOVEA_LIBRARY")


def _load():
    path = _find()
    library = ctypes.CDLL(path)
    for name, (result, parameters) in c.FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(f"{path} has no {name}: it is of another version than the package") from None
        function.restype, function.argtypes = result, parameters
    return library


lib = _load()


def check(status, error):
    """Raises the exception of a status that is not FV_OK, with the sentence of its fv_error."""
    if status != c.FV_OK:
        raise EXCEPTIONS.get(status, Error)(error.text.decode(errors="replace"))


def call(function, *arguments):
    """Calls a function whose last parameter is an fv_error."""
    error = c.fv_error()
    check(function(*arguments, ctypes.byref(error)), error)


def text(value):
    """A Python text of bytes that C wrote; "" of NULL."""
    return "" if value is None else value.decode(errors="replace")
