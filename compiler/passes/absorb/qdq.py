"""absorb_qdq: float operators between dequantize and quantize become operators on codes.

After it every activation is int8 or int16, every operator is one of SPEC.md's, and all operators on images are NHWC:
an NCHW layer of the source gets a transpose before and after it, which `to_nhwc` removes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.integers.codes import LIMITS
from qrt.compiler.integers.elementwise import ELEMENTWISE, leaves, table
from qrt.compiler.integers.singles import (
    WRITTEN,
    dequantized,
    every_code,
    is_qlinear,
    product_codes,
    quantized,
    sum_codes,
)
from qrt.compiler.ir import Graph, Op, Quantization, Tensor
from qrt.compiler.passes.absorb.affine import of_constant
from qrt.compiler.passes.absorb.computed import COMPUTED, DATA_INPUTS
from qrt.compiler.passes.absorb.emitter import NCHW_TO_NHWC, NHWC_TO_NCHW, Emitter
from qrt.compiler.passes.absorb.layers import layer
from qrt.compiler.passes.absorb.moves import MOVES
from qrt.compiler.report import Report

EVERY = np.arange(-128, 128)
# Operators whose inputs have codes of one type.
ALIKE = ("add", "sub", "mul", "matmul")
UNQUANTIZED = (
    "its output is not quantized; quantize it (ONNX: a QuantizeLinear/DequantizeLinear pair after it; PyTorch: "
    "QrtQuantizer leaves nothing in float), or end the graph before it"
)


def _same_codes(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.quantization is not None and a.quantization.same_as(b.quantization)


def _source(op: Op) -> str:
    """The operator's type in the source."""
    source: str = op.attrs.get("source", op.kind)
    return source


def absorb_qdq(graph: Graph, report: Report) -> Graph:
    """Rewrites ``quantize(op(dequantize(codes), ...))`` as one operator on codes.

    - A layer, add, mul, mean or softmax computes the real result of its inputs and rounds it once to the output's
      codes, exactly as the integer operator does.
    - Data movement (reshape, transpose, concat, max_pool2d, relu, clip and padding with zero) commutes with quantize
      and dequantize, which are monotone and elementwise; so it works on codes.
    - quantize of a dequantize with equal parameters is the identity, otherwise one requantize.
    - A layer without quantize after it outputs int32 accumulators: to an add, which rounds the sum once, or to a
      model output, which is dequantized.
    - A function of one code becomes a lookup table of 256 codes, computed here in float32.

    Raises
    ------
    CompileError
        Lists all operators that remain in float.
    """
    if not any(op.kind in ("quantize", "dequantize") for op in graph.ops):
        floats = [op for op in graph.ops if op.output.dtype == "float32"]
        if floats:
            raise CompileError([Problem(op.name, _source(op), UNQUANTIZED) for op in floats])
        return graph
    result = Absorber(graph, report).run()
    report.note("absorb_qdq", f"turned {len(graph.ops)} source operators into {len(result.ops)} on codes")
    return result


