"""Whether the files of a folder are whole, each by the rules of its own format."""

import json
import xml.etree.ElementTree
import zlib


def svg(data):
    xml.etree.ElementTree.fromstring(data)


def png(data):
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("no signature")
    at, kind = 8, b""
    while kind != b"IEND":
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = data[at + 4 : at + 8 + length]
        check = data[at + 8 + length : at + 12 + length]
        if len(check) < 4 or int.from_bytes(check, "big") != zlib.crc32(body):
            raise ValueError(f"the chunk at {at} is cut or damaged")
        at += 12 + length
    if at != len(data):
        raise ValueError("something follows its end")


def gif(data):
    if data[:4] != b"GIF8" or data[-2:] != b"\0;":
        raise ValueError("it has no end")


def html(data):
    if not data.rstrip().endswith(b"</html>"):
        raise ValueError("it has no end")


RULES = {".svg": svg, ".png": png, ".gif": gif, ".html": html, ".json": json.loads}


def fault(folder):
    """What is wrong with a file of the folder, or None. A temporary file is wrong as well."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".fovea-"):
            return f"{path.name} is left"
        try:
            RULES.get(path.suffix, len)(path.read_bytes())
        except (ValueError, xml.etree.ElementTree.ParseError) as what:
            return f"{path.name}: {what}"
    return None
