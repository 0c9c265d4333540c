"""qrt inspect: shows the contents and the memory plan of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import qrt
from qrt.cli.alive import alive_lines, band_facts, pace_lines
from qrt.cli.console import (
    NARROWEST,
    columns,
    console,
    facts,
    heading,
    kinds_text,
    named_rows,
    on_terminal,
    print_json,
    printable,
    shape_text,
    show,
)
from qrt.cli.contents import Contents, OperatorEntry, TensorEntry, read_contents
from qrt.cli.drawing import draw, letters
from qrt.cli.failure import Verb, open_content
from qrt.cli.summary import arena_facts
from qrt.cli.target import TARGET_HELP, device_errors
from qrt.cli.turns import Turns, arena_without_bands, read_peak, read_turns

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from qrt.compiler.report import Peak

LABELS_SHOWN = 10
# Rows of the drawing for the turns of a band: at least on a terminal, at most elsewhere.
FEWEST_TURNS, MOST_TURNS = 8, 256


@click.command(cls=Verb)
@click.argument("path", metavar="MODEL.QFB", type=click.Path(path_type=Path))
@click.option("--tensors", is_flag=True, help="Also list every tensor.")
@click.option(
    "--target", "target_name", metavar="CORE", help=f"Also show the memory that a device needs. {TARGET_HELP}"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def inspect_model(path: Path, tensors: bool, target_name: str | None, as_json: bool) -> None:
    """Shows the operators, parameters and memory plan of a file.

    \b
    Examples:
      qrt inspect model.qfb --tensors
      qrt inspect model.qfb --target cortex-m4
    """
    model, content = open_content(path)
    on_device = device_memory(content, target_name) if target_name is not None else None
    if as_json:
        device = {} if on_device is None else {"device": asdict(on_device)}
        print_json({**document(path, model, content), **device})
        return
    contents = read_contents(content)
    bands = read_turns(contents, content)
    peak = read_peak(content)
    whole_arena = arena_without_bands(content) if bands else contents.arena_size
    out = console()
    show(out, facts(header(path, contents, bands, whole_arena, peak)))
    heading(out, "Inputs and outputs")
    show(out, facts(edges(model)))
    heading(out, "Operators")
    for line in operator_lines(contents):
        show(out, line)
    if tensors:
        heading(out, "Tensors")
        for row in tensor_lines(contents, out.width):
            click.echo(row)
    width = columns(out)
    ascii_only = not out.encoding.startswith("utf")
    for number, turns in enumerate(bands, start=1):
        heading(out, f"Band {number}" if len(bands) > 1 else "Band")
        show(out, facts(band_facts(turns)))
        for lines in (pace_lines(contents, turns, width), alive_lines(contents, turns, width, ascii_only)):
            click.echo()
            for line in lines:
                show(out, line)
    heading(out, "Memory plan")
    for drawn in draw(contents, bands, width, turns_shown(out, contents), ascii_only):
        show(out, drawn)
    if on_device is not None:
        heading(out, f"On {on_device.title}")
        show(out, facts(on_device.rows()))


def turns_shown(out: Console, contents: Contents) -> int:
    """Turns of each band for which the drawing has a row: on a terminal as many as fit, else nearly all."""
    if not on_terminal():
        return MOST_TURNS
    in_bands = sum(band.count for band in contents.bands)
    # The drawing has two more lines, and the steps of inputs and outputs.
    free = out.height - 5 - (len(contents.operators) - in_bands)
    return max(FEWEST_TURNS, free // max(len(contents.bands), 1))


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes that a network takes on a device, in both forms; stack and code apart.

    Attributes
    ----------
    target, title : str
        The processor.
    memory, constants : int
        Of generated C; its plan of the memory is its own, with scratch memory in it.
    interpreter_memory, interpreter_flash : int
        What ``qrt_device_open`` needs, and the file.
    """

    target: str
    title: str
    memory: int
    constants: int
    interpreter_memory: int
    interpreter_flash: int

    def rows(self) -> list[tuple[str, str]]:
        return [
            ("as C", f"RAM {self.memory:,} bytes by a plan of its own, constants {self.constants:,} (qrt firmware)"),
            (
                "interpreted",
                f"RAM {self.interpreter_memory:,} bytes, the file {self.interpreter_flash:,} (qrt_device.h)",
            ),
            ("not counted", "code and stack; qrt profile --target measures them"),
        ]


def device_memory(content: bytes, target_name: str) -> DeviceMemory:
    """The memory of a valid file on a device."""
    with device_errors():
        from qrt.firmware.generate.memory import interpreter_memory
        from qrt.firmware.generate.network import generate
        from qrt.firmware.targets import target

        chosen = target(target_name)
        network = generate(content, chosen, "net")
        sizes = network.memory_size, network.constants, interpreter_memory(content, chosen.kernels), len(content)
        return DeviceMemory(chosen.name, chosen.title, *sizes)


