"""MobileNetV2 for a microcontroller: width 0.35, images of 96 x 96, ten classes, random weights.

The channels are averaged by a pool, as in networks for TFLite Micro, and not by a mean with a scale of its own.
"""

from __future__ import annotations

from typing import Any

from bench.recipes import Layer, Recipe, Value, mobilenet_v2
from qrt.compiler import GraphBuilder
from qrt.compiler.ir import Tensor

NAME = "mobilenet_v2_035_96"


def mobilenet() -> GraphBuilder:
    """The network."""
    return built(mobilenet_v2(NAME, 96, 0.35, 10))


def built(recipe: Recipe) -> GraphBuilder:
    """A recipe as a network built in Python, with the rounding of TFLite Micro."""
    g = GraphBuilder(recipe.name)
    first = recipe.input
    tensors = {first.name: g.input(first.name, (1, *first.shape), scale=first.scale, zero_point=first.zero_point - 128)}
    for layer in recipe.layers:
        tensors[layer.output.name] = _layer(g, layer, [tensors[value.name] for value in layer.inputs])
    g.output(tensors[recipe.output.name])
    return g


def _layer(g: GraphBuilder, layer: Layer, inputs: list[Tensor]) -> Tensor:
    x, y = inputs[0], layer.output
    if layer.kind == "mean":
        return g.reshape(g.average_pool2d(x, (x.shape[1], x.shape[2])), (1, x.shape[3]))
    coded: dict[str, Any] = {"scale": y.scale, "zero_point": y.zero_point - 128, "activation": layer.activation}
    if layer.kind == "add":
        return g.add(*inputs, **coded)
    assert layer.weights is not None and layer.bias is not None and layer.weight_scales is not None, layer.kind
    source: Value = layer.inputs[0]
    coded |= {
        "bias": layer.bias * (source.scale * layer.weight_scales),
        "weights_scale": layer.weight_scales,
        "rounding": "DOUBLE",
    }
    if layer.kind == "linear":
        return g.linear(x, layer.weights, **coded)
    coded |= {"stride": layer.stride, "padding": (*layer.padding, *layer.padding)}
    if layer.groups > 1:
        return g.dwconv2d(x, layer.weights.transpose(3, 1, 2, 0), **coded)
    return g.conv2d(x, layer.weights, **coded)
