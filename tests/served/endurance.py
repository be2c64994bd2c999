"""Many answers: how fast, in how much memory, and through full disks and a server that is down. Checks of run.py."""

import json
import math
import re
import resource
import sqlite3
import subprocess
import threading
import time

from bench import FAST, check

DEPTHS = 11


def grid(answers):
    return ["--lengths", 300, "--depths", "0..100", "--samples", math.ceil(answers / DEPTHS)]


def watch(process, seen):
    """(seconds since the start, resident kilobytes) of a process, as long as it lives."""
    start = time.monotonic()
    while process.poll() is None:
        try:
            status = open(f"/proc/{process.pid}/status").read()
        except OSError:
            return
        found = re.search(r"VmRSS:\s+(\d+)", status)
        if found:
            seen.append((time.monotonic() - start, int(found.group(1))))
        time.sleep(0.05)


def most(seen, begin, end):
    """The largest of the samples between two shares of the time."""
    last = seen[-1][0]
    return max(kilobytes for at, kilobytes in seen if begin * last <= at <= end * last)


def stored(out):
    with sqlite3.connect(f"file:{out}/eval.db?mode=ro", uri=True) as db:
        return db.execute("SELECT count(*), sum(class = 'found') FROM asks").fetchone()


def many_answers(bench, answers):
    """So many answers in flat memory."""
    with bench.server(tokenize="", stream="", usage=False) as server:
        out, seen = bench.folder / "many", []
        command = [bench.tool, "needle", "--endpoint", server.url, "--model", "m", "--out", out, *FAST, "--concurrency", 64, *grid(answers)]
        start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
        thread = threading.Thread(target=watch, args=(process, seen))
        thread.start()
        # While they are asked: then all of them are read and sorted, and figures are drawn.
        n, asked, logged = DEPTHS * math.ceil(answers / DEPTHS), 0, 0
        while process.poll() is None and logged < n:
            logged = server.log_path.read_bytes().count(b"\n") if server.log_path.exists() else 0
            asked = len(seen) if logged < n else asked
            time.sleep(0.05)
        seconds = time.monotonic() - start
        check(process.wait() == 0, "the command failed")
        thread.join()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        check(stored(out) == (n, n), f"{stored(out)} of {n}")
        early, late = most(seen[:asked], 0.05, 0.15), most(seen[:asked], 0.85, 1)
        check(late < early + 4096, f"memory grew from {early} to {late} kB over {n} answers")
        cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
        return (f"{n} answers in {seconds:.1f} s ({n / seconds:.0f} a second, {1e6 * cpu / n:.0f} us of processor time each, with figures), "
                f"{early / 1024:.1f} to {late / 1024:.1f} MB, {most(seen, 0, 1) / 1024:.1f} MB at the end")


def full_disk(bench, answers):
    """A disk that is full and a server that is down in between: what was stored stays, and is not asked again."""
    faults = [{"kind": "503", "share": 0.05, "times": 2}]
    with bench.server(faults=faults) as server:
        out = bench.folder / "disk"
        n = DEPTHS * math.ceil(answers / DEPTHS)
        command = [bench.tool, "needle", "--endpoint", server.url, "--model", "m", "--out", out, *FAST, "--concurrency", 16, *grid(answers)]
        whole, kept, ends = 700 * n, 0, []
        for share in (0.05, 0.2, 0.5, 0.8):
            size = int(share * whole)
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
            ends.append(done.returncode)
            check(done.returncode in (0, 1), f"{size} bytes: exit {done.returncode}: {done.stderr}")
            now = stored(out)[0] if (out / "eval.db").exists() else 0
            check(now >= kept, f"{kept - now} answers were lost")
            kept = now
        check(1 in ends, f"no disk was too small: {ends}")
        asked = [entry for entry in server.log() if entry["fault"] is None]
        # Requests whose answers the full disk did not take are asked again, at most those in flight.
        before = len(asked)
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        check(done.returncode == 0, done.stderr)
        check(stored(out) == (n, n), f"{stored(out)} of {n}")
        asked = [entry["digest"] for entry in server.log() if entry["fault"] is None]
        check(len(asked) - before == n - kept, f"{len(asked) - before} asked, {n - kept} were missing")
        repeated = len(asked) - len(set(asked))
        check(repeated <= 16 * ends.count(1), f"{repeated} asked twice at {ends.count(1)} full disks")
        check("none damaged" in bench.run(out, "--check", verb="runs").stdout, "damaged")
        n_503 = sum(entry["fault"] == "503" for entry in server.log())
        return f"{n} answers, {ends.count(1)} full disks, {n_503} times 503, {repeated} asked twice"


ENDURANCE_CHECKS = [many_answers, full_disk]
