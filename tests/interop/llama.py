"""What the checks against llama.cpp's server share: a server that is started and ended, the tool, its rows."""

import json
import sqlite3
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent


def check(condition, message):
    if not condition:
        sys.exit(f"interop: {message}")


def command(model, *options):
    return list(map(str, [sys.executable, HERE / "llama_server.py", "-m", model, *options]))


class Llama:
    """llama.cpp's server with a model: `with Llama(model, log, ...) as address`."""

    def __init__(self, model, log, *options, slots=2, context=8192):
        self.words = command(model, "-np", slots, "-c", slots * context, *options)
        self.words += [] if "--port" in options else ["--port", "0"]
        self.log = log

    def start(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.words, stdout=subprocess.PIPE, stderr=log, text=True)

    def address(self):
        address = self.process.stdout.readline().strip()
        check(address, f"the server did not start: see {self.log}")
        return address

    def __enter__(self):
        self.start()
        return self.address()

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)


def post(url, **body):
    request = urllib.request.Request(url, data=json.dumps(body).encode())
    with urllib.request.urlopen(request, context=ssl._create_unverified_context()) as reply:
        return json.load(reply)


def count_tokens(address, text, chat):
    if chat:
        text = post(address + "/apply-template", messages=[{"role": "user", "content": text}])["prompt"]
    return len(post(address + "/tokenize", content=text, add_special=True, parse_special=True)["tokens"])


def rows(out, columns, where="1"):
    with sqlite3.connect(out / "eval.db") as db:
        return db.execute(f"SELECT {columns} FROM asks WHERE {where} ORDER BY id").fetchall()


def run(tool, *arguments, code=0, environment=None):
    done = subprocess.run(list(map(str, [tool, *arguments])), capture_output=True, text=True, errors="replace", env=environment)
    check(done.returncode == code, f"{arguments} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done
