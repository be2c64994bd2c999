"""The generated interface against the compiler: sizes of structures, offsets of members, constants."""

import ctypes
import os
import pathlib
import re
import subprocess
import unittest

from case import Case
from fovea import _interface as c

INCLUDE = pathlib.Path(__file__).parents[2] / "include"


def structures():
    return {name: kind for name, kind in vars(c).items()
            if isinstance(kind, type) and issubclass(kind, ctypes.Structure) and name.startswith("fv_")}


class Layouts(Case):
    def test_layouts(self):
        lines = ["#include <fovea/fovea.h>", "#include <stddef.h>"]
        for name, kind in structures().items():
            lines.append(f"_Static_assert(sizeof({name}) == {ctypes.sizeof(kind)}, \"sizeof {name}\");")
            members = [] if name == "fv_cost_number" else [member for member, *_ in kind._fields_]
            for member in members:
                if member.startswith("_pad"):
                    continue
                offset = getattr(kind, member).offset
                lines.append(f"_Static_assert(offsetof({name}, {member}) == {offset}, \"{name}.{member}\");")
        for name, value in vars(c).items():
            if name.startswith("FV_"):
                lines.append(f"_Static_assert({name} == {value}, \"{name}\");")
        self.assertGreater(len(lines), 800)
        with open("layouts.c", "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        done = subprocess.run([os.environ.get("CC", "cc"), "-fsyntax-only", "-I", INCLUDE, "layouts.c"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_every_function_is_declared(self):
        declared = 0
        whole = (INCLUDE / "fovea/fovea.h").read_text(encoding="utf-8")
        for header in re.findall("#include <(.*)>", whole):
            text = (INCLUDE / header).read_text(encoding="utf-8")
            for found in text.split("FV_API ")[1:]:
                name = found.split("(")[0].replace("*", " ").split()[-1]
                if name.startswith("fv_"):
                    self.assertTrue(name in c.FUNCTIONS, name)
                    declared += 1
        self.assertGreater(declared, 220)


if __name__ == "__main__":
    unittest.main()
