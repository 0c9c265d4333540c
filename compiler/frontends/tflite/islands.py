"""Operators that LiteRT's quantizer leaves in float, between DEQUANTIZE and QUANTIZE -> TFLite's int8 operators.

Works on the objects that LiteRT's schema module makes of a file, in place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
# Any scale of the output; the scale of the input, so it gets that of the output first; or one that TFLite fixes.
RESCALING = frozenset({"ABS", "ELU", "EXP", "LEAKY_RELU", "PRELU"})
KEEPING = frozenset({"DEPTH_TO_SPACE", "MINIMUM", "REDUCE_MAX", "REDUCE_MIN", "RELU6"})
FIXED = {"L2_NORMALIZATION": (1 / 128, 0), "LOG_SOFTMAX": (16 / 256, 127)}


class Islands:
    """A quantized file's subgraph.

    Parameters
    ----------
    schema : module
        LiteRT's ``schema_py_generated``.
    model : schema.ModelT
    ranges : dict of str to (low, high)
        Smallest and largest value of each activation, by the name of its tensor.
    """

    def __init__(self, schema: Any, model: Any, ranges: dict[str, tuple[float, float]]) -> None:
        self.schema, self.model, self.ranges = schema, model, ranges
        self.subgraph = model.subgraphs[0]
        self.names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
        # For each float tensor whose codes are known, the tensor that holds them.
        self.codes: dict[int, int] = {}

    def close(self) -> None:
        """Gives the operators codes to read and to write; what nobody dequantizes any more is removed."""
        operators = []
        for op in self.subgraph.operators:
            code = self.model.operatorCodes[op.opcodeIndex]
            kind = self.names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            if kind == "DEQUANTIZE":
                self.codes[op.outputs[0]] = op.inputs[0]
            elif kind == "QUANTIZE" and op.inputs[0] in self.codes:
                op.inputs = [self.codes[op.inputs[0]]]
            known = kind in RESCALING | KEEPING | FIXED.keys() and self._type(op.outputs[0]) == "FLOAT32"
            operators += self._on_codes(op, kind) if known else [op]
        read = {int(i) for op in operators for i in op.inputs} | {int(i) for i in self.subgraph.outputs}
        self.subgraph.operators = [op for op in operators if read.intersection(map(int, op.outputs))]

    def _on_codes(self, op: Any, kind: str) -> list[Any]:
        floats = [i for i in op.inputs if self._type(i) == "FLOAT32"]
        if any(i not in self.codes and self._constant(i) is None for i in floats):
            return [op]
        (out,) = op.outputs
        scale, zero_point = FIXED.get(kind) or self._parameters(out)
        before, inputs = [], []
        for i in op.inputs:
            values = self._constant(i) if i in floats else None
            if values is not None:
                symmetric = (max(float(np.abs(values).max()), 1e-12) / 127, 0)
                inputs.append(self._add(i, *((scale, zero_point) if kind in KEEPING else symmetric), values))
            elif i in self.codes and kind in KEEPING:
                inputs.append(self._add(i, scale, zero_point))
                before.append(self._operator("QUANTIZE", self.codes[i], inputs[-1]))
            else:
                inputs.append(self.codes.get(i, i))
        op.inputs, op.outputs = inputs, [self._add(out, scale, zero_point)]
        self.codes[out] = op.outputs[0]
        return [*before, op, self._operator("DEQUANTIZE", op.outputs[0], out)]

    def _type(self, index: int) -> str:
        kinds = self.schema.TensorType
        return "FLOAT32" if self.subgraph.tensors[index].type == kinds.FLOAT32 else ""

    def _constant(self, index: int) -> Array | None:
        tensor = self.subgraph.tensors[index]
        data = self.model.buffers[tensor.buffer].data
        return None if data is None or len(data) == 0 else np.asarray(data, np.uint8).view("<f4").reshape(tensor.shape)

    def _parameters(self, index: int) -> tuple[float, int]:
        """Scale and zero point of int8 codes for the range of a tensor, which always holds 0."""
        low, high = self.ranges[self.subgraph.tensors[index].name.decode("utf-8", "replace")]
        low, high = min(low, 0.0), max(high, 0.0)
        scale = max((high - low) / 255, 1e-12)
        return scale, round(-128 - low / scale)

    def _add(self, like: int, scale: float, zero_point: int, values: Array | None = None) -> int:
        """A tensor of codes with the shape of another one; `values` are those of a constant."""
        source, tensor = self.subgraph.tensors[like], self.schema.TensorT()
        tensor.shape, tensor.type = source.shape, self.schema.TensorType.INT8
        tensor.name = source.name + f"_codes_{len(self.subgraph.tensors)}".encode()
        tensor.quantization = self.schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [float(np.float32(scale))], [zero_point]
        if values is not None:
            buffer = self.schema.BufferT()
            codes = np.clip(np.rint(values / scale) + zero_point, -128, 127).astype(np.int8)
            buffer.data = np.frombuffer(codes.tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def _operator(self, kind: str, x: int, y: int) -> Any:
        number = getattr(self.schema.BuiltinOperator, kind)
        codes = self.model.operatorCodes
        place = next((k for k, code in enumerate(codes) if code.builtinCode == number), len(codes))
        if place == len(codes):
            codes.append(self.schema.OperatorCodeT(builtinCode=number, deprecatedBuiltinCode=number, version=2))
        return self.schema.OperatorT(opcodeIndex=place, inputs=[x], outputs=[y])