def header(
    path: Path, contents: Contents, bands: Sequence[Turns], whole_arena: int, peak: Peak
) -> list[tuple[str, str]]:
    macs = sum(op.macs for op in contents.operators)
    parameters = sum(op.parameter_bytes for op in contents.operators)
    return [
        ("file", str(path)),
        ("size", f"{contents.size:,} bytes, crc32 {contents.crc32:08x}"),
        ("name", printable(contents.name) or "(none)"),
        ("made by", f"{printable(contents.producer) or '(unknown)'}, format version {contents.format_version}"),
        ("operators", kinds_text(contents.kinds)),
        ("MACs", f"{macs:,}"),
        ("weights", f"{contents.weight_bytes:,} bytes, and {parameters:,} of multipliers, shifts, biases"),
        *arena_facts(contents.arena_size, peak),
        *([("without bands", f"{whole_arena:,} bytes of arena")] if bands else []),
        *([("state", state_text(contents))] if contents.state_size else []),
        ("test vectors", str(contents.test_vectors)),
        *([("preprocessing", _preprocessing_text(contents.preprocessing))] if contents.preprocessing else []),
    ]


def _preprocessing_text(text: str) -> str:
    """The lines of the TOML, one below the other."""
    return "\n".join(printable(line) for line in text.strip().splitlines())


def state_text(contents: Contents) -> str:
    count = sum(tensor.is_state for tensor in contents.tensors)
    tensors = "1 tensor" if count == 1 else f"{count} tensors"
    return f"{contents.state_size:,} bytes of the arena, {tensors}, survive from run to run"


def edges(model: qrt.Model) -> list[tuple[str, str]]:
    """A row for each input and output."""
    result = []
    for title, infos in (("input", model.inputs), ("output", model.outputs)):
        for info in infos:
            text = f"{printable(info.name) or '(no name)'}  {shape_text(info.shape)}  {real_text(info)}"
            if info.dtype == "int16":
                text += ", int16"
            if info.source_layout == "NCHW":
                text += ", NCHW in the source"
            if title == "input" and info.quantize_rule == "MULTIPLY_RECIPROCAL":
                text += ", quantized by the reciprocal"
            if info.source_dtype == "UINT8":
                text += ", uint8 in the source, 128 higher"
            if info.source_dtype == "UINT16":
                text += ", uint16 in the source, 32768 higher"
            if info.requant is not None:
                text += ", int16 in the source, requantized"
            if info.labels:
                shown = ", ".join(printable(label) for label in info.labels[:LABELS_SHOWN])
                more = len(info.labels) - LABELS_SHOWN
                text += f"\nlabels {shown}" + (f" and {more} more" if more > 0 else "")
            result.append((title, text))
    return result


def real_text(tensor: qrt.TensorInfo | TensorEntry) -> str:
    """The formula of the real values of codes."""
    if tensor.dtype == "int32":
        return "int32 accumulators"
    if tensor.scale == 0:
        return f"zero point {tensor.zero_point}, no scale stated"
    if tensor.zero_point == 0:
        return f"real = {tensor.scale:.7g} * code"
    sign = "-" if tensor.zero_point > 0 else "+"
    return f"real = {tensor.scale:.7g} * (code {sign} {abs(tensor.zero_point)})"


def operator_lines(contents: Contents) -> Iterator[RenderableType]:
    """For each operator a line of numbers, then its name and parameters, as wide as the terminal."""
    from rich.padding import Padding
    from rich.text import Text

    rows = [("#", "operator", "shapes", "MACs", "bytes"), *(numbers(contents, op) for op in contents.operators)]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = [f"{a:>{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}" for a, b, c, _, _ in rows]
    ends = [f"  {d:>{widths[3]}}  {e:>{widths[4]}}" for *_, d, e in rows]
    yield Text(lines[0] + ends[0], style="bold")
    for op, line, end in zip(contents.operators, lines[1:], ends[1:], strict=True):
        yield Text(line + end)
        details = "  ".join(text for text in (printable(op.name), parameter_text(op)) if text)
        if details:
            yield Padding(Text(details, style="dim"), (0, 0, 0, widths[0] + 2))


def numbers(contents: Contents, op: OperatorEntry) -> tuple[str, str, str, str, str]:
    """Number, kind, shapes, MACs and bytes of an operator; blank instead of zero."""
    tensors = contents.tensors
    inputs = [shape_text(tensors[i].shape) for i in op.inputs if tensors[i].arena_offset is not None]
    shapes = f"{', '.join(inputs)} -> {shape_text(tensors[op.output].shape)}"
    size = op.weight_bytes + op.parameter_bytes
    return str(op.index), op.kind, shapes, f"{op.macs:,}" if op.macs else "", f"{size:,}" if size else ""


