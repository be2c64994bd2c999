#!/usr/bin/env python3
"""The page in Chromium, driven as a reader drives it, offline.

    tests/web/browser.py BUILD [--speed] [--bits FILE] [--only NAME]

BUILD has web/ (make web), and tests/web_native for bits. Exit code 77 and a sentence where something is
missing. Fails on any request but those for the page itself. Selenium is taken from this Python or from
BUILD/web-venv (make web-test)."""
import argparse
import functools
import http.server
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def with_selenium(build):
    try:
        import selenium  # noqa: F401
    except ImportError:
        python = build / "web-venv/bin/python"
        if not python.exists():
            skip("no selenium; make web-test brings it")
        os.execv(python, [str(python), *sys.argv])


class Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map,
                      ".wasm": "application/wasm", ".js": "text/javascript"}

    def log_message(self, *_):
        pass


def serve(folder):
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def open_browser():
    os.environ["SE_OFFLINE"] = "true"
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1280,1000", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-gpu"):
        options.add_argument(argument)
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)


class Page:
    """What the tests do with the browser."""

    def __init__(self, driver, base, build):
        self.driver, self.base, self.build = driver, base, build
        self.bits = None  # a file of digests of all of the gallery
        self.requests, self.own = [], [base]  # addresses that may be asked

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def ask(self, script):
        """A promise's value."""
        return self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            f"(async () => {{ {script} }})().then(done, (e) => done('error: ' + e.message));")

    def wait(self, script, seconds=40):
        end = time.time() + seconds
        while time.time() < end:
            value = self.js(f"return {script}")
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {script}; message: {self.message()}")

    def message(self):
        return self.js("return document.getElementById('message').textContent")

    def open(self, address="", wait=True, base=None):
        self.driver.get("about:blank")  # a new document, also where only the fragment differs
        self.driver.get((base or self.base + "index.html") + address)
        if wait:
            self.wait("document.body.dataset.ready")

    def click(self, name):
        self.js("document.getElementById(arguments[0]).click()", name)

    def step(self):
        return self.js("return explorer.live.step")

    def digest(self):
        return self.ask("return explorer.live.worker.ask('digest')")

    def run_to_end(self):
        self.js("explorer.live.play()")
        self.wait("explorer.live.ended !== '' && !explorer.live.playing")

    def note_requests(self):
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])


def check(holds, what):
    if not holds:
        raise AssertionError(what)


COPY = "#live?task.vocab_size=10&model.init=uniform&train.steps=1000&train.seed=5"


# --- what is tested: every function here, in this order ------------------------------------------

def test_gallery(page):
    page.open()
    cards = page.js("return document.querySelectorAll('#cards .card').length")
    names = sum(1 for line in (TOP / "web/gallery.txt").read_text().splitlines()
                if line.strip() and not line.startswith("#"))
    names += len(list((TOP / "web/maps").glob("*.json")))
    check(cards == names, f"{cards} cards for {names} experiments and maps")
    paint = page.js("return performance.getEntriesByType('paint').map((e) => e.startTime)[0]")
    print(f"    first paint {paint:.0f} ms")
    # Times hold on an idle machine; `make web-test` demands them.


def test_train_pause_rewind(page):
    page.open(COPY)
    page.click("play")
    page.wait("explorer.live.step > 50")
    page.click("play")
    page.wait("!explorer.live.playing")
    time.sleep(0.2)
    at = page.step()
    time.sleep(0.3)
    check(page.step() == at, "it trains on while it is paused")
    page.run_to_end()
    end = page.digest()
    page.ask("return explorer.live.rewind(500)")
    check(page.step() == 500, f"rewound to {page.step()}, not to 500")
    page.run_to_end()
    check(page.digest() == end, "the run ends elsewhere behind a rewind")
    colours = page.js("""
        const c = document.querySelector('[data-view=curve] canvas'), seen = new Set();
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255) seen.add(d[i] + ',' + d[i + 1] + ',' + d[i + 2]);
        return [...seen]""")
    check("0,114,178" in colours, "no curve is drawn")
    cards = page.js("return [...document.querySelectorAll('[data-view]')].filter((f) => !f.hidden).length")
    check(cards >= 5, f"only {cards} views of the model are shown")


