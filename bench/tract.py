"""tract, Sonos' inference engine in Rust: reads the ONNX files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.contestants import Candidate, Codes, Engine, Runner
from bench.edges import codes_of, given
from bench.networks import Network


class Tract(Engine):
    """The optimized model, in a state that is kept between calls."""

    name = "tract"
    package = "tract"

    def missing(self) -> str:
        return super().missing() and "tract is not installed: pip install tract"

    def why_not(self, network: Network) -> str:
        return "" if network.onnx() else network.without_onnx

    def candidates(self, network: Network, codes: Codes) -> Iterator[Candidate]:
        for label, path in network.onnx():
            yield label, lambda path=path: self._runner(path, network, codes)

    def _runner(self, path: Path, network: Network, codes: Codes) -> Runner:
        import tract

        runnable = tract.onnx().load(path).into_model().into_runnable()
        state = runnable.spawn_state()
        edges = [_edge(str(runnable.input_fact(i))) for i in range(runnable.input_count())]

        def tensors(values: Codes) -> list[tract.Tensor]:
            infos = network.inputs
            arrays = [given(x, info, *edge) for x, info, edge in zip(values, infos, edges, strict=True)]
            return [tract.Tensor.from_numpy(array) for array in arrays]

        inputs = tensors(codes)

        def run(values: Codes) -> Codes:
            found = state.run(tensors(values))
            return [codes_of(y.to_numpy(), info) for y, info in zip(found, network.outputs, strict=True)]

        def whole() -> object:
            return [y.to_numpy() for y in state.run(tensors(codes))]

        return Runner(lambda: state.run(inputs), whole, run)


def _edge(fact: str) -> tuple[tuple[int, ...], type]:
    """Shape and dtype of a fact, as "1,224,224,3,U8"."""
    *shape, dtype = fact.lower().split(",")
    return tuple(int(n) for n in shape), {"u8": np.uint8, "i8": np.int8, "f32": np.float32}[dtype]
