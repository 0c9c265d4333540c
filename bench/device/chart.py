"""The results of a run as bar charts, one for each processor: instructions as multiples of qrt's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.chart import bars
from bench.device import recorded
from bench.device.report import best_of_qrt, races_of


def draw(document: Mapping[str, Any], folder: Path) -> Iterator[Path]:
    """Writes a PNG for each processor with more than one result. Raises ImportError without matplotlib."""
    for target, title in document["targets"].items():
        multiples: dict[str, dict[str, float]] = {}
        for race in races_of(document, target):
            best = best_of_qrt(race)
            if best is None:
                continue
            found = {name: of["instructions"] for name, of in race["results"].items()}
            base = found.pop(best)
            if race["recorded"]:
                found[recorded.NAME] = race["recorded"]
            for name, instructions in found.items():
                multiples.setdefault(name, {})[race["network"]] = instructions / base
        if multiples:
            names = list(dict.fromkeys(name for found in multiples.values() for name in found))
            path = folder / f"{target}.png"
            label = "instructions / those of qrt's generated C (1: as many; further right: more)"
            bars(names, multiples, f"int8 inference, {title}, emulated, {document['date']}", label, path)
            yield path
