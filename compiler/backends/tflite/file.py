"""TfliteFile: builds a .tflite file, tensor by tensor and operator by operator.

It handles the container only; the semantics of operators are in `qrt.compiler.backends.tflite.writer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np

from qrt.compiler.integers.int4 import packed_int4
from qrt.compiler.libraries import load

FORMAT_VERSION = 3
DATA_ALIGNMENT = 16
# Operator codes from 127 on do not fit into the schema's first, one-byte field.
PLACEHOLDER = 127
# Version of each operator that introduced its int8 form; 1 if int8 was supported from the start.
VERSIONS = {
    "ADD": 2,
    "ARG_MAX": 2,
    "AVERAGE_POOL_2D": 2,
    "BATCH_MATMUL": 2,
    "BROADCAST_TO": 2,
    "CONCATENATION": 2,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "DEQUANTIZE": 2,
    "FULLY_CONNECTED": 4,
    "GATHER": 2,
    "L2_NORMALIZATION": 2,
    "LEAKY_RELU": 2,
    "LOGISTIC": 2,
    "LOG_SOFTMAX": 2,
    "MAXIMUM": 2,
    "MAX_POOL_2D": 2,
    "MEAN": 2,
    "MINIMUM": 2,
    "MUL": 2,
    "PAD": 2,
    "PADV2": 2,
    "QUANTIZE": 2,
    "RELU": 2,
    "RELU6": 2,
    "RESIZE_BILINEAR": 2,
    "RESIZE_NEAREST_NEIGHBOR": 2,
    "SLICE": 2,
    "SOFTMAX": 2,
    "SPACE_TO_DEPTH": 2,
    "SPLIT": 2,
    "SQUARED_DIFFERENCE": 2,
    "STRIDED_SLICE": 2,
    "SUB": 2,
    "TANH": 2,
    "TRANSPOSE": 2,
    "TRANSPOSE_CONV": 3,
}
# Element types of the vector fields of options tables.
VECTORS = {"new_shape": "i4", "squeeze_dims": "i4"}


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


class TfliteFile:
    """A .tflite model of one subgraph under construction.

    Parameters
    ----------
    name : str
        Name of the model.
    """

    def __init__(self, name: str = "") -> None:
        self.library = load("tflite")
        self.builder = flatbuffers.Builder(1024)
        self.name = name
        self.codes: list[str] = []
        self.tensors: list[int] = []
        self.operators: list[int] = []
        self.buffers: list[int] = [self._table("Buffer")]

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "int8",
        *,
        scale: Any = None,
        zero_point: Any = 0,
        axis: int = 0,
        data: np.ndarray | None = None,
        variable: bool = False,
    ) -> int:
        """Adds a tensor and returns its index.

        Parameters
        ----------
        dtype : str
            As in numpy, or ``"int4"``, of a constant with codes from -8 to 7.
        scale, zero_point : number or array_like, optional
            float32 and integers; several along `axis` for per-channel quantization.
        data : numpy.ndarray, optional
            The value of a constant.
        variable : bool
            Whether an operator keeps its state there.
        """
        quantization = None
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            zero_points = np.broadcast_to(np.asarray(zero_point, np.int64), scales.shape)
            quantization = self._table(
                "QuantizationParameters",
                scale=self._vector(scales, "f4"),
                zero_point=self._vector(zero_points, "i8"),
                quantized_dimension=axis,
            )
        buffer = 0
        if data is not None:
            stored = packed_int4(data) if dtype == "int4" else np.ascontiguousarray(data, dtype)
            content = np.frombuffer(stored.tobytes(), np.uint8)
            buffer = len(self.buffers)
            self.buffers.append(self._table("Buffer", data=self._vector(content, "u1", DATA_ALIGNMENT)))
        self.tensors.append(
            self._table(
                "Tensor",
                shape=self._vector(shape, "i4"),
                type=getattr(self.library.TensorType, dtype.upper()),
                buffer=buffer,
                name=self.builder.CreateSharedString(name),
                quantization=quantization,
                is_variable=variable,
            )
        )
        return len(self.tensors) - 1

    def cast(self, source: str, output: str) -> dict[str, int]:
        """The options of a CAST between two types."""
        types = self.library.TensorType
        return {"in_data_type": getattr(types, source.upper()), "out_data_type": getattr(types, output.upper())}

    def operator(
        self, kind: str, inputs: Sequence[int], outputs: Sequence[int], table: str | None = None, **options: Any
    ) -> None:
        """Adds an operator.

        Parameters
        ----------
        kind : str
            As in the schema's BuiltinOperator: ``"CONV_2D"``.
        inputs, outputs : sequence of int
            Indices of tensors; -1 for an omitted optional input.
        table : str, optional
            The schema's name of its options.
        **options
            Their fields, in the schema's spelling.
        """
        if kind not in self.codes:
            self.codes.append(kind)
        fields = {k: self._vector(v, VECTORS[k]) if k in VECTORS else v for k, v in options.items()}
        position = None if table is None else self._table(table, **fields)
        self.operators.append(
            self._table(
                "Operator",
                opcode_index=self.codes.index(kind),
                inputs=self._vector(inputs, "i4"),
                outputs=self._vector(outputs, "i4"),
                builtin_options_type=None if table is None else getattr(self.library.BuiltinOptions, table),
                builtin_options=position,
            )
        )

    def to_bytes(self, inputs: Sequence[int], outputs: Sequence[int], description: str = "") -> bytes:
        """The file, with these tensors as the model's inputs and outputs."""
        b = self.builder
        subgraph = self._table(
            "SubGraph",
            tensors=self._offsets(self.tensors),
            inputs=self._vector(inputs, "i4"),
            outputs=self._vector(outputs, "i4"),
            operators=self._offsets(self.operators),
            name=b.CreateString(self.name),
        )
        codes = []
        for kind in self.codes:
            code = getattr(self.library.BuiltinOperator, kind)
            codes.append(
                self._table(
                    "OperatorCode",
                    deprecated_builtin_code=min(code, PLACEHOLDER),
                    version=VERSIONS.get(kind, 1),
                    builtin_code=code,
                )
            )
        model = self._table(
            "Model",
            version=FORMAT_VERSION,
            operator_codes=self._offsets(codes),
            subgraphs=self._offsets([subgraph]),
            description=b.CreateString(description),
            buffers=self._offsets(self.buffers),
        )
        b.Finish(model, file_identifier=b"TFL3")
        return bytes(b.Output())

    def _table(self, table: str, /, **fields: Any) -> int:
        getattr(self.library, f"{table}Start")(self.builder)
        for field, value in fields.items():
            if value is not None:
                getattr(self.library, f"{table}Add{_camel(field)}")(self.builder, value)
        return int(getattr(self.library, f"{table}End")(self.builder))

    def _vector(self, values: Any, dtype: str, alignment: int = 0) -> int:
        numbers = np.ascontiguousarray(values, np.dtype(dtype).newbyteorder("<"))
        b = self.builder
        b.StartVector(numbers.itemsize, numbers.size, max(alignment, numbers.itemsize))
        b.head -= numbers.nbytes
        b.Bytes[b.head : b.head + numbers.nbytes] = numbers.tobytes()
        return int(b.EndVector())

    def _offsets(self, positions: Sequence[int]) -> int:
        b = self.builder
        b.StartVector(4, len(positions), 4)
        for position in reversed(positions):
            b.PrependUOffsetTRelative(position)
        return int(b.EndVector())
