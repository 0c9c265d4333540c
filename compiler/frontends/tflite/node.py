"""Node: one operator of a .tflite file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qrt.compiler.ir import Tensor

# Elementwise operators that keep the scale: TensorFlow Lite's name and ours.
KEEPING = {
    "MAXIMUM": "maximum",
    "MINIMUM": "minimum",
}
# Inputs that are activations, if not the first one alone.
ACTIVATIONS = {
    "ADD": slice(0, 2),
    "BATCH_MATMUL": slice(0, 2),
    "CONCATENATION": slice(None),
    "DIV": slice(0, 2),
    "FILL": slice(1, 2),
    "MUL": slice(0, 2),
    "PACK": slice(None),
    "SELECT": slice(1, 3),
    "SELECT_V2": slice(1, 3),
    "SPLIT": slice(1, 2),
    "SQUARED_DIFFERENCE": slice(0, 2),
    "SUB": slice(0, 2),
    "TRANSPOSE_CONV": slice(2, 3),
    **dict.fromkeys(KEEPING, slice(0, 2)),
}


@dataclass(frozen=True)
class Node:
    """One operator of the file: its kind, name, flatbuffer table, tensors, and the name of a custom operator."""

    kind: str
    name: str
    source: Any
    inputs: list[Tensor]
    outputs: list[Tensor]
    custom: str = ""

    @property
    def title(self) -> str:
        """What messages call the kind."""
        return self.custom or self.kind

    @property
    def output(self) -> Tensor:
        return self.outputs[0]

    @property
    def activations(self) -> list[Tensor]:
        return self.inputs[ACTIVATIONS.get(self.kind, slice(0, 1))]
