"""The server, the tool, its folder for one check, and how to call it."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEY = "sk-secret-0123456789"
FAST = ["--retry-wait", "0.01", "--quiet"]


def check(condition, message):
    if not condition:
        sys.exit(f"served: {message}")


class Server:
    def __init__(self, folder, **config):
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        (self.folder / "config").write_text(json.dumps(config))
        self.log_path = self.folder / "log"
        command = [sys.executable, HERE / "server.py", "--config", self.folder / "config"]
        command += ["--log", self.log_path]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.host = f"127.0.0.1:{int(self.process.stdout.readline())}"
        self.url = f"http://{self.host}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def log(self):
        return [json.loads(line) for line in self.log_path.read_text().splitlines()] if self.log_path.exists() else []

    def plant(self, **config):
        body = json.dumps(config).encode()
        urllib.request.urlopen(urllib.request.Request(self.url + "/plant", data=body)).read()


class Bench:
    """The tool, its folder for this check, and how to call it."""

    def __init__(self, tool, folder):
        self.tool, self.folder = tool, folder

    def server(self, **config):
        return Server(self.folder, **config)

    def run(self, *arguments, code=0, verb="needle", key=None, variables=()):
        environment = {k: v for k, v in os.environ.items()
                       if not k.endswith("_API_KEY") and k not in ("CURL_CA_BUNDLE", "SSL_CERT_FILE")}
        environment.update(variables)
        if key:
            environment["FOVEA_API_KEY"] = key
        command = [self.tool, verb, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)
        said = done.stdout + done.stderr
        check(code is None or done.returncode == code, f"{command}: exit {done.returncode}: {said}")
        return done

    def ask(self, server, out, *arguments, **options):
        base = ["--endpoint", server.url, "--model", "m", "--out", out, *FAST]
        return self.run(*base, *arguments, **options)

    def rows(self, out, columns, where="1"):
        with sqlite3.connect(f"file:{out}/eval.db?mode=ro", uri=True) as db:
            return db.execute(f"SELECT {columns} FROM asks WHERE {where}").fetchall()

    def cells(self, out):
        with sqlite3.connect(f"file:{out}/eval.db?mode=ro", uri=True) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute("SELECT * FROM cells")]
