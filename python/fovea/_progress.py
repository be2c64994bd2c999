"""Long calls of the library: their progress, and Ctrl-C."""

import contextlib
import ctypes
import signal
import sys
import threading
from typing import NamedTuple, Optional

from . import _interface as c
from ._library import UsageError, lib, text
from ._values import whole


_here = threading.local()  # .depth: callbacks of the library that are at work on this thread


@contextlib.contextmanager
def inside_callback():
    """While Python is called by the library: what would wait for the library's end must not begin here."""
    _here.depth = getattr(_here, "depth", 0) + 1
    try:
        yield
    finally:
        _here.depth -= 1


def is_inside_callback():
    return getattr(_here, "depth", 0) > 0


class Progress(NamedTuple):
    """Where a sweep stands. Also what a function given as `progress` is called with."""

    name: str
    runs: int  # of the sweep
    done: int  # among them those that the store had
    stored: int
    share: float  # of all steps that were missing
    seconds: float
    seconds_left: Optional[float]
    step: int  # of the run that logged last,
    perplexity: float  # and its training perplexity


class _Bar:
    """tqdm's, in a notebook or a terminal."""

    def __init__(self, tqdm):
        self.bar = tqdm(total=100, bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}")

    def __call__(self, now):
        self.bar.desc = f"{now.name}: {now.done}/{now.runs} runs"
        self.bar.n = round(100 * now.share, 1)
        self.bar.set_postfix_str(f"step {now.step}, perplexity {now.perplexity:.3g}", refresh=False)
        self.bar.refresh()

    def close(self):
        self.bar.close()


class _Line:
    """One line of a terminal, written over again."""

    def __call__(self, now):
        left = "" if now.seconds_left is None else f", {now.seconds_left:.0f} s left"
        sys.stderr.write(f"\r\x1b[K{now.name}: {now.done}/{now.runs} runs, {100 * now.share:.0f} %{left}")
        sys.stderr.flush()

    def close(self):
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _in_notebook():
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    return shell is not None and shell.__class__.__name__ == "ZMQInteractiveShell"


def _display():
    notebook = _in_notebook()
    if not notebook and not sys.stderr.isatty():
        return None
    try:
        if notebook:
            import ipywidgets  # noqa: F401  (tqdm's bars are made of them)
            from tqdm.notebook import tqdm
        else:
            from tqdm import tqdm
    except ImportError:
        try:
            from tqdm import tqdm
        except ImportError:
            return None if notebook else _Line()
    return _Bar(tqdm)


class Watched:
    """What a long call is watched with: `flag` is the library's `interrupted`."""

    def __init__(self, progress):
        self.flag = ctypes.c_int(0)
        self.failure = None  # of a callback
        self.display = None
        if callable(progress):
            self.show = progress
        elif progress in (None, True):
            self.show = self.display = _display()
        elif progress is False:
            self.show = None
        else:
            raise UsageError(f"progress must be None, True, False or a function, not {progress!r}")

    def stop(self):
        self.flag.value = 1

    def guarded(self, function):
        """`function` as a callback: what it raises ends the call and is raised behind it."""

        def guard(*arguments):
            try:
                with inside_callback():
                    return function(*arguments)
            except BaseException as failure:  # Ctrl-C arrives here too, where no handler takes it
                self.failure = self.failure or failure
                self.stop()
                return None

        return guard

    def on_progress(self, _, now):
        p = now.contents
        if self.show is not None:
            left = p.seconds_left if p.seconds_left >= 0 else None
            self.show(Progress(text(p.experiment), p.n_runs, p.n_done, p.n_cached, p.share, p.seconds, left,
                               p.step, p.perplexity))

    def raise_failure(self):
        if self.failure is not None:
            raise self.failure

    @property
    def interrupted(self):
        return self.flag.value != 0


@contextlib.contextmanager
def watched(progress):
    """For one call of the library. In the main thread Ctrl-C lets it end at its next step."""
    watch = Watched(progress)
    takes_signals = (threading.current_thread() is threading.main_thread()
                     and callable(signal.getsignal(signal.SIGINT)))
    if takes_signals:
        before = signal.signal(signal.SIGINT, lambda *_: watch.stop())
    try:
        yield watch
    finally:
        if takes_signals:
            signal.signal(signal.SIGINT, before)
        if watch.display is not None:
            watch.display.close()


def lab_options(watch, jobs):
    """fv_lab_options of a watched call, which must keep them."""
    options = c.fv_lab_options()
    options.n_jobs = lib.fv_machine_cores() if jobs is None else whole(jobs, "jobs", 1, 2 ** 31 - 1)
    options.interrupted = ctypes.pointer(watch.flag)
    kinds = dict(c.fv_lab_options._fields_)
    options.on_progress = kinds["on_progress"](watch.guarded(watch.on_progress))
    return options
