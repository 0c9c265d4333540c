"""A .tflite network whose weights alone are quantized (dynamic range, float16, weight only) -> a float network.

Works on the objects that LiteRT's schema module makes of a file, in place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.integers.int4 import unpacked_int4

Array = np.ndarray[Any, Any]
# Element types of constants, as numpy reads them; INT4 has two codes in a byte.
STORED = {"FLOAT16": "<f2", "INT8": "i1", "UINT8": "u1", "INT4": "i1", "INT16": "<i2", "INT32": "<i4"}
CODES = ("INT8", "UINT8", "INT4", "INT16")


class Floats:
    """One file's main subgraph on its way to float.

    Parameters
    ----------
    schema : module
        LiteRT's ``schema_py_generated``.
    model : schema.ModelT
    """

    def __init__(self, schema: Any, model: Any) -> None:
        self.schema, self.model = schema, model
        self.subgraph = model.subgraphs[0]
        self.types: dict[int, str] = {
            number: name for name, number in vars(schema.TensorType).items() if isinstance(number, int)
        }

    def activations_are_float(self) -> bool:
        """Whether no operator reads or writes codes that are not constant."""
        places = [*self.subgraph.inputs, *(i for op in self.subgraph.operators for i in (*op.inputs, *op.outputs))]
        return not any(
            self._type(i) in CODES and self._scales(i) is not None and self._stored(i) is None for i in places if i >= 0
        )

    def undo(self) -> None:
        """Makes every quantized or float16 constant float32.

        Raises
        ------
        CompileError
            Constants in a form that is not known; lists all of them.
        """
        kept, problems = [], []
        dequantize = self.schema.BuiltinOperator.DEQUANTIZE
        for op in self.subgraph.operators:
            code = self.model.operatorCodes[op.opcodeIndex]
            dequantizes = max(code.builtinCode, code.deprecatedBuiltinCode) == dequantize
            try:
                if dequantizes and self._stored(op.inputs[0]) is not None:
                    self._set(op.outputs[0], self._real(op.inputs[0]))
                    self.subgraph.tensors[op.inputs[0]].quantization = None
                    continue
                self._undo_operator(op)
            except ValueError as error:
                problems.append(Problem(self._name(op.outputs[0]), "weights", str(error)))
            kept.append(op)
        if problems:
            raise CompileError(problems)
        self.subgraph.operators = kept

    def _undo_operator(self, op: Any) -> None:
        if any(self._type(i) != "FLOAT32" for i in op.outputs):
            return
        for i in op.inputs:
            quantized = i >= 0 and self._scales(i) is not None and self._type(i) != "FLOAT32"
            if quantized and self._stored(i) is not None:
                self._set(i, self._real(i))
        if hasattr(op.builtinOptions, "asymmetricQuantizeInputs"):
            op.builtinOptions.asymmetricQuantizeInputs = False

    def _name(self, index: int) -> str:
        return str((self.subgraph.tensors[index].name or b"").decode("utf-8", "replace"))

    def _type(self, index: int) -> str:
        return self.types.get(self.subgraph.tensors[index].type, "?")

    def _stored(self, index: int) -> Array | None:
        """The bytes of a constant; None for an activation."""
        data = self.model.buffers[self.subgraph.tensors[index].buffer].data
        return None if data is None or len(data) == 0 else np.asarray(data, np.uint8)

    def _scales(self, index: int) -> Array | None:
        stated = self.subgraph.tensors[index].quantization
        if stated is None or stated.scale is None or len(stated.scale) == 0:
            return None
        return np.asarray(stated.scale, np.float32)

    def _real(self, index: int) -> Array:
        """The real values of a constant."""
        tensor, kind, data = self.subgraph.tensors[index], self._type(index), self._stored(index)
        if kind == "FLOAT32" and data is not None:
            return data.view("<f4").reshape(tensor.shape)
        stated = tensor.quantization
        if kind not in STORED or data is None or tensor.sparsity is not None:
            raise ValueError(f"has constants that are sparse or of type {kind}; convert the network again, as float")
        if stated is not None and stated.detailsType:
            raise ValueError("has weights quantized in blocks; convert the network again, as float")
        values = data.view(STORED[kind])
        if kind == "INT4":
            values = unpacked_int4(values, int(np.prod(tensor.shape)))
        values = values.reshape(tensor.shape).astype(np.float32)
        if kind == "FLOAT16":
            return values
        scales = self._scales(index)
        if scales is None:
            raise ValueError(f"has {kind} constants without a scale; convert the network again, as float")
        zeros = np.zeros(1) if stated.zeroPoint is None or len(stated.zeroPoint) == 0 else np.asarray(stated.zeroPoint)
        along = [1] * values.ndim
        if len(scales) > 1:
            along[stated.quantizedDimension] = -1
        return ((values - zeros.astype(np.float32).reshape(along)) * scales.reshape(along)).astype(np.float32)

    def _set(self, index: int, values: Array) -> None:
        """Gives a tensor a float32 constant of its own: several tensors may share a buffer."""
        tensor, buffer = self.subgraph.tensors[index], self.schema.BufferT()
        buffer.data = np.frombuffer(values.astype("<f4").tobytes(), np.uint8)
        tensor.buffer = len(self.model.buffers)
        self.model.buffers.append(buffer)
        tensor.type, tensor.quantization = self.schema.TensorType.FLOAT32, None
