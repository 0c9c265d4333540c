"""Plots of a comparison: SQNR and error distribution of every layer."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qrt.cli.console import printable
from qrt.cli.failure import Failure
from qrt.cli.files import replacing

if TYPE_CHECKING:
    from qrt.compiler.study.compare import Comparison

# Length of the bar of an exact layer, dB.
TOP = 80.0


def check_suffix(path: Path) -> None:
    """Refuses, before any work, a plot that cannot be written."""
    if path.suffix not in (".png", ".html"):
        raise Failure(f"{path}: plots are written as .png or .html; use one of these suffixes")
    if path.suffix == ".html":
        return
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise Failure(f'{path}: needs matplotlib: pip install "qrt[plot]"; or write an .html') from None


def write(path: Path, found: Comparison, title: str) -> None:
    """Writes a .png."""
    stream = io.BytesIO()
    _figure(found, title).savefig(stream, format="png", dpi=120, bbox_inches="tight")
    with replacing(path) as target:
        target.write(stream.getvalue())


def _figure(found: Comparison, title: str) -> Any:
    from matplotlib.figure import Figure

    layers = found.layers
    figure = Figure(figsize=(11, 1.5 + 0.28 * max(len(layers), 4)))
    left, right = figure.subplots(1, 2, sharey=True)
    places = range(len(layers))
    left.barh(places, [min(layer.sqnr, TOP) for layer in layers])
    left.set_yticks(places, [printable(layer.name)[:40] for layer in layers])
    left.invert_yaxis()
    left.set_xlabel("SQNR, dB")
    shares = [[count / layer.size for count in layer.histogram] for layer in layers]
    right.imshow(shares, aspect="auto", cmap="Blues", vmin=0, vmax=1)
    middle = len(layers[0].histogram) // 2 if layers else 0
    ends = {-middle: f"≤ -{middle}", middle: f"≥ {middle}"}
    right.set_xticks(range(2 * middle + 1), [ends.get(k, str(k)) for k in range(-middle, middle + 1)])
    right.set_xlabel("float - integer, in codes (share of the layer)")
    figure.suptitle(f"{title}: integers against floats, {found.samples} samples")
    return figure
