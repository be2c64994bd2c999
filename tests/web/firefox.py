#!/usr/bin/env python3
"""The page in the distribution's Firefox, headless: it opens, trains, draws and maps, from a server and from a disk.

    tests/web/firefox.py BUILD [SCREENSHOT.png]

Firefox is driven by its own protocol, Marionette, so that no driver is needed: a socket on the loopback, over which
messages go as "LENGTH:[0, number, command, arguments]". Exit code 77 and a sentence where there is no Firefox or no
page."""
import base64
import contextlib
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from browser import COPY, check, serve, skip

QUIET = {  # nothing is fetched that the page has not asked for
    "app.update.enabled": False, "browser.startup.homepage": "about:blank", "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False, "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False, "extensions.update.enabled": False, "app.normandy.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False, "toolkit.telemetry.enabled": False,
    "dom.ipc.processCount": 1, "browser.aboutwelcome.enabled": False, "datareporting.policy.firstRunURL": "",
    "network.proxy.type": 1, "network.proxy.http": "127.0.0.1", "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1", "network.proxy.ssl_port": 9, "network.proxy.allow_hijacking_localhost": False,
}


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Firefox:
    def __init__(self, program, profile):
        port, self.number = free_port(), 0
        lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});\n"
                 for key, value in {**QUIET, "marionette.port": port}.items()]
        (profile / "user.js").write_text("".join(lines))
        self.process = subprocess.Popen(
            [program, "--headless", "--no-remote", "--marionette", "--width", "1280", "--height", "1000",
             "--profile", str(profile)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.socket = self.connected(port)
        self.receive()  # it says who it is
        self.ask("WebDriver:NewSession", {})
        self.ask("WebDriver:SetTimeouts", {"script": 60000, "pageLoad": 60000})

    def connected(self, port):
        end = time.time() + 60
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=90)
            except OSError:
                if self.process.poll() is not None or time.time() > end:
                    raise
                time.sleep(0.1)

    def receive(self):
        size = b""
        while not size.endswith(b":"):
            size += self.socket.recv(1) or b":"
        left, parts = int(size[:-1] or b"0"), []
        while left > 0:
            parts.append(self.socket.recv(left))
            check(parts[-1], "Firefox has closed the connection")
            left -= len(parts[-1])
        return json.loads(b"".join(parts) or b"null")

    def ask(self, command, arguments):
        self.number += 1
        message = json.dumps([0, self.number, command, arguments]).encode()
        self.socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self.receive()
        check(error is None, f"{command}: {(error or {}).get('message')}")
        return result.get("value") if isinstance(result, dict) else result

    def js(self, script):
        return self.ask("WebDriver:ExecuteScript", {"script": script, "args": [], "sandbox": None})

    def wait(self, script, seconds=60):
        end = time.time() + seconds
        while time.time() < end:
            value = self.js(f"return {script}")
            if value:
                return value
            time.sleep(0.1)
        message = self.js("return document.getElementById('message').textContent")
        raise AssertionError(f"not within {seconds} s: {script}; message: {message}")

    def open(self, address):
        self.ask("WebDriver:Navigate", {"url": "about:blank"})
        self.ask("WebDriver:Navigate", {"url": address})
        self.wait("document.body.dataset.ready")

    def close(self):
        with contextlib.suppress(Exception):
            self.ask("Marionette:Quit", {"flags": ["eForceQuit"]})
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=20)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.socket.close()


# How many pixels of the curve's colour a canvas has.
DRAWN = """(() => { const c = document.querySelector('%s'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
    let n = 0; for (let i = 0; i < d.length; i += 4) if (%s) n++; return n; })()"""
ACCENT = "d[i] === 0 && d[i + 1] === 114 && d[i + 2] === 178"
COLOURED = "d[i + 3] === 255 && Math.abs(d[i] - d[i + 2]) > 40"


def trains_and_draws(firefox, base):
    firefox.open(base + COPY)
    firefox.js("explorer.live.play()")
    firefox.wait("explorer.live.step > 300")
    firefox.js("explorer.live.pause()")
    firefox.wait("!explorer.live.playing")
    time.sleep(0.3)  # the last frame
    check(firefox.js("return " + DRAWN % ("[data-view=curve] canvas", ACCENT)) > 100, "no curve is drawn")
    check(firefox.js("return " + DRAWN % ("[data-view=embeddings] canvas", COLOURED)) > 100, "no embeddings are drawn")
    points = firefox.js("return explorer.live.points.map((p) => p[2])")
    check(points[-1] < 0.8 * points[0], f"the perplexity went from {points[0]} to {points[-1]}")
    check(firefox.js("return document.getElementById('message').hidden"), "it has something to say")


def maps(firefox, base):
    firefox.open(base + "#map?train.steps=50&x=train.seed:+0..1&y=task.vocab_size:+4..6&measure=final(perplexity)")
    firefox.js("document.getElementById('fill').click()")
    firefox.wait("document.body.dataset.map === 'whole'")
    values = firefox.js("return explorer.map.cells.map((c) => c.value)")
    check(len(values) == 6 and all(value is not None for value in values), f"cells are {values}")


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if not program:
        skip("no Firefox; ./bootstrap web installs it")
    if not (build / "web/index.html").exists():
        skip(f"{build}/web is not there; make web builds it")
    served = serve(build / "web") + "index.html"
    with tempfile.TemporaryDirectory(prefix="fovea-firefox-") as profile:
        firefox = Firefox(program, pathlib.Path(profile))
        try:
            for base in (served, f"file://{build}/web/explorer.html"):
                trains_and_draws(firefox, base)
                if len(sys.argv) > 2:
                    picture = firefox.ask("WebDriver:TakeScreenshot", {"full": False})
                    pathlib.Path(sys.argv[2]).write_bytes(base64.b64decode(picture))
                maps(firefox, base)
                print(f"ok   Firefox {base.split(':')[0]}", flush=True)
        finally:
            firefox.close()


if __name__ == "__main__":
    main()
