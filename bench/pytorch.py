"""PyTorch for the generated networks: its quantized operators, and what torch.compile makes of a PT2E module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.contestants import Candidate, Codes, Engine, Runner
from bench.edges import codes_of
from bench.networks import Network
from bench.recipes import Layer, Value


class PyTorch(Engine):
    """A sequence of quantized operators under inference_mode, as in a converted module without torch.compile; and
    `bench.inductor`'s module with torch.compile, which needs a C++ compiler."""

    name = "PyTorch"
    package = "torch"
    switch = True

    def missing(self) -> str:
        return super().missing() and "torch is not installed: pip install torch"

    def why_not(self, network: Network) -> str:
        return "" if network.recipe else "there is no quantized PyTorch module of this network"

    def candidates(self, network: Network, codes: Codes) -> Iterator[Candidate]:
        assert network.recipe is not None
        for engine in ("x86", "onednn", "fbgemm"):
            yield f"module, {engine} engine", lambda engine=engine: self._operators(network, codes, engine)
        for wrapper in (False, True):
            title = "PT2E, torch.compile" + (", C++ wrapper" if wrapper else "")
            yield title, lambda wrapper=wrapper: self._compiled(network, codes, wrapper)

    def _compiled(self, network: Network, codes: Codes, wrapper: bool) -> Runner:
        import torch

        from bench.inductor import compiled

        torch.set_num_threads(1)
        assert network.recipe is not None
        x = torch.from_numpy(codes[0].view(np.uint8) ^ np.uint8(128))
        module = compiled(network.recipe, x, wrapper=wrapper)

        def call() -> Any:
            with torch.inference_mode():
                return module(x)

        def run(values: Codes) -> Codes:
            with torch.inference_mode():
                y = module(torch.from_numpy(values[0].view(np.uint8) ^ np.uint8(128)))
            return [codes_of(y.numpy(), network.outputs[0])]

        return Runner(call, lambda: run(codes), run)

    def _operators(self, network: Network, codes: Codes, engine: str) -> Runner:
        import torch

        torch.set_num_threads(1)
        torch.backends.quantized.engine = engine
        assert network.recipe is not None
        steps = [_step(layer) for layer in network.recipe.layers]
        source, target = network.recipe.input, network.recipe.output
        x = _tensor(codes[0], source)

        def forward(x: Any) -> Any:
            values = {source.name: x}
            for names, output, step in steps:
                values[output] = step(*(values[name] for name in names))
            return values[target.name]

        def call() -> Any:
            with torch.inference_mode():
                return forward(x)

        def whole() -> Any:
            with torch.inference_mode():
                return forward(_tensor(codes[0], source)).int_repr().numpy()

        def run(values: Codes) -> Codes:
            with torch.inference_mode():
                y = forward(_tensor(values[0], source)).int_repr().numpy()
            return [codes_of(y, network.outputs[0])]

        return Runner(call, whole, run)


def _tensor(codes: Any, value: Value) -> Any:
    """int8 codes as a quint8 tensor, channels last."""
    import torch

    unsigned = torch.from_numpy(codes.view(np.uint8) ^ np.uint8(128))
    if unsigned.ndim == 4:
        unsigned = unsigned.permute(0, 3, 1, 2)
    return torch._make_per_tensor_quantized_tensor(unsigned, value.scale, value.zero_point)


def _weights(layer: Layer) -> Any:
    import torch

    assert layer.weights is not None and layer.weight_scales is not None
    codes = layer.weights.transpose(0, 3, 1, 2) if layer.kind == "conv" else layer.weights
    scales = torch.from_numpy(layer.weight_scales.astype(np.float64))
    zeros = torch.zeros(len(scales), dtype=torch.long)
    return torch._make_per_channel_quantized_tensor(torch.from_numpy(np.ascontiguousarray(codes)), scales, zeros, 0)


def _bias(layer: Layer) -> Any:
    import torch

    assert layer.bias is not None and layer.weight_scales is not None
    return torch.from_numpy((layer.bias * (np.float32(layer.inputs[0].scale) * layer.weight_scales)).astype(np.float32))


def _step(layer: Layer) -> tuple[list[str], str, Any]:
    """Names of a layer's inputs and output, and the call that computes it."""
    import torch

    ops = torch.ops.quantized
    y = layer.output
    before, after = layer.padding
    # PyTorch pads windows symmetrically; an image that needs other padding is padded first.
    inside = before if before == after else 0

    def padded(x: Any) -> Any:
        if before == after:
            return x
        return torch.nn.functional.pad(x, (before, after, before, after), value=0.0)

    match layer.kind:
        case "conv":
            window = ([layer.stride] * 2, [inside] * 2, [1, 1], layer.groups)
            packed = ops.conv2d_prepack(_weights(layer), _bias(layer), *window)
            run = ops.conv2d_relu if layer.activation else ops.conv2d

            def step(x: Any) -> Any:
                return run(padded(x), packed, y.scale, y.zero_point)
        case "linear":
            packed = ops.linear_prepack(_weights(layer), _bias(layer))

            def step(x: Any) -> Any:
                return ops.linear(x, packed, y.scale, y.zero_point)
        case "add":
            run = ops.add_relu if layer.activation else ops.add

            def step(a: Any, b: Any) -> Any:
                return run(a, b, y.scale, y.zero_point)
        case "max_pool":

            def step(x: Any) -> Any:
                return torch.nn.functional.max_pool2d(padded(x), layer.size, layer.stride, inside)
        case "softmax":

            def step(x: Any) -> Any:
                return torch.quantize_per_tensor(x.dequantize().softmax(-1), y.scale, y.zero_point, torch.quint8)
        case _:

            def step(x: Any) -> Any:
                # The quantized pool uses its input's scale, which is too coarse for a mean.
                pooled = torch.flatten(torch.nn.functional.adaptive_avg_pool2d(x.dequantize(), 1), 1)
                return torch.quantize_per_tensor(pooled, y.scale, y.zero_point, torch.quint8)

    return [value.name for value in layer.inputs], y.name, step
