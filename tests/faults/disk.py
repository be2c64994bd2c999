#!/usr/bin/env python3
"""Sweeps and draws on disks that are too small, of many sizes: disk.py TOOL [--sizes N]

For each size: the tool ends with exit code 0 or 1, with 1 after one line that says why; no file under
its own name is cut short, and none is left under a temporary one; the report has every figure or is not
there; and with more room the same command completes. The disk is a tmpfs where one may be mounted, and
else, as always in addition, a limit on the size of files (ulimit -f).
"""

import argparse
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pictures

HERE = Path(__file__).resolve().parent
TIMEOUT_SECONDS = 60
N_FIGURES = 3
ROOM = 1 << 26


def sweep(tool, out, limit=None):
    """Runs the sweep; no file of it may be longer than `limit` bytes."""

    def prepare():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [tool, "run", str(HERE / "drawn.yaml"), "--out", str(out), "--jobs", "1"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        preexec_fn=prepare,
    )


def digest(tool, out):
    return subprocess.run([tool, "runs", str(out), "--digest"], capture_output=True, text=True).stdout


def names(out):
    return {path.name for path in out.iterdir() if not path.name.startswith("fovea.db")}


def complaint(result, out, whole):
    """What is wrong about a sweep that may have failed, or None."""
    errors = [line for line in result.stderr.splitlines() if line.startswith("fovea: ")]
    if result.returncode not in (0, 1):
        return f"exit code {result.returncode}: {result.stderr.strip()}"
    if len(errors) != result.returncode:
        return f"exit code {result.returncode} with {len(errors)} error lines: {result.stderr}"
    if not out.exists():
        return None
    if (cut := pictures.fault(out)) is not None:
        return f"exit code {result.returncode}, {cut}"
    report = out / "report.html"
    if report.exists() and len(re.findall(r"<figure>", report.read_text())) != N_FIGURES:
        return f"exit code {result.returncode}, and a report without all figures"
    if result.returncode == 0 and names(out) != whole:
        return f"exit code 0 without {whole - names(out)}"
    return None


class SmallDisk:
    """A tmpfs whose size is changed."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.mounted = self.mount("mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", folder)

    @staticmethod
    def mount(*command):
        return subprocess.run([str(part) for part in command], capture_output=True).returncode == 0

    def resize(self, size):
        # Without the type mount repeats options that only the real root may give.
        if not self.mount("mount", "-t", "tmpfs", "-o", f"remount,size={size}", "tmpfs", self.folder):
            sys.exit(f"disk: {self.folder} cannot be made {size} bytes large")

    def used(self):
        stat = os.statvfs(self.folder)
        return (stat.f_blocks - stat.f_bfree) * stat.f_frsize

    def close(self):
        if self.mounted:
            subprocess.run(["umount", str(self.folder)], check=True)


def spread(n, largest):
    """n sizes up to the largest, in whole pages."""
    return [largest * (i + 1) // n // 4096 * 4096 for i in range(n)]


def try_size(tool, out, whole, expected, shrink, grow):
    """The complaint about one size, or None, and whether the tool failed on it."""
    subprocess.run(["rm", "-rf", str(out)], check=True)
    limit = shrink()
    try:
        result = sweep(tool, out, limit)
    except subprocess.TimeoutExpired:
        return "it hangs", True
    wrong = complaint(result, out, whole)
    grow()
    if wrong is not None:
        return wrong, True
    again = sweep(tool, out)
    if again.returncode != 0 or names(out) != whole or pictures.fault(out) is not None:
        return f"with more room it ends with {again.returncode}: {again.stderr}", True
    if digest(tool, out) != expected:
        return "with more room it gives other results", True
    return None, result.returncode != 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--sizes", type=int, default=60)
    options = parser.parse_args()
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    n_wrong = 0
    with tempfile.TemporaryDirectory(prefix="fovea-disk-") as name:
        usual = Path(name) / "usual"
        if (result := sweep(options.tool, usual)).returncode != 0:
            sys.exit(f"disk: the undisturbed sweep fails: {result.stderr}")
        whole, expected = names(usual), digest(options.tool, usual)
        longest = max(path.stat().st_size for path in usual.iterdir())
        # Twice what is there at the end: the store's log and temporary files go away again.
        kinds = [("limit on the size of files", usual, 2 * longest, None)]
        disk = SmallDisk(Path(name) / "disk")
        try:
            if disk.mounted:
                sweep(options.tool, disk.folder / "out")
                kinds.append(("disk", disk.folder / "out", 2 * disk.used(), disk))
            for kind, out, largest, small in kinds:
                n_failed = 0
                for size in spread(options.sizes, largest):

                    def shrink():
                        if small is None:
                            return size
                        small.resize(size)
                        return None

                    def grow():
                        if small is not None:
                            small.resize(ROOM)

                    wrong, failed = try_size(options.tool, out, whole, expected, shrink, grow)
                    n_failed += failed
                    if wrong is not None:
                        n_wrong += 1
                        print(f"disk: {kind} of {size} bytes: {wrong}")
                print(f"disk: {kind}: {options.sizes} sizes, too small {n_failed} times", flush=True)
                if not 0 < n_failed < options.sizes:
                    sys.exit(f"disk: these sizes do not tell a small {kind} from a large one")
        finally:
            disk.close()
    return 1 if n_wrong else 0


if __name__ == "__main__":
    # A user who may not mount may still do so in a name space of his own.
    mine = ["unshare", "--map-root-user", "--mount", "true"]
    if os.geteuid() != 0 and subprocess.run(mine, capture_output=True).returncode == 0:
        os.execvp("unshare", [*mine[:-1], sys.executable, *sys.argv])
    sys.exit(main())
