"""The results of a run as a bar chart: each engine's time as a multiple of qrt's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.report import peers_of


def draw(document: Mapping[str, Any], path: Path) -> None:
    """Writes a PNG of the networks that at least one peer ran. Raises ImportError without matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    races = [race for race in document["networks"] if race["peers"]]
    engines = peers_of(races, document)
    figure = Figure(figsize=(9, 1.6 + 0.2 * (len(engines) + 1) * len(races)), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(engines)
    for i, engine in enumerate(engines):
        places = [(k, race) for k, race in enumerate(races) if engine in race["peers"]]
        multiples = [race["peers"][engine]["seconds"] / race["qrt"]["seconds"] for _, race in places]
        bars = axes.barh([k + (i + 0.5) * height - 0.4 for k, _ in places], multiples, 0.9 * height, label=engine)
        axes.bar_label(bars, [f" {multiple:.2f}" for multiple in multiples], fontsize=7)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(races)), [race["name"] for race in races])
    axes.set_ylim(len(races) - 0.5, -0.5)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.1)
    axes.set_xlabel("time / qrt's time (1: as fast as qrt; further right: slower)")
    machine = document["machine"]
    axes.set_title(f"int8 inference on one core, {machine['cpu']}, {machine['date']}", fontsize=10)
    figure.legend(loc="outside lower center", ncols=len(engines), fontsize=8)
    FigureCanvasAgg(figure).print_png(str(path))
