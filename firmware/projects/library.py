"""All the files of a generated library."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qrt.compiler import ir
from qrt.firmware.generate.network import Network
from qrt.firmware.projects.board import emulated_board
from qrt.firmware.projects.forms import Edge, Library, Vector, check_files, project_files

# Codes of the inputs and of the outputs, and whether the network goes on from where the vector before it left it.
Codes = Sequence[NDArray[np.integer]]
TestVector = tuple[Codes, Codes, bool]


def _edge(edge: ir.Edge) -> Edge:
    tensor = edge.tensor
    scale, zero_point = (tensor.scale, tensor.zero_point) if tensor.quantization is not None else (0.0, 0)
    return Edge(tensor.name, tensor.shape, tensor.dtype, scale, zero_point, tuple(edge.labels), edge.quantize_rule)


def library_files(
    network: Network, vectors: Sequence[TestVector], board_name: str | None = None, folder: str = ""
) -> dict[str, str]:
    """The library of a network: path in its folder, and text.

    Parameters
    ----------
    network : Network
    vectors : sequence of (inputs, outputs, continues)
        Arrays of codes, for the program that checks the library: at least one.
    board_name : str, optional
        The emulated board that this program can run on; by default the target's, where it has one.
    folder : str, optional
        The folder's name; by default the network's.

    Raises
    ------
    DeviceError
        The network's name does not suit one of the build systems, or there is no such board.
    """
    graph = network.graph
    chosen = board_name or network.target.board
    library = Library(
        name=network.name,
        title=graph.name or network.name,
        target=network.target,
        sources=tuple(f"src/{path}" for path in sorted(network.sources) if path.endswith(".c")),
        memory=network.memory_size,
        constants=network.constants,
        state=network.state_size,
        row=network.row_size,
        inputs=tuple(map(_edge, graph.inputs)),
        outputs=tuple(map(_edge, graph.outputs)),
        board=emulated_board(chosen, network.target) if chosen else None,
        folder=folder,
    )
    checks = [
        Vector(tuple(codes.tobytes() for codes in inputs), tuple(codes.tobytes() for codes in outputs), continues)
        for inputs, outputs, continues in vectors
    ]
    sources = {f"src/{path}": text for path, text in network.sources.items()}
    return {**sources, **project_files(library), **check_files(library, checks)}
