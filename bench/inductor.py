"""A generated network as a PyTorch module in the form of PT2E, for torch.compile.

The module has the operators that convert_pt2e leaves where X86InductorQuantizer has annotated a float module: each
tensor is quantized and dequantized around float operators, and a convolution that is only added to something is not
rounded before the sum. Its scales are the recipe's, so no calibration is needed. Inductor turns these patterns into
oneDNN's int8 operators.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.ao.quantization.fx._decomposed  # registers quantized_decomposed
from torch._inductor import config as inductor
from torch.nn import functional

from bench.recipes import Layer, Recipe, Value

UINT8, INT8 = (0, 255, torch.uint8), (-128, 127, torch.int8)
QUANTIZED = torch.ops.quantized_decomposed


class Module(torch.nn.Module):
    """uint8 codes, channels last, to uint8 codes."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.unrounded = _unrounded(recipe)
        for layer in recipe.layers:
            if layer.weights is not None:
                for name, value in _constants(layer).items():
                    self.register_buffer(f"{layer.output.name}_{name}", value)

    def forward(self, x: Any) -> Any:
        codes = {self.recipe.input.name: x.permute(0, 3, 1, 2) if x.ndim == 4 else x}
        reals: dict[str, Any] = {}
        for layer in self.recipe.layers:
            inputs = [
                reals[value.name] if value.name in reals else _real(value, _padded(layer, codes[value.name]))
                for value in layer.inputs
            ]
            y, output = self._computed(layer, inputs), layer.output
            if output.name in self.unrounded:
                reals[output.name] = y
            else:
                codes[output.name] = QUANTIZED.quantize_per_tensor(y, output.scale, output.zero_point, *UINT8)
        return codes[self.recipe.output.name]

    def _computed(self, layer: Layer, inputs: list[Any]) -> Any:
        before, after = layer.padding
        inside = before if before == after else 0
        match layer.kind:
            case "conv":
                y = functional.conv2d(inputs[0], *self._weights(layer), layer.stride, inside, 1, layer.groups)
            case "linear":
                y = functional.linear(inputs[0], *self._weights(layer))
            case "add":
                y = inputs[0] + inputs[1]
            case "max_pool":
                y = functional.max_pool2d(inputs[0], layer.size, layer.stride, inside)
            case "softmax":
                y = functional.softmax(inputs[0], -1)
            case _:
                y = torch.flatten(functional.adaptive_avg_pool2d(inputs[0], 1), 1)
        if layer.activation is None:
            return y
        return functional.relu(y) if layer.activation == "relu" else functional.relu6(y)

    def _weights(self, layer: Layer) -> tuple[Any, Any]:
        name = layer.output.name
        codes, scales, zeros, bias = (getattr(self, f"{name}_{part}") for part in ("codes", "scales", "zeros", "bias"))
        return QUANTIZED.dequantize_per_channel(codes, scales, zeros, 0, *INT8), bias


def _constants(layer: Layer) -> dict[str, Any]:
    assert layer.weights is not None and layer.weight_scales is not None and layer.bias is not None
    codes = layer.weights.transpose(0, 3, 1, 2) if layer.kind == "conv" else layer.weights
    bias = layer.bias * (np.float32(layer.inputs[0].scale) * layer.weight_scales)
    return {
        "codes": torch.from_numpy(np.ascontiguousarray(codes)),
        "scales": torch.from_numpy(layer.weight_scales),
        "zeros": torch.zeros(len(codes), dtype=torch.int64),
        "bias": torch.from_numpy(bias.astype(np.float32)),
    }


def _unrounded(recipe: Recipe) -> set[str]:
    """Outputs of convolutions that are only added: the first of each add."""
    users: dict[str, int] = {}
    for layer in recipe.layers:
        for value in layer.inputs:
            users[value.name] = users.get(value.name, 0) + 1
    plain = {one.output.name for one in recipe.layers if one.kind == "conv" and one.activation is None}
    found = set()
    for layer in recipe.layers:
        if layer.kind == "add":
            found.update([value.name for value in layer.inputs if value.name in plain and users[value.name] == 1][:1])
    return found


def _real(value: Value, codes: Any) -> Any:
    return QUANTIZED.dequantize_per_tensor(codes, value.scale, value.zero_point, *UINT8)


def _padded(layer: Layer, codes: Any) -> Any:
    """PyTorch pads windows symmetrically; an image that needs other padding is padded first."""
    before, after = layer.padding
    if before == after:
        return codes
    lowest = layer.inputs[0].zero_point if layer.kind == "conv" else 0
    return functional.pad(codes, (before, after, before, after), value=lowest)


def compiled(recipe: Recipe, x: Any, *, wrapper: bool) -> Any:
    """The module compiled with its constants frozen; with `wrapper`, the calls of its kernels are C++ too."""
    torch._dynamo.reset()
    module = torch.compile(Module(recipe).eval(), dynamic=False, fullgraph=True)
    # Not as options of torch.compile: dynamo, too, has to know that constants are frozen.
    with inductor.patch(freezing=True, cpp_wrapper=wrapper), torch.inference_mode():
        module(x)
    return module
