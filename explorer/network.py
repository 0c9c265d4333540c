"""The graph of a .qfb file as Model Explorer takes it: layers, inputs, outputs, states, and their arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from model_explorer import graph_builder as gb

import qrt
from qrt.compiler.backends.qfb.reader import read, read_bands
from qrt.compiler.ir import Graph, Op, Tensor
from qrt.compiler.report import macs
from qrt.compiler.study.explain import ChannelFacts, Explanation, explain
from qrt.explorer.overlays import layer_id

# Channels whose integers a node lists.
CHANNELS = 64
# Levels of groups, and the length of a name that is split into them.
DEPTH, LONGEST = 8, 300


def graph(content: bytes, title: str) -> gb.Graph:
    """The graph of a file; `title` is its name where the file has none.

    Raises
    ------
    qrt.ModelError
        The file is not valid.
    """
    model = qrt.load(content)
    network = read(content)
    made = gb.Graph(id=network.name or title, nodes=list(_nodes(network)))
    sizes = {"file": len(content), "arena": model.arena_size, "states": model.state_size}
    facts = {name: f"{size:,} bytes" for name, size in sizes.items() if size}
    facts["MACs"] = f"{sum(macs(op) for op in network.ops):,}"
    for number, band in enumerate(read_bands(content)):
        last = band.first + len(band.paces) - 1
        facts[f"row by row {number}"] = f"layers {band.first} to {last}, {band.turns} turns"
    made.groupNodeAttributes = {"": facts}
    return made


def _nodes(network: Graph) -> Iterator[gb.GraphNode]:
    """Inputs and states, layers in the order of the file, outputs."""
    written: dict[Tensor, str] = {}
    for index, edge in enumerate(network.inputs):
        written[edge.tensor] = f"input {index}"
        yield _source(f"input {index}", "input", edge.tensor, [("layout in the source", edge.source_layout)])
    for index, tensor in enumerate(network.states()):
        written[tensor] = f"state {index}"
        yield _source(f"state {index}", "state", tensor, [("holds", "what the run before left")])
    for index, op in enumerate(network.ops):
        yield _layer(network, index, op, written)
        written[op.output] = layer_id(index)
        written |= {tensor: layer_id(index) for tensor in op.states}
    for index, edge in enumerate(network.outputs):
        node = gb.GraphNode(id=f"output {index}", label="output", attrs=_attributes([("name", edge.tensor.name)]))
        node.attrs += _attributes([("labels", ", ".join(edge.labels))] if edge.labels else [])
        _connect(node, [edge.tensor], written)
        yield node


def _source(node: str, label: str, tensor: Tensor, facts: Sequence[tuple[str, str]]) -> gb.GraphNode:
    return gb.GraphNode(
        id=node, label=label, attrs=_attributes([("name", tensor.name), *facts]), outputsMetadata=[_output(tensor)]
    )


def _layer(network: Graph, index: int, op: Op, written: dict[Tensor, str]) -> gb.GraphNode:
    explanation = explain(network, index)
    facts = [("layer", str(index)), ("name", op.name), *_costs(op), *_arithmetic(explanation)]
    node = gb.GraphNode(
        id=layer_id(index),
        label=op.kind,
        namespace=_namespace(op.name),
        attrs=_attributes(facts),
        outputsMetadata=[_output(op.output)],
    )
    _connect(node, op.inputs, written)
    return node


def _costs(op: Op) -> Iterator[tuple[str, str]]:
    if macs(op):
        yield "MACs", f"{macs(op):,}"
    for tensor in op.inputs:
        if tensor.is_constant:
            yield "constant", f"{_type(tensor)}, {tensor.nbytes:,} bytes"
    for name in ("stride", "dilation", "padding", "groups", "filter"):
        if name in op.attrs:
            yield name, _text(op.attrs[name])


def _arithmetic(found: Explanation) -> Iterator[tuple[str, str]]:
    """Formulas, numbers, and the integers of channels."""
    for number, line in enumerate(found.formulas, start=1):
        yield f"formula {number}", line
    for name, value in found.numbers.items():
        yield name, _text(value)
    for name in ("multiplier", "shift", "bias", "addend") if found.channels else ():
        yield f"{name} of channels", _channels(found.channels, name)


def _channels(channels: Sequence[ChannelFacts], name: str) -> str:
    shown = ", ".join(str(getattr(channel, name)) for channel in channels[:CHANNELS])
    more = len(channels) - CHANNELS
    return shown + (f" and {more} more, see 'qrt explain --all'" if more > 0 else "")


def _connect(node: gb.GraphNode, inputs: Sequence[Tensor], written: dict[Tensor, str]) -> None:
    """Edges to a node from what wrote its inputs; constants are no nodes."""
    for position, tensor in enumerate(inputs):
        if tensor in written:
            node.incomingEdges.append(gb.IncomingEdge(written[tensor], targetNodeInputId=str(position)))
            node.inputsMetadata.append(gb.MetadataItem(str(position), _attributes([("__tensor_tag", tensor.name)])))


def _output(tensor: Tensor) -> gb.MetadataItem:
    """What Model Explorer shows of an edge."""
    # Not "tensor_name", by which Model Explorer would look up node data: tensors can be called like nodes.
    facts = [("name", tensor.name), ("tensor_shape", _type(tensor)), ("bytes", f"{tensor.nbytes:,}")]
    if tensor.dtype != "int32":
        facts += [("scale", _text(tensor.scale)), ("zero_point", str(tensor.zero_point))]
    return gb.MetadataItem("0", _attributes(facts))


def _type(tensor: Tensor) -> str:
    return f"{tensor.dtype}[{','.join(map(str, tensor.shape))}]"


def _namespace(name: str) -> str:
    """The groups that a name states by slashes, as converters write them; none where a name is no such path."""
    first = name.split(";")[0]
    parts = [part for part in first.split("/")[:-1] if part]
    return "/".join(parts) if first.isprintable() and len(first) <= LONGEST and len(parts) <= DEPTH else ""


def _attributes(facts: Sequence[tuple[str, str]]) -> list[gb.KeyValue]:
    return [gb.KeyValue(key, value) for key, value in facts]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.9g}"
    return ", ".join(map(_text, value)) if isinstance(value, list | tuple) else str(value)
