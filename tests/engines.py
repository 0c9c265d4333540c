"""TFLM and LiteRT, whose bytes some tests compare; tests that ask for one that is not installed say so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, Any]
ARENA_SIZE = 20_000_000


def tflm(content: bytes, inputs: Sequence[Array], outputs: int = 1) -> list[Array]:
    """The outputs of TensorFlow Lite Micro's reference kernels."""
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=ARENA_SIZE)
    for index, x in enumerate(inputs):
        interpreter.set_input(x, index)
    interpreter.invoke()
    return [interpreter.get_output(index) for index in range(outputs)]


def litert(content: bytes, inputs: Sequence[Array], *, reference: bool = True) -> list[Array]:
    """The outputs of LiteRT's reference kernels, or of its default ones, of which XNNPACK is most."""
    module = pytest.importorskip("ai_edge_litert.interpreter")
    resolver = module.OpResolverType.BUILTIN_REF if reference else module.OpResolverType.AUTO
    interpreter = module.Interpreter(model_content=content, experimental_op_resolver_type=resolver, num_threads=1)
    interpreter.allocate_tensors()
    for details, x in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(details["index"], x)
    interpreter.invoke()
    return [interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()]
