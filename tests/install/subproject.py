#!/usr/bin/env python3
"""Fovea as a part of another project's build: subproject.py BUILD_FOLDER [ARCHIVE]

By add_subdirectory and by FetchContent, under flags of the parent that would change what Fovea
computes: the parent must stay as it was, Fovea's own sources must be compiled as they need it, and a
program linked to each target must run. Objects are taken from BUILD_FOLDER. With ARCHIVE, the file that
`make dist` makes, everything is compiled, and FetchContent unpacks that.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

BUILD = Path(sys.argv[1]).resolve()
ARCHIVE = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Each of these makes Fovea wrong, or its build fail, where it reaches Fovea's sources unanswered.
HOSTILE = "-Ofast -ffinite-math-only -funsafe-math-optimizations -std=c99 -Werror -pedantic-errors"
FORBIDDEN = {"__FAST_MATH__": None, "__FINITE_MATH_ONLY__": "1", "__ASSOCIATIVE_MATH__": None,
             "__RECIPROCAL_MATH__": None, "__NO_SIGNED_ZEROS__": None}


def check(condition, message):
    if not condition:
        sys.exit(f"subproject: {message}")


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    check(done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def configure(how, folder, settings):
    definitions = {"HOW": how, "FOVEA": ROOT, "CMAKE_EXPORT_COMPILE_COMMANDS": "ON", **settings}
    if how == "FetchContent" and ARCHIVE:
        definitions["FOVEA"] = ARCHIVE.as_uri()
    elif how == "FetchContent":
        definitions["FETCHCONTENT_SOURCE_DIR_FOVEA"] = ROOT
    if not ARCHIVE:
        definitions["CMAKE_C_COMPILER_LAUNCHER"] = f"{HERE / 'prebuilt.sh'};{BUILD}"
    run("cmake", "-S", HERE / "subproject", "-B", folder,
        *(f"-D{name}={value}" for name, value in definitions.items()),
        env={k: v for k, v in os.environ.items() if k not in ("CFLAGS", "CMAKE_BUILD_TYPE")})


def parent_is_untouched(folder, settings):
    seen = dict(line.split("=", 1) for line in (folder / "seen.txt").read_text().splitlines())
    for name, value in seen.items():
        default = {"CMAKE_C_FLAGS_RELEASE": "-O3 -DNDEBUG"}.get(name, "")
        check(value == settings.get(name, default), f"the parent's {name} became '{value}'")
    cache = (folder / "CMakeCache.txt").read_text()
    build_type = settings.get("CMAKE_BUILD_TYPE", "")
    check(f"CMAKE_BUILD_TYPE:STRING={build_type}\n" in cache, "the build type was set")
    check("cmocka" not in cache, "cmocka was looked for")
    check("Total Tests: 0" in run("ctest", "-N", cwd=folder), "Fovea's tests are among the parent's")
    targets = run("cmake", "--build", folder, "--target", "help")
    for target in ("test_store", "fuzzers", "fovea_double"):
        check(target not in targets, f"the target {target} is part of the parent's build")


def sources_are_compiled_as_they_need_it(folder):
    """The macros of every way in which a file of Fovea is compiled."""
    ways = {}
    for entry in json.loads((folder / "compile_commands.json").read_text()):
        if "/fovea_objects.dir/" not in entry["command"]:
            continue
        command = shlex.split(entry["command"])
        if "prebuilt.sh" in command[0]:
            command = command[2:]
        ways[tuple(command[:command.index("-o")])] = entry["directory"]
    check(ways, "no file of Fovea is compiled")
    for way, directory in ways.items():
        text = run(*way, "-dM", "-E", "-x", "c", "/dev/null", cwd=directory)
        macros = dict(line.split(" ", 2)[1:] for line in text.splitlines() if line.count(" ") > 1)
        for name, value in FORBIDDEN.items():
            check(name not in macros or macros[name] != (value or macros[name]),
                  f"{name} is {macros.get(name)} under {' '.join(way)}")
        check("__STRICT_ANSI__" not in macros, f"no GNU C under {' '.join(way)}")
        check("__OPTIMIZE__" in macros, f"nothing is optimised under {' '.join(way)}")
        check("-ffp-contract=off" in way, f"products are fused with sums under {' '.join(way)}")


def refused_by_hand():
    """Who compiles without CMake is told."""
    for flag in ("-ffast-math", "-ffinite-math-only"):
        done = subprocess.run(["cc", flag, "-I", ROOT / "src", "-fsyntax-only", "-x", "c",
                               ROOT / "src/base/real.h"], capture_output=True, text=True)
        check(done.returncode != 0 and "-fno-fast-math" in done.stderr, f"{flag} is not refused")


def build_with(how, settings, consumers=("consumer_shared", "consumer_static")):
    with tempfile.TemporaryDirectory(prefix="fovea parent ") as name:
        folder = Path(name) / "b"
        configure(how, folder, settings)
        parent_is_untouched(folder, settings)
        sources_are_compiled_as_they_need_it(folder)
        if not consumers:
            return
        run("cmake", "--build", folder, "-j", os.cpu_count(), "--target", *consumers)
        for consumer in consumers:
            print(how, run(folder / consumer).strip())
        run("cmake", "--install", folder, "--prefix", Path(name) / "prefix")
        check(not (Path(name) / "prefix/lib").exists(), "Fovea is installed with its parent")


refused_by_hand()
build_with("add_subdirectory", {"CMAKE_C_FLAGS": HOSTILE})
build_with("add_subdirectory", {}, consumers=())
build_with("FetchContent", {"CMAKE_BUILD_TYPE": "RelWithDebInfo", "CMAKE_UNITY_BUILD": "ON",
                            "CMAKE_INTERPROCEDURAL_OPTIMIZATION": "ON"})
