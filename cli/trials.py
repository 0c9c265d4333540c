"""Ways to quantize a float network, each tried and measured: in this process, in others, or on other machines."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qrt.cli.calibration import Calibration, Measured, Reference, calibrated_on
from qrt.cli.samples import Samples

if TYPE_CHECKING:
    from qrt.compiler import Compiled, CompileError, Quantized
    from qrt.compiler.frontends.float_network import FloatNetwork

BIASES = ("int32", "float")


@dataclass(frozen=True)
class Way:
    """How a network is quantized.

    Attributes
    ----------
    method : str
        How ranges follow from values.
    samples : int
        Calibrate on so many.
    granularity : str
    bias : str or None
        None where it is still open.
    int16 : tuple of str
        Layers that keep int16.
    """

    method: str
    samples: int
    granularity: str
    bias: str | None = None
    int16: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trial(Measured):
    """A way, and what the network is then."""

    way: Way

    @property
    def order(self) -> tuple[float, float, float, int]:
        """The best first: the most accurate, of equal ones that with the least RAM, error, file; else by the error."""
        if self.accuracy is None:
            return (self.error, self.arena, 0.0, len(self.content))
        return (-self.accuracy, self.arena, self.error, len(self.content))


@dataclass(frozen=True)
class Refused:
    """A way that the network cannot be quantized in, and why."""

    way: Way
    reason: str


@dataclass(frozen=True)
class Task:
    """What every trial needs; it is sent once to each process or machine.

    Attributes
    ----------
    source : pathlib.Path
        The float network.
    content : bytes or None
        That file, for machines that do not have it.
    samples : Samples
        To calibrate on.
    reference : Reference
        To measure on.
    match : str or None
        The engine.
    preprocessing : str
        Text that the files keep: how images and recordings become the input.
    """

    source: Path
    content: bytes | None
    samples: Samples
    reference: Reference
    match: str | None
    preprocessing: str = ""

    def network(self) -> FloatNetwork:
        from qrt.compiler.calibration import float_network

        if self.content is None:
            return float_network(self.source)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, self.source.name)
            path.write_bytes(self.content)
            return float_network(path)

    def build(self, quantized: Quantized, bias: str | None) -> Compiled:
        from qrt.compiler import compile

        compiled = compile(quantized, match=self.match, bias=bias)
        compiled.graph.preprocessing = self.preprocessing
        return compiled

    def calibrated(self, way: Way, network: FloatNetwork) -> Calibration:
        return calibrated_on(network, self.source, self.samples.first(way.samples), way.method, way.granularity)

    def measured(self, way: Way, compiled: Compiled) -> Trial:
        return Trial(way=way, **vars(self.reference.measured(compiled)))


def tried(task: Task, way: Way) -> list[Trial | Refused]:
    """Quantizes once, and measures with each kind of bias; biases that change nothing are one trial."""
    from qrt.compiler import CompileError

    found: list[Trial | Refused] = []
    try:
        quantized = task.calibrated(way, task.network()).quantized
        for bias in BIASES:
            trial = task.measured(replace(way, bias=bias), task.build(quantized, bias))
            if not any(isinstance(one, Trial) and one.content == trial.content for one in found):
                found.append(trial)
    except CompileError as error:
        found.append(Refused(way, _line(error)))
    return found


def refined(task: Task, way: Way, goal: tuple[float | None, float | None]) -> list[Trial | Refused]:
    """The way with int16 in more and more layers, until an accuracy and an error are reached."""
    from qrt.cli.precision import Precision, Search
    from qrt.compiler import CompileError

    try:
        calibrated = task.calibrated(way, task.network())
        search = Search(calibrated, lambda quantized: task.build(quantized, way.bias), task.reference)
        _, *steps = search.steps(Precision((), *goal))
        return [
            Trial(way=replace(way, int16=step.layers), **{k: v for k, v in vars(step).items() if k != "layers"})
            for step in steps
        ]
    except CompileError as error:
        return [Refused(way, _line(error))]


def _line(error: CompileError) -> str:
    """The problems on one line; those of the file without its name, which is said once."""
    return "; ".join(p.reason if p.kind == "file" else str(p) for p in error.problems)


def unseen(evaluation: Samples, calibration: Samples) -> Samples:
    """The samples of an evaluation that are none of a calibration, by their content."""
    known = set(_digests(calibration))
    kept = [i for i, digest in enumerate(_digests(evaluation)) if digest not in known]
    if len(kept) == evaluation.count:
        return evaluation
    flat = [x.reshape(-1, *x.shape[2:])[kept] for x in evaluation.inputs]
    runs = -(-len(kept) // evaluation.size)
    inputs = [np.resize(x, (runs, evaluation.size, *x.shape[1:])) if kept else x[:0] for x in flat]
    labels = None if evaluation.labels is None else evaluation.labels[kept]
    return Samples(inputs, labels, len(kept), evaluation.size, evaluation.path)


def _digests(samples: Samples) -> Iterator[bytes]:
    """Of each sample, over all inputs."""
    together = len({x.shape[1] for x in samples.inputs}) == 1
    rows = [x.reshape(-1, *x.shape[2:]) if together else x for x in samples.inputs]
    for i in range(samples.count):
        digest = hashlib.sha256()
        for x in rows:
            digest.update(np.ascontiguousarray(x[i]).tobytes())
        yield digest.digest()


def ways(methods: Sequence[str], granularities: Sequence[str], count: int) -> list[Way]:
    """Every method and granularity, on all samples and on a quarter of them; the default first."""
    counts = [count, count // 4] if count >= 8 else [count]
    return [
        Way(method, samples, granularity) for granularity in granularities for method in methods for samples in counts
    ]
