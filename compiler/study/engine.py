"""TFLite Micro itself, where its Python package is installed: what a source file with state gives, step by step."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Codes of the source that are higher than those of a .qfb file, and the bit in which they differ.
UNSIGNED = {np.dtype(np.uint8): np.uint8(0x80), np.dtype(np.uint16): np.uint16(0x8000)}


def stepper(path: Path) -> Stepper | None:
    """A .tflite file on TFLite Micro; None if the package ``tflite_micro`` is not installed."""
    if importlib.util.find_spec("tflite_micro") is None:
        return None
    return Stepper(path.read_bytes())


class Stepper:
    """A network on TFLite Micro, whose states stay from run to run.

    Parameters
    ----------
    content : bytes
        A .tflite file.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.reset()

    def reset(self) -> None:
        """Begins anew: with a new interpreter, because TFLite Micro's own reset forgets initial values of variables."""
        from tflite_micro.python.tflite_micro import runtime

        self.interpreter = runtime.Interpreter.from_bytes(self.content)

    def run(self, codes: Sequence[Array], count: int) -> list[Array]:
        """The codes of the `count` outputs for the codes of the inputs, both as a .qfb file has them."""
        for index, given in enumerate(codes):
            dtype = np.dtype(self.interpreter.get_input_details(index)["dtype"])
            unsigned = given.view(dtype) ^ UNSIGNED[dtype] if dtype in UNSIGNED else given
            self.interpreter.set_input(unsigned, index)
        self.interpreter.invoke()
        return [_signed(self.interpreter.get_output(index)) for index in range(count)]


def _signed(codes: Array) -> Array:
    """Codes of the source as a .qfb file has them."""
    if codes.dtype not in UNSIGNED:
        return codes.copy()
    signed: Array = (codes ^ UNSIGNED[codes.dtype]).view(f"i{codes.itemsize}")
    return signed
