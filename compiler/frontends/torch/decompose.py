"""Operators that QrtQuantizer splits before it annotates, because values inside of them need scales of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

ATEN = torch.ops.aten


def _called(graph: fx.Graph, target: Any, *args: Any) -> fx.Node:
    """A call, with the shape and type of its result, which later passes read."""
    node = graph.call_function(target, args)
    node.meta["val"] = target(*(arg.meta["val"] if isinstance(arg, fx.Node) else arg for arg in args))
    return node


def _attention(graph: fx.Graph, node: fx.Node) -> fx.Node | None:
    """softmax(q k^T / sqrt(d)) v; None with a mask, whose minus infinity no codes represent."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
    if given.get("attn_mask") is not None or given.get("is_causal") or given.get("enable_gqa"):
        return None
    query, key, value = (given[name] for name in names[:3])
    factor = given.get("scale") or 1 / math.sqrt(query.meta["val"].shape[-1])
    scaled = _called(graph, ATEN.mul.Tensor, query, factor)
    turned = _called(graph, ATEN.transpose.int, key, -2, -1)
    scores = _called(graph, ATEN.matmul.default, scaled, turned)
    weights = _called(graph, ATEN.softmax.int, scores, -1)
    return _called(graph, ATEN.matmul.default, weights, value)


def _glu(graph: fx.Graph, node: fx.Node) -> fx.Node | None:
    """The first half times the sigmoid of the second."""
    x, dim = (*node.args, -1)[:2]
    half = x.meta["val"].shape[dim] // 2
    first, second = (_called(graph, ATEN.slice.Tensor, x, dim, begin, begin + half) for begin in (0, half))
    return _called(graph, ATEN.mul.Tensor, first, _called(graph, ATEN.sigmoid.default, second))


SPLIT: dict[Any, Callable[[fx.Graph, fx.Node], fx.Node | None]] = {
    ATEN.scaled_dot_product_attention.default: _attention,
    ATEN.glu.default: _glu,
}


def decompose(model: fx.GraphModule) -> fx.GraphModule:
    """`model` with attention and GLU written as the operators that they consist of."""
    for node in list(model.graph.nodes):
        split = SPLIT.get(node.target)
        if split is None:
            continue
        with model.graph.inserting_before(node):
            result = split(model.graph, node)
        if result is not None:
            node.replace_all_uses_with(result)
            model.graph.erase_node(node)
    model.recompile()
    return model