def test_bits(page):
    native = page.build / "tests/web_native"
    if not native.exists():
        print("    left out: tests/web_native is not built")
        return
    path = TOP / "experiments/sparse-attention-1/sticky-plateau.yaml"
    done = subprocess.run([native, "1000", path], capture_output=True, text=True, check=True,
                          env={**os.environ, "FOVEA_CPU": "portable"})
    wanted = json.loads(done.stdout.split(" ")[1])
    page.open("#live?from=sparse-attention-1/sticky-plateau")
    page.ask("return explorer.live.advance(1000)")
    check(page.digest() == wanted, f"{page.digest()} after 1000 steps, natively {wanted}")
    for run, digest in json.loads(page.bits.read_text()).items() if page.bits else ():
        name, steps = run.split(" ")
        page.js("""const w = self.one = new explorer.EngineWorker(explorer.assets); self.ends = null;
            const yaml = arguments[0], steps = arguments[1];
            (async () => { await w.started; await w.ask('begin', yaml);
                for (let left = steps; left > 0; left -= 10) await w.askLong('steps', Math.min(left, 10), 0);
                self.ends = await w.ask('digest'); w.stop(); })().catch((error) => { self.ends = error.message; })""",
                (TOP / f"experiments/{name}.yaml").read_text(), int(steps))
        page.wait("self.ends", 3600)
        ends = page.js("return self.ends")
        check(ends == digest, f"{name}: {ends} after {steps} steps, natively {digest}")
        print(f"    same {name} {steps} steps {digest}", flush=True)


def drag_rate(page, rate):
    """The slider is moved and let go."""
    page.js("""const slider = document.getElementById('rate'); slider.value = Math.log10(arguments[0]);
        slider.dispatchEvent(new Event('input')); slider.dispatchEvent(new Event('change'))""", rate)


def test_share_link(page):
    page.open(COPY + "&train.steps=600")
    page.ask("return explorer.live.advance(200)")
    drag_rate(page, 0.01)
    page.wait("explorer.live.rate === 0.01")
    page.ask("return explorer.live.advance(100)")
    drag_rate(page, 0.1)
    page.wait("explorer.live.rate === 0.1")
    page.run_to_end()
    end = page.digest()
    page.ask("return explorer.live.rewind(100)")
    page.run_to_end()
    check(page.digest() == end, "what was dragged is gone behind a rewind")
    page.click("share")
    address = page.js("return location.hash")
    check("train.stages" in address, f"the link does not hold the rates: {address}")
    page.open(address)
    page.run_to_end()
    check(page.digest() == end, "the link gives another run")
    page.click("restart")
    page.wait("explorer.live.step === 0")
    check("train.stages" in page.js("return location.hash"), "Restart forgets the stages of a link")


def downloaded(page, button):
    """What a click would save."""
    return page.ask("""return new Promise((resolve) => {
        const make = URL.createObjectURL, click = HTMLAnchorElement.prototype.click;
        HTMLAnchorElement.prototype.click = () => {};
        URL.createObjectURL = (blob) => { blob.text().then(resolve); return make(blob); };
        document.getElementById('%s').click();
        URL.createObjectURL = make;
        HTMLAnchorElement.prototype.click = click; })""" % button)


def test_dragged_rates_are_stages(page):
    """What was dragged trains the same run with the fovea command."""
    page.open(COPY + "&train.steps=600")
    page.ask("return explorer.live.advance(150)")
    drag_rate(page, 0.02)
    page.wait("explorer.live.rate === 0.02")
    page.run_to_end()
    yaml = downloaded(page, "download")
    check("stages: [{at: 150, train.learning_rate: 0.02}]" in yaml, f"the file says {yaml}")
    here = page.ask("""const w = new explorer.EngineWorker(explorer.assets); await w.started;
        const live = explorer.live; await w.ask('begin', %s); await w.ask('steps', 600, 0);
        const again = await w.ask('digest'); w.stop(); return [await live.worker.ask('digest'), again]""" % json.dumps(yaml))
    check(here[0] == here[1], "the file gives another run in the page")
    tool = page.build / "fovea"
    with tempfile.TemporaryDirectory(prefix="fovea-dragged-") as folder:
        (pathlib.Path(folder) / "dragged.yaml").write_text(yaml)
        environment = {**os.environ, "FOVEA_CPU": "portable"}
        subprocess.run([tool, "run", "dragged.yaml", "--out", "out", "--quiet"], cwd=folder, check=True, env=environment)
        rows = sqlite3.connect(pathlib.Path(folder) / "out/fovea.db").execute(
            "select params from snapshots order by step desc limit 1").fetchone()
        check(fnv(rows[0]) == here[0], "the file gives another run with the fovea command")


