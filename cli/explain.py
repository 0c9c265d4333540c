"""qrt explain: the formulas of one layer with its numbers in them, or a program that computes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import qrt
from qrt.cli.compare import refuse_unrelated
from qrt.cli.compile import refused
from qrt.cli.console import aligned, console, facts, heading, print_json, printable, show
from qrt.cli.failure import Failure, Verb, open_content

if TYPE_CHECKING:
    from qrt.compiler.ir import Graph
    from qrt.compiler.study.explain import ChannelFacts, Explanation

# Channels that the table shows without --all.
SHOWN = 8


def _layers(context: click.Context, argument: click.Parameter, incomplete: str) -> list[str]:
    """Names of layers that begin so, for the shell; none for a file that cannot be read."""
    from qrt.compiler.backends.qfb.reader import read

    try:
        content = Path(context.params["path"]).read_bytes()
        qrt.load(content)
    except (OSError, ValueError, KeyError):
        return []
    return [op.name for op in read(content).ops if op.name.startswith(incomplete)]


@click.command(cls=Verb)
@click.argument("path", metavar="MODEL.QFB", type=click.Path(path_type=Path))
@click.argument("layer", shell_complete=_layers)
@click.option("--channel", type=click.IntRange(min=0), metavar="C", help="Show one output channel step by step.")
@click.option("--all", "every", is_flag=True, help=f"Show every channel, not only the first {SHOWN}.")
@click.option("--source", type=click.Path(path_type=Path), help="The .onnx or .pt2 file with the float biases.")
@click.option("--python", "as_python", is_flag=True, help="Print a numpy program that computes the layer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def explain_model(
    path: Path, layer: str, channel: int | None, every: bool, source: Path | None, as_python: bool, as_json: bool
) -> None:
    """Shows what a layer computes: its formulas, with its numbers.

    LAYER is the name of a layer, the name of its output, or its number, counted from 0 as in 'qrt inspect'.
    A file with int32 biases does not contain the float biases; --source reads them from the file it was made from,
    before biases were quantized. The program of --python reads and writes .npy files of codes, and computes the same
    bytes as 'qrt run'.

    \b
    Examples:
      qrt explain model.qfb 0 --channel 3
      qrt explain model.qfb 0 --python
    """
    from qrt.compiler import CompileError
    from qrt.compiler.backends.qfb.reader import read
    from qrt.compiler.study.explain import explain, find
    from qrt.compiler.study.program import program

    graph = read(open_content(path)[1])
    try:
        index = find(graph, layer)
    except LookupError as error:
        raise Failure(f"{path}: {printable(str(error))}") from None
    try:
        if as_python:
            click.echo(program(graph.ops[index], path.name), nl=False)
            return
        known = None if source is None else _source(path, graph, index, source)
        found = explain(graph, index, known)
    except CompileError as error:
        raise refused(source or path, error) from None
    if channel is not None and channel >= len(found.channels):
        reason = f"has {len(found.channels)} channels" if found.channels else f"is {found.kind}, without channels"
        raise Failure(f"{path}: {printable(found.name)} {reason}, got --channel {channel}")
    if as_json:
        document = found.as_dict()
        if channel is not None:
            document["channels"] = [document["channels"][channel]]
        print_json({"file": str(path), **document})
        return
    _print(found, channel, every)


def _source(path: Path, graph: Graph, index: int, source: Path) -> Graph:
    """The source's graph, with its float values; raises Failure for one that has none for this layer."""
    from qrt.compiler import folded_graph
    from qrt.compiler.study.explain import without_float_bias

    found = folded_graph(source)
    refuse_unrelated(path, graph, source, found)
    if reason := without_float_bias(graph.ops[index], found):
        raise Failure(f"{source}: {printable(reason)}; leave out --source, or give the float source of {path}")
    return found


def _print(found: Explanation, channel: int | None, every: bool) -> None:
    out = console()
    show(out, facts([("layer", f"{found.index}: {printable(found.name)}"), ("kind", found.kind)]))
    heading(out, "Formulas")
    for line in found.formulas:
        click.echo(f"  {line}")
    if found.derivation:
        heading(out, "Derivation")
        for line in found.derivation:
            click.echo(f"  {line}")
    heading(out, "Numbers")
    show(out, facts([(name, _number(value)) for name, value in found.numbers.items()]))
    if channel is not None:
        heading(out, f"Channel {channel}")
        show(out, facts(list(_channel(found, found.channels[channel]))))
    elif found.channels:
        heading(out, "Channels")
        for line in _table(found, len(found.channels) if every else SHOWN):
            click.echo(line)
        if len(found.channels) > SHOWN and not every:
            click.echo(f"  and {len(found.channels) - SHOWN} more; --all shows them, --channel C one step by step")


def _number(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _maybe(value: float | None, form: str = ".6g") -> str:
    return "-" if value is None else format(value, form)


def _channel(found: Explanation, c: ChannelFacts) -> Iterator[tuple[str, str]]:
    """One channel's numbers, each with its formula."""
    numbers = found.numbers
    unit = None if c.w_scale is None else numbers["x_scale"] * c.w_scale
    yield "w_scale", _maybe(c.w_scale, ".9g")
    yield "x_scale * w_scale", _maybe(unit, ".9g")
    unknown = "" if c.bias_float is not None else " (int32 in the file; --source MODEL may have the float bias)"
    unused = ", not used: the addend holds bias_float" if found.keeps_float_bias else ""
    yield "bias_float", _maybe(c.bias_float, ".9g") + unknown
    yield "bias (int32)", f"{c.bias:,} = round(bias_float / (x_scale * w_scale))" + unused
    yield "error of bias", f"{_maybe(c.bias_error)}, that is {_maybe(c.bias_error_codes)} of a code of y"
    yield "real multiplier", f"{c.real_multiplier:.12g} = x_scale * w_scale / y_scale"
    yield "multiplier, shift", f"{c.multiplier:,} * 2^-{c.shift} = {c.multiplier * 2.0**-c.shift:.12g}"
    if numbers["rounding"] == "SINGLE":
        yield "addend", f"{c.addend:,}"
    yield "acc", f"from {c.acc_min:,} to {c.acc_max:,} over all inputs" + (": all weights are 0" if c.all_zero else "")
    if numbers["rounding"] == "SINGLE":
        y, low, high = c.addend >> c.shift, numbers["output_min"], numbers["output_max"]
        text = f"({c.addend:,}) >> {c.shift} = {y}, clamped to [{low}, {high}]: {min(max(y, low), high)}"
        yield "y where acc is 0", text


def _table(found: Explanation, count: int) -> list[str]:
    rows = [("c", "w_scale", "bias_float", "bias", "its error", "multiplier", "shift", "largest |acc|")]
    for c in found.channels[:count]:
        sizes = str(c.multiplier), str(c.shift), str(max(-c.acc_min, c.acc_max))
        error = _maybe(c.bias_error_codes, "+.4f")
        rows.append((str(c.channel), _maybe(c.w_scale), _maybe(c.bias_float), str(c.bias), error, *sizes))
    return aligned(rows, left=())
