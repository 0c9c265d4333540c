"""Which measure fits a network and its data."""

from __future__ import annotations

import math

from qrt.data import DataError, Dataset
from qrt.edges import TensorInfo
from qrt.evaluation.errors import EvaluationError
from qrt.evaluation.held import NAME
from qrt.evaluation.measures import Binary, Classes, Indices, Measure, Reconstruction
from qrt.model import Model

METRICS = ("accuracy", "binary", "reconstruction")


def choose(model: Model, data: Dataset, metric: str | None, top: int, threshold: float | None) -> Measure:
    """The measure for the first output, see `evaluate`."""
    if metric not in (None, *METRICS):
        raise ValueError(f"metric is {', '.join(METRICS)}, got {metric!r}")
    info = model.outputs[0]
    kind = metric or _kind(model, data)
    if threshold is not None and kind != "binary":
        raise EvaluationError(f"a threshold belongs to the metric binary; this one is {kind}")
    if threshold is not None and not math.isfinite(threshold):
        raise EvaluationError(f"a threshold is a finite number, got {threshold}")
    if kind == "reconstruction":
        if not _reconstructs(model):
            shapes = f"{info.shape} for an input of {model.inputs[0].shape}"
            raise EvaluationError(f"output {info.name!r} is {shapes}; a reconstruction needs equal shapes")
        return Reconstruction(model.inputs[0], info)
    if data.labels is None:
        more = "; a reconstruction needs none: metric reconstruction" if _reconstructs(model) else ""
        raise DataError(f"{data.path}: has no labels, which the metric {kind} needs; {_where(data)}{more}")
    entries = _entries(model, info)
    if kind == "binary":
        if entries != 1:
            raise EvaluationError(f"output {info.name!r} has {entries} entries; binary needs 1; use metric accuracy")
        return Binary(info, _threshold(info) if threshold is None else threshold)
    if entries == 1:
        if _is_index(info):
            return Indices(info)
        raise EvaluationError(f"output {info.name!r} has 1 entry; accuracy of classes needs several; use metric binary")
    return Classes(info, min(top, entries))


def _where(data: Dataset) -> str:
    """Where labels would have been found."""
    if data.path == NAME:
        return "pass labels"
    return "give an .npz with an array 'labels', images in a folder for each class, or a table with a column 'label'"


def _kind(model: Model, data: Dataset) -> str:
    info = model.outputs[0]
    several = data.labels is not None and bool((data.labels > 1).any())
    if _reconstructs(model) and not info.labels and not several:
        return "reconstruction"
    return "binary" if _entries(model, info) == 1 and not _is_index(info) else "accuracy"


def _reconstructs(model: Model) -> bool:
    """Whether the output has the shape of the only input, and more than one entry."""
    shapes = [info.shape for info in (*model.inputs, model.outputs[0])]
    return len(shapes) == 2 and shapes[0] == shapes[1] and math.prod(shapes[0][1:]) > 1


def _entries(model: Model, info: TensorInfo) -> int:
    """The number of entries that a sample has; refuses an output that is no row."""
    leading = {one.shape[0] for one in model.inputs}
    whole = len(leading) > 1  # then a sample is a run
    batch = 1 if whole else leading.pop()
    size = math.prod(info.shape)
    if size % batch or size // batch != info.shape[-1]:
        shape = "x".join(map(str, info.shape if whole else info.shape[1:]))
        raise EvaluationError(
            f"output {info.name!r} is {shape} for each sample; only one row for each can be evaluated"
        )
    return info.shape[-1]


def _is_index(info: TensorInfo) -> bool:
    """Whether the output's one entry is the number of a class: codes that begin at 0 in steps of 1."""
    return info.shape[-1] == 1 and (len(info.labels) > 1 or (info.scale in (0, 1) and info.zero_point == -128))


def _threshold(info: TensorInfo) -> float:
    """Half of a probability; 0 for an output that can be negative."""
    lowest = -(2 ** (8 * info.dtype.itemsize - 1))
    return 0.0 if (lowest - info.zero_point) * (info.scale or 1) < 0 else 0.5
