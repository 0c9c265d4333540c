"""qrt compile --calibrate: quantizes a float network on samples, and measures the accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import qrt
from qrt.cli.arrays import Array
from qrt.cli.console import Progress, note, progressing
from qrt.cli.samples import Samples, read_samples
from qrt.edges import NCHW_TO_NHWC

if TYPE_CHECKING:
    from qrt.compiler.calibration import Quantized
    from qrt.compiler.frontends.float_network import FloatNetwork


@dataclass(frozen=True)
class Calibration:
    """Result of a calibration: the float network, the quantized one, and the samples."""

    network: FloatNetwork
    quantized: Quantized
    samples: Samples


def calibrate(source: Path, data: Path, method: str) -> Calibration:
    """Quantizes `source` on the samples of `data`, with a progress bar."""
    from qrt.compiler.calibration import Quantized, float_network

    network = float_network(source)
    names = [name for name, _ in network.inputs]
    samples = read_samples(data, names, [shape for _, shape in network.inputs])
    named = dict(zip(names, samples.inputs, strict=True))
    with Progress(samples.runs, "calibrating") as progress:
        content = network.quantize(named, method, progress.done)
    return Calibration(network, Quantized(source, content), samples)


def outputs_of(model: qrt.Model, taken: Sequence[Array], dequantize: bool = False) -> Array:
    """The first output for one run of samples, NHWC."""
    turned = [
        x.transpose(NCHW_TO_NHWC) if info.source_layout == "NCHW" else x
        for x, info in zip(taken, model.inputs, strict=True)
    ]
    return model.run(*turned, layout="NHWC", dequantize=dequantize, as_list=True)[0]


def accuracies(calibrated: Calibration, models: Mapping[str, qrt.Model]) -> dict[str, float]:
    """Accuracy of the float and of the compiled networks on the samples; empty without labels."""
    network, samples = calibrated.network, calibrated.samples
    if samples.labels is None:
        return {}
    right = dict.fromkeys(("float", *models), 0)
    for i in progressing(samples.runs, "accuracy"):
        taken = samples.run(i)
        results = {"float": network.run(taken)}
        for name, model in models.items():
            results[name] = outputs_of(model, taken)
        for name, outputs in results.items():
            count = samples.right(i, outputs)
            if count is None:
                note(f"{network.path}: does not give one output per sample, so no accuracy can be computed")
                return {}
            right[name] += count
    return {name: count / samples.count for name, count in right.items()}
