"""Writes the C interface as ctypes declarations, from what the compiler makes of <fovea/fovea.h>.

    cc -E -P -I include -o fovea.i include/fovea/fovea.h
    python3 python/interface.py fovea.i fovea/_interface.py

Structures, enumerations and functions whose names begin with fv_ become a Python module, so that no
layout is written down twice. tests/python/layouts.py holds sizes and offsets against the compiler's.

A pointer is an address (c_void_p), except text (c_char_p) and, in structures and callbacks, pointers to
structures and numbers, which can be followed.
"""

import re
import sys

NUMBERS = {
    "bool": "c_bool", "_Bool": "c_bool", "char": "c_char", "int": "c_int", "unsigned": "c_uint",
    "float": "c_float", "double": "c_double", "size_t": "c_size_t", "long": "c_long",
    "int8_t": "c_int8", "int16_t": "c_int16", "int32_t": "c_int32", "int64_t": "c_int64",
    "uint8_t": "c_uint8", "uint16_t": "c_uint16", "uint32_t": "c_uint32", "uint64_t": "c_uint64",
    "short": "c_short", "unsigned short": "c_ushort", "unsigned int": "c_uint", "unsigned char": "c_ubyte",
    "unsigned long": "c_ulong", "long long": "c_longlong", "unsigned long long": "c_ulonglong",
}

HEADER = '''"""The C interface, made from include/fovea by python/interface.py."""
from ctypes import *


class fv_cost_number(Structure):
    """128 bits: low and high half."""

    _fields_ = [("low", c_uint64), ("high", c_uint64)]

    def __int__(self):
        return self.low | self.high << 64


def _place(structure, members):
    """Numbers of 128 bits stand at multiples of 16 bytes, which ctypes does not know."""
    placed, wide = [], False

    def pad():
        so_far = type("so_far", (Structure,), {"_fields_": placed})
        if sizeof(so_far) % 16:
            placed.append((f"_pad{len(placed)}", c_uint64))

    for name, kind in members:
        if kind is fv_cost_number or getattr(kind, "_wide", False):
            wide = True
            pad()
        placed.append((name, kind))
    if wide:
        pad()
        structure._wide = True
    structure._fields_ = placed


'''


def without_attributes(text):
    """Drops __attribute__((...)) with its balanced parentheses, and __extension__."""
    text = re.sub(r"\b__extension__\b", "", text)
    while True:
        found = re.search(r"__attribute__\s*\(", text)
        if not found:
            return text
        depth, end = 1, found.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        text = text[:found.start()] + text[end:]


def declarations(text):
    """The declarations at file scope, each without its semicolon; bodies in braces stay whole."""
    depth, start = 0, 0
    for i, c in enumerate(text):
        depth += {"{": 1, "}": -1}.get(c, 0)
        if c == ";" and depth == 0:
            yield " ".join(text[start:i].split())
            start = i + 1


