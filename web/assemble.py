#!/usr/bin/env python3
"""Makes the folder that is served, and the single page that opens from a disk.

    web/assemble.py ENGINE.wasm OUT

The modules in web/page import names of each other and export functions, classes and constants, nothing
more, so that the single page is made by wrapping each in a function: no bundler is needed. Experiments,
stories, lessons and computed maps become the module data.js."""
import base64
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
EXPERIMENTS = HERE.parent / "experiments"


def gallery():
    """web/gallery.txt: 'post/figure | title | view | two sentences' a line."""
    entries = []
    for line in (HERE / "gallery.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, title, story = (part.strip() for part in line.split("|"))
        path = EXPERIMENTS / f"{name}.yaml"
        entries.append({"name": name, "title": title, "story": story, "yaml": path.read_text()})
    return entries


def parts(folder):
    return [json.loads(path.read_text()) for path in sorted((HERE / folder).glob("*.json"))]


def data_module():
    lists = {"GALLERY": gallery(), "LESSONS": parts("lessons"), "MAPS": parts("maps")}
    return "".join(
        f"export const {name} = {json.dumps(value, ensure_ascii=False, separators=(',', ':'))};\n"
        for name, value in lists.items()
    )


def imports_of(source):
    return re.findall(r"^import \{([^}]*)\} from '\./([a-z_]+)\.js';\n", source, re.M)


def in_order(name, modules, ordered):
    for _, used in imports_of(modules[name]):
        if used not in ordered:
            in_order(used, modules, ordered)
    if name not in ordered:
        ordered.append(name)
    return ordered


def classic(name, modules):
    """The module and what it imports as one classic script."""
    script = "'use strict';\nconst modules = {};\n"
    for part in in_order(name, modules, []):
        source = modules[part]
        for names, used in imports_of(source):
            source = re.sub(
                rf"^import \{{[^}}]*\}} from '\./{used}\.js';\n",
                f"const {{{names}}} = modules.{used};\n", source, count=1, flags=re.M)
        exported = re.findall(r"^export (?:async )?(?:function|class|const) (\w+)", source, re.M)
        source = re.sub(r"^export ", "", source, flags=re.M)
        script += f"modules.{part} = (() => {{\n{source}return {{ {', '.join(exported)} }};\n}})();\n"
    return script


def script_safe(text):
    return text.replace("</", "<\\/")


def single(page, style, modules, wasm):
    worker = classic("worker", modules)
    inlined = (
        f"self.EXPLORER_WORKER = {json.dumps(worker)};\n"
        f"self.EXPLORER_MODULE = '{base64.b64encode(wasm).decode()}';\n"
    )
    body = f"<script>\n{script_safe(inlined)}</script>\n<script>\n{script_safe(classic('main', modules))}</script>"
    page = page.replace('<link rel="stylesheet" href="style.css">', f"<style>\n{style}</style>")
    return page.replace('<script type="module" src="main.js"></script>', body)


def main():
    wasm = pathlib.Path(sys.argv[1]).read_bytes()
    out = pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    modules = {path.stem: path.read_text() for path in (HERE / "page").glob("*.js")}
    modules["data"] = data_module()
    page = (HERE / "page" / "index.html").read_text()
    style = (HERE / "page" / "style.css").read_text()
    for name, source in modules.items():
        (out / f"{name}.js").write_text(source)
    (out / "index.html").write_text(page)
    (out / "style.css").write_text(style)
    (out / "engine.wasm").write_bytes(wasm)
    (out / "explorer.html").write_text(single(page, style, modules, wasm))


if __name__ == "__main__":
    main()