def parameter_text(op: OperatorEntry) -> str:
    """The parameters that are not at their defaults, in one line."""
    p = op.parameters
    parts = []
    if "filter" in p:
        parts.append(shape_text(p["filter"]))
        parts += [f"{word} {pair_text(p[word])}" for word in ("stride", "dilation") if p[word] != [1, 1]]
        if any(p["padding"]):
            same = len(set(p["padding"])) == 1
            parts.append(f"padding {p['padding'][0] if same else p['padding']}")
    if p.get("groups", 1) != 1:
        parts.append(f"{p['groups']} groups")
    if "weights" in p:
        parts.append(f"{p['weights']} weights")
    parts += [f"{word} {p[word]}" for word in ("before", "after", "value", "axis", "permutation") if word in p]
    if "requant" in p:
        low, high = (f"{factor:.3g}" for factor in p["factor"])
        parts.append(f"{p['requant'].replace('_', ' ')} factor {low}" + (f" to {high}" if low != high else ""))
        parts += {"none": [], "int32": ["bias"], "addend": ["bias as addend"]}[p["bias"]]
    if "form" in p:
        parts.append(p["form"])
    if "rounding" in p:
        parts.append(p["rounding"])
    if (p.get("output_min", -128), p.get("output_max", 127)) != (-128, 127):
        parts.append(f"output {p['output_min']} to {p['output_max']}")
    return ", ".join(parts)


def pair_text(pair: list[int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else shape_text(pair)


def tensor_lines(contents: Contents, width: int) -> Iterator[str]:
    rows = [("", "shape", "bytes", "codes", "arena", "layers")]
    letter_of = letters(contents)
    for tensor in contents.tensors:
        constant = tensor.arena_offset is None
        end = (tensor.arena_offset or 0) + tensor.room
        rows.append(
            (
                letter_of.get(tensor.index, ""),
                shape_text(tensor.shape),
                f"{tensor.size:,}",
                "constant" if constant else real_text(tensor),
                "" if constant else f"{tensor.arena_offset:,} to {end:,}",
                "" if constant else initial_text(tensor) if tensor.is_state else life_text(contents, tensor),
            )
        )
    names = ["tensor", *(printable(tensor.name) for tensor in contents.tensors)]
    return named_rows(rows, names, {0, 1, 3, 4, 5}, width, least=NARROWEST)


def life_text(contents: Contents, tensor: TensorEntry) -> str:
    """The layers from the one that writes a tensor to the last that reads it."""
    names = ["inputs", *(str(op.index) for op in contents.operators), "outputs"]
    assert tensor.first is not None and tensor.last is not None
    return f"{names[tensor.first]} to {names[tensor.last]}"


def initial_text(tensor: TensorEntry) -> str:
    """That a tensor is a state, and what it begins with."""
    assert tensor.initial is not None
    low, high = tensor.initial
    return f"state, initially {low}" if low == high else f"state, initially bytes from {low} to {high}"


def band_document(turns: Turns) -> dict[str, Any]:
    band = turns.band
    paces = [asdict(pace) for pace in band.paces]
    fed = band.fed is not None
    return {
        **{"first": band.first, "count": band.count, "turns": band.turns},
        **{"feed": paces[0] if fed else None, "operators": paces[1:] if fed else paces},
        **{"live_bytes": int(turns.live.max()), "moved_bytes": turns.moved},
    }


def document(path: Path, model: qrt.Model, content: bytes) -> dict[str, Any]:
    """All of a valid file as plain types."""
    contents = read_contents(content)
    bands = read_turns(contents, content)
    peak = read_peak(content)
    described = asdict(contents)
    described["sha256"] = hashlib.sha256(content).hexdigest()
    described["weight_bytes"] = contents.weight_bytes
    described["lower_bound"], described["peak"] = peak.size, asdict(peak)
    described["whole_arena_size"] = arena_without_bands(content) if bands else contents.arena_size
    described["bands"] = [band_document(turns) for turns in bands]
    for key, infos in (("inputs", model.inputs), ("outputs", model.outputs)):
        described[key] = [
            {
                "tensor": tensor,
                "name": info.name,
                "shape": info.shape,
                "scale": info.scale,
                "zero_point": info.zero_point,
                "labels": info.labels,
                "source_layout": info.source_layout,
                "quantize_rule": info.quantize_rule,
                "source_dtype": info.source_dtype,
                "dtype": str(info.dtype),
                "scales": info.scales,
            }
            for tensor, info in zip(described[key], infos, strict=True)
        ]
    return {"file": str(path), **described}
