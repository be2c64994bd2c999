"""The `fovea` command of the package: the program itself takes over, nothing of Python stays."""

import os
import pathlib
import sys


def main():
    program = pathlib.Path(__file__).parent / "fovea" / "bin" / "fovea"
    os.execv(program, [sys.argv[0], *sys.argv[1:]])