def fnv(data):
    """The hash that the engine's web_digest makes of parameters."""
    value = 14695981039346656037
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return f"{value:016x}"


def test_invalid_yaml(page):
    page.open()
    page.js("""const box = document.getElementById('file'), data = new DataTransfer();
        data.items.add(new File(['task:\\n  vocab_sise: 4\\n'], 'wrong.yaml'));
        box.files = data.files; box.dispatchEvent(new Event('change'))""")
    message = page.wait("document.getElementById('message').textContent")
    check("vocab_size" in message and "vocab_sise" in message, f"the message says only: {message}")


def test_wrong_field(page):
    page.open(COPY)
    page.js("""const i = document.getElementById('field-model.n_head'); i.value = '3';
        i.dispatchEvent(new Event('change'))""")
    message = page.wait("document.getElementById('message').textContent")
    check("n_head" in message, f"the message says only: {message}")
    check(page.js("return !!document.querySelector('.field.wrong')"), "the field is not marked")


def test_map(page):
    page.open("#map?train.steps=100&x=train.learning_rate:+1e-3..1e-1+log+4&y=task.vocab_size:+4..16+4"
              "&measure=final(perplexity)")
    page.click("fill")
    page.wait("document.body.dataset.map === 'whole'", 90)
    values = page.js("return explorer.map.cells.map((c) => c.value)")
    check(len(values) == 16 and all(v is not None and v >= 0.99 for v in values), f"cells are {values}")
    at = page.js("""const m = explorer.map, b = m.canvas.getBoundingClientRect(), f = m.frame(b.width, b.height);
        return {x: f.left + 1.5 * f.w, y: f.bottom - 0.5 * f.h, left: b.left, top: b.top}""")
    for kind in ("pointermove", "click"):
        page.js("""explorer.map.canvas.dispatchEvent(new PointerEvent(arguments[0],
            {clientX: arguments[1].left + arguments[1].x, clientY: arguments[1].top + arguments[1].y, bubbles: true}))""",
                kind, at)
        if kind == "pointermove":
            note = page.js("return document.querySelector('.note p').textContent")
            check("task.vocab_size 4" in note, f"the note says {note}")
    page.wait("!document.getElementById('live').hidden && explorer.live.run && explorer.live.run.V === 4")
    page.run_to_end()
    last = page.js("return explorer.live.points.at(-1)[2]")
    check(abs(last - values[1]) < 1e-3 * last, f"the run of a cell ends at {last}, its cell says {values[1]}")


def test_seeds_as_a_strip(page):
    page.open("#map?train.steps=60&train.seed=3&seeds=3&x=train.learning_rate:+0.001,0.01&y=task.vocab_size:+4,5"
              "&measure=final(perplexity)")
    page.click("fill")
    page.wait("document.body.dataset.map === 'whole'", 90)
    cells = page.js("return explorer.map.cells.map((c) => [c.x, c.y, c.s, c.value])")
    check(len(cells) == 12 and len({value for *_, value in cells}) == 12, f"seeds do not differ: {cells}")
    at = page.js("""const m = explorer.map, b = m.canvas.getBoundingClientRect(), f = m.frame(b.width, b.height);
        return {x: b.left + f.left + 0.5 * f.w, y: b.top + f.bottom - 0.5 * f.h}""")
    for kind in ("pointermove", "click"):
        page.js("""explorer.map.canvas.dispatchEvent(new PointerEvent(arguments[0],
            {clientX: arguments[1].x, clientY: arguments[1].y, bubbles: true}))""", kind, at)
        if kind == "pointermove":
            note = page.js("return document.querySelector('.note p').textContent")
            check("seed 4" in note, f"the note says {note}")
    page.wait("!document.getElementById('live').hidden && explorer.live.run && explorer.live.run.V === 4")
    page.run_to_end()
    last = page.js("return explorer.live.points.at(-1)[2]")
    check(abs(last - cells[1][3]) < 1e-3 * last, f"the run of a strip ends at {last}, it says {cells[1][3]}")


