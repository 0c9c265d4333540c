"""qrt compile --calibrate: quantizes a float ONNX network on samples, and measures the accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qrt
from qrt.cli.console import Progress, note, progressing
from qrt.cli.failure import Failure
from qrt.cli.samples import Samples, read_samples
from qrt.model import NCHW_TO_NHWC


@dataclass(frozen=True)
class Calibration:
    """Result of a calibration.

    Attributes
    ----------
    model : onnx.ModelProto
        The quantized network.
    samples : Samples
    """

    model: Any
    samples: Samples


def calibrate(source: Path, data: Path, method: str) -> Calibration:
    """Quantizes `source` on the samples of `data`, with a progress bar."""
    from qrt.compiler.frontends.onnx.calibrate import float_inputs, quantize

    if source.suffix != ".onnx":
        raise Failure(f"{source}: --calibrate takes a float .onnx network")
    inputs = float_inputs(source)
    samples = read_samples(data, [name for name, _ in inputs], [shape for _, shape in inputs])
    named = dict(zip((name for name, _ in inputs), samples.inputs, strict=True))
    with Progress(samples.runs, "calibrating") as progress:
        return Calibration(quantize(source, named, method, progress.done), samples)


def accuracies(source: Path, model: qrt.Model, samples: Samples) -> dict[str, float]:
    """Accuracy of the float and of the compiled network on the samples; empty without labels."""
    if samples.labels is None:
        return {}
    import onnxruntime

    session = onnxruntime.InferenceSession(str(source), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    right = {"float": 0, "qrt": 0}
    for i in progressing(samples.runs, "accuracy"):
        taken = samples.run(i)
        theirs = session.run(None, dict(zip(names, taken, strict=True)))[0]
        turned = [
            x.transpose(NCHW_TO_NHWC) if info.source_layout == "NCHW" else x
            for x, info in zip(taken, model.inputs, strict=True)
        ]
        ours = model.run(*turned, layout="NHWC")
        for name, outputs in (("float", theirs), ("qrt", ours[0] if isinstance(ours, list) else ours)):
            count = samples.right(i, outputs)
            if count is None:
                note(f"{source}: does not give one output per sample, so no accuracy can be computed")
                return {}
            right[name] += count
    return {name: count / samples.count for name, count in right.items()}
