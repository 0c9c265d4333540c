"""A case: a graph by name, and its critical inputs."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from graphs import Array, Rng

from qrt.compiler.ir import Graph


@dataclass(frozen=True)
class Case:
    """One graph, by name.

    Attributes
    ----------
    name : str
        Unique; seeds the weights and inputs.
    build : callable
        Makes the graph, with random numbers from the generator it is given.
    """

    name: str
    build: Callable[[Rng], Graph]

    def graph(self) -> Graph:
        return self.build(self._rng(0))

    def inputs(self, graph: Graph) -> Iterator[list[Array]]:
        """What to run the graph on: for each hazard, the codes of all inputs."""
        return hazards(graph, self._rng(1))

    def _rng(self, purpose: int) -> Rng:
        return np.random.default_rng([zlib.crc32(self.name.encode()), purpose])


def hazards(graph: Graph, rng: Rng) -> Iterator[list[Array]]:
    tensors = [edge.tensor for edge in graph.inputs]
    yield [np.full(t.shape, np.iinfo(t.dtype).min, t.dtype) for t in tensors]
    yield [np.full(t.shape, np.iinfo(t.dtype).max, t.dtype) for t in tensors]
    yield [np.full(t.shape, t.zero_point, t.dtype) for t in tensors]
    for _ in range(2):
        yield [rng.integers(np.iinfo(t.dtype).min, np.iinfo(t.dtype).max + 1, t.shape, t.dtype) for t in tensors]


def case(name: str, build: Callable[..., Graph], *arguments: Any, **options: Any) -> Case:
    return Case(name, lambda rng: build(rng, *arguments, **options))
