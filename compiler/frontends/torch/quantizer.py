"""QrtQuantizer: tells PT2E (torchao) what to quantize, so that no supported operator is left in float."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx
from torchao.quantization.pt2e import (
    FakeQuantize,
    HistogramObserver,
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    PerChannelMinMaxObserver,
)
from torchao.quantization.pt2e.quantizer import (
    DerivedQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
    SharedQuantizationSpec,
)

ANNOTATION = "quantization_annotation"
# Lower limit of weight scales, so that the bias of a channel whose weights are all zero fits into int32.
MIN_WEIGHT_SCALE = 2.0**-12

OBSERVERS = {"histogram": HistogramObserver, "minmax": MinMaxObserver}

LAYERS = frozenset({"conv1d", "conv2d", "linear"})
# Two operands, new scale.
BINARY = frozenset({"add", "mul"})
# Fused into the operator before them if they are its only reader.
ACTIVATIONS = frozenset({"relu", "relu6", "hardtanh", "clamp"})
# One operand, new scale.
COMPUTED = frozenset(
    {
        "mean",
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "sigmoid",
        "tanh",
        "hardsigmoid",
        "hardswish",
        "silu",
        "leaky_relu",
        "elu",
        "gelu",
        "softmax",
        "_softmax",
    }
)
# Output and inputs share a scale.
SHARING = frozenset(
    {
        *ACTIVATIONS,
        "max_pool1d",
        "max_pool2d",
        "avg_pool1d",
        "avg_pool2d",
        "flatten",
        "view",
        "reshape",
        "squeeze",
        "unsqueeze",
        "permute",
        "transpose",
        "cat",
        "pad",
        "constant_pad_nd",
        "contiguous",
        "clone",
        "dropout",
    }
)


def _kind(node: fx.Node) -> str:
    """The node's ATen operator without its overload and without the underscore of in-place operators."""
    if node.op != "call_function" or not str(node.target).startswith("aten."):
        return ""
    name = str(node.target).split(".")[1]
    return name if name.startswith("_") else name.rstrip("_")


def _derived_bias(observers: list[Any]) -> tuple[Tensor, Tensor]:
    """scale = x_scale * w_scale, zero point 0."""
    (x_scale, _), (w_scale, _) = (observer.calculate_qparams() for observer in observers)
    scale = (x_scale * w_scale).to(torch.float32)
    return scale, torch.zeros_like(scale, dtype=torch.int32)


