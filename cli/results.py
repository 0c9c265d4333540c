"""The text that `qrt run` prints for an output: rows of numbers, or the largest entries of each sample by label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import qrt
from qrt.cli.arrays import Array
from qrt.cli.console import ENDLESS, NARROWEST, note, on_terminal, printable, shape_text, shortened
from qrt.cli.failure import Failure
from qrt.edges import ranked

# Entries shown of an output with labels, without --top.
DEFAULT_TOP = 5
# Samples shown of a batch, and numbers shown of a sample that is not a row.
SAMPLES_SHOWN = 20
NUMBERS_SHOWN = 200


@dataclass(frozen=True, eq=False)
class Result:
    """An output of a run.

    Attributes
    ----------
    info : qrt.TensorInfo
    values : numpy.ndarray
        As the model returned them.
    samples : numpy.ndarray
        The same, always with a batch axis.
    top : int or None
        How many entries the user asked for.
    names : sequence of str, optional
        Of the samples.
    """

    info: qrt.TensorInfo
    values: Array
    samples: Array
    top: int | None
    names: Sequence[str] = ()

    @staticmethod
    def of(info: qrt.TensorInfo, values: Array, top: int | None, names: Sequence[str] = ()) -> Result:
        # Of a sequence of runs that are batches, each run is a sample.
        samples = values if values.ndim >= len(info.shape) else values[np.newaxis]
        if top is not None and not is_row(samples):
            shape = shape_text(samples.shape[1:])
            raise Failure(f"--top needs one row for each sample; output {printable(info.name)!r} is {shape}")
        return Result(info, values, samples, top, names if len(names) == len(samples) else ())

    @property
    def ranked(self) -> bool:
        """Whether to show the largest entries instead of all."""
        return is_row(self.samples) and (self.top is not None or bool(self.info.labels))

    def best(self, count: int) -> list[list[tuple[int, str, Any]]]:
        """For each sample, its `count` largest entries: index, label and value; the lower index first among equals."""
        flat = self.samples.reshape(len(self.samples), -1)
        labels = self.info.labels or tuple(str(i) for i in range(flat.shape[1]))
        order = np.argsort(-ranked(self.info, flat).astype(np.float64), axis=1, kind="stable")[:, :count]
        return [[(int(i), labels[i], row[i].item()) for i in best] for row, best in zip(flat, order, strict=True)]

    def right(self, labels: NDArray[np.int64]) -> int | None:
        """How many samples have their largest entry at their label.

        None if the samples are not rows, one for each label, or where a label is no entry of them, with a note.
        """
        if not is_row(self.samples) or self.samples[0].size < 2 or len(self.samples) != len(labels):
            return None
        last = self.samples[0].size - 1
        strange = np.flatnonzero((labels < 0) | (labels > last))
        if strange.size:
            found = f"sample {strange[0]} has label {labels[strange[0]]}, the network has classes 0 to {last}"
            note(f"{found}, so no accuracy is shown; number the labels from 0")
            return None
        pairs = zip(self.best(1), labels.tolist(), strict=True)
        return sum(int(best[0][0] == label) for best, label in pairs)

    def document(self) -> dict[str, Any]:
        """Plain types for JSON."""
        result = {
            "name": self.info.name,
            "shape": list(self.values.shape),
            "dtype": str(self.values.dtype),
            "scale": self.info.scale,
            "zero_point": self.info.zero_point,
            **({"scales": list(self.info.scales)} if self.info.scales else {}),
            "values": self.values.tolist(),
        }
        if self.ranked:
            best = self.best(self.top or DEFAULT_TOP)
            result["top"] = [[{"index": i, "label": label, "value": v} for i, label, v in row] for row in best]
        return result

    def lines(self, width: int) -> Iterator[str]:
        """The output as text, if possible at most `width` wide."""
        count = len(self.samples)
        codes = {"int8": "codes", "int16": "int16 codes", "int32": "int32 accumulators"}
        meaning = codes.get(str(self.values.dtype), "real values")
        title = f"{printable(self.info.name) or 'output'}  {shape_text(self.values.shape)} {meaning}"
        if self.ranked:
            yield f"{title}, the largest of {self.samples[0].size}"
            yield from self._best_lines(width)
        else:
            yield title
            yield from self._number_lines(width)
        if count > SAMPLES_SHOWN:
            yield f"... and {count - SAMPLES_SHOWN} more samples; -o FILE.npy or --json gives all"

    def _margins(self, count: int, width: int) -> list[str]:
        """What the lines of the samples begin with: their names or numbers, unless there is only one."""
        if len(self.samples) == 1:
            return ["  "]
        if self.names:
            # A name that a terminal has no room for is shortened; elsewhere the output is not cut.
            room = max(NARROWEST, width // 3) if on_terminal() else ENDLESS
            texts = [shortened(printable(name), room) for name in self.names[:count]]
            longest = max(map(len, texts))
            return [f"  {text:<{longest}}   " for text in texts]
        longest = len(str(count - 1))
        return [f"  {i:>{longest}}   " for i in range(count)]

    def _best_lines(self, width: int) -> Iterator[str]:
        rows = self.best(self.top or DEFAULT_TOP)[:SAMPLES_SHOWN]
        cells = [[(printable(label), number(value)) for _, label, value in row] for row in rows]
        labels = max(len(label) for row in cells for label, _ in row)
        values = max(len(value) for row in cells for _, value in row)
        if len(self.samples) == 1:
            yield from (f"  {label:>{labels}}: {value:>{values}}" for label, value in cells[0])
            return
        margins = self._margins(len(rows), width)
        fitting = (width - len(margins[0])) // (labels + values + 5)
        for i, row in enumerate(cells):
            texts = (f"{label:>{labels}}: {value:>{values}}" for label, value in row[: self.top or max(1, fitting)])
            yield margins[i] + "   ".join(texts)

    def _number_lines(self, width: int) -> Iterator[str]:
        samples = self.samples.reshape(len(self.samples), -1) if is_row(self.samples) else self.samples
        samples = samples[:SAMPLES_SHOWN]
        margins = self._margins(len(samples), width)
        for margin, sample in zip(margins, samples, strict=True):
            text = np.array2string(
                sample,
                max_line_width=width - len(margin),
                threshold=NUMBERS_SHOWN,
                formatter={"all": align(samples)},
                prefix="",
            )
            lines = text.splitlines()
            if sample.ndim == 1:
                lines = [line[1:] for line in lines]
                lines[-1] = lines[-1][:-1]
            for k, line in enumerate(lines):
                yield ((margin if k == 0 else " " * len(margin)) + line).rstrip()


def is_row(samples: Array) -> bool:
    """Whether each sample is one row of numbers, apart from axes of length 1."""
    return bool(samples[0].size == samples.shape[-1])


def number(value: Any) -> str:
    return f"{value:.6g}"


def align(values: Array) -> Any:
    """A formatter for numpy that gives all of `values` the same width."""
    width = max(len(number(value)) for value in values.ravel().tolist())
    return lambda value: f"{number(value):>{width}}"
