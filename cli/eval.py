"""qrt eval: how right a network is on samples with labels."""

from __future__ import annotations

import time
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qrt.cli.console import Progress, console, facts, heading, print_json, printable, show
from qrt.cli.failure import Failure, Verb, open_model
from qrt.data import open_dataset
from qrt.evaluation import METRICS, Evaluation, EvaluationError, evaluate

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from qrt.evaluation.curve import Curve

# Most classes of a matrix that is printed; of more, pairs.
MATRIX_SHOWN = 20
# Classes, wrong pairs and wrong samples that are printed of many, without --all.
SHOWN = 20
# A longer name is no title of a column.
LONGEST_COLUMN = 6
# Thresholds of a curve that are printed.
THRESHOLDS = 9


@click.command(cls=Verb)
@click.argument("path", metavar="MODEL.QFB", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--metric", type=click.Choice(METRICS), help="What to measure.  [default: by output and labels]")
@click.option(
    "--top", type=click.IntRange(min=1), default=5, show_default=True, metavar="K", help="Also top-K accuracy."
)
@click.option("--threshold", type=float, metavar="X", help="Real value from which on one output means class 1.")
@click.option("--reset-every", type=click.IntRange(min=1), metavar="N", help="Steps of a sequence, for state.")
@click.option("--layout", type=click.Choice(["NHWC", "NCHW"]), help="Layout of the images, if their shape fits both.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Samples run at once.  [default: CPUs]")
@click.option("--resume", type=click.Path(path_type=Path), help="Continue from this file, and keep what is done there.")
@click.option("--all", "every", is_flag=True, help=f"Show every class and pair, not only {SHOWN}.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def eval_model(
    path: Path,
    data: Path,
    metric: str | None,
    top: int,
    threshold: float | None,
    reset_every: int | None,
    layout: str | None,
    threads: int | None,
    resume: Path | None,
    every: bool,
    as_json: bool,
) -> None:
    """Measures how right a network is on DATA with labels: no source is needed.

    DATA is an .npz with an array "labels", a folder of images in a folder for each class, or a .csv or .parquet table
    of paths and labels. The network's output decides what is measured, --metric says it otherwise: accuracy of classes;
    binary, one number against a threshold; or reconstruction, the input against the output, with label 0 for normal.

    Samples run on all CPUs. The results are the same numbers for any number of threads. With --resume a run that was
    stopped continues.

    \b
    Examples:
      qrt eval model.qfb test.npz
      qrt eval model.qfb photos/ --top 3 --json
      qrt eval wakeword.qfb features.npz --reset-every 49
    """
    model = open_model(path)
    try:
        samples = open_dataset(data, model.inputs, layout=layout, classes=model.outputs[0].labels)
        start = time.monotonic()
        with Progress(samples.count, "samples") as progress:
            found = evaluate(
                model,
                samples,
                metric=metric,
                top=top,
                threshold=threshold,
                reset_every=reset_every,
                threads=threads,
                resume=resume,
                progress=lambda done, count: progress.done(done),
            )
        seconds = time.monotonic() - start
    except EvaluationError as error:
        raise Failure(f"{path}: {error}") from None
    except ValueError as error:
        raise Failure(str(error)) from None
    if as_json:
        print_json({"file": str(path), **found.as_dict()})
        return
    _print(found, every)
    click.echo(f"\n{found.samples / seconds:,.0f} samples per second")


def _print(found: Evaluation, every: bool) -> None:
    out = console()
    show(out, facts([(name, printable(text)) for name, text in found.facts()]))
    if found.classes:
        _print_classes(out, found, every)
        _print_confusion(out, found, every)
    if found.curve is not None:
        heading(out, "Thresholds")
        show(out, _table(("threshold", "TPR", "FPR", "precision", "F1"), _thresholds(found.curve)))
    if found.wrong:
        heading(out, "First wrong samples")
        rows = [
            (str(one.sample), printable(found.classes[one.label].name), printable(found.classes[one.predicted].name))
            for one in found.wrong
        ]
        names = ["" if one.name == str(one.sample) else printable(one.name) for one in found.wrong]
        lines = [(*row, name) if any(names) else row for row, name in zip(rows, names, strict=True)]
        columns = ("sample", "label", "answer", "file")
        show(out, _table(columns[: len(lines[0])], lines[: len(lines) if every else SHOWN // 4], left=(1, 2, 3)))


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
    show(out, _table(("class", "samples", "precision", "recall", "F1"), rows, left=(0,)))


def _print_confusion(out: Console, found: Evaluation, every: bool) -> None:
    names = [printable(one.name) for one in found.classes]
    if len(names) <= MATRIX_SHOWN:
        heading(out, "Confusion: rows are labels, columns answers")
        short = [str(i) for i in range(len(names))] if max(map(len, names)) > LONGEST_COLUMN else names
        matrix = found.matrix.tolist()
        rows = [
            (name, *(f"{count:,}" if count else "." for count in row)) for name, row in zip(names, matrix, strict=True)
        ]
        show(out, _table(("", *short), rows, left=(0,)))
        return
    if not found.confused:
        return
    count = len(found.confused) if every else min(SHOWN, len(found.confused))
    heading(out, f"Confused, {count} of {len(found.confused)} pairs")
    rows = [(names[pair.label], names[pair.predicted], f"{pair.count:,}") for pair in found.confused[:count]]
    show(out, _table(("label", "answer", "samples"), rows, left=(0, 1)))


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


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], left: Container[int] = ()) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for index, name in enumerate(columns):
        table.add_column(Text(name), justify="left" if index in left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table