def set_row(page, key, row, values):
    """Fills a row of a field that is a list of parts, adding it where it is new."""
    page.js("""const field = document.querySelector(`.field[data-key="${arguments[0]}"]`);
        while (field.querySelectorAll('.one').length <= arguments[1]) document.getElementById('field-' + arguments[0]).click();
        const inputs = field.querySelectorAll('.one')[arguments[1]].querySelectorAll('input');
        arguments[2].forEach((value, i) => { inputs[i].value = value; inputs[i].dispatchEvent(new Event('change')); })""",
            key, row, values)


def test_fields_of_parts(page):
    """Frozen tensors, factors of rates and stages in the form."""
    page.open(COPY)
    page.js("document.querySelector('#form details').open = true")
    page.wait("document.querySelector('.field[data-key=\"train.stages\"]')")
    set_row(page, "train.stages", 0, ["200", "train.learning_rate", "0.05"])
    page.wait("location.hash.includes('train.stages')")
    set_row(page, "train.stages", 1, ["300", "task.offset", "1"])
    set_row(page, "train.freeze", 0, ["*.W_Q"])
    set_row(page, "train.rates", 0, ["W_E", "0.5"])
    page.wait("location.hash.includes('train.rates')")
    yaml = downloaded(page, "download")
    for line in ("stages: [{at: 200, train.learning_rate: 0.05}, {at: 300, task.offset: 1}]", 'freeze: ["*.W_Q"]', "rates: {W_E: 0.5}"):
        check(line in yaml, f"no {line} in {yaml}")
    page.wait("explorer.live.run && document.getElementById('message').hidden")
    page.run_to_end()
    check(page.js("return explorer.live.rate") == 0.05, "the stage is not in force")
    page.js("document.querySelector('.field[data-key=\"train.freeze\"] .one button').click()")
    page.wait("!location.hash.includes('train.freeze')")
    set_row(page, "train.stages", 1, ["5000", "task.offset", "1"])
    message = page.wait("document.getElementById('message').textContent")
    check("5000" in message and "1000" in message, f"the message says only: {message}")


def test_measure_is_checked(page):
    page.open("#map?x=train.seed:+0..1&y=task.vocab_size:+4,5&measure=finale(loss)")
    page.click("fill")
    message = page.wait("document.getElementById('message').textContent")
    check("final" in message, f"the message says only: {message}")


def test_embedded(page):
    page.open("?embed" + COPY)
    page.wait("explorer.live.step > 20")
    shown = page.js("""return [...document.querySelectorAll('header, aside, figure, #caption')]
        .filter((e) => e.offsetParent !== null).map((e) => e.id || e.dataset.view || e.tagName)""")
    check(sorted(shown) == ["caption", "curve"], f"embedded shows {shown}")


def test_lesson(page):
    page.open("#live?lesson=sticky-plateau")
    check(page.js("return !document.getElementById('lesson').hidden"), "no lesson is shown")
    fields = page.js("return document.querySelectorAll('#form .field').length")
    check(fields == 2, f"the lesson shows {fields} fields")
    page.js("document.querySelectorAll('#lesson .options button')[2].click()")
    page.wait("!document.querySelector('#lesson .answer').hidden")
    check(page.step() > 0, "the model does not answer")


def test_worker_killed(page):
    page.open(COPY)
    page.ask("return explorer.live.advance(100)")
    page.js("explorer.live.worker.patience = 1000; explorer.live.worker.worker.terminate()")
    page.ask("return explorer.live.advance(10).catch(() => {})")
    check("started again" in page.message(), f"nothing tells of it: {page.message()}")
    page.wait("explorer.live.run && explorer.live.step === 0")
    page.ask("return explorer.live.advance(10)")
    check(page.step() == 10, "it does not go on with another worker")


