#!/usr/bin/env python3
"""What `fovea explore` serves, to whom, and what it refuses: explore.py TOOL

The page here is a folder of two files; the page itself is tests/web/browser.py's."""
import base64
import http.client
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile

TOOL = sys.argv[1]


def check(holds, what):
    if not holds:
        sys.exit(f"explore: {what}")


class Served:
    """The tool serving `operands` until the end of a with."""

    def __init__(self, folder, *operands):
        self.folder, self.operands = folder, operands

    def __enter__(self):
        environment = {**os.environ, "FOVEA_WEB": str(self.folder / "page")}
        self.process = subprocess.Popen([TOOL, "explore", *self.operands, "--port", "0"], cwd=self.folder,
                                        stderr=subprocess.PIPE, text=True, env=environment)
        line = self.process.stderr.readline()
        if "without libmicrohttpd" in line or "no libmicrohttpd" in line:
            print(f"skipped: {line.strip()}")
            sys.exit(77)
        found = re.match(r"http://127\.0\.0\.1:(\d+)/(\S*) until Ctrl-C", line)
        check(found, f"it says {line!r}")
        self.port, self.view = int(found[1]), found[2]
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        check(self.process.wait(timeout=20) == 0, "Ctrl-C does not end it with 0")
        self.process.stderr.close()

    def ask(self, path, method="GET", host=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or f"127.0.0.1:{self.port}")
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer, body


def says(folder, wanted, *arguments, page=True):
    environment = {**os.environ, "FOVEA_WEB": str(folder / ("page" if page else "none"))}
    done = subprocess.run([TOOL, "explore", *arguments], cwd=folder, capture_output=True, text=True,
                          env=environment, timeout=60)
    check(done.returncode != 0 and wanted in done.stderr, f"{arguments}: {done.returncode}, {done.stderr!r}")


def check_refusals(served):
    check(served.ask("/")[0] == 200, "the page is not served")
    check(served.ask("/", host=f"localhost:{served.port}")[0] == 200, "localhost is refused")
    for host in ("evil.example", f"evil.example:{served.port}", "127.0.0.1", f"127.0.0.1:{served.port}.evil.example"):
        check(served.ask("/", host=host)[0] == 421, f"Host {host} is answered")
    for method in ("POST", "PUT", "DELETE"):
        check(served.ask("/", method)[0] == 405, f"{method} is answered")
    for path in ("/../secret.html", "/%2e%2e/secret.html", "/..%2fsecret.html", "/.hidden.html", "//etc/passwd", "/folder.js",
                 "/notes.txt", "/store/run/../../x", "/store/run/zzzz"):
        check(served.ask(path)[0] == 404, f"{path} is served")
    policy = served.ask("/")[1].getheader("Content-Security-Policy")
    for part in ("default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "worker-src 'self' blob:", "connect-src 'self'"):
        check(part in policy, f"no {part} in {policy}")


def check_store(served, folder):
    status, _, body = served.ask("/store/runs")
    runs = json.loads(body)["runs"]
    check(status == 200 and len(runs) == 2, f"{len(runs)} runs")
    check({run["config"]["task.vocab_size"] for run in runs} == {"5"}, f"configurations {runs}")
    run = json.loads(served.ask(f"/store/run/{runs[0]['id']}")[2])
    check([step for step, _ in run["series"]["perplexity"]] == [0, 10, 19], f"series {run['series']}")
    check([s["step"] for s in run["snapshots"]] == [0, 10, 20], "snapshots")
    params = struct.unpack(f"<{run['n_params']}f", base64.b64decode(run["snapshots"][-1]["params"]))
    done = subprocess.run([TOOL, "export", f"out/{runs[0]['id']}", "--format", "safetensors", "--out", "m.safetensors"],
                          cwd=folder, capture_output=True, text=True, check=False)
    check(done.returncode == 0, done.stderr)
    stored = (folder / "m.safetensors").read_bytes()
    check(struct.pack("<f", params[0]) in stored, "parameters are not those of the store")
    check(served.ask("/store/run/ffff")[0] == 404, "a run that is not there is served")


def main():
    with tempfile.TemporaryDirectory(prefix="fovea-explore-") as name:
        folder = pathlib.Path(name)
        (folder / "page/folder.js").mkdir(parents=True)
        for file in ("page/index.html", "page/.hidden.html", "page/notes.txt", "secret.html"):
            (folder / file).write_text("<p>here</p>")
        (folder / "small.yaml").write_text(
            "task: {vocab_size: 5}\ntrain: {steps: 20, snapshot_every: 10, seed: 0..1}\n")
        subprocess.run([TOOL, "run", "small.yaml", "--out", "out", "--quiet"], cwd=folder, check=True)
        before = (folder / "out/fovea.db").read_bytes()
        with Served(folder, "out") as served:
            check(served.view == "#stored", f"the view is {served.view}")
            check_refusals(served)
            check_store(served, folder)
        check((folder / "out/fovea.db").read_bytes() == before, "the store was changed")
        with Served(folder, "small.yaml") as served:
            check(served.ask("/store/experiment.yaml")[2] == (folder / "small.yaml").read_bytes(), "another experiment is served")
            check(json.loads(served.ask("/store/runs")[2])["runs"] == [], "runs without a store")
        says(folder, "make web", page=False)
        says(folder, "nowhere", "nowhere")
        says(folder, "none.yaml cannot be read", "none.yaml")
        says(folder, "--port", "--port", "70000")
    print("explore: served, refused and left as it was")


if __name__ == "__main__":
    main()
