"""qrt compare: compares a .qfb file with its source, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

import qrt
from qrt.cli import plots
from qrt.cli.arrays import Array
from qrt.cli.compile import refused
from qrt.cli.console import console, facts, heading, named_rows, print_json, printable, progressing, shape_text, show
from qrt.cli.failure import Failure, Verb, open_content
from qrt.cli.page import file_document, write_page
from qrt.cli.run import as_list
from qrt.cli.samples import Samples, read_samples
from qrt.cli.stated import layout_option, preprocess_option, preprocessing
from qrt.cli.states import reset_option, state_option
from qrt.edges import NHWC_TO_NCHW

if TYPE_CHECKING:
    from qrt.compiler.ir import Edge, Graph, Op
    from qrt.compiler.study.compare import Comparison, Kinship
    from qrt.compiler.study.engine import Stepper

# Layers that the table shows without --all.
SHOWN = 12
REMEDY = "give the source that it was compiled from"


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
    help="Samples: an .npz (labels optional), an .npy, a folder or a table of files, as of 'qrt run'.",
)
@click.option("--match", metavar="ENGINE", help="The --match with which the file was compiled.")
@state_option
@reset_option
@click.option("--bias", "biases", metavar="LIST", help="int32,float: compile the source both ways and compare the two.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="Write a chart to this .png file, or the page of 'qrt report' to this .html file.",
)
@layout_option
@preprocess_option
@click.option("--all", "every", is_flag=True, help=f"Show every layer, not only the worst {SHOWN}.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def compare_model(
    path: Path,
    source: Path,
    data: Path,
    layout: str | None,
    match: str | None,
    state: dict[str, str],
    reset_every: int | None,
    biases: str | None,
    plot: Path | None,
    preprocess: Path | None,
    every: bool,
    as_json: bool,
) -> None:
    """Compares a file with the float results of its source.

    Every layer is compared, on the samples given. Errors are in LSB: steps of the layer's output. A quantized source
    is also run as written, with its quantize and dequantize operators (a .tflite file: without qrt's optimizations),
    and the first layer with different codes is named. If the samples have labels, accuracies are shown.

    The samples of a network with state are steps in time, from its initial state. A .tflite file with state is also run
    by TFLite Micro itself, if the Python package tflite_micro is installed and --match is tflm.

    \b
    Examples:
      qrt compare model.qfb --against model.onnx --inputs samples.npz
      qrt compare model.qfb --against model.pt2 --inputs samples.npz --bias int32,float
      qrt compare wakeword.qfb --against wakeword.tflite --inputs features.npy --reset-every 300
    """
    if plot is not None:
        plots.check_suffix(plot)
    variants = [] if biases is None else biases.split(",")
    if set(variants) - {"int32", "float"}:
        raise Failure(f"--bias takes int32, float or int32,float, got {biases}")
    model, content = open_content(path)
    found, alternatives = compare_with_source(
        path,
        model,
        content,
        source,
        data,
        layout,
        variants,
        match=match,
        state=state,
        reset_every=reset_every,
        preprocess=preprocess,
    )
    if plot is not None and plot.suffix == ".html":
        write_page(plot, {**file_document(path, model, content, source), "compare": document(path, source, found, [])})
    elif plot is not None:
        plots.write(plot, found, path.name)
    if as_json:
        print_json(document(path, source, found, alternatives))
        return
    _print(found, alternatives, every, reset_every)
    if plot is not None:
        click.echo(f"\nwrote {plot}")


def compare_with_source(
    path: Path,
    model: qrt.Model,
    content: bytes,
    source: Path,
    data: Path,
    layout: str | None,
    variants: Sequence[str],
    *,
    match: str | None,
    state: dict[str, str],
    reset_every: int | None,
    preprocess: Path | None = None,
) -> tuple[Comparison, list[dict[str, Any]]]:
    """The comparison of a file with its source, and what each of `variants`, kinds of biases, gives."""
    from qrt.compiler import CompileError

    if reset_every is not None and not model.state_size:
        raise Failure(f"{path}: has no state to reset; leave out --reset-every")
    names, shapes = [info.name for info in model.inputs], [info.shape for info in model.inputs]
    samples = read_samples(data, names, shapes, model.inputs, layout, preprocessing(preprocess, model, path))
    try:
        runner = _Runner(path, content, source, match, state, samples, reset_every)
        if variants and runner.is_float:
            raise Failure(f"{source}: --bias compiles the source, but this one is float; give the quantized source")
        return runner.compare(), [runner.variant(bias) for bias in variants]
    except CompileError as error:
        raise refused(source, error) from None
    except ImportError as error:
        raise Failure(f"{source}: {error}") from None


def document(path: Path, source: Path, found: Comparison, alternatives: list[dict[str, Any]]) -> dict[str, Any]:
    """The comparison as plain types."""
    return {"file": str(path), "source": str(source), **found.as_dict(), "biases": alternatives}


class _Runner:
    """A file, its source, and samples for both."""

    def __init__(
        self,
        path: Path,
        content: bytes,
        source: Path,
        match: str | None,
        state: dict[str, str],
        samples: Samples,
        reset_every: int | None,
    ) -> None:
        from qrt.compiler import source_graph
        from qrt.compiler.backends.qfb.reader import read
        from qrt.compiler.study.layers import exposed_file

        self.graph = read(content)
        if not self.graph.ops:
            raise Failure(f"{path}: has no layer to compare; its outputs are its inputs")
        self.model = qrt.load(content)
        self.all = qrt.load(exposed_file(self.graph))
        self.path, self.source_path, self.samples, self.reset_every = path, source, samples, reset_every
        leading = {edge.tensor.shape[0] for edge in self.graph.inputs}
        batch = leading.pop() if len(leading) == 1 else None
        # How the file was compiled from the source.
        self.options: dict[str, Any] = {"match": match, "batch": batch, "state": state}
        self.source = source_graph(source, **self.options)
        # What of the source is no state.
        self.inputs, self.outputs = (
            [edge.tensor for edge in edges if not edge.state] for edges in (self.source.inputs, self.source.outputs)
        )
        self._check_source()
        self.quantized = any(op.kind == "quantize" for op in self.source.ops)
        self.is_float = not self.quantized and any(op.output.dtype == "float32" for op in self.source.ops)
        self.plain: Graph | None = None
        # The source's real outputs of each run, set by `compare`.
        self.meant: list[Array] = []
        if source.suffix == ".tflite":
            self._compile_plain()
        # What the states of the source hold, as float and as written.
        self.states: tuple[dict[str, Array], dict[str, Array]] = {}, {}
        self.engine = self._engine() if self.all.state_size else None

    def _check_source(self) -> None:
        """Refuses a source that the file cannot have been compiled from."""
        wanted = [list(_source_shape(edge)) for edge in self.graph.inputs]
        given = [list(tensor.shape) for tensor in self.inputs]
        if wanted != given or len(self.graph.outputs) != len(self.outputs):
            texts = [
                f"inputs {inputs}, {outputs} outputs"
                for inputs, outputs in ((given, len(self.outputs)), (wanted, len(self.graph.outputs)))
            ]
            remedy = "give the source that it was compiled from, and the same --state; compile it without --stream"
            reason = f"has {texts[0]}, but {self.path} has {texts[1]}; {remedy}"
            raise Failure(f"{self.source_path}: {reason}")
        for number, (edge, tensor) in enumerate(zip(self.graph.outputs, self.outputs, strict=True)):
            if edge.tensor.size != tensor.size:
                shapes = (
                    f"output {number} is {shape_text(tensor.shape)}, in {self.path} {shape_text(_source_shape(edge))}"
                )
                raise Failure(f"{self.source_path}: its {shapes}; {REMEDY}")
        self._check_layers()

    def _check_layers(self) -> None:
        """Refuses a source whose layers are not those of the file."""
        found = refuse_unrelated(self.path, self.graph, self.source_path, self.source)
        for op, shape in self._never_removed(found.fewer):
            raise _other_shape(self.path, self.source_path, op, shape)

    def _never_removed(self, fewer: list[Op]) -> Iterator[tuple[Op, tuple[int, ...]]]:
        """Of layers with fewer channels than in the source those whose channels compiling it does not remove."""
        from qrt.compiler import compile

        if not fewer or not any(op.kind == "quantize" for op in self.source.ops):
            return
        made = {op.output.name: op.output.shape for op in compile(self.source_path, **self.options).graph.ops}
        for op in fewer:
            if np.prod(made.get(op.output.name, op.output.shape)) > op.output.size:
                yield op, made[op.output.name]

    def _compile_plain(self) -> None:
        """Compiles the .tflite network without optimizations, so that it gives the engine's bytes for each layer."""
        from qrt.compiler import SKIPPABLE, compile
        from qrt.compiler.study.layers import exposed_file

        self.plain = compile(self.source_path, **self.options, skip=SKIPPABLE).graph
        self.plain_all = qrt.load(exposed_file(self.plain))

    def _engine(self) -> Stepper | None:
        """TFLite Micro with the source, if that is what the file shall match."""
        from qrt.compiler.study.engine import stepper

        is_matched = self.plain is not None and self.options["match"] in (None, "tflm") and not self.options["state"]
        return stepper(self.source_path) if is_matched else None

    def _begin(self, run: int) -> None:
        """Resets all states before the runs that begin a sequence."""
        if run != 0 and (self.reset_every is None or run % self.reset_every != 0):
            return
        self.all.reset()
        self.model.reset()
        if self.plain is not None:
            self.plain_all.reset()
        for states in self.states:
            states.clear()
        if self.engine is not None:
            self.engine.reset()

    def compare(self) -> Comparison:
        from qrt.compiler.study.compare import Comparer
        from qrt.compiler.study.evaluate import evaluate

        outputs = [tensor.name for tensor in self.outputs]
        comparer = Comparer(self.graph, outputs)
        right: dict[str, int] = {}
        differing: int | None = None
        first = self.graph.outputs[0]
        place = next((i for i, op in enumerate(self.graph.ops) if op.output is first.tensor), None)
        for run in progressing(self.samples.runs, "runs"):
            self._begin(run)
            taken = self.samples.run(run)
            codes = _run(self.all, taken)
            given = [_in_source_layout(x, edge) for x, edge in zip(taken, self.graph.inputs, strict=True)]
            real = evaluate(self.source, given, quantized=False, states=self.states[0])
            self.meant.append(real[outputs[0]].astype(np.float64))
            written = self._written(taken, given)
            comparer.add(codes, real, written)
            if self.engine is not None:
                differing = (differing or 0) + self._differing_from_engine(taken)
            if self.samples.labels is None:
                continue
            shown = {"float": real[outputs[0]]}
            if place is not None:
                shown = {"qrt": _real(codes[place], first), **shown}
            if written is not None and outputs[0] in written:
                shown["quantized source"] = written[outputs[0]]
            for name, values in shown.items():
                right[name] = right.get(name, 0) + self._right(run, values)
        found = comparer.result()
        found.engine_differing = differing
        found.samples = self.samples.count
        found.accuracy = {name: count / self.samples.count for name, count in right.items()}
        return found

    def _differing_from_engine(self, taken: list[Array]) -> int:
        """The number of codes of all outputs that differ from TFLite Micro's."""
        assert self.engine is not None
        ours = _run(self.model, taken)
        theirs = self.engine.run(self.model.codes(*taken, layout="NHWC"), len(ours))
        return sum(int(np.count_nonzero(a.reshape(-1) != b.reshape(-1))) for a, b in zip(ours, theirs, strict=True))

    def _right(self, run: int, outputs: Array) -> int:
        count = self.samples.right(run, outputs)
        if count is None:
            reason = f"contains labels, but {self.path} does not give one output per sample; give data without labels"
            raise Failure(f"{self.samples.path}: {reason}")
        return count

    def _written(self, taken: list[Array], given: list[Array]) -> dict[str, Array] | None:
        """The real values of the quantized source, with the operators as written; None if it is float."""
        from qrt.compiler.study.evaluate import evaluate

        if self.plain is not None:
            # Not optimized, it may have kept the layout of the source where the file has NHWC.
            edges = zip(self.plain.inputs, self.graph.inputs, taken, given, strict=True)
            inputs = [x if a.source_layout == b.source_layout else y for a, b, x, y in edges]
            codes = _run(self.plain_all, inputs)
            pairs = zip(self.plain.ops, codes, strict=True)
            return {op.output.name: (q.astype(np.float32) - op.output.zero_point) * op.output.scale for op, q in pairs}
        return evaluate(self.source, given, quantized=True, states=self.states[1]) if self.quantized else None

    def variant(self, bias: str) -> dict[str, Any]:
        """SQNR against float and accuracy of the source compiled with biases of one kind.

        Needs the results of `compare`.
        """
        from qrt.compiler import compile

        model = qrt.load(compile(self.source_path, **self.options, bias=bias).to_bytes())
        info = model.outputs[0]
        signal = noise = 0.0
        right = 0
        for run, real in zip(progressing(self.samples.runs, "runs"), self.meant, strict=True):
            if self.reset_every is not None and run % self.reset_every == 0:
                model.reset()
            ours = _run(model, self.samples.run(run))[0]
            values = info.dequantize(ours).astype(np.float64)
            real = (real.transpose(0, 2, 3, 1) if info.source_layout == "NCHW" else real).reshape(values.shape)
            signal, noise = signal + float((real**2).sum()), noise + float(((real - values) ** 2).sum())
            if self.samples.labels is not None:
                right += self._right(run, values)
        sqnr = 10 * float(np.log10(max(signal, 1e-300) / noise)) if noise else None
        accuracy = None if self.samples.labels is None else right / self.samples.count
        return {"bias": bias, "sqnr": sqnr, "accuracy": accuracy}


def refuse_unrelated(path: Path, graph: Graph, source_path: Path, source: Graph) -> Kinship:
    """Raises Failure for a source whose layers are not those of the file `path`, by their names and shapes."""
    from qrt.compiler.study.compare import Kinship

    found = Kinship.of(graph, source)
    for op, shape in found.other:
        raise _other_shape(path, source_path, op, shape)
    if found.unknown and not (found.same or found.fewer):
        first = f"the first is {printable(found.unknown[0].name)}"
        reason = f"has none of the {len(found.unknown)} inner layers of {path}, {first}"
        raise Failure(f"{source_path}: {reason}; {REMEDY}")
    return found


def _other_shape(path: Path, source_path: Path, op: Op, shape: Sequence[int]) -> Failure:
    shapes = f"{shape_text(shape)}, in {path} {shape_text(op.output.shape)}"
    return Failure(f"{source_path}: layer {printable(op.name)} is {shapes}; {REMEDY}")


def _run(model: qrt.Model, taken: list[Array]) -> list[Array]:
    """Codes of all outputs of one run."""
    return as_list(model.run(*taken, layout="NHWC"))


def _real(codes: Array, edge: Edge) -> Array:
    """Numbers in the same order as the real values."""
    return codes if edge.scales is None else codes * edge.scales


def _source_shape(edge: Edge) -> tuple[int, ...]:
    shape = edge.tensor.shape
    return tuple(shape[axis] for axis in NHWC_TO_NCHW) if edge.source_layout == "NCHW" else shape


def _in_source_layout(x: Array, edge: Edge) -> Array:
    return x.transpose(NHWC_TO_NCHW) if edge.source_layout == "NCHW" else x


def _print(found: Comparison, alternatives: list[dict[str, Any]], every: bool, reset_every: int | None) -> None:
    out = console()
    rows = [("samples", f"{found.samples}"), ("layers", f"{len(found.layers)} compared")]
    if found.missing:
        rows[-1] = ("layers", f"{len(found.layers)} compared, {len(found.missing)} not found in the source by name")
    if any(layer.differing is not None for layer in found.layers):
        first = found.first_differing
        total = sum(layer.differing or 0 for layer in found.layers)
        others = f"{total:,} codes of all layers differ from the quantized source"
        text = f"{printable(first)}; {others}" if first else "none: every code is that of the quantized source"
        rows.append(("first different", text))
    if found.engine_differing is not None:
        text = (
            f"{found.engine_differing:,} codes of the outputs differ" if found.engine_differing else "the same outputs"
        )
        resets = f", reset before each {reset_every}" if reset_every is not None else ""
        rows.append(("TFLite Micro", f"{text}, with states carried over {found.samples} steps{resets}"))
    rows += [(f"accuracy of {name}", f"{value:.2%}") for name, value in found.accuracy.items()]
    show(out, facts(rows))
    count = len(found.layers)
    more = count > SHOWN and not every
    heading(
        out, f"The worst {SHOWN} of {count} layers, worst first; --all shows all" if more else "Layers, worst first"
    )
    for line in _table(found, SHOWN if more else count, out.width):
        click.echo(line)
    if alternatives:
        heading(out, "How biases are kept")
        texts = []
        for one in alternatives:
            sqnr = "exact" if one["sqnr"] is None else f"output SQNR {one['sqnr']:.2f} dB"
            texts.append((one["bias"], sqnr + ("" if one["accuracy"] is None else f", accuracy {one['accuracy']:.2%}")))
        show(out, facts(texts))


def _table(found: Comparison, count: int, width: int) -> Iterator[str]:
    shown = found.worst()[:count]
    rows = [("#", "SQNR dB", "max", "mean LSB", "cosine", "0/1/2/more %", "differ")]
    for layer in shown:
        middle = len(layer.histogram) // 2
        h = layer.histogram
        shares = [h[middle], h[middle - 1] + h[middle + 1], h[middle - 2] + h[middle + 2]]
        shares.append(layer.size - sum(shares))
        rows.append(
            (
                str(layer.index),
                f"{layer.sqnr:.1f}",
                f"{layer.max_error:.1f}",
                f"{layer.mean_error:.2f}",
                f"{layer.cosine:.5f}",
                "/".join(f"{100 * share / layer.size:.0f}" for share in shares),
                "-" if layer.differing is None else str(layer.differing),
            )
        )
    names = ["layer", *(printable(layer.name) for layer in shown)]
    return named_rows(rows, names, (), width)