def test_out_of_memory(page):
    page.open(COPY)
    page.js("""const i = document.getElementById('field-model.n_embd'); i.value = '8192';
        i.dispatchEvent(new Event('change'))""")
    message = page.wait("document.getElementById('message').textContent")
    print(f"    {message}")
    page.js("""const i = document.getElementById('field-model.n_embd'); i.value = '4';
        i.dispatchEvent(new Event('change'))""")
    page.wait("explorer.live.run && explorer.live.run.d === 4 && document.getElementById('message').hidden")
    page.ask("return explorer.live.advance(10)")
    check(page.step() == 10, "it does not train behind a model that was too large")


def test_tab_hidden_and_back(page):
    page.open(COPY + "&train.steps=100000")
    page.click("play")
    page.wait("explorer.live.step > 20")
    driver, first = page.driver, page.driver.current_window_handle
    driver.switch_to.new_window("tab")
    time.sleep(0.5)
    driver.close()
    driver.switch_to.window(first)
    at = page.step()
    page.wait(f"explorer.live.step > {at}")


def test_without_vectors(page):
    script = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument",
                                         {"source": "WebAssembly.validate = () => false"})
    page.open(wait=False)
    message = page.wait("document.getElementById('message').textContent")
    check("128 bits" in message, f"the message says only: {message}")
    page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_from_a_disk(page):
    page.open(COPY, base=f"file://{page.build.resolve()}/web/explorer.html")
    page.click("play")
    page.wait("explorer.live.step > 100")


def test_stored_runs(page):
    tool = page.build / "fovea"
    with tempfile.TemporaryDirectory(prefix="fovea-stored-") as folder:
        (pathlib.Path(folder) / "small.yaml").write_text(
            "task: {vocab_size: 5}\ntrain: {steps: 60, snapshot_every: 20, seed: 0..1}\n")
        subprocess.run([tool, "run", "small.yaml", "--out", "out", "--quiet"], cwd=folder, check=True)
        server = subprocess.Popen([tool, "explore", "out", "--port", "0"], cwd=folder, stderr=subprocess.PIPE, text=True)
        try:
            line = server.stderr.readline()
            if "libmicrohttpd" in line:
                print(f"    left out: {line.strip()}")
                return
            base = line.split("#")[0]
            page.own.append(base)
            page.open("#stored", base=base)
            rows = page.js("return document.querySelectorAll('#stored tr[tabindex]').length")
            check(rows == 2, f"{rows} runs are listed")
            page.wait("document.querySelector('#stored-series').value === 'perplexity'")
            for figure in ("#sweep", "#stored-curves"):
                drawn = page.wait(f"""(() => {{ const c = document.querySelector('{figure} canvas'); if (!c.width) return 0;
                    const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;
                    for (let i = 0; i < d.length; i += 4) if (d[i] === 0 && d[i + 1] === 114 && d[i + 2] === 178) n++;
                    return n; }})()""", 10)
                check(drawn > 20, f"{figure} has {drawn} pixels of its colour")
            page.js("document.querySelector('#stored td button').click()")
            page.wait("!document.getElementById('live').hidden && explorer.live.step === 60")
            points = page.js("return explorer.live.points.length")
            check(points == 7, f"its curve has {points} points")
            page.ask("return explorer.live.rewind(22)")
            check(page.step() == 20, f"the snapshot of step {page.step()} is shown, not of 20")
            check(page.message() == "", page.message())
            page.driver.get("about:blank")
        finally:
            server.terminate()
            server.wait(timeout=20)
            server.stderr.close()


def test_main_thread(page):
    page.open("#live?from=sparse-attention-1/sticky-plateau")
    page.js("""self.longest = 0; new PerformanceObserver((list) => {
        for (const e of list.getEntries()) self.longest = Math.max(self.longest, e.duration); })
        .observe({type: 'longtask'}); explorer.live.play()""")
    time.sleep(3)
    print(f"    longest task of the main thread {page.js('return self.longest') or 0:.0f} ms (0: under 50)")
    page.js("explorer.live.pause()")


def test_requests(page):
    page.note_requests()
    own = (*page.own, "file://", "data:", "blob:", "about:", "chrome:", "chrome-")
    strange = [url for url in page.requests if not url.startswith(own)]
    check(page.requests and not strange, f"requests to {strange}")


# --- what is measured (--speed): printed, and judged by who reads it -----------------------------

