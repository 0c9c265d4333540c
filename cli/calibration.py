"""qrt compile --calibrate: a float ONNX network, quantized on samples; and how accurate it stays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import qrt
from qrt.cli.console import Progress, progressing
from qrt.cli.failure import Failure
from qrt.cli.samples import Samples, read_samples


@dataclass(frozen=True)
class Calibration:
    """What calibrating gave.

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
    for x, (name, shape) in zip(samples.inputs, inputs, strict=True):
        if x.shape[1:] != shape[1:]:
            raise Failure(f"{data}: input {name} takes samples of shape {shape[1:]}, got {x.shape[1:]}")
    named = dict(zip((name for name, _ in inputs), samples.inputs, strict=True))
    with Progress(samples.count, "calibrating") as progress:
        return Calibration(quantize(source, named, method, progress.done), samples)


def accuracies(source: Path, model: qrt.Model, samples: Samples) -> dict[str, float]:
    """Of the float network and of the compiled one, on the samples; empty without labels."""
    if samples.labels is None:
        return {}
    import onnxruntime

    session = onnxruntime.InferenceSession(str(source), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    right = {"float": 0, "qrt": 0}
    for i in progressing(samples.count, "accuracy"):
        taken = [x[i : i + 1] for x in samples.inputs]
        theirs = session.run(None, dict(zip(names, taken, strict=True)))[0]
        ours = model.run(*taken, layout="NCHW" if any(x.ndim == 4 for x in taken) else None)
        ours = ours[0] if isinstance(ours, list) else ours
        right["float"] += int(np.argmax(theirs) == samples.labels[i])
        right["qrt"] += int(np.argmax(ours) == samples.labels[i])
    return {name: count / samples.count for name, count in right.items()}
