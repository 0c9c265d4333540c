"""qrt tune: tries the ways to quantize a float network, and says which one keeps most of its accuracy."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

import qrt
from qrt.cli.calibration import AT_ONCE, Reference, samples_for
from qrt.cli.compile import refused
from qrt.cli.console import Progress, aligned, console, facts, note, percent, print_json, printable, show
from qrt.cli.failure import Failure, Verb
from qrt.cli.files import refuse_target, replacing
from qrt.cli.precision import ERROR, LOST
from qrt.cli.samples import Samples
from qrt.cli.trials import Refused, Task, Trial, Way, refined, tried, unseen, ways
from qrt.data import Preprocess
from qrt.evaluation.errors import EvaluationError
from qrt.evaluation.local import cores

# Rounds in which all networks are timed one after another; the fastest of each counts.
ROUNDS = 9
Spread = Callable[[Callable[[Any, Any], Any], Task, Sequence[Any]], Generator[Any]]


@click.command(cls=Verb)
@click.argument("source", metavar="FLOAT.ONNX|.TFLITE|.PT2", type=click.Path(path_type=Path))
@click.option(
    "--calibrate",
    "data",
    metavar="DATA",
    required=True,
    type=click.Path(path_type=Path),
    help="Samples to calibrate on.",
)
@click.option(
    "--evaluate",
    "evaluation",
    metavar="DATA",
    required=True,
    type=click.Path(path_type=Path),
    help="Other samples to measure on; with labels the accuracy, else the error against the float network.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the best network to this .qfb file.")
@click.option("--match", metavar="ENGINE", help="Engine whose results to reproduce, as for 'qrt compile'.")
@click.option(
    "--preprocess",
    metavar="FILE.TOML",
    type=click.Path(path_type=Path),
    help="How images or recordings become the input; the file of -o keeps it, as with 'qrt compile'.",
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes.  [default: one for each core]")
@click.option("--dask", "address", metavar="ADDRESS", help="Use the workers of this Dask scheduler instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def tune_model(
    source: Path,
    data: Path,
    evaluation: Path,
    output: Path | None,
    match: str | None,
    preprocess: Path | None,
    jobs: int | None,
    address: str | None,
    as_json: bool,
) -> int:
    """Tries the ways to quantize a float network, and prints what each one keeps of its accuracy.

    These are: how the range of an activation follows from its values, the number of samples, a scale for each channel
    or for each tensor of weights, biases of int32 or at full precision; and for .onnx, where none comes within 0.01 of
    the float accuracy (without labels: to an error of 0.01), layers that keep int16, those first that bring most.

    The best is the most accurate; of equal ones, that with the least RAM, error and file. It is marked by * in the
    table, and the command that makes it follows. Samples of --evaluate that --calibrate has too are left out.

    \b
    Examples:
      qrt tune float.onnx --calibrate train.npz --evaluate val.npz
      qrt tune float.onnx --calibrate train.npz --evaluate val.npz -o best.qfb
      qrt tune float.onnx --calibrate train/ --evaluate val/ --preprocess images.toml
      qrt tune float.pt2 --calibrate train.npz --evaluate val.npz --dask tcp://10.0.0.1:8786
    """
    from qrt.compiler import CompileError
    from qrt.compiler.calibration import float_network

    if output is not None and output.suffix != ".qfb":
        raise Failure(f"{output}: can only write .qfb; use this suffix")
    if output is not None:
        refuse_target(output)
    stated = Preprocess.read(preprocess) if preprocess else None
    try:
        network = float_network(source)
        samples = samples_for(network, data, stated)
        judged = _unseen(samples_for(network, evaluation, stated), samples)
        reference = Reference.of(network, judged)
        content = source.read_bytes() if address else None
        task = Task(source, content, samples, reference, match, stated.text if stated else "")
        with _spreading(jobs or cores(), address) as spread:
            trials, failed = _all(task, ways(network.methods, network.granularities, samples.count), spread)
            trials, failed = _refined(task, trials, failed, spread)
    except CompileError as error:
        raise refused(source, error) from None
    except (ImportError, EvaluationError) as error:
        raise Failure(f"{source}: {error}") from None
    best = min(trials, key=lambda trial: trial.order)
    command = _command(source, data, evaluation, best.way, match, preprocess, samples.count, output)
    if output is not None:
        with replacing(output) as stream:
            stream.write(best.content)
    times = _times(trials, reference)
    if as_json:
        print_json(_document(source, trials, failed, best, times, reference, command, output))
        return 0
    for one in failed:
        note(f"{source}: {_way_text(one.way)}: {printable(one.reason)}")
    _print(trials, best, times, reference, command)
    if output is not None:
        click.echo(f"{source} -> {output}, {len(best.content):,} bytes")
    return 0


def _unseen(judged: Samples, samples: Samples) -> Samples:
    """The samples to measure on, without those of the calibration."""
    rest = unseen(judged, samples)
    known = judged.count - rest.count
    if rest.count == 0:
        raise Failure(
            f"{judged.path}: calibration has seen all of its {judged.count} samples; give others, so that the accuracy "
            "is that of new data"
        )
    if known:
        note(f"{judged.path}: {known} of {judged.count} samples are in {samples.path} too, and left out")
    return rest


class _spreading:
    """A context manager: the function that runs a function of many arguments, in processes or on a cluster."""

    def __init__(self, jobs: int, address: str | None) -> None:
        self.jobs, self.address, self.client = jobs, address, None

    def __enter__(self) -> Spread:
        from qrt.evaluation import cluster, spread

        if self.address is None:
            return lambda function, task, given: spread.on_processes(function, task, given, self.jobs)
        self.client = cluster.connect(self.address)
        return lambda function, task, given: spread.on_cluster(function, task, given, self.client)

    def __exit__(self, *error: object) -> None:
        if self.client is not None:
            self.client.close()


def _all(task: Task, given: Sequence[Way], spread: Spread) -> tuple[list[Trial], list[Refused]]:
    """Each way tried, in the order of `given`; raises Failure where none can be."""
    found: list[Trial | Refused] = []
    with Progress(len(given), "ways to quantize") as progress, closing(spread(tried, task, given)) as results:
        for count, result in enumerate(results, 1):
            found += result
            progress.done(count)
    place = {way: index for index, way in enumerate(given)}
    found.sort(key=lambda one: (place[replace(one.way, bias=None)], one.way.bias != "int32"))
    trials = [one for one in found if isinstance(one, Trial)]
    refused = [one for one in found if isinstance(one, Refused)]
    if not trials:
        raise Failure(f"{task.source}: {printable(refused[0].reason)}")
    return trials, refused


def _refined(
    task: Task, trials: list[Trial], refused: list[Refused], spread: Spread
) -> tuple[list[Trial], list[Refused]]:
    """With layers of int16 in the best way, where int8 alone is not good enough."""
    accuracy, best = task.reference.accuracy, min(trials, key=lambda trial: trial.order)
    goal = (None, ERROR) if accuracy is None else (accuracy - LOST, None)
    good = best.error <= ERROR if accuracy is None else (best.accuracy or 0.0) >= accuracy - LOST
    if good or task.source.suffix != ".onnx":
        return trials, refused
    with Progress(2, "layers of int16"):
        found = [one for result in spread(partial(_refine, goal=goal), task, [best.way]) for one in result]
    return (
        [*trials, *(one for one in found if isinstance(one, Trial))],
        [*refused, *(one for one in found if isinstance(one, Refused))],
    )


def _refine(task: Task, way: Way, goal: tuple[float | None, float | None]) -> list[Trial | Refused]:
    return refined(task, way, goal)


def _times(trials: Sequence[Trial], reference: Reference) -> list[float]:
    """CPU time of each network over that of the first, measured side by side."""
    models = [qrt.load(trial.content) for trial in trials]
    least = [float("inf")] * len(models)
    few = Reference(reference.samples.first(AT_ONCE), reference.outputs[:AT_ONCE])
    with Progress(ROUNDS, "time") as progress:
        for count in range(ROUNDS):
            for index, model in enumerate(models):
                start = time.process_time()
                few.run(model)
                least[index] = min(least[index], time.process_time() - start)
            progress.done(count + 1)
    return [seconds / least[0] for seconds in least]


def _command(
    source: Path,
    data: Path,
    evaluation: Path,
    way: Way,
    match: str | None,
    preprocess: Path | None,
    count: int,
    output: Path | None,
) -> list[str]:
    """The command that makes the network of a way."""
    words = ["qrt", "compile", str(source), "--calibrate", str(data), "--evaluate", str(evaluation)]
    words += ["--calibration", way.method]
    words += ["--samples", str(way.samples)] if way.samples < count else []
    words += ["--per-tensor"] if way.granularity == "per_tensor" else []
    words += ["--bias", str(way.bias)]
    words += ["--int16", ",".join(way.int16)] if way.int16 else []
    words += ["--match", match] if match else []
    words += ["--preprocess", str(preprocess)] if preprocess else []
    return [*words, "-o", str(output or source.with_suffix(".qfb"))]


def _way_text(way: Way) -> str:
    layers = f", int16 in {', '.join(map(printable, way.int16))}" if way.int16 else ""
    return f"{way.method}, {way.samples} samples, {way.granularity.replace('_', ' ')}{layers}"


def _print(
    trials: Sequence[Trial], best: Trial, times: Sequence[float], reference: Reference, command: Sequence[str]
) -> None:
    samples, accuracy = reference.samples, reference.accuracy
    float_text = "" if accuracy is None else f"; accuracy of the float network {accuracy:.2%}"
    click.echo(f"Measured on {samples.count} samples of {samples.path}, which calibration has not seen{float_text}\n")
    measure = ("accuracy",) if accuracy is not None else ()
    rows: list[tuple[str, ...]] = [
        (
            "",
            "calibration",
            "samples",
            "weights",
            "bias",
            "int16",
            *measure,
            "error",
            "file",
            "RAM",
            "MACs int16",
            "time",
        )
    ]
    for trial, ratio in zip(trials, times, strict=True):
        way = trial.way
        right = () if trial.accuracy is None or accuracy is None else (f"{trial.accuracy:.2%}",)
        layers = f"{len(way.int16)} layers" if len(way.int16) > 1 else "1 layer" if way.int16 else "-"
        sizes = (f"{len(trial.content):,}", f"{trial.arena:,}", percent(trial.int16_macs, trial.macs))
        mark = "*" if trial is best else ""
        granularity = way.granularity.replace("_", " ")
        row = (mark, way.method, f"{way.samples:,}", granularity, str(way.bias), layers)
        rows.append((*row, *right, f"{trial.error:.2%}", *sizes, f"{ratio:.2f}"))
    for line in aligned(rows, left=(0, 1, 3, 4)):
        click.echo(line.rstrip())
    click.echo()
    if best.way.int16:
        show(console(), facts([("int16 in", ", ".join(map(printable, best.way.int16)))]))
    click.echo(shlex.join(command))


def _document(
    source: Path,
    trials: Sequence[Trial],
    refused: Sequence[Refused],
    best: Trial,
    times: Sequence[float],
    reference: Reference,
    command: Sequence[str],
    output: Path | None,
) -> dict[str, Any]:
    rows = []
    for trial, ratio in zip(trials, times, strict=True):
        rows.append(
            {
                **vars(trial.way),
                "accuracy": trial.accuracy,
                "error": trial.error,
                "file_size": len(trial.content),
                "arena_size": trial.arena,
                "macs": trial.macs,
                "int16_macs": trial.int16_macs,
                "time": ratio,
            }
        )
    return {
        "source": str(source),
        "output": None if output is None else str(output),
        "evaluated": {"path": str(reference.samples.path), "count": reference.samples.count},
        "float_accuracy": reference.accuracy,
        "trials": rows,
        "refused": [{**vars(one.way), "reason": one.reason} for one in refused],
        "best": next(index for index, trial in enumerate(trials) if trial is best),
        "command": list(command),
    }
