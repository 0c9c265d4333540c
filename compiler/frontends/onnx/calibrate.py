"""A float ONNX network and calibration samples -> a quantized ONNX network, by onnxruntime's static quantizer.

Activations become uint8, weights int8 per output channel, biases int32; the same samples give the same network.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.frontends.onnx.graph import to_graph
from qrt.compiler.libraries import load


def float_inputs(path: str | os.PathLike[str]) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the inputs of a float ONNX file; a symbolic batch is 1.

    Raises
    ------
    CompileError
        Not an ONNX file, or already quantized.
    """
    graph = to_graph(Path(path))
    if any(op.kind == "quantize" for op in graph.ops):
        raise CompileError([Problem(str(path), "file", "is already quantized; compile it without --calibrate")])
    return [(edge.tensor.name, edge.tensor.shape) for edge in graph.inputs]


def quantize(
    path: str | os.PathLike[str],
    samples: Mapping[str, np.ndarray],
    method: str = "minmax",
    seen: Callable[[int], None] = lambda count: None,
) -> Any:
    """The quantized network, an ONNX ModelProto.

    Parameters
    ----------
    path : path
        A float .onnx file.
    samples : dict of str to numpy.ndarray
        For each input, in the order and with the names of `float_inputs`: float32 [runs, *the input's shape].
    method : {"minmax", "entropy", "percentile"}
        How ranges follow from the observed values: minimum and maximum, least loss of information, or 99.999 %.
    seen : function
        Called with the number of samples that were run.

    Raises
    ------
    CompileError
        onnxruntime cannot quantize the network; the message has its reason.
    ImportError
        onnxruntime is missing.
    """
    load("onnxruntime")
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    methods = quantization.CalibrationMethod
    chosen = {"minmax": methods.MinMax, "entropy": methods.Entropy, "percentile": methods.Percentile}[method]
    try:
        # onnxruntime prints progress, which must not appear in the caller's output.
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            prepared, target = Path(folder, "prepared.onnx"), Path(folder, "quantized.onnx")
            quant_pre_process(os.fspath(path), prepared)
            quantization.quantize_static(
                prepared,
                target,
                _reader(quantization.CalibrationDataReader, samples, seen),
                quant_format=quantization.QuantFormat.QDQ,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                per_channel=True,
                calibrate_method=chosen,
            )
            return onnx.load(target)
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        first = str(error).strip().splitlines()
        reason = f"onnxruntime cannot quantize it: {first[0] if first else type(error).__name__}"
        raise CompileError([Problem(os.fspath(path), "file", reason)]) from None


def _reader(base: Any, samples: Mapping[str, np.ndarray], seen: Callable[[int], None]) -> Any:
    """Passes the samples to onnxruntime, one run at a time."""
    count = min(len(x) for x in samples.values())

    class Reader(base):  # type: ignore[misc]
        def __init__(self) -> None:
            self.place = 0

        def get_next(self) -> dict[str, np.ndarray] | None:
            if self.place == count:
                return None
            taken = {name: x[self.place] for name, x in samples.items()}
            self.place += 1
            seen(self.place)
            return taken

    return Reader()
