"""qrt compile --calibrate: quantizes a float network on samples, and measures the accuracy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import qrt
from qrt.cli.arrays import Array
from qrt.cli.console import Progress, note, progressing
from qrt.cli.samples import Samples, read_samples
from qrt.data import Preprocess
from qrt.edges import NCHW_TO_NHWC

if TYPE_CHECKING:
    from qrt.compiler import Compiled
    from qrt.compiler.calibration import Quantized
    from qrt.compiler.frontends.float_network import FloatNetwork

# Samples of a run of `qrt.Model` at once.
AT_ONCE = 64


@dataclass(frozen=True)
class Calibration:
    """Result of a calibration: the float network, the quantized one, and the samples."""

    network: FloatNetwork
    quantized: Quantized
    samples: Samples


def samples_for(network: FloatNetwork, data: Path, preprocess: Preprocess | None = None) -> Samples:
    """The samples of `data` for the inputs of a float network."""
    names, shapes = [name for name, _ in network.inputs], [shape for _, shape in network.inputs]
    channels_first = Path(network.path).suffix != ".tflite"
    return read_samples(data, names, shapes, preprocess=preprocess, channels_first=channels_first)


def calibrate(
    source: Path,
    data: Path,
    method: str,
    count: int | None = None,
    per_tensor: bool = False,
    preprocess: Preprocess | None = None,
) -> Calibration:
    """Quantizes `source` on the first `count` samples of `data`, with a progress bar."""
    from qrt.compiler.calibration import float_network

    network = float_network(source)
    samples = samples_for(network, data, preprocess)
    samples = samples if count is None else samples.first(count)
    with Progress(samples.runs, "calibrating") as progress:
        granularity = "per_tensor" if per_tensor else "per_channel"
        return calibrated_on(network, source, samples, method, granularity, progress.done)


def calibrated_on(
    network: FloatNetwork,
    source: Path,
    samples: Samples,
    method: str,
    granularity: str,
    seen: Callable[[int], None] = lambda count: None,
) -> Calibration:
    """Quantizes a network, the file `source`, on all samples; `seen` gets the number of runs that are done."""
    from qrt.compiler.calibration import Quantized

    named = {name: x for (name, _), x in zip(network.inputs, samples.inputs, strict=True)}
    content = network.quantize(named, method, seen, granularity)
    return Calibration(network, Quantized(source, content), samples)


def outputs_of(model: qrt.Model, taken: Sequence[Array], dequantize: bool = False) -> Array:
    """The first output for one run of samples, NHWC."""
    turned = [
        x.transpose(NCHW_TO_NHWC) if info.source_layout == "NCHW" else x
        for x, info in zip(taken, model.inputs, strict=True)
    ]
    ours = model.run(*turned, layout="NHWC", dequantize=dequantize)
    return ours[0] if isinstance(ours, list) else ours


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What an integer network keeps of a float one, and takes.

    Attributes
    ----------
    accuracy : float or None
        Share of samples that are right; None without labels.
    error : float
        Root of the mean square of (integer - float), over that of float, of the first output on all samples.
    arena : int
        RAM for activations, in bytes.
    macs, int16_macs : int
        Multiply-accumulates of a run, and those that read int16.
    content : bytes
        The .qfb file.
    """

    accuracy: float | None
    error: float
    arena: int
    macs: int
    int16_macs: int
    content: bytes


@dataclass(frozen=True, eq=False)
class Reference:
    """What a float network gives on samples, which integer networks are measured against.

    Attributes
    ----------
    samples : Samples
    outputs : list of numpy.ndarray
        The first output of each run, in the layout of the float network.
    """

    samples: Samples
    outputs: list[Array]

    @classmethod
    def of(cls, network: FloatNetwork, samples: Samples) -> Reference:
        runs = progressing(samples.runs, "float network")
        return cls(samples, [network.run(samples.run(i)) for i in runs])

    @property
    def accuracy(self) -> float | None:
        """That of the float network."""
        return self.accuracy_of(self.outputs)

    def accuracy_of(self, outputs: Sequence[Array]) -> float | None:
        """The share of samples that are right; None without labels, or without one output for each sample."""
        if self.samples.labels is None:
            return None
        right = [count for i, x in enumerate(outputs) if (count := self.samples.right(i, x)) is not None]
        return sum(right) / self.samples.count if len(right) == len(outputs) else None

    def error_of(self, model: qrt.Model, outputs: Sequence[Array]) -> float:
        """Root of the mean square of (integer - float), over that of float."""
        meant = np.stack(self.outputs).astype(np.float64)
        if model.outputs[0].source_layout == "NCHW":
            meant = np.stack([x.transpose(NCHW_TO_NHWC) for x in meant])
        noise = np.stack(outputs).reshape(meant.shape) - meant
        return float(np.sqrt((noise**2).mean() / max((meant**2).mean(), np.finfo(np.float64).tiny)))

    def measured(self, compiled: Compiled) -> Measured:
        """What a compiled network keeps and takes."""
        from qrt.compiler.report import macs

        content, report = compiled.to_bytes(), compiled.report
        model = qrt.load(content)
        got = self.run(model)
        return Measured(
            accuracy=self.accuracy_of(got),
            error=self.error_of(model, got),
            arena=report.arena_size,
            macs=report.macs,
            int16_macs=sum(macs(op) for op in compiled.graph.ops if op.inputs[0].dtype == "int16"),
            content=content,
        )

    def run(self, model: qrt.Model) -> list[Array]:
        """The real outputs of an integer network, of each run."""
        samples = self.samples
        if any(info.shape[0] != 1 for info in model.inputs):
            return [outputs_of(model, samples.run(i), dequantize=True) for i in range(samples.runs)]
        outputs: list[Array] = []
        for start in range(0, samples.runs, AT_ONCE):
            part = [x[start : start + AT_ONCE] for x in samples.inputs]
            ours = outputs_of(model, [x.reshape(-1, *x.shape[2:]) for x in part], dequantize=True)
            outputs += [*ours.reshape(len(part[0]), -1, *ours.shape[1:])]
        return outputs


def accuracies(calibrated: Calibration, models: Mapping[str, qrt.Model], samples: Samples) -> dict[str, float]:
    """Accuracy of the float and of the compiled networks on `samples`; empty without labels."""
    network = calibrated.network
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
