"""qrt compare: a .qfb file against its source, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

import qrt
from qrt.cli import plots
from qrt.cli.arrays import Array
from qrt.cli.compile import refusal
from qrt.cli.console import console, facts, heading, print_json, printable, progressing, show
from qrt.cli.failure import Failure, Verb, open_content
from qrt.cli.run import one_by_one
from qrt.cli.samples import Samples, read_samples

if TYPE_CHECKING:
    from rich.table import Table

    from qrt.compiler.ir import Edge, Graph
    from qrt.compiler.study.compare import Comparison

# Samples in one go: a layer's results for all of them are in memory at once.
BATCH = 16
# Layers that the table shows without --all.
SHOWN = 12


@click.command(cls=Verb)
@click.argument("path", metavar="MODEL.QFB", type=click.Path(path_type=Path))
@click.option(
    "--against",
    "source",
    required=True,
    type=click.Path(path_type=Path),
    help="The .onnx, .pt2 or .tflite file.",
)
@click.option(
    "--inputs",
    "data",
    required=True,
    type=click.Path(path_type=Path),
    help="Samples: an .npz (labels optional), an .npy, or a folder of .npy files.",
)
@click.option("--match", metavar="ENGINE", help="The --match with which the file was compiled.")
@click.option("--bias", "biases", metavar="LIST", help="int32,float: compile the source both ways and compare the two.")
@click.option("--plot", type=click.Path(path_type=Path), help="Write a chart to this .png or .html file.")
@click.option("--all", "every", is_flag=True, help=f"Show every layer, not only the worst {SHOWN}.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def compare_model(
    path: Path,
    source: Path,
    data: Path,
    match: str | None,
    biases: str | None,
    plot: Path | None,
    every: bool,
    as_json: bool,
) -> None:
    """Compares a file with the float results of its source.

    Every layer is compared, on the samples given. Errors are in LSB: steps of the layer's output. A quantized source
    is also run as written, with its quantize and dequantize operators (a .tflite file: without qrt's optimizations),
    and the first layer with different codes is named. If the samples have labels, accuracies are shown.

    \b
    Examples:
      qrt compare model.qfb --against model.onnx --inputs samples.npz
      qrt compare model.qfb --against model.pt2 --inputs samples.npz --bias int32,float
    """
    from qrt.compiler import CompileError

    if plot is not None:
        plots.check_suffix(plot)
    variants = [] if biases is None else biases.split(",")
    if set(variants) - {"int32", "float"}:
        raise Failure(f"--bias takes int32, float or int32,float, got {biases}")
    model, content = open_content(path)
    names, shapes = [info.name for info in model.inputs], [info.shape for info in model.inputs]
    samples = read_samples(data, names, shapes, model.inputs)
    try:
        runner = _Runner(content, source, match, samples)
        if variants and runner.is_float:
            raise Failure(f"{source}: --bias compiles the source, and this one is float; give it the quantized one")
        found = runner.compare()
        alternatives = [runner.variant(bias) for bias in variants]
    except CompileError as error:
        raise Failure(refusal(source, error)) from None
    except ImportError as error:
        raise Failure(f"{source}: {error}") from None
    if plot is not None:
        plots.write(plot, found, path.name)
    if as_json:
        print_json({"file": str(path), "source": str(source), **found.as_dict(), "biases": alternatives})
        return
    _print(found, alternatives, every)
    if plot is not None:
        click.echo(f"\nwrote {plot}")


class _Runner:
    """A file, its source, and samples for both."""

    def __init__(self, content: bytes, source: Path, match: str | None, samples: Samples) -> None:
        from qrt.compiler import source_graph
        from qrt.compiler.backends.qfb.reader import read
        from qrt.compiler.study.layers import exposed_file

        self.graph = read(content)
        self.all = qrt.load(exposed_file(self.graph))
        self.source_path, self.match, self.samples = source, match, samples
        self.source = source_graph(source, match)
        self.quantized = any(op.kind == "quantize" for op in self.source.ops)
        self.is_float = not self.quantized and any(op.output.dtype == "float32" for op in self.source.ops)
        self.plain: Graph | None = None
        # The source's real outputs, batch by batch, once `compare` has them.
        self.meant: list[Array] = []
        if source.suffix == ".tflite":
            self._compile_plain()

    def _compile_plain(self) -> None:
        """The .tflite network compiled without optimizations, which the engines' bytes are known of."""
        from qrt.compiler import SKIPPABLE, build
        from qrt.compiler.study.layers import exposed_file

        self.plain = build(self.source_path, match=self.match, skip=SKIPPABLE).graph
        self.plain_all = qrt.load(exposed_file(self.plain))

    def batches(self) -> Any:
        count = self.samples.count
        for i in progressing(-(-count // BATCH), "batches"):
            yield slice(i * BATCH, min((i + 1) * BATCH, count))

    def compare(self) -> Comparison:
        from qrt.compiler.study.compare import Comparer, predictions
        from qrt.compiler.study.evaluate import evaluate

        outputs = [edge.tensor.name for edge in self.source.outputs]
        comparer = Comparer(self.graph, outputs)
        right: dict[str, int] = {}
        place = next(i for i, op in enumerate(self.graph.ops) if op.output is self.graph.outputs[0].tensor)
        for part in self.batches():
            taken = [x[part] for x in self.samples.inputs]
            codes = _run(self.all, taken)
            given = [_in_layout(x, edge.tensor.shape) for x, edge in zip(taken, self.source.inputs, strict=True)]
            real = evaluate(self.source, given, quantized=False)
            self.meant.append(real[outputs[0]].astype(np.float64))
            written = self._written(taken, given)
            comparer.add(codes, real, written)
            if self.samples.labels is None:
                continue
            labels = self.samples.labels[part]
            shown = {"qrt": _real(codes[place], self.graph.outputs[0]), "float": real[outputs[0]]}
            if written is not None and outputs[0] in written:
                shown["quantized source"] = written[outputs[0]]
            for name, values in shown.items():
                right[name] = right.get(name, 0) + int((predictions(values) == labels).sum())
        found = comparer.result()
        found.samples = self.samples.count
        found.accuracy = {name: count / self.samples.count for name, count in right.items()}
        return found

    def _written(self, taken: list[Array], given: list[Array]) -> dict[str, Array] | None:
        """The quantized source's real values, as its operators are written; None where it is float."""
        from qrt.compiler.study.evaluate import evaluate

        if self.plain is not None:
            codes = _run(self.plain_all, taken)
            pairs = zip(self.plain.ops, codes, strict=True)
            return {op.output.name: (q.astype(np.float32) - op.output.zero_point) * op.output.scale for op, q in pairs}
        return evaluate(self.source, given, quantized=True) if self.quantized else None

    def variant(self, bias: str) -> dict[str, Any]:
        """The source compiled with biases of one kind: how far its output is from float, and how accurate.

        After `compare`.
        """
        from qrt.compiler import build
        from qrt.compiler.study.compare import predictions

        model = qrt.load(build(self.source_path, match=self.match, bias=bias).to_bytes())
        info = model.outputs[0]
        signal = noise = 0.0
        right = 0
        for part, real in zip(self.batches(), self.meant, strict=True):
            ours = _run(model, [x[part] for x in self.samples.inputs])[0]
            values = info.dequantize(ours).astype(np.float64)
            real = (real.transpose(0, 2, 3, 1) if info.source_layout == "NCHW" else real).reshape(values.shape)
            signal, noise = signal + float((real**2).sum()), noise + float(((real - values) ** 2).sum())
            if self.samples.labels is not None:
                right += int((predictions(values) == self.samples.labels[part]).sum())
        sqnr = 10 * float(np.log10(max(signal, 1e-300) / noise)) if noise else None
        accuracy = None if self.samples.labels is None else right / self.samples.count
        return {"bias": bias, "sqnr": sqnr, "accuracy": accuracy}


def _run(model: qrt.Model, taken: list[Array]) -> list[Array]:
    """Codes of all outputs, one sample after another."""
    layout = "NCHW" if any(_is_nchw(info.shape, x) for info, x in zip(model.inputs, taken, strict=True)) else None
    return one_by_one(model, taken, range(len(taken[0])), layout=layout)


def _real(codes: Array, edge: Edge) -> Array:
    """Numbers whose order is that of the real values."""
    return codes if edge.scales is None else codes * edge.scales


def _is_nchw(shape: tuple[int, ...], x: Array) -> bool:
    return len(shape) == 4 and x.shape[1:] == (shape[3], shape[1], shape[2]) and x.shape[1:] != shape[1:]


def _in_layout(x: Array, shape: tuple[int, ...]) -> Array:
    """Samples as the source takes them."""
    if x.shape[1:] == shape[1:] or x.ndim != 4:
        return x
    return x.transpose(0, 3, 1, 2) if x.transpose(0, 3, 1, 2).shape[1:] == shape[1:] else x.transpose(0, 2, 3, 1)


def _print(found: Comparison, alternatives: list[dict[str, Any]], every: bool) -> None:
    out = console()
    rows = [("samples", f"{found.samples}"), ("layers", f"{len(found.layers)} compared")]
    if found.missing:
        rows[-1] = ("layers", f"{len(found.layers)} compared, {len(found.missing)} that the source has not by name")
    if any(layer.differing is not None for layer in found.layers):
        first = found.first_differing
        total = sum(layer.differing or 0 for layer in found.layers)
        text = f"{printable(first)}, {total:,} codes in all layers" if first else "none: every code is the same"
        rows.append(("first that differs from the quantized source", text))
    rows += [(f"accuracy of {name}", f"{value:.2%}") for name, value in found.accuracy.items()]
    show(out, facts(rows))
    heading(out, "Layers, the worst first" if not every else "All layers, the worst first")
    show(out, _table(found, len(found.layers) if every else SHOWN))
    if alternatives:
        heading(out, "How biases are kept")
        texts = []
        for one in alternatives:
            sqnr = "exact" if one["sqnr"] is None else f"output SQNR {one['sqnr']:.2f} dB"
            texts.append((one["bias"], sqnr + ("" if one["accuracy"] is None else f", accuracy {one['accuracy']:.2%}")))
        show(out, facts(texts))


def _table(found: Comparison, count: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("layer", overflow="ellipsis", no_wrap=True, max_width=22)
    for name in ("SQNR dB", "max", "mean LSB", "cosine", "0/1/2/more %", "differ"):
        table.add_column(name, justify="right", no_wrap=True, min_width=max(len(name), 5))
    for layer in found.worst()[:count]:
        middle = len(layer.histogram) // 2
        h = layer.histogram
        shares = [h[middle], h[middle - 1] + h[middle + 1], h[middle - 2] + h[middle + 2]]
        shares.append(layer.size - sum(shares))
        table.add_row(
            Text(printable(layer.name)),
            f"{layer.sqnr:.1f}",
            f"{layer.max_error:.1f}",
            f"{layer.mean_error:.2f}",
            f"{layer.cosine:.5f}",
            "/".join(f"{100 * share / layer.size:.0f}" for share in shares),
            "-" if layer.differing is None else str(layer.differing),
        )
    return table
