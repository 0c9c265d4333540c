"""qrt compile: turns a quantized network into a .qfb file and says what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

import qrt
from qrt.cli.console import (
    arena_text,
    console,
    facts,
    heading,
    kinds_text,
    note,
    percent,
    print_json,
    printable,
    progressing,
    show,
)
from qrt.cli.failure import Failure, Verb
from qrt.cli.files import replacing

if TYPE_CHECKING:
    from qrt.compiler import CompileError, Report
    from qrt.compiler.report import Removal, Rescue
    from qrt.model import Codes

# Optimizations that can be switched off: --no-remove-channels and so on. The bytes are the same without them.
SWITCHES = {
    "remove_channels": "Keep channels that are constant or that nobody reads.",
    "fuse_pad": "Keep pads in front of convolutions.",
    "fuse_activation": "Keep clamps behind the operators that could clamp themselves.",
    "simplify": "Keep requantizations and reshapes that change nothing.",
    "to_nhwc": "Keep transposes where the source has them.",
    "schedule": "Keep the order of operators.",
    "overlap": "Keep outputs off inputs that operators are done with.",
}

# How many runs of channels a line of the summary names; --json has all.
RUNS = 8


def switches(command: Callable[..., int]) -> Callable[..., int]:
    """Adds an option for each of SWITCHES."""
    for name, text in reversed(SWITCHES.items()):
        command = click.option(f"--no-{name.replace('_', '-')}", f"no_{name}", is_flag=True, help=text)(command)
    return command


@click.command(cls=Verb)
@click.argument("source", metavar="MODEL.ONNX|.TFLITE", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write; by default the source's, .qfb.")
@click.option("--name", help="Name of the network; by default the source's.")
@click.option("--labels", "labels_path", type=click.Path(path_type=Path), help="Text file, one label a line.")
@click.option("--match", metavar="ENGINE", help="Whose bytes to give: tflm or litert (.tflite), onnxruntime (.onnx).")
@click.option("--test-vectors", type=click.IntRange(min=0), default=0, metavar="N", help="Embed N for 'qrt check'.")
@switches
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("-q", "--quiet", is_flag=True, help="Print only what was rescued, and errors.")
def compile_model(
    source: Path,
    output: Path | None,
    name: str | None,
    labels_path: Path | None,
    match: str | None,
    test_vectors: int,
    as_json: bool,
    quiet: bool,
    **switched_off: bool,
) -> int:
    """Compiles a quantized network into a .qfb file.

    What cannot be computed exactly with integers is refused, all of it in one message, and nothing is written.
    """
    from qrt.compiler import CompileError, build

    output = output or source.with_suffix(".qfb")
    if output.resolve() == source.resolve():
        raise Failure(f"{output}: is the source itself; name another file with -o")
    skip = [name for name in SWITCHES if switched_off[f"no_{name}"]]
    source_size = source.stat().st_size
    try:
        labels = read_labels(labels_path) if labels_path else None
        compiled = build(source, name=name, labels=labels, match=match, skip=skip)
    except CompileError as error:
        if not as_json:
            raise Failure(refusal(source, error)) from None
        problems = [{"name": p.name, "kind": p.kind, "reason": p.reason} for p in error.problems]
        print_json({"source": str(source), "problems": problems})
        return Failure.exit_code
    except ImportError as error:
        raise Failure(f"{source}: {error}") from None
    content = compiled.to_bytes()
    try:
        model = qrt.load(content, kernels="reference")
    except qrt.ModelError as error:
        raise Failure(f"{source}: cannot become a valid file: {error}") from None
    if test_vectors:
        content = compiled.to_bytes(random_vectors(model, test_vectors))
    with replacing(output) as stream:
        stream.write(content)
    summary = Summary(source, source_size, output, len(content), test_vectors, compiled.report)
    if as_json:
        print_json(summary.document())
    elif quiet:
        for rescue in compiled.report.rescues:
            note(f"{source}: {rescue_text(rescue)}")
    else:
        summary.show()
    return 0


def read_labels(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise Failure(f"{path}: not UTF-8 text; write one label on each line") from None


def refusal(source: Path, error: CompileError) -> str:
    """All problems, one a line; a single one beside the file's name."""
    lines = [printable(p.reason if p.name == str(source) else str(p)) for p in error.problems]
    if len(lines) == 1:
        return f"{source}: {lines[0]}"
    return "\n".join([f"{source}: {len(lines)} problems, nothing was written", *(f"  {line}" for line in lines)])