class Absorber(Emitter):
    """The rewriting of one graph.

    Attributes
    ----------
    codes : dict of Tensor to Tensor
        For a float or source tensor, the codes that stand for it.
    rounded : dict of Tensor to Tensor
        For a float input, the codes that it is quantized to. They do not stand for it: it has more values.
    """

    def __init__(self, graph: Graph, report: Report) -> None:
        super().__init__(graph)
        self.report = report
        self.codes: dict[Tensor, Tensor] = {}
        self.rounded: dict[Tensor, Tensor] = {}
        self.accumulators: dict[Tensor, Tensor] = {}
        self.edges = {edge.tensor: edge for edge in graph.inputs}
        self.given = {edge.tensor.name for edge in graph.inputs}

    def run(self) -> Graph:
        for edge in self.source.inputs:
            self.result.inputs.append(replace(edge))
            if edge.tensor.dtype in LIMITS:
                self.codes[edge.tensor] = edge.tensor
        for op in self.source.ops:
            if op.kind == "quantize":
                self._absorb(op)
            elif op.kind != "dequantize" and op.output.dtype in LIMITS:
                op.inputs = [self.codes.get(tensor, tensor) for tensor in op.inputs]
                self.result.ops.append(op)
                self.codes[op.output] = op.output
        for edge in self.source.outputs:
            tensor = edge.tensor if edge.tensor.dtype in LIMITS else self._known(edge.tensor)
            if tensor is None and (wide := self._accumulated(edge.tensor)) is not None:
                wide.name = edge.tensor.name
                layout = "NCHW" if wide.shape != edge.tensor.shape else edge.source_layout
                self.result.outputs.append(replace(edge, tensor=wide, source_layout=layout))
                continue
            tensor = self.codes.get(tensor, tensor) if tensor is not None else None
            if tensor is None:
                self._record_unquantized(edge.tensor)
                continue
            if tensor is not edge.tensor and not self._is_edge(tensor):
                tensor.name = edge.tensor.name
            self.result.outputs.append(replace(edge, tensor=tensor))
        unread = [edge for edge in self.result.inputs if edge.tensor.dtype not in LIMITS]
        if unread and not self.problems:
            reason = "is never quantized; add a QuantizeLinear after it"
            raise CompileError([Problem(edge.tensor.name, "input", reason) for edge in unread])
        if self.problems:
            raise CompileError([Problem(op.name, _source(op), reason) for op, reason in self.problems.items()])
        return self.result

    def _is_edge(self, tensor: Tensor) -> bool:
        return any(edge.tensor is tensor for edge in (*self.result.inputs, *self.result.outputs))

    def _absorb(self, quantize: Op) -> None:
        target = quantize.output
        assert target.quantization is not None
        self.dtype = target.dtype
        limits = {
            f"output_{end}": quantize.attrs[f"quant_{end}"] for end in ("min", "max") if "quant_min" in quantize.attrs
        }
        # Codes get the name of the float tensor that they represent, unless other codes already have it.
        real = quantize.inputs[0].name
        called = real if real not in self.given else target.name
        self.given.add(called)
        name = self.fresh(f"{called}_unclamped") if limits else called
        codes = self._quantized(quantize.inputs[0], target.quantization, name)
        if codes is not None and limits:
            codes = self.emit("clamp", called, [codes], codes.shape, codes.quantization, limits)
        # After an error, continue with the source's tensor, to find all errors.
        self.codes[target] = codes if codes is not None else target

    # From float tensors to codes

    def _known(self, tensor: Tensor) -> Tensor | None:
        """The codes whose dequantization is exactly `tensor`, or None."""
        if tensor in self.codes:
            return self.codes[tensor]
        op = self.producers.get(tensor)
        if op is None:
            return None
        codes = None
        if op.kind == "dequantize":
            source = op.inputs[0]
            codes = source if source.is_constant else self.codes.get(source, source)
        elif op.kind in MOVES and self._has_real_values_of_codes(op):
            inputs = [self._known(t) for t in op.inputs]
            known = [t for t in inputs if t is not None]
            if len(known) == len(inputs) and all(_same_codes(t, known[0]) for t in known):
                codes = MOVES[op.kind](self, op, known)
        if codes is not None:
            self.codes[tensor] = codes
        return codes

    def _has_real_values_of_codes(self, op: Op) -> bool:
        """Whether the bounds of a clip and a pad's value are values of its input's codes, or bounds without effect."""
        if op.kind not in ("clip", "pad"):
            return True
        codes = self._known(op.inputs[0])
        if codes is None or codes.quantization is None:
            return False
        values = dequantized(every_code(codes), codes.quantization)
        if op.kind == "pad":
            return np.float32(op.attrs["value"]) in values
        low, high = (None if op.attrs.get(key) is None else np.float32(op.attrs[key]) for key in ("min", "max"))
        is_low = low is None or low <= values[0] or low in values
        return is_low and (high is None or high >= values[-1] or high in values)

    def _quantized(self, tensor: Tensor, quantization: Quantization, name: str) -> Tensor | None:
        """Codes of `tensor` with `quantization`; None if impossible, with the reason recorded."""
        if tensor in self.edges:
            return self._input(tensor, quantization)
        known = self._known(tensor)
        if known is not None:
            if quantization.same_as(known.quantization) and known.dtype == self.dtype:
                return known
            if known.data is not None:
                return self._constant(known, quantization)
            attrs = {"float32": WRITTEN[self.source.engine]} if self.source.engine in WRITTEN else {}
            return self.emit("requantize", name, [known], known.shape, quantization, attrs)
        op = self.producers.get(tensor)
        if op is None:
            return self._constant(tensor, quantization) if tensor.data is not None else None
        if op.kind in MOVES:
            inputs = [self._quantized(t, quantization, t.name) for t in op.inputs]
            if any(t is None for t in inputs):
                return None
            if op.attrs.get("channels_last", False):  # ATen has a kernel of its own for such a concat
                for made in self.result.ops:
                    if made.kind == "requantize" and made.output in inputs:
                        made.attrs["vector"] = True
            return MOVES[op.kind](self, op, [t for t in inputs if t is not None])
        if op.kind in ELEMENTWISE:
            codes = self._table(op, quantization, name)
            if codes is None:
                codes = self._of_constant(op, quantization, name)
            if codes is not None:
                return codes
        if op.kind not in COMPUTED:
            if op.kind in ELEMENTWISE and self._is_of_int16(op):
                reason = "is a function from or to int16 codes, of which there is no table; use 8 bits for it"
                self.problems.setdefault(op, reason)
                return None
            before = len(self.problems)
            if op.kind in ELEMENTWISE:
                self._record_inputs(op)
            if len(self.problems) == before:
                reason = f"{_source(op)} has no integer form in qrt; replace it, or cut the graph before it"
                self.problems.setdefault(op, reason)
            return None
        inputs = [self._known(t) for t in op.inputs[: DATA_INPUTS.get(op.kind, 1)]]
        operands = [t for t in inputs if t is not None]
        if len(operands) < len(inputs):
            total = self._layer_plus_codes(op, quantization, name) if op.kind == "add" else None
            if total is None:
                self._record_inputs(op)
            return total
        if op.kind in ALIKE and "int16" in (t.dtype for t in operands):
            operands = [self.finer(t) if t.dtype == "int8" else t for t in operands]
        return COMPUTED[op.kind](self, op, operands, quantization, name)

    def _constant(self, tensor: Tensor, quantization: Quantization) -> Tensor:
        """A constant, float or codes, as codes with `quantization`."""
        assert tensor.data is not None
        way = WRITTEN.get(self.source.engine, "DIVIDE")
        known = tensor.quantization
        if known is not None and not known.per_channel:
            real: np.ndarray = dequantized(tensor.data, known)
        else:
            real = tensor.real()
        data = quantized(real, quantization, way, self.dtype)
        return Tensor(self.fresh(tensor.name), tensor.shape, self.dtype, quantization, data.astype(self.dtype))

    def _input(self, tensor: Tensor, quantization: Quantization) -> Tensor | None:
        if tensor not in self.rounded:
            codes = Tensor(tensor.name, tensor.shape, self.dtype, quantization)
            self.rounded[tensor] = codes
            for edge in self.result.inputs:
                if edge.tensor is tensor:
                    edge.tensor = codes
        codes = self.rounded[tensor]
        if quantization.same_as(codes.quantization) and codes.dtype == self.dtype:
            return codes
        op = next(op for op in self.source.ops if tensor in op.inputs)
        self.problems[op] = f"input {tensor.name} is quantized in two ways; use the same scale for all of its readers"
        return None

    def _table(self, op: Op, quantization: Quantization, name: str) -> Tensor | None:
        """A lut for a region of float functions of one tensor of codes, or None."""
        found = leaves(op, self.producers, lambda t: self._known(t) is not None)
        if found is None or len(found) != 1:
            return None
        (leaf,) = found
        codes = self._known(leaf)
        assert codes is not None
        if codes.is_constant or codes.shape != op.output.shape or "int16" in (codes.dtype, self.dtype):
            return None
        if is_qlinear(op):
            codes_of = sum_codes if op.kind == "add" else product_codes
            operands = [tensor for tensor in map(self._known, op.inputs) if tensor is not None]
            kernel = replace(op, inputs=operands, output=Tensor(name, op.output.shape, "int8", quantization))
            values = [EVERY if tensor.data is None else tensor.data.reshape(()) for tensor in operands]
            entries, near = codes_of(kernel, *values).astype(np.int8), 0
        else:
            way = WRITTEN.get(self.source.engine, "DIVIDE")
            entries, near = table(op, self.producers, leaf, codes, quantization, way)
        if near:
            self.report.deviation(op, near, len(entries), "codes")
        return self.emit("lut", name, [codes], codes.shape, quantization, {"table": entries}, op)

    def _is_of_int16(self, op: Op) -> bool:
        """Whether a function of one tensor of codes reads or writes int16."""
        found = leaves(op, self.producers, lambda t: self._known(t) is not None)
        codes = [self._known(leaf) for leaf in found or ()]
        return len(codes) == 1 and "int16" in (self.dtype, *(known.dtype for known in codes if known is not None))

    def _of_constant(self, op: Op, quantization: Quantization, name: str) -> Tensor | None:
        """add, sub, mul or div of codes and a constant that is not quantized, or None."""
        known = [self._known(tensor) for tensor in op.inputs]
        codes = [tensor for tensor in known if tensor is not None and not tensor.is_constant]
        if len(codes) != 1 or (op.kind != "div" and None not in known):
            return None
        return of_constant(self, op, codes[0], quantization, name)

    def _accumulated(self, tensor: Tensor) -> Tensor | None:
        """The int32 NHWC accumulators of a layer on codes whose float result is `tensor`, or None."""
        op = self.producers.get(tensor)
        if op is None or op.kind not in ("conv2d", "linear"):
            return None
        if tensor not in self.accumulators:
            x, weights = (self._known(t) for t in op.inputs[:2])
            if x is None or weights is None or x.dtype == "int16":
                return None
            wide = layer(self, op, [x, weights], None, self.fresh(f"{tensor.name}_acc"))
            if wide is None:
                return None
            self.accumulators[tensor] = wide
        return self.accumulators[tensor]

    def _layer_plus_codes(self, op: Op, quantization: Quantization, name: str) -> Tensor | None:
        """The sum of a layer's float result and of codes, rounded once; None for other sums."""
        for wide, other in (op.inputs, op.inputs[::-1]):
            b = self._known(other)
            if b is None or b.is_constant or b.shape != op.output.shape or "int16" in (b.dtype, self.dtype):
                continue
            acc = self._accumulated(wide)
            if acc is None:
                continue
            producer = self.producers[wide]
            if producer.kind == "linear" or producer.attrs.get("layout", "NHWC") == "NHWC":
                return self.emit("requantize_sum", name, [acc, b], acc.shape, quantization, self.unmodeled(), op)
            b = self.transposed(b, NCHW_TO_NHWC)
            nhwc, attrs = self.fresh(f"{name}_nhwc"), self.unmodeled()
            y = self.emit("requantize_sum", nhwc, [acc, b], acc.shape, quantization, attrs, op)
            return self.transposed(y, NHWC_TO_NCHW, name)
        return None

    # Errors

    def _record_unquantized(self, tensor: Tensor) -> None:
        """Records why `tensor` has no codes."""
        if tensor in self.edges:
            reason = f"is the input {tensor.name} in float; quantize it first, or leave it out"
            self.problems[Op("output", tensor.name, [], tensor)] = reason
        op = self.producers.get(tensor)
        if op is None or op.kind in ("quantize", "dequantize") or op in self.problems:
            return
        if op.kind in MOVES or op.kind in ELEMENTWISE:
            before = len(self.problems)
            self._record_inputs(op)
            if len(self.problems) > before and op.kind in MOVES:
                return
        self.problems.setdefault(op, UNQUANTIZED)

    def _record_inputs(self, op: Op) -> None:
        for tensor in op.inputs[: DATA_INPUTS.get(op.kind)]:
            if self._known(tensor) is None:
                if tensor.is_constant:
                    reason = f"its constant operand {tensor.name} is not quantized; quantize it too"
                    self.problems.setdefault(op, reason)
                elif tensor in self.edges:
                    self.problems.setdefault(op, f"reads the input {tensor.name} in float; quantize the input first")
                else:
                    self._record_unquantized(tensor)