def split(text, separator):
    """Splits outside of parentheses and brackets."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(c, 0)
        if c == separator and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [p for p in parts + [text[start:].strip()] if p]


class Interface:
    def __init__(self):
        self.constants = {}  # name -> value
        self.enums = set()   # names of types that are int
        self.callbacks = {}  # name -> (result, parameters)
        self.structures = []  # (name, body)
        self.functions = []  # (name, result, parameters)
        self.known = set()   # structures with a body

    # --- reading ---------------------------------------------------------------------------------

    def read(self, text):
        for declaration in declarations(without_attributes(text)):
            self.read_one(declaration)

    def read_one(self, text):
        enum = re.match(r"(?:typedef )?enum ?(\w*) ?\{(.*)\} ?(\w*)$", text)
        struct = re.match(r"(?:typedef )?struct (fv_\w+) \{(.*)\}", text)
        callback = re.match(r"typedef (.*?)\(\*(fv_\w+)\)\((.*)\)$", text)
        function = re.match(r"(?!typedef|static|struct [^*]*$)(.*?[ *])(fv_\w+)\((.*)\)$", text)
        if enum:
            self.read_enum(enum.group(2))
            self.enums.update(name for name in (enum.group(1), enum.group(3)) if name)
        elif struct:
            self.structures.append((struct.group(1), struct.group(2)))
            self.known.add(struct.group(1))
        elif callback:
            self.callbacks[callback.group(2)] = (callback.group(1), callback.group(3))
        elif function:
            self.functions.append((function.group(2), function.group(1), function.group(3)))

    def read_enum(self, body):
        following = 0
        for item in split(body, ","):
            name, _, value = (part.strip() for part in item.partition("="))
            if value:
                following = eval(value, {}, dict(self.constants))  # of the project's own headers
            if name.startswith("FV_"):
                self.constants[name] = following
            following += 1

    # --- writing ---------------------------------------------------------------------------------

    def base(self, words):
        """The type without pointers: a number's, a structure's, or None for what stays opaque."""
        words = " ".join(w for w in words.split() if w not in ("const", "volatile", "struct", "enum"))
        if words in NUMBERS:
            return NUMBERS[words]
        if words in self.enums:
            return "c_int"
        if words == "fv_cost_number" or words in self.known or words in self.callbacks:
            return words
        return None

    def type_of(self, text, follow):
        """Of a parameter, member or result, without its name. `follow`: pointers keep their type."""
        stars = text.count("*")
        base = self.base(text.replace("*", " "))
        if stars == 0 and text.strip() == "void":
            return "None"
        if stars == 0 and base is None:
            raise ValueError(f"there is no type of ctypes for '{text.strip()}'; NUMBERS has those that there are")
        if stars == 0:
            return base
        if stars == 1 and base == "c_char" and (follow or "const" in text):
            return "c_char_p"
        if not follow:
            return "c_void_p"
        inner = base
        if base is None:  # a pointer to something opaque is an address
            inner, stars = "c_void_p", stars - 1
        for _ in range(stars):
            inner = "c_char_p" if inner == "c_char" else f"POINTER({inner})"
        return inner

    def callback_type(self, result, parameters):
        types = [self.type_of(result, False)]
        types += [self.type_of(strip_name(p), True) for p in split(parameters, ",") if p != "void"]
        return f"CFUNCTYPE({', '.join(types)})"

    def member(self, text):
        """[(name, type), ...] of a declaration of one or several members."""
        pointer = re.match(r"(.*)\(\*(\w+)\)\((.*)\)$", text)
        if pointer:
            return [(pointer.group(2), self.callback_type(pointer.group(1), pointer.group(3)))]
        first, *others = split(text, ",")
        found = re.match(r"(.*?[ *])(\w+)((?:\[[^\]]*\])*)$", first)
        words, members = found.group(1), []
        kind = words.replace("*", "")
        others.insert(0, "*" * words.count("*") + first[len(words):])
        for item in others:
            stars, name, sizes = re.match(r"([ *]*)(\w+)((?:\[[^\]]*\])*)$", item).groups()
            type_name = self.type_of(kind + stars, True)
            for size in re.findall(r"\[([^\]]*)\]", sizes):
                type_name += f" * {eval(size, {}, dict(self.constants))}"
            members.append((name, type_name))
        return members

    def write(self, out):
        out.write(HEADER)
        for name, value in self.constants.items():
            out.write(f"{name} = {value}\n")
        out.write("\n")
        for name in sorted(self.known):
            out.write(f"\n\nclass {name}(Structure):\n    pass\n")
        out.write("\n\n")
        for name, (result, parameters) in self.callbacks.items():
            out.write(f"{name} = {self.callback_type(result, parameters)}\n")
        for name, body in self.in_order():
            members = [m for text in split(body, ";") for m in self.member(text)]
            out.write(f"_place({name}, [\n")
            for member in members:
                out.write(f"    (\"{member[0]}\", {member[1]}),\n")
            out.write("])\n")
        out.write("\n# name: (result, parameters)\nFUNCTIONS = {\n")
        for name, result, parameters in self.functions:
            types = [self.type_of(strip_name(p), False) for p in split(parameters, ",")
                     if p not in ("void", "...")]
            out.write(f"    \"{name}\": ({self.type_of(result, False)}, [{', '.join(types)}]),\n")
        out.write("}\n")

    def in_order(self):
        """A structure behind those that it contains."""
        left, done = list(self.structures), set()
        while left:
            for name, body in left:
                inside = {w for text in split(body, ";") if "*" not in text
                          for w in re.findall(r"fv_\w+", text) if w in self.known}
                if inside <= done | {name}:
                    yield name, body
                    done.add(name)
                    left.remove((name, body))
                    break
            else:
                raise ValueError(f"structures contain each other: {[name for name, _ in left]}")


def strip_name(parameter):
    """ "const float *q" -> "const float *", "char id[17]" -> "char *", function pointers -> "void *" """
    if "(" in parameter:
        return "void *"
    stars = "*" * parameter.count("[")
    parameter = re.sub(r"\[[^\]]*\]", "", parameter)
    found = re.match(r"(.*[ *])(\w+)$", parameter)
    names_type = found and (found.group(2) not in NUMBERS or "*" in found.group(1))
    if found and names_type and found.group(1).replace("const", "").strip():
        parameter = found.group(1)
    return parameter + stars


def main():
    interface = Interface()
    with open(sys.argv[1], encoding="utf-8") as file:
        interface.read(file.read())
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        interface.write(file)


if __name__ == "__main__":
    main()
