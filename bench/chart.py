"""The results of a run as a bar chart: each engine's time as a multiple of qrt's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.report import peers_of

# For each engine, by the name of a network, its result as a multiple of qrt's.
Multiples = Mapping[str, Mapping[str, float]]


def draw(document: Mapping[str, Any], path: Path) -> None:
    """Writes a PNG of the networks that at least one peer ran. Raises ImportError without matplotlib."""
    races = [race for race in document["networks"] if race["peers"]]
    multiples = {
        engine: {
            race["name"]: race["peers"][engine]["seconds"] / race["qrt"]["seconds"]
            for race in races
            if engine in race["peers"]
        }
        for engine in peers_of(races)
    }
    machine = document["machine"]
    title = f"int8 inference on one core, {machine['cpu']}, {machine['date']}"
    label = "time / qrt's time (1: as fast as qrt; further right: slower)"
    bars([race["name"] for race in races], multiples, title, label, path)


def bars(names: Sequence[str], multiples: Multiples, title: str, label: str, path: Path) -> None:
    """Writes a PNG: for each network a bar of each engine. Raises ImportError without matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.6 + 0.2 * (len(multiples) + 1) * len(names)), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(multiples)
    for i, (engine, found) in enumerate(multiples.items()):
        places = [k + (i + 0.5) * height - 0.4 for k, name in enumerate(names) if name in found]
        lengths = [found[name] for name in names if name in found]
        drawn = axes.barh(places, lengths, 0.9 * height, label=engine)
        axes.bar_label(drawn, [f" {length:.2f}" for length in lengths], fontsize=7)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.1)
    axes.set_xlabel(label)
    axes.set_title(title, fontsize=10)
    figure.legend(loc="outside lower center", ncols=len(multiples), fontsize=8)
    FigureCanvasAgg(figure).print_png(str(path))
