"""Experiment files: their runs, figures and verdicts."""

import ctypes
import html
import os
import warnings
import weakref
from ctypes import POINTER, byref
from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Union

from . import _interface as c
from ._library import Interrupted, call, check, lib, text
from ._progress import Progress, lab_options, watched
from ._values import as_yaml
from .runs import Run, Runs, _frame
from .sweeps import open_store, stored_runs, warn


class Claim(NamedTuple):
    """A published statement and what the runs say of it."""

    id: str
    source: str
    statement: str
    published: str
    measured: str
    verdict: str  # "reproduced", "partly", "not reproduced" or "not comparable"
    note: str
    n_seeds: int
    n_agree: int
    median: float
    lowest: float
    highest: float


class Figure(NamedTuple):
    """A figure's files; a GIF alone where it is an animation."""

    title: str
    svg: Optional[str]
    png: Optional[str]
    gif: Optional[str]
    remark: str


class Claims(List[Claim]):
    """The verdicts in the file's order."""

    @property
    def frame(self):
        """One row a claim."""
        return _frame({name: [getattr(claim, name) for claim in self] for name in Claim._fields})

    def _repr_html_(self):
        names = ("statement", "published", "measured", "verdict", "note")
        rows = ("<tr>" + "".join(f"<td>{html.escape(getattr(x, name))}</td>" for name in names) + "</tr>" for x in self)
        head = "".join(f"<th>{name}</th>" for name in names)
        return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


class Study:
    """What came out of one experiment file."""

    def __init__(self, handle, folder: str):
        self._handle = ctypes.cast(handle, POINTER(c.fv_study))
        weakref.finalize(self, lib.fv_study_free, handle)
        study = self._handle.contents
        self.folder = folder
        self.name: str = text(study.experiment.contents.name)
        self.claims = Claims(_claim(study.verdicts[i].contents) for i in range(study.n_verdicts))
        self.figures = [_figure(study.figures[i]) for i in range(study.n_figures)]

    @property
    def runs(self) -> Runs:
        """The runs of its sweep."""
        study = self._handle.contents
        n = study.n_runs if study.records else 0
        return Runs([Run(study.records[i].contents, self) for i in range(n)], self.folder)

    @property
    def report(self) -> str:
        """The path of the report, with every figure, claim and configuration."""
        return os.path.join(self.folder, "report.html")

    def __repr__(self):
        return f"<study {self.name}: {len(self.runs)} runs, {len(self.claims)} claims, in {self.folder}>"

    def _repr_html_(self):
        pictures = []
        for figure in self.figures:
            if figure.svg is not None:
                with open(figure.svg, encoding="utf-8") as file:
                    pictures.append(file.read())
        return "".join(pictures) + self.claims._repr_html_()


def _claim(j):
    return Claim(text(j.id), text(j.source), text(j.statement), text(j.published), text(j.measured),
                 text(lib.fv_verdict_text(j.verdict)), text(j.note), j.n_seeds, j.n_agree, j.median, j.lowest, j.highest)


def _figure(drawn):
    paths = (None if path is None else text(path) for path in (drawn.svg, drawn.png, drawn.gif))
    return Figure(text(drawn.title), *paths, text(drawn.remark))


def run(path: Union[str, os.PathLike], overrides: Optional[Mapping[str, Any]] = None, *,
        out: Union[str, os.PathLike, None] = None, jobs: Optional[int] = None, all: bool = False,
        figures: bool = True, progress: Union[None, bool, Callable[[Progress], None]] = None) -> Study:
    """Trains what is missing of an experiment file, draws its figures and judges its claims.

    `overrides` replace fields as on the command line: {"train.seed": "5..9"}. `all` trains optional runs
    too. Everything lies in ``out/<name of the file>`` then, with the report; where gnuplot is missing, the
    figures are left out with a warning. `jobs` and `progress` are those of :func:`sweep`.
    """
    texts = [f"{key}={_override(value, key)}".encode() for key, value in (overrides or {}).items()]
    given = (ctypes.c_char_p * len(texts))(*texts)
    handle = ctypes.c_void_p()
    call(lib.fv_study_read, _found(os.fspath(path)).encode(), given, len(texts), all, byref(handle))
    try:
        experiment = ctypes.cast(handle, POINTER(c.fv_study)).contents.experiment
        warn(experiment)
        name = text(experiment.contents.name)
        folder = os.fspath(out) if out is not None else os.path.join("out", name)
        with open_store(folder) as store:
            _train(handle, experiment, store, folder, jobs, figures, progress)
        studies = (ctypes.c_void_p * 1)(handle)
        call(lib.fv_study_write_reports, folder.encode(), name.encode(), studies, 1, False)
    except BaseException:
        lib.fv_study_free(handle)
        raise
    return Study(handle, folder)


def _found(path):
    """`path`, or the package's own experiment of that name: "experiments/sparse-attention-1/..."."""
    own = os.path.join(os.path.dirname(__file__), "share", "fovea", path)
    return own if not os.path.exists(path) and os.path.exists(own) else path


def _override(value, key):
    value = as_yaml(value, key)
    return value[1:-1] if value.startswith("[") and "[" not in value[1:] else value


def _train(handle, experiment, store, folder, jobs, figures, progress):
    options, error = c.fv_study_options(), c.fv_error()
    encoded = folder.encode()
    kinds = dict(c.fv_study_options._fields_)
    with watched(progress) as watch:
        options.lab = lab_options(watch, jobs)
        options.folder = encoded if figures else None
        options.keep_records = True
        options.on_left_out = kinds["on_left_out"](watch.guarded(lambda _, what: warnings.warn(text(what), stacklevel=4)))
        flag = ctypes.cast(ctypes.pointer(watch.flag), ctypes.c_void_p)
        lib.fv_drawing_interrupt(flag)
        try:
            status = lib.fv_study_run(handle, store, byref(options), byref(error))
        finally:
            lib.fv_drawing_interrupt(None)
    watch.raise_failure()
    if status == c.FV_INTERRUPTED:
        raise Interrupted(text(error.text), Runs(stored_runs(experiment, store), folder))
    if status == c.FV_MISSING_PROGRAM:
        warnings.warn(text(error.text), stacklevel=4)
    else:
        check(status, error)
