"""qrt eval: how right a network is on samples with labels."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

import qrt
from qrt.cli.console import Progress, aligned, console, facts, heading, note, print_json, printable, show
from qrt.cli.failure import Failure, Verb, open_model
from qrt.cli.stated import labelled, layout_option, note_assumed, preprocess_option, preprocessing
from qrt.cli.states import reset_option
from qrt.data import open_dataset
from qrt.evaluation import METRICS, Evaluation, EvaluationError, connect, evaluate

if TYPE_CHECKING:
    from rich.console import Console

    from qrt.evaluation.curve import Curve

# Most classes of a matrix that is printed; of more, pairs.
MATRIX_SHOWN = 20
# Classes and wrong pairs, and wrong samples, that are printed of many, without --all.
SHOWN = 20
WRONG_SHOWN = 5
# A longer name is no title of a column.
LONGEST_COLUMN = 6
# Thresholds of a curve that are printed.
THRESHOLDS = 9


@click.command(cls=Verb)
@click.argument("path", metavar="MODEL.QFB", type=click.Path(path_type=Path))
@click.argument("data", metavar="DATA", type=click.Path(path_type=Path))
@click.option("--metric", type=click.Choice(METRICS), help="What to measure.  [default: by the output and the labels]")
@click.option(
    "--top", type=click.IntRange(min=1), default=5, show_default=True, metavar="K", help="Show top-K accuracy too."
)
@click.option("--threshold", type=float, metavar="X", help="Real value of one output from which on it means class 1.")
@reset_option
@preprocess_option
@click.option(
    "--labels",
    "labels_path",
    type=click.Path(path_type=Path),
    help="Text file with the names of the outputs, one on each line.  [default: those in the model file]",
)
@layout_option
@click.option(
    "--kernels",
    metavar="SET",
    help="Kernel set to use, see 'qrt kernels'; all give the same bytes.  [default: the fastest]",
)
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Samples to run at once.  [default: all CPUs]")
@click.option("--dask", metavar="ADDRESS", help="Run on the workers of this Dask scheduler, as tcp://host:8786.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    help="File of what is done, from which a stopped run continues.  [default: one in ~/.cache/qrt]",
)
@click.option("--no-resume", is_flag=True, help="Start anew, and keep nothing for a later run.")
@click.option("--all", "every", is_flag=True, help=f"Show all classes and pairs, not only {SHOWN}.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def eval_model(
    path: Path,
    data: Path,
    metric: str | None,
    top: int,
    threshold: float | None,
    reset_every: int | None,
    preprocess: Path | None,
    labels_path: Path | None,
    layout: str | None,
    kernels: str | None,
    threads: int | None,
    dask: str | None,
    resume: Path | None,
    no_resume: bool,
    every: bool,
    as_json: bool,
) -> None:
    """Measures how right a network is on samples with labels.

    DATA is an .npz with an array "labels", a folder of images or recordings with a folder for each class, or a .csv or
    .parquet with columns path and label. How images and recordings become the input is stated in a TOML file, or in the
    model file: see docs/data.md.

    The network's output decides what is measured, unless --metric says it: accuracy, where the largest entry is the
    answer; binary, one number against a threshold; or reconstruction, input against output, where label 0 is normal.

    Samples run on all CPUs; the results are the same for any number. A run that was stopped continues.

    \b
    Examples:
      qrt eval model.qfb test.npz
      qrt eval model.qfb photos/ --top 3 --json
      qrt eval wakeword.qfb features.npz --reset-every 49
    """
    if dask is not None and threads is not None:
        raise Failure("--threads is of this machine; leave it out with --dask")
    if no_resume and resume is not None:
        raise Failure("--resume and --no-resume contradict each other; leave one out")
    model = open_model(path, kernels)
    keep = None if no_resume else resume or _cache()
    check_state(path, model, reset_every)
    with evaluating(path):
        model.outputs = labelled(model.outputs, labels_path)
        stated = preprocessing(preprocess, model, path)
        samples = open_dataset(data, model.inputs, stated, layout, model.outputs[0].labels)
        note_assumed(samples)
        with (
            contextlib.nullcontext() if dask is None else connect(dask) as client,
            _Course(samples.count, keep is not None) as course,
        ):
            found = evaluate(
                model,
                samples,
                metric=metric,
                top=top,
                threshold=threshold,
                reset_every=reset_every,
                threads=threads,
                client=client,
                resume=keep,
                progress=course,
            )
    if as_json:
        print_json({"file": str(path), **found.as_dict()})
        return
    _print(found, every)
    click.echo(f"\n{course.rate:,.0f} samples per second")


@contextlib.contextmanager
def evaluating(path: Path) -> Iterator[None]:
    """Turns what an evaluation refuses into Failures."""
    try:
        yield
    except EvaluationError as error:
        raise Failure(f"{path}: {error}") from None
    except ValueError as error:
        raise Failure(str(error)) from None


class _Course:
    """Shows how far an evaluation of `count` samples is; `kept` says whether what is done outlives this process."""

    def __init__(self, count: int, kept: bool) -> None:
        self.count, self.kept, self.start = count, kept, time.monotonic()
        # Samples that a run before this one has done, and all that are done.
        self.before: int | None = None
        self.done = 0
        self.bar = Progress(count, "samples")

    def __enter__(self) -> _Course:
        return self

    def __call__(self, done: int, count: int) -> None:
        if self.before is None:
            self.before, self.start = done, time.monotonic()
            if done:
                note(f"continues a run that was stopped: {done:,} of {count:,} samples are done")
        self.done = done
        self.bar.done(done)

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.bar.__exit__()
        stopped = kind is not None and not issubclass(kind, Exception)
        if stopped and self.kept and self.done:
            note(f"stopped; the same command continues: {self.done:,} of {self.count:,} samples are done")

    @property
    def rate(self) -> float:
        """Samples per second of this run."""
        return (self.done - (self.before or 0)) / max(time.monotonic() - self.start, 1e-9)


def check_state(path: Path, model: qrt.Model, reset_every: int | None) -> None:
    if model.state_size and reset_every is None:
        reason = "has state, so samples are steps of sequences"
        raise Failure(f"{path}: {reason}; say how many steps each has with --reset-every N, 1 if each sample is one")
    if reset_every is not None and not model.state_size:
        raise Failure(f"{path}: has no state to reset; leave out --reset-every")


def _cache() -> Path | None:
    """The folder of what is done of evaluations; None if it cannot be made."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qrt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder


