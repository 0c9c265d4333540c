"""The ordered passes that turn a source graph into a quantized one (see `qrt.compiler.ir`).

Each pass is a function ``(graph, report) -> Graph`` in its own file; its docstring says why results do not change.
`verify` runs after every pass.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from qrt.compiler.ir import Graph
from qrt.compiler.passes.absorb.qdq import absorb_qdq
from qrt.compiler.passes.lowered.pack_weights import pack_weights
from qrt.compiler.passes.lowered.remove_channels import remove_channels
from qrt.compiler.passes.quantized.fuse_activation import fuse_activation
from qrt.compiler.passes.quantized.fuse_pad import fuse_pad
from qrt.compiler.passes.quantized.quantize_weights import quantize_weights
from qrt.compiler.passes.quantized.simplify import simplify
from qrt.compiler.passes.quantized.split_weights import split_weights
from qrt.compiler.passes.quantized.to_dwconv2d import to_dwconv2d
from qrt.compiler.passes.quantized.to_nhwc import to_nhwc
from qrt.compiler.passes.quantized.to_states import to_states
from qrt.compiler.passes.quantized.to_stream import to_stream
from qrt.compiler.passes.remove_dead import remove_dead
from qrt.compiler.passes.source.fold_affine import fold_affine
from qrt.compiler.passes.source.fold_constants import fold_constants
from qrt.compiler.passes.source.standardize import standardize
from qrt.compiler.report import Report
from qrt.compiler.verify import verify

Pass = Callable[[Graph, Report], Graph]

# Each pass with the stage of its result.
PASSES: tuple[tuple[Pass, str], ...] = (
    (remove_dead, "source"),
    (standardize, "source"),
    (fold_constants, "source"),
    (fold_affine, "source"),
    (absorb_qdq, "quantized"),
    (to_nhwc, "quantized"),
    (simplify, "quantized"),
    (to_dwconv2d, "quantized"),
    (fuse_pad, "quantized"),
    (fuse_activation, "quantized"),
    (split_weights, "quantized"),
    (to_states, "quantized"),
    (remove_dead, "quantized"),
)

# On a lowered graph, because its integers determine what is constant.
LOWERED_PASSES: tuple[Pass, ...] = (remove_channels,)
# Passes that only make a network smaller or faster; they do not change results.
OPTIONAL = frozenset({remove_channels, fuse_pad, fuse_activation, simplify, to_nhwc})


def run_passes(graph: Graph, report: Report, skip: Collection[str] = (), stream: int | None = None) -> Graph:
    """The quantized graph of a source graph, or of a graph that is already quantized.

    Parameters
    ----------
    graph : Graph
    report : Report
    skip : collection of str
        Names of passes of `OPTIONAL` to skip.
    stream : int, optional
        The axis of the inputs that a streaming network gets frame by frame (`to_stream`).

    Raises
    ------
    CompileError
        Lists everything that cannot be expressed exactly in integers.
    """
    for apply, stage in PASSES:
        # In front of what repeats rows.
        if apply is split_weights and stream is not None:
            graph = _streaming(graph, stream, report, skip)
        if apply.__name__ in skip:
            continue
        graph = apply(graph, report)
        verify(graph, stage if not is_quantized(graph) else "quantized", apply.__name__)
    return graph


def _streaming(graph: Graph, axis: int, report: Report, skip: Collection[str]) -> Graph:
    graph = to_stream(graph, axis, report)
    verify(graph, "quantized", to_stream.__name__)
    # With fewer rows, a transpose may have become a reshape.
    return graph if simplify.__name__ in skip else simplify(graph, report)


def check_source(graph: Graph) -> None:
    """Raises an AssertionError if a frontend's graph, without its dead operators, breaks a rule."""
    verify(remove_dead(graph.copy(), Report()), "quantized" if is_quantized(graph) else "source", "reading")


def run_source_passes(graph: Graph, report: Report) -> Graph:
    """The part of `run_passes` before quantization; a graph that is already quantized is not changed."""
    for apply, stage in PASSES:
        if stage == "source" and not is_quantized(graph):
            graph = apply(graph, report)
    return graph


def quantize_to_int4(graph: Graph, layers: Collection[str] | None, report: Report) -> Graph:
    """A quantized graph with weights of 4 bits in these layers, or in all; see `quantize_weights`."""
    graph = quantize_weights(graph, layers, report)
    verify(graph, "quantized", "quantize_weights")
    return graph


def run_lowered_passes(graph: Graph, report: Report, skip: Collection[str] = (), int4: bool = False) -> Graph:
    """`run_passes` for a graph that `qrt.compiler.integers.requant.lower` has lowered.

    `int4`: whether weights that all lie in int4 are stored so.
    """
    for apply in LOWERED_PASSES:
        if apply.__name__ not in skip:
            graph = apply(graph, report)
            verify(graph, "lowered", apply.__name__)
    if int4:
        graph = pack_weights(graph, report)
        verify(graph, "lowered", "pack_weights")
    return graph


def is_quantized(graph: Graph) -> bool:
    """Whether no float is left in the graph's activations."""
    return all(tensor.dtype in ("int8", "int16", "int32") for op in graph.ops for tensor in (op.inputs[0], op.output))