def measure_speed(page):
    """Steps of the first post's shapes in a worker against the portable build, and of two workers."""
    script = """
        const { EngineWorker } = explorer, yaml = VOCAB;
        const workers = [new EngineWorker(explorer.assets), new EngineWorker(explorer.assets)];
        for (const w of workers) { await w.started; await w.ask('begin', yaml); await w.ask('steps', 1000, 0); }
        const time = async (some) => { const b = performance.now();
            await Promise.all(some.map((w) => w.askLong('steps', 4000, 0))); return (performance.now() - b) / 4000; };
        const one = await time(workers.slice(0, 1)), two = await time(workers);
        workers.forEach((w) => w.stop());
        return [1000 * one, 1000 * two];"""
    for vocabulary in (4, 10, 100):
        yaml = f"task:\n  vocab_size: {vocabulary}\nmodel:\n  init: uniform\ntrain:\n  steps: 100000\n"
        path = page.build / "web-speed.yaml"
        path.write_text(yaml)
        done = subprocess.run([page.build / "tests/web_native", "9000", path], capture_output=True, text=True, check=True,
                              env={**os.environ, "FOVEA_CPU": "portable"})
        native = float(done.stdout.split(" ")[-1])
        one, two = page.ask(script.replace("VOCAB", json.dumps(yaml)))
        print(f"    V {vocabulary}: {one:.0f} us a step, natively {native:.0f}: {native / one:.2f} of its speed; "
              f"two workers {2 * one / two:.2f} times one")


def measure_map(page):
    """A map of 16 x 16 plateau lengths, 2000 steps a cell, and when its coarse half is there."""
    page.open("#map?model.init=uniform&train.steps=2000&x=train.learning_rate:+1e-4..1e-1+log+16"
              "&y=task.vocab_size:+4..64+16&measure=plateau_length(perplexity)")
    begun = time.time()
    page.click("fill")
    page.wait("Number(document.body.dataset.cells) >= 64", 600)
    coarse = time.time() - begun
    page.wait("document.body.dataset.map === 'whole'", 900)
    print(f"    16 x 16 cells of 2000 steps in {time.time() - begun:.0f} s, its 8 x 8 in {coarse:.0f} s")


def measure_wide_map(page):
    """A map of 16 widths and 16 contexts, 2000 steps a cell, and its first coarse picture, of every fourth cell."""
    page.open("#map?task.vocab_size=100&model.init=uniform&train.steps=2000&train.learning_rate=0.01"
              "&x=model.n_embd:+1..16&y=task.context_length:+2..32+16&measure=final(perplexity)")
    begun = time.time()
    page.click("fill")
    page.wait("Number(document.body.dataset.cells) >= 16", 600)
    coarse = time.time() - begun
    page.wait("document.body.dataset.map === 'whole'", 1800)
    print(f"    16 widths x 16 contexts, 2000 steps, in {time.time() - begun:.0f} s, every fourth in {coarse:.0f} s")


def tests_of(only, speed):
    kinds = ("test_", "measure_") if speed else ("test_",)
    found = [(name, test) for name, test in globals().items() if name.startswith(kinds) and callable(test)]
    return [(n, t) for n, t in found if only is None or only in n]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--only")
    parser.add_argument("--speed", action="store_true", help="measure, too")
    parser.add_argument("--bits", type=pathlib.Path, help="what bits.mjs --keep wrote: hold the gallery against it")
    arguments = parser.parse_args()
    if not (arguments.build / "web/index.html").exists():
        skip(f"{arguments.build}/web is not there; make web builds it")
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        skip("no chromium and chromedriver; ./bootstrap web installs them")
    with_selenium(arguments.build)
    driver, failed = open_browser(), 0
    driver.set_script_timeout(60)
    page = Page(driver, serve(arguments.build / "web"), arguments.build)
    page.bits = arguments.bits
    try:
        for name, test in tests_of(arguments.only, arguments.speed):
            begun = time.time()
            try:
                test(page)
                print(f"ok   {name} {time.time() - begun:.1f} s", flush=True)
            except Exception as error:  # noqa: BLE001: every test is reported
                failed += 1
                print(f"FAIL {name}: {str(error)[:600]}", flush=True)
            page.note_requests()
    finally:
        driver.quit()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