def _print(found: Evaluation, every: bool) -> None:
    out = console()
    show(out, facts([(name, printable(text)) for name, text in found.facts()]))
    if found.classes:
        _print_classes(out, found, every)
        _print_confusion(out, found, every)
    if found.curve is not None:
        heading(out, "Thresholds")
        _show_table(("threshold", "TPR", "FPR", "precision", "F1"), _thresholds(found.curve))
    if found.wrong:
        heading(out, "First wrong samples")
        rows = [
            (str(one.sample), printable(found.classes[one.label].name), printable(found.classes[one.predicted].name))
            for one in found.wrong
        ]
        names = ["" if one.name == str(one.sample) else printable(one.name) for one in found.wrong]
        lines = [(*row, name) if any(names) else row for row, name in zip(rows, names, strict=True)]
        columns = ("sample", "label", "answer", "file")
        _show_table(columns[: len(lines[0])], lines[: len(lines) if every else WRONG_SHOWN], left=(1, 2, 3))


def _print_classes(out: Console, found: Evaluation, every: bool) -> None:
    # Of many classes, those that are found worst; those without samples at the end.
    listed = sorted(range(len(found.classes)), key=lambda i: (found.classes[i].f1 is None, found.classes[i].f1, i))
    many = len(listed) > SHOWN and not every
    heading(out, f"Classes, the worst {SHOWN} of {len(listed)}" if many else "Classes")
    chosen = listed[:SHOWN] if many else range(len(found.classes))
    rows = [
        (printable(one.name), f"{one.support:,}", *(_share(value) for value in (one.precision, one.recall, one.f1)))
        for one in (found.classes[i] for i in chosen)
    ]
    _show_table(("class", "samples", "precision", "recall", "F1"), rows, left=(0,))


def _print_confusion(out: Console, found: Evaluation, every: bool) -> None:
    names = [printable(one.name) for one in found.classes]
    if len(names) <= MATRIX_SHOWN:
        heading(out, "Confusion: rows are labels, columns answers")
        short = [str(i) for i in range(len(names))] if max(map(len, names)) > LONGEST_COLUMN else names
        matrix = found.matrix.tolist()
        rows = [
            (name, *(f"{count:,}" if count else "." for count in row)) for name, row in zip(names, matrix, strict=True)
        ]
        _show_table(("", *short), rows, left=(0,))
        return
    if not found.confused:
        return
    count = len(found.confused) if every else min(SHOWN, len(found.confused))
    heading(out, f"Confused, {count} of {len(found.confused)} pairs")
    rows = [(names[pair.label], names[pair.predicted], f"{pair.count:,}") for pair in found.confused[:count]]
    _show_table(("label", "answer", "samples"), rows, left=(0, 1))


def _thresholds(curve: Curve) -> list[tuple[str, ...]]:
    """Points at equal steps of the true positive rate, and the one with the best F1."""
    best = curve.best()
    steps = [(i + 1) * curve.positives / THRESHOLDS for i in range(THRESHOLDS)]
    chosen = {next(point for point in curve.points if point.true_positives >= step) for step in steps} | {best}
    return [
        (
            f"{point.threshold:.6g}",
            f"{curve.recall(point):.4f}",
            f"{curve.fallout(point):.4f}",
            f"{curve.precision(point):.4f}",
            f"{curve.f1(point):.4f}" + (" best" if point is best else "     "),
        )
        for point in sorted(chosen, key=lambda point: -point.threshold)
    ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _show_table(titles: Sequence[str], rows: Sequence[Sequence[str]], left: Container[int] = ()) -> None:
    for line in aligned([titles, *rows], left):
        click.echo(line.rstrip())
