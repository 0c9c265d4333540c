"""The command line of the benchmark: python -m bench --help."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import click

from bench import classes
from bench.chart import draw
from bench.networks import NAMES, Plan, Unusable, plan
from bench.progress import progress
from bench.race import ENGINES, Settings
from bench.report import show, write_tables
from bench.run import run, steps

BUILD = Path(__file__).resolve().parent.parent / "build" / "bench"
ENGINE_NAMES = {kind.name.replace(" ", "").lower(): kind.name for kind in ENGINES}
ROUNDS, SECONDS = 7, 0.2
QUICK_ROUNDS, QUICK_SECONDS = 3, 0.02


def _listed(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (value or "").split(",") if name.strip())


def _engines(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    names = [] if value == "none" else _listed(context, parameter, value)
    unknown = [name for name in names if name not in ENGINE_NAMES]
    if unknown:
        raise click.BadParameter(f"no engine {unknown[0]!r}; choose from {', '.join(ENGINE_NAMES)}, or none")
    return tuple(ENGINE_NAMES[name] for name in names)


def _classes(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Names of machine classes: by default this machine's own and all that it can be held to."""
    own = classes.own_class()
    here = (own.name if own else "own",)
    if value is None:
        return (*here, *(one.name for one in classes.lower_classes()))
    names = _listed(context, parameter, value)
    unknown = [name for name in names if name not in (*classes.NAMES, "own")]
    if unknown:
        raise click.BadParameter(f"no class {unknown[0]!r}; choose from {', '.join(classes.NAMES)}, or own")
    return tuple(here[0] if name == "own" else name for name in names)


def _cpu(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """The CPU's number: by default the highest available to this process, which gets the fewest interrupts."""
    if value == "any" or not hasattr(os, "sched_setaffinity"):
        return None
    allowed = os.sched_getaffinity(0)
    if value is None:
        return max(allowed)
    if not value.isdigit() or int(value) not in allowed:
        raise click.BadParameter(f"must be one of {sorted(allowed)} or any, got {value!r}")
    return int(value)


@click.command()
@click.argument("files", metavar="[FILE.TFLITE|.ONNX]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--networks", "names", callback=_listed, metavar="NAME,NAME", help=f"Only these of {', '.join(NAMES)}.")
@click.option(
    "--engines",
    callback=_engines,
    default=",".join(ENGINE_NAMES),
    show_default=True,
    metavar="NAME,NAME",
    help="Engines to compare with; 'none' for qrt alone.",
)
@click.option(
    "--classes",
    "held_to",
    callback=_classes,
    metavar="NAME,NAME|own",
    help=f"Classes of machines, of {', '.join(classes.NAMES)}.  [default: this machine's own and all lower ones]",
)
@click.option(
    "--rounds", type=click.IntRange(min=1), help=f"Rounds in which each engine runs once.  [default: {ROUNDS}]"
)
@click.option("--seconds", type=click.FloatRange(min=0), help=f"Seconds per engine and round.  [default: {SECONDS}]")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Also measure qrt on N threads, on all CPUs; 1 skips this.",
)
@click.option("--cpu", callback=_cpu, metavar="N|any", help="CPU to run on.  [default: the highest available]")
@click.option("--quick", is_flag=True, help=f"{QUICK_ROUNDS} rounds of {QUICK_SECONDS} s, without large networks.")
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path), default=BUILD / "results.json", help="File for all figures."
)
@click.option("--chart", type=click.Path(path_type=Path), default=BUILD / "results.png", help="File for the bar chart.")
@click.option("--write-tables", "write", is_flag=True, help="Put the tables into README.md and docs/benchmark.md.")
def main(
    files: tuple[Path, ...],
    names: tuple[str, ...],
    engines: tuple[str, ...],
    held_to: tuple[str, ...],
    rounds: int | None,
    seconds: float | None,
    threads: int,
    cpu: int | None,
    quick: bool,
    json_path: Path,
    chart: Path,
    write: bool,
) -> None:
    """Measures the latency of int8 networks on qrt and other engines, on one thread.

    Without files or names: the published models of shared/models beside the project, ResNet-18, ResNet-50 and
    MobileNetV2 with random weights as QDQ ONNX, large single layers as shares of the machine's peak, what a call and
    loading cost, and qrt on two threads.

    Every engine is tried in several configurations; the fastest is used, if its codes agree with qrt's. Then all
    engines run in turn, for several rounds. A round's time is the median of its samples, the result is the median of
    the rounds. ratio = best peer's time / qrt's time.

    Then the networks run again, in processes that see only the instruction sets of a lower class of machines.

    \b
    python -m bench                                 everything, about twenty minutes
    python -m bench --classes own                   without lower classes of machines
    python -m bench --rounds 3 --seconds 0.02       every table, with fewer samples
    python -m bench --quick                         a first look, under a minute
    python -m bench model.tflite other.onnx         your own networks
    python -m bench --networks kws_dscnn,call --engines litert
    python -m bench --rounds 15 --write-tables

    Results also go to build/bench/results.json and results.png. Exits with 1 if an engine disagreed.
    """
    settings = Settings(
        rounds=rounds or (QUICK_ROUNDS if quick else ROUNDS),
        seconds=(QUICK_SECONDS if quick else SECONDS) if seconds is None else seconds,
        threads=threads,
        cpu=cpu,
        engines=engines,
        folder=BUILD / "networks",
    )
    try:
        chosen = plan(files, names, settings.folder, quick)
    except Unusable as reason:
        raise click.UsageError(str(reason)) from None
    document = _measured(settings, chosen, held_to)
    json_path.parent.mkdir(parents=True, exist_ok=True)
    json_path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    show(document)
    click.echo(f"\n{json_path}")
    if any(race["peers"] for race in document["networks"]):
        _draw(document, chart)
    if write:
        click.echo(f"wrote the tables of {', '.join(write_tables(document))}")
    disagreements = [text for one in (document, *document["held"]) for text in one["disagreements"]]
    if disagreements:
        raise click.ClickException(f"{len(disagreements)} disagree with qrt by more than their rounding")


def _draw(document: dict[str, Any], chart: Path) -> None:
    chart.parent.mkdir(parents=True, exist_ok=True)
    try:
        draw(document, chart)
        click.echo(chart)
    except ImportError:
        click.echo('no chart: matplotlib is not installed: pip install "qrt[bench]"')


def _measured(settings: Settings, chosen: Plan, held_to: tuple[str, ...]) -> dict[str, Any]:
    # LiteRT writes messages to stderr when the process exits.
    atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2))
    with quiet() as stderr, progress(stderr, steps(chosen, held_to)) as (say, done):
        return run(settings, chosen, held_to, say, done)


@contextlib.contextmanager
def quiet() -> Iterator[TextIO]:
    """Discards what libraries write to stderr; yields a stream to the real stderr."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    with os.fdopen(os.dup(saved), "w", encoding="utf-8") as stream:
        try:
            yield stream
        finally:
            os.dup2(saved, 2)
            os.close(saved)


if __name__ == "__main__":
    main(prog_name="python -m bench")
