"""Numbers of layers that Model Explorer shows as colors of its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

# From the smallest to the largest value; the other way round where small is bad.
PALE, STRONG = "#fff5eb", "#e6550d"


def layer_id(index: int) -> str:
    """The node of a layer."""
    return f"layer {index}"


def overlays(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A name, and node data for Model Explorer, for each kind of numbers in what ``qrt report --json`` prints."""
    layers = document["model"]["operators"]
    yield "bytes", _node_data((op["index"], op["weight_bytes"] + op["parameter_bytes"]) for op in layers)
    yield "macs", _node_data((op["index"], op["macs"]) for op in layers)
    if profile := document.get("profile"):
        timed = ((op["index"], op["seconds"]) for op in profile["operators"])
        yield "microseconds", _node_data((index, seconds and seconds * 1e6) for index, seconds in timed)
    if device := document.get("device"):
        for what in ("instructions", "cycles"):
            if device[what] is not None:
                yield what, _node_data((op["index"], op[what]) for op in device["operators"])
    if compared := document.get("compare"):
        layers = compared["layers"]
        yield "error_lsb", _node_data((layer["index"], layer["mean_error"]) for layer in layers)
        yield "sqnr_db", _node_data(((layer["index"], layer["sqnr"]) for layer in layers), small_is_bad=True)


def _node_data(values: Iterable[tuple[int, float | None]], small_is_bad: bool = False) -> dict[str, Any]:
    """Values of layers by their nodes; a layer without one is left out."""
    first, last = (STRONG, PALE) if small_is_bad else (PALE, STRONG)
    return {
        "results": {layer_id(index): {"value": float(f"{value:.6g}")} for index, value in values if value is not None},
        "gradient": [{"stop": 0, "bgColor": first}, {"stop": 1, "bgColor": last}],
    }
