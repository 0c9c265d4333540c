"""Numbers packed small enough for a page: JSON, deflated, in base64.

The channels of a large network are most of its numbers. They are written by column, without the columns that follow
from others on every row; the page computes those again (page/src/contents.js).
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Integers that JavaScript reads without loss.
EXACT = 2**53

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


def _implied(row: Row, numbers: Row) -> int:
    """The addend of a bias of 0."""
    shift, zero = int(row["shift"]), int(numbers["y_zero_point"])
    return (1 << (shift - 1) if shift else 0) + (zero << shift)


def _unit(row: Row, numbers: Row) -> float:
    return float(row["real_multiplier"] * numbers["y_scale"])


@dataclass(frozen=True)
class Rule:
    """What a column is where it follows: from columns that come before it here, and from `needs`."""

    value: Callable[[Row, int, Row], Any]
    needs: tuple[str, ...] = ()


# FOLLOWING in page/src/contents.js holds the same, in the same arithmetic: integers, and doubles in this order.
FOLLOWING = {
    "channel": Rule(lambda _row, index, _numbers: index),
    "real_multiplier": Rule(lambda row, _index, _numbers: row["multiplier"] * 2.0 ** -row["shift"]),
    "w_scale": Rule(lambda row, _index, numbers: _unit(row, numbers) / numbers["x_scale"]),
    # A file has either the bias, or an addend that holds it.
    "addend": Rule(lambda row, _index, numbers: row["bias"] * row["multiplier"] + _implied(row, numbers), ("bias",)),
    "bias_float": Rule(
        lambda row, _index, numbers: (
            float(row["addend"] - _implied(row, numbers)) * 2.0 ** -row["shift"] * numbers["y_scale"]
        )
    ),
    "bias": Rule(lambda row, _index, numbers: math.floor(row["bias_float"] / _unit(row, numbers) + 0.5)),
    "bias_error": Rule(lambda row, _index, numbers: row["bias"] * _unit(row, numbers) - row["bias_float"]),
    "bias_error_codes": Rule(lambda row, _index, numbers: row["bias_error"] / numbers["y_scale"]),
}


def channel_table(layer: Row) -> dict[str, Any]:
    """The channels of a layer by column; None for a column that follows from others."""
    rows = layer.get("channels") or []
    columns: dict[str, list[Any] | None] = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    needed: set[str] = set()
    for name, rule in FOLLOWING.items():
        if name not in columns or name in needed:
            continue
        try:
            found = [rule.value(row, index, layer["numbers"]) for index, row in enumerate(rows)]
        except (KeyError, TypeError, ValueError, ArithmeticError):
            continue
        if found == columns[name]:
            columns[name] = None
            needed.update(rule.needs)
    return {"count": len(rows), "columns": columns}
