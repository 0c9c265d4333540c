"""Numbers packed small enough for a page: JSON, deflated, in base64.

The channels of a large network are most of its numbers. They are written by column, without the columns that follow
from others on every row; the page computes those again (page/src/contents.js).
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

# Integers that JavaScript reads without loss.
EXACT = 2**53
# Significant digits of the floats of channels: those of float32.
DIGITS = 9

Row = Mapping[str, Any]


def pack(value: Any) -> str:
    text = json.dumps(_plain(value), separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")


def _plain(value: Any) -> Any:
    """As JavaScript reads it: integers that it would round, and floats that JSON lacks, as strings."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and abs(value) > EXACT:
        return str(value)
    return value


def _addend(row: Row, _index: int, numbers: Row) -> int:
    shift = row["shift"]
    half = 1 << (shift - 1) if shift else 0
    return int(row["bias"]) * int(row["multiplier"]) + half + (int(numbers["y_zero_point"]) << shift)


# What a column is where it follows from the rest. FOLLOWING in page/src/contents.js holds the same.
FOLLOWING: dict[str, Callable[[Row, int, Row], Any]] = {
    "channel": lambda _row, index, _numbers: index,
    "real_multiplier": lambda row, _index, _numbers: row["multiplier"] * 2.0 ** -row["shift"],
    "addend": _addend,
    "w_scale": lambda row, _index, numbers: row["real_multiplier"] * numbers["y_scale"] / numbers["x_scale"],
    "bias_error_codes": lambda row, _index, numbers: row["bias_error"] / numbers["y_scale"],
}


def _follows(name: str, rows: Sequence[Row], numbers: Row) -> bool:
    if name not in FOLLOWING:
        return False
    try:
        found = [FOLLOWING[name](row, index, numbers) for index, row in enumerate(rows)]
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return False
    pairs = zip(found, (row[name] for row in rows), strict=True)
    # Factors multiplied in another order differ in the last bit.
    return all(isinstance(b, int | float) and (a == b or _same_float(a, b)) for a, b in pairs)


def _same_float(a: Any, b: Any) -> bool:
    return isinstance(a, float) and isinstance(b, float) and math.isclose(a, b, rel_tol=1e-14)


def channel_table(layer: Row) -> dict[str, Any]:
    """The channels of a layer by column; None for a column that follows from others."""
    rows = layer.get("channels") or []
    numbers = layer.get("numbers") or {}
    names = list(rows[0]) if rows else []
    # What others follow from comes first.
    names.sort(key=lambda name: list(FOLLOWING).index(name) if name in FOLLOWING else -1)
    columns = [None if _follows(name, rows, numbers) else [_short(row.get(name)) for row in rows] for name in names]
    return {"count": len(rows), "names": names, "columns": columns}


def _short(value: Any) -> Any:
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{DIGITS}g}")
    return value
