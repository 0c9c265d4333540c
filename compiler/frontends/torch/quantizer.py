"""QrtQuantizer: tells PT2E (torchao) what to quantize, so that no supported operator is left in float."""

from __future__ import annotations

import operator
from dataclasses import replace
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

from qrt.compiler.frontends.torch.decompose import decompose

ANNOTATION = "quantization_annotation"
# Lower limit of weight scales, so that the bias of a channel whose weights are all zero fits into int32.
MIN_WEIGHT_SCALE = 2.0**-12

# Of the codes of weights.
LIMITS = {"int8": (-127, 127), "int4": (-8, 7)}
OBSERVERS = {"histogram": HistogramObserver, "minmax": MinMaxObserver}

# With the channel axis of their weights.
LAYERS = {"conv1d": 0, "conv2d": 0, "linear": 0, "conv_transpose1d": 1, "conv_transpose2d": 1}
# Two operands, new scale.
BINARY = frozenset({"add", "sub", "mul", "matmul", "bmm"})
# Fused into the operator before them if they are its only reader.
ACTIVATIONS = frozenset({"relu", "relu6", "hardtanh", "clamp"})
# Functions of one operand. Those of one tensor that follow one another become one table.
FUNCTIONS = frozenset(
    {
        *("sigmoid", "tanh", "hardsigmoid", "hardswish", "silu", "leaky_relu", "elu", "gelu", "selu", "celu", "mish"),
        *("softplus", "hardshrink", "softshrink", "threshold", "log_sigmoid", "rrelu"),
        *("exp", "log", "sqrt", "rsqrt", "neg", "abs", "reciprocal", "erf", "square"),
    }
)
# The same, if their second operand is a number or a function of the same tensor.
ARITHMETIC = frozenset({"add", "sub", "mul", "div", "pow", "rsub"})
# One operand, new scale.
COMPUTED = frozenset(
    {
        *FUNCTIONS,
        *("mean", "sum", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "softmax", "_softmax", "log_softmax"),
        *("_log_softmax", "prelu", "div", "pow", "rsub"),
        *("batch_norm", "layer_norm", "group_norm", "instance_norm"),
    }
)
# Output and inputs share a scale.
SHARING = frozenset(
    {
        *ACTIVATIONS,
        *("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d"),
        *("flatten", "unflatten", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose", "movedim"),
        *("cat", "stack", "pad", "constant_pad_nd", "contiguous", "clone", "dropout", "feature_dropout"),
        *("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "slice", "narrow", "select", "index_select", "index"),
        *("flip", "roll", "expand", "repeat", "tile", "repeat_interleave", "amax", "amin", "max", "min"),
        *("maximum", "minimum", "where", "masked_fill"),
        *("upsample_nearest1d", "upsample_nearest2d", "upsample_linear1d", "upsample_bilinear2d"),
        *("_upsample_nearest_exact1d", "_upsample_nearest_exact2d"),
    }
)
# Several outputs, which share the input's scale; the calls that take one of them are annotated.
PARTS = frozenset({"chunk", "split", "split_with_sizes", "unbind"})
INDICES = frozenset({"argmax", "argmin"})
# Operators whose second argument may be a tensor that they compute with.
TWO = BINARY | ARITHMETIC | {"maximum", "minimum", "max", "min"}


def _kind(node: fx.Node) -> str:
    """The node's ATen operator without its overload and without the underscore of in-place operators."""
    if node.op != "call_function" or not str(node.target).startswith("aten."):
        return ""
    name = str(node.target).split(".")[1]
    return name if name.startswith("_") else name.rstrip("_")


def _operands(node: fx.Node) -> list[fx.Node]:
    """The tensors that an operator without weights computes with."""
    kind = _kind(node)
    given = node.args[1:3] if kind == "where" else node.args[:2] if kind in TWO else node.args[:1]
    flat = [arg for one in given for arg in (one if isinstance(one, (list, tuple)) else [one])]
    return [arg for arg in flat if isinstance(arg, fx.Node)]


def _has_parts(node: fx.Node) -> bool:
    return any(user.target is operator.getitem for user in node.users)


def _sources(graph: fx.Graph) -> dict[fx.Node, fx.Node]:
    """For each function, the tensor that it is one of: the input of the first of the functions in a row."""
    sources: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        kind, operands = _kind(node), _operands(node)
        is_function = kind in FUNCTIONS or kind in ARITHMETIC
        if not is_function and not (kind in ACTIVATIONS and operands[0] in sources):
            continue
        found = {sources.get(operand, operand) for operand in operands}
        if len(found) == 1 and (source := found.pop()).op != "get_attr":
            sources[node] = source
    return sources


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
    weights : {"int8", "int4"}
        ``"int4"`` gives weights 4 bits, -8 to 7, with which quantization-aware training can keep an accuracy that
        ``qrt compile --weights int4`` would lose.
    """

    def __init__(
        self, *, bias: str = "int32", is_qat: bool = False, ranges: str = "histogram", weights: str = "int8"
    ) -> None:
        super().__init__()
        if weights not in LIMITS:
            raise ValueError(f"weights must be {' or '.join(map(repr, LIMITS))}, got {weights!r}")
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
            quant_min=LIMITS[weights][0],
            quant_max=LIMITS[weights][1],
            qscheme=torch.per_channel_symmetric,
            ch_axis=0,
        )
        self.one_scale = QuantizationSpec(
            dtype=torch.int8,
            observer_or_fake_quant_ctr=self._observer(MinMaxObserver, MovingAverageMinMaxObserver, MIN_WEIGHT_SCALE),
            quant_min=-127,
            quant_max=127,
            qscheme=torch.per_tensor_symmetric,
        )

    def _observer(self, still: Any, moving: Any, least_scale: float) -> Any:
        """The observer of scales: `still` for calibration, `moving` for quantization-aware training."""
        if self.is_qat:
            return FakeQuantize.with_args(observer=moving, eps=least_scale)
        return still.with_args(eps=least_scale)

    def transform_for_annotation(self, model: fx.GraphModule) -> fx.GraphModule:
        return decompose(model)

    def annotate(self, model: fx.GraphModule) -> fx.GraphModule:
        sources = _sources(model.graph)
        for node in model.graph.nodes:
            kind = _kind(node)
            if ANNOTATION in node.meta:
                continue
            source = sources.get(node)
            if source is not None and node.users and all(sources.get(user) is source for user in node.users):
                self._annotate(node, dict.fromkeys([source] if source in node.args else [], self.activation), None)
            elif source is not None:
                self._computed(node, [source] if source in node.args else [])
            elif kind in LAYERS:
                self._layer(node)
            elif kind in BINARY or kind in COMPUTED:
                self._computed(node, _operands(node))
            elif kind in PARTS or (kind in SHARING and _has_parts(node)):
                self._splitting(node)
            elif kind in SHARING:
                self._sharing(node)
            elif kind in INDICES:
                self._annotate(node, dict.fromkeys(_operands(node), self.activation), None)
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
        axis = LAYERS[_kind(node)]
        # One scale for all channels where the axis has those of one group only.
        grouped = axis == 1 and len(node.args) > 6 and node.args[6] != 1
        of_weights = self.one_scale if grouped else replace(self.weights, ch_axis=axis)
        inputs: dict[fx.Node, Any] = {x: self.activation, weights: of_weights}
        bias = node.args[2] if len(node.args) > 2 else None
        last = self._last(node)
        normed = any(_kind(user) == "batch_norm" for user in node.users)
        if isinstance(bias, fx.Node) and self.bias == "int32" and not grouped and not (self.is_qat and normed):
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
        inputs = _operands(node)
        if not inputs:
            return
        shared = SharedQuantizationSpec((inputs[0], node))
        qspecs: dict[fx.Node, Any] = {inputs[0]: self.activation}
        qspecs.update((arg, shared) for arg in inputs[1:] if arg is not inputs[0])
        self._annotate(node, qspecs, shared)

    def _splitting(self, node: fx.Node) -> None:
        """Indices, the second result of maxima, stay integers."""
        (x,) = _operands(node)
        self._annotate(node, {x: self.activation}, None)
        for user in node.users:
            if user.target is operator.getitem and (_kind(node) in PARTS or user.args[1] == 0):
                self._annotate(user, {}, SharedQuantizationSpec((x, node)))


__all__: list[str] = ["QrtQuantizer"]
