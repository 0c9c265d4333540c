"""qrt compile --int16: layers that keep int16 activations, named or found by their errors on the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any

import click

from qrt.cli.calibration import Calibration, Measured, Reference
from qrt.cli.console import printable, progressing
from qrt.cli.failure import Failure

if TYPE_CHECKING:
    from qrt.compiler import Compiled, Quantized

AUTO = "auto"
# What --int16 auto aims at by itself: of the float accuracy, and without labels.
LOST, ERROR = 0.01, 0.01
Build = Callable[["Quantized"], "Compiled"]


@dataclass(frozen=True)
class Precision:
    """What --int16, --accuracy and --error ask for.

    Attributes
    ----------
    layers : tuple of str
        Layers whose outputs are int16; ("auto",) to find them.
    accuracy : float or None
        The share of samples that must be right.
    error : float or None
        The largest error of the first output, see `Step`.
    """

    layers: tuple[str, ...] = ()
    accuracy: float | None = None
    error: float | None = None

    def reached(self, step: Step) -> bool:
        right = self.accuracy is None or (step.accuracy is not None and step.accuracy >= self.accuracy)
        return right and (self.error is None or step.error <= self.error)


@dataclass(frozen=True, kw_only=True)
class Step(Measured):
    """The network with int16 activations in these layers."""

    layers: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Plain types for JSON."""
        figures = {name: value for name, value in vars(self).items() if name not in ("layers", "content")}
        return {"layers": self.layers, **figures}


def precision_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds --int16, --accuracy and --error, which become one argument `precision`."""

    @click.option(
        "--int16",
        "layers",
        metavar="LAYERS|auto",
        help="With --calibrate of an .onnx: keep the outputs of these layers (names with commas) in int16; or find the "
        "layers that lose most in int8, and keep as few as reach --accuracy or --error.",
    )
    @click.option(
        "--accuracy",
        type=click.FloatRange(0, 1),
        metavar="A",
        help="Goal of --int16 auto: share of samples that are right, such as 0.95.  [default: float's minus 0.01]",
    )
    @click.option(
        "--error",
        type=click.FloatRange(min=0),
        metavar="E",
        help="Goal of --int16 auto: error of the first output, as a share of it.  [default without labels: 0.01]",
    )
    @wraps(command)
    def with_precision(
        *arguments: Any, layers: str | None, accuracy: float | None, error: float | None, **options: Any
    ) -> int:
        names = tuple(name.strip() for name in (layers or "").split(",") if name.strip())
        if names and options["data"] is None:
            raise click.UsageError("--int16 is for float networks; give samples with --calibrate")
        if names != (AUTO,) and (accuracy, error) != (None, None):
            raise click.UsageError("--accuracy and --error are goals of --int16 auto; give that too")
        return command(*arguments, precision=Precision(names, accuracy, error), **options)

    return with_precision


def tuned(calibrated: Calibration, precision: Precision, build: Build) -> tuple[Calibration, list[Step]]:
    """The network with int16 where `precision` asks for it, and the steps on the way there."""
    if not precision.layers:
        return calibrated, []
    search = Search(calibrated, build)
    layers = precision.layers
    if precision.layers == (AUTO,):
        steps = search.run(precision)
        layers = steps[-1].layers
    else:
        search.quantized(layers)  # refuses names that are none of a layer
        steps = [] if search.has_states else [search.step(()), search.step(layers)]
    return replace(calibrated, quantized=search.quantized(layers)), steps


class Search:
    """Gives layers int16, those first that alone bring most, until the goal is reached.

    Parameters
    ----------
    calibrated : Calibration
    build : function
    reference : Reference, optional
        What the networks are measured on; by default the samples of the calibration.
    """

    def __init__(self, calibrated: Calibration, build: Build, reference: Reference | None = None) -> None:
        self.network, self.base, self.build = calibrated.network, calibrated.quantized, build
        self.layers = self.network.layers(self.base.content)
        self.reference = reference or Reference.of(self.network, calibrated.samples)
        self.samples = self.reference.samples

    @cached_property
    def unchanged(self) -> Compiled:
        """The network as it is without int16."""
        return self.build(self.base)

    @property
    def has_states(self) -> bool:
        return self.unchanged.report.state_size > 0

    def run(self, precision: Precision) -> list[Step]:
        """The steps to the goal; raises Failure where no layers reach it."""
        if self.has_states:
            reason = "samples are single runs, but the network has states; name the layers that --int16 is for"
            raise Failure(f"{self.samples.path}: {reason}")
        goal = self.goal(precision)
        steps = list(self.steps(goal))
        if not goal.reached(steps[-1]):
            raise self._missed(goal, steps[-1])
        return steps

    def steps(self, goal: Precision) -> Iterator[Step]:
        """The network as it is, and with one more layer in each step, until the goal or the last layer is reached."""
        last = self.step(())
        yield last
        if goal.reached(last):
            return
        for alone in self._ranked():
            step = self.tried((*last.layers, *alone.layers)) if last.layers else alone
            if step is not None and step.error < last.error:
                yield (last := step)
                if goal.reached(step):
                    return

    def quantized(self, layers: Sequence[str]) -> Quantized:
        if not layers:
            return self.base
        return replace(self.base, content=self.network.with_int16(self.base.content, layers))

    def step(self, layers: tuple[str, ...]) -> Step:
        """What the network is with int16 in `layers`."""
        compiled = self.build(self.quantized(layers)) if layers else self.unchanged
        return Step(layers=layers, **vars(self.reference.measured(compiled)))

    def goal(self, precision: Precision) -> Precision:
        """What is asked for, or the default."""
        accuracy = self.reference.accuracy
        if precision.accuracy is not None and accuracy is None:
            reason = "--accuracy needs labels, and one output for each sample; give --error instead"
            raise Failure(f"{self.samples.path}: {reason}")
        if (precision.accuracy, precision.error) != (None, None):
            return precision
        return replace(precision, error=ERROR) if accuracy is None else replace(precision, accuracy=accuracy - LOST)

    def _ranked(self) -> list[Step]:
        """Each layer that can be int16 alone, that with the least error first."""
        tried = [self.tried((self.layers[i],)) for i in progressing(len(self.layers), "layers")]
        return sorted((step for step in tried if step is not None), key=lambda step: step.error)

    def tried(self, layers: tuple[str, ...]) -> Step | None:
        """None where a reader of these layers has no arithmetic of int16."""
        from qrt.compiler import CompileError

        try:
            return self.step(layers)
        except CompileError:
            return None

    def _missed(self, goal: Precision, best: Step) -> Failure:
        goals = (("accuracy", goal.accuracy), ("error", goal.error))
        wanted = " and ".join(f"{name} {value:.4g}" for name, value in goals if value is not None)
        reached = f"error {best.error:.4f}" + ("" if best.accuracy is None else f", accuracy {best.accuracy:.4f}")
        layers = ", ".join(map(printable, best.layers)) or "no layer"
        return Failure(
            f"{self.network.path}: no layers of int16 reach {wanted}; the best is {reached}, with {layers}; "
            "ask for less with --accuracy or --error, or name layers to --int16"
        )
