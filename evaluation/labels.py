"""Labels of the data as indices of the network's classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qrt.data import DataError, Dataset
from qrt.evaluation.measures import Measure, Reconstruction
from qrt.model import Model

# What the class of normal samples is called, in data for an autoencoder.
NORMAL = ("normal", "good", "ok", "healthy")


def class_names(model: Model, data: Dataset) -> tuple[str, ...]:
    """Names of the classes: the network's, else those of the data unless they are numbers."""
    labels = model.outputs[0].labels
    if len(labels) > 1:
        return labels
    return () if data.classes is None or all(map(str.isdecimal, data.classes)) else data.classes


def indices(data: Dataset, measure: Measure, names: Sequence[str]) -> NDArray[np.int64] | None:
    """The label of each sample as an index of the network's classes; for a reconstruction, 0 is normal."""
    if data.labels is None:
        return None
    if isinstance(measure, Reconstruction):
        return _anomalous(data)
    labels = _renumbered(data, names)
    count = measure.classes
    bad = np.flatnonzero((labels < 0) | ((labels >= count) if count else False))
    if bad.size:
        row = int(bad[0])
        raise DataError(
            f"{data.path}: sample {_called(data, row)} has label {labels[row]}, the network has "
            f"{f'classes 0 to {count - 1}' if count else 'classes from 0 on'}; number the labels from 0"
        )
    return labels


def _called(data: Dataset, row: int) -> str:
    name = data.name(row)
    return str(row) if name == str(row) else f"{row} ({name})"


def _renumbered(data: Dataset, names: Sequence[str]) -> NDArray[np.int64]:
    """Labels by the names of the network's classes; names that are numbers are indices."""
    assert data.labels is not None
    if data.classes is None or tuple(data.classes) == tuple(names):
        return data.labels
    if set(data.classes) <= set(names):
        places = [list(names).index(name) for name in data.classes]
    elif all(map(str.isdecimal, data.classes)):
        places = [int(name) for name in data.classes]
    else:
        unknown = next(name for name in data.classes if name not in names)
        known = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise DataError(
            f"{data.path}: has a class {unknown!r}, which the network does not have; its classes are {known}; "
            "name the classes of the data so, number them from 0, or give the network other names "
            "(--labels of 'qrt eval' and 'qrt compile')"
        )
    return np.array(places, np.int64)[data.labels]


def _anomalous(data: Dataset) -> NDArray[np.int64]:
    assert data.labels is not None
    if data.classes is None or all(map(str.isdecimal, data.classes)):
        normal = 0
    else:
        found = [index for index, name in enumerate(data.classes) if name.lower() in NORMAL]
        if len(found) != 1:
            raise DataError(
                f"{data.path}: has classes {', '.join(data.classes)}, of which none is known to be normal; "
                f"call that one {NORMAL[0]!r}"
            )
        normal = found[0]
    anomalous: NDArray[np.int64] = (data.labels != normal).astype(np.int64)
    return anomalous