def random_vectors(model: qrt.Model, count: int) -> list[tuple[list[Codes], list[Codes]]]:
    """Random codes and what `model` computes from them; always the same for the same model."""
    rng = np.random.default_rng(0)
    vectors = []
    for _ in progressing(count, "test vectors"):
        inputs = [rng.integers(-128, 128, info.shape, dtype=np.int8) for info in model.inputs]
        for index, codes in enumerate(inputs):
            model.input_view(index)[...] = codes
        model.invoke()
        vectors.append((inputs, [model.output_view(index).copy() for index in range(len(model.outputs))]))
    return vectors


def short_name(name: str) -> str:
    """The first of the names that a converter joined with semicolons when it fused operators."""
    return printable(name.split(";")[0])


def rescue_text(rescue: Rescue) -> str:
    channels = f", {channels_text(rescue.channels)}" if rescue.channels else ""
    return f"{short_name(rescue.op)} ({rescue.kind}){channels}: {rescue.text}"


def removal_text(removal: Removal) -> str:
    left = removal.count - len(removal.channels)
    return f"{short_name(removal.op)}: {left} of {removal.count} left, without {channels_text(removal.channels)}"


def channels_text(channels: Sequence[int]) -> str:
    """Numbers with runs joined: channels 0 to 3, 7; after RUNS of them only how many more there are."""
    runs: list[list[int]] = []
    for channel in sorted(channels):
        if runs and channel == runs[-1][-1] + 1:
            runs[-1].append(channel)
        else:
            runs.append([channel])
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs[:RUNS]]
    more = sum(len(run) for run in runs[RUNS:])
    return f"channel{'s' if len(channels) > 1 else ''} {', '.join(texts)}" + (f" and {more} more" if more else "")


@dataclass(frozen=True)
class Summary:
    """What there is to say about a compiled network; sizes are bytes of files."""

    source: Path
    source_size: int
    output: Path
    output_size: int
    test_vectors: int
    report: Report

    def document(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "source": str(self.source),
            "source_size": self.source_size,
            "output": str(self.output),
            "output_size": self.output_size,
            "test_vectors": self.test_vectors,
            **self.report.as_dict(),
        }

    def show(self) -> None:
        report = self.report
        rows = [
            ("name", printable(report.name) or "(none)"),
            ("matches", report.match),
            ("operators", kinds_text(report.operators)),
            ("MACs", f"{report.macs:,}"),
            (
                "weights",
                f"{report.weight_bytes:,} bytes, and {report.parameter_bytes:,} of multipliers, shifts, biases",
            ),
            ("file", f"{self.output_size:,} bytes, {percent(self.output_size, self.source_size)} of the source"),
            ("arena", arena_text(report.arena_size, report.arena_lower_bound)),
        ]
        if self.test_vectors:
            rows.append(("test vectors", f"{self.test_vectors}, computed by the reference kernels"))
        out = console()
        click.echo(f"{self.source} -> {self.output} in {report.seconds:.2f} s")
        show(out, facts(rows))
        if report.notes:
            heading(out, "What the passes did")
            show(out, facts([(name, printable(text)) for name, text in report.notes]))
        if report.removals:
            heading(out, "Channels removed, constant for every input or read by nobody")
            show(out, facts([(removal.kind, removal_text(removal)) for removal in report.removals]))
        if report.rescues:
            heading(out, "Rescued, where the integers would have overflowed or vanished")
            show(out, facts([(rescue.kind, rescue_text(rescue)) for rescue in report.rescues]))