class QrtQuantizer(Quantizer):  # type: ignore[misc]
    """Annotates a graph for ``prepare_pt2e`` or ``prepare_qat_pt2e``.

    Activations become int8 per tensor (asymmetric), weights int8 per output channel (symmetric, -127 to 127).

    Parameters
    ----------
    bias : {"int32", "float"}
        ``"int32"`` quantizes biases by x_scale * w_scale, as devices add them; ``"float"`` leaves them, and the
        compiled file keeps them at full precision in the addend. In quantization-aware training layers with batch
        norm have float biases, because the norm is folded later.
    is_qat : bool
        For ``prepare_qat_pt2e``.
    ranges : {"histogram", "minmax"}
        How the range of an activation follows from the values that calibration sees: the least squared error of
        their histogram, or their minimum and maximum. Quantization-aware training takes moving averages.
    """

    def __init__(self, *, bias: str = "int32", is_qat: bool = False, ranges: str = "histogram") -> None:
        super().__init__()
        if bias not in ("int32", "float"):
            raise ValueError(f"bias must be 'int32' or 'float', got {bias!r}")
        if ranges not in OBSERVERS:
            raise ValueError(f"ranges must be {' or '.join(map(repr, OBSERVERS))}, got {ranges!r}")
        self.bias = bias
        self.is_qat = is_qat
        self.activation = QuantizationSpec(
            dtype=torch.int8,
            observer_or_fake_quant_ctr=self._observer(OBSERVERS[ranges], MovingAverageMinMaxObserver, 2.0**-12),
            quant_min=-128,
            quant_max=127,
            qscheme=torch.per_tensor_affine,
        )
        self.weights = QuantizationSpec(
            dtype=torch.int8,
            observer_or_fake_quant_ctr=self._observer(
                PerChannelMinMaxObserver, MovingAveragePerChannelMinMaxObserver, MIN_WEIGHT_SCALE
            ),
            quant_min=-127,
            quant_max=127,
            qscheme=torch.per_channel_symmetric,
            ch_axis=0,
        )

    def _observer(self, still: Any, moving: Any, least_scale: float) -> Any:
        """The observer of scales: `still` for calibration, `moving` for quantization-aware training."""
        if self.is_qat:
            return FakeQuantize.with_args(observer=moving, eps=least_scale)
        return still.with_args(eps=least_scale)

    def annotate(self, model: fx.GraphModule) -> fx.GraphModule:
        for node in model.graph.nodes:
            kind = _kind(node)
            if ANNOTATION in node.meta:
                continue
            if kind in LAYERS:
                self._layer(node)
            elif kind in BINARY:
                self._computed(node, [arg for arg in node.args[:2] if isinstance(arg, fx.Node)])
            elif kind in COMPUTED:
                self._computed(node, [node.args[0]])
            elif kind in SHARING:
                self._sharing(node)
        return model

    def validate(self, model: fx.GraphModule) -> None:
        """Accepts every graph: the compiler reports what is not supported."""

    def _annotate(self, node: fx.Node, inputs: dict[fx.Node, Any], output: Any) -> None:
        node.meta[ANNOTATION] = QuantizationAnnotation(input_qspec_map=inputs, output_qspec=output, _annotated=True)

    def _last(self, node: fx.Node) -> fx.Node:
        """The last node fused with `node`: batch norm and an activation, each the only reader of its input."""
        for fused in (frozenset({"batch_norm"}), ACTIVATIONS):
            users = list(node.users)
            if len(users) == 1 and _kind(users[0]) in fused and users[0].args[0] is node:
                node = users[0]
        return node

    def _finish(self, node: fx.Node, inputs: dict[fx.Node, Any], last: fx.Node) -> None:
        self._annotate(node, inputs, self.activation if last is node else None)
        between = node
        while between is not last:
            between = next(iter(between.users))
            self._annotate(between, {}, self.activation if between is last else None)

    def _layer(self, node: fx.Node) -> None:
        x, weights = node.args[:2]
        inputs: dict[fx.Node, Any] = {x: self.activation, weights: self.weights}
        bias = node.args[2] if len(node.args) > 2 else None
        last = self._last(node)
        normed = any(_kind(user) == "batch_norm" for user in node.users)
        if isinstance(bias, fx.Node) and self.bias == "int32" and not (self.is_qat and normed):
            inputs[bias] = DerivedQuantizationSpec(
                derived_from=[(x, node), (weights, node)],
                derive_qparams_fn=_derived_bias,
                dtype=torch.int32,
                quant_min=-(2**31),
                quant_max=2**31 - 1,
                qscheme=torch.per_channel_symmetric,
                ch_axis=0,
            )
        self._finish(node, inputs, last)

    def _computed(self, node: fx.Node, inputs: list[fx.Node]) -> None:
        self._finish(node, dict.fromkeys(inputs, self.activation), self._last(node))

    def _sharing(self, node: fx.Node) -> None:
        given = node.args[0] if isinstance(node.args[0], (list, tuple)) else [node.args[0]]
        inputs = [arg for arg in given if isinstance(arg, fx.Node)]
        if not inputs:
            return
        shared = SharedQuantizationSpec((inputs[0], node))
        qspecs: dict[fx.Node, Any] = {inputs[0]: self.activation}
        qspecs.update(dict.fromkeys(inputs[1:], shared))
        self._annotate(node, qspecs, shared)


__all__: list[str] = ["QrtQuantizer"]
