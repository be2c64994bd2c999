"""Runs the tests of the Python package: run.py PACKAGE_FOLDER LIBRARY TOOL [test_name ...]"""

import os
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).parent


def main():
    package, library, tool, *names = sys.argv[1:]
    sys.path[:0] = [package, str(HERE)]
    os.environ.update(FOVEA_LIBRARY=library, FOVEA_TOOL=tool, MPLBACKEND="agg",
                      PYTHONPATH=os.pathsep.join([package, str(HERE)]))
    names = names or sorted(path.stem for path in HERE.glob("test_*.py"))
    suite = unittest.defaultTestLoader.loadTestsFromNames(names)
    if suite.countTestCases() == 0:
        sys.exit("there is no test")
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
