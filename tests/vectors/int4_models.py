"""Files with weights of int4: a golden one, and `BAD_INT4`, by the rule that each violates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from vectors.encode import Table, codes, encode, ints, requant, vectors, window
from vectors.models import Net, but, conv, single, transpose_conv
from vectors.state_models import INT4, INT16, of_dtypes

# The largest bias beside weights 1 and -8, whose sum is at most 127 + 8 * 128.
LARGEST = (1 << 31) - 1 - 1151


def packed(*weights: int, unused: int = 0) -> np.ndarray:
    """Two weights in a byte, the first in its low bits; `unused`: the last high bits, of an odd count."""
    nibbles = [weight & 15 for weight in (*weights, *[unused] * (len(weights) % 2))]
    return np.array([low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True)], np.uint8).view(
        np.int8
    )


def int4() -> bytes:
    """Odd counts, whose last bits nobody reads, and the largest biases that V47 allows."""
    net = Net(name="int4", producer="make_vectors.py")
    x = net.input((1, 3), name="x")
    image = net.input((1, 1, 2, 3), 1, name="image")
    w = net.tensor((3, 3), dtype=INT4, data=packed(1, -2, 3, 7, -8, 0, -1, 5, -6, unused=9))
    net.output(net.op(Table("Linear", requant=requant((1 << 30,), (32,), bias=ints(6, -7, 0))), [x, w], (1, 3), 2))
    w = net.tensor((1, 1, 2, 3), dtype=INT4, data=packed(1, 2, -3, -8, 7, 5))
    depthwise = Table("DwConv2D", window=window((1, 2)), requant=requant((1 << 30,), (31,)))
    net.output(net.op(depthwise, [image, w], (1, 1, 1, 3)))
    w = net.tensor((1, 1, 1, 3), dtype=INT4, data=packed(-8, 0, 7, unused=8))
    layer = Table("Conv2D", window=window((1, 1)), requant=requant((1 << 30,), (33,)))
    net.output(net.op(layer, [image, w], (1, 1, 2, 1)))
    at_edge = requant((1,), (24,), bias=ints(LARGEST, -LARGEST))
    w = net.tensor((2, 3), dtype=INT4, data=packed(1, -8, 0, 0, 1, -8))
    net.output(net.op(Table("Linear", requant=at_edge), [x, w], (1, 2)))
    inputs = [codes(10, 20, 30), codes(1, -128, 127, 5, 100, -7)]
    outputs = [codes(19, -22, -20), codes(-16, 127, -128), codes(110, -11), codes(127, -128)]
    return encode(net.model(test_vectors=vectors((inputs, outputs))))


def linear_int4(bias: int, x_dtype: int = 0, y_dtype: int = 0) -> Table:
    net = Net()
    w = net.tensor((1, 3), dtype=INT4, data=packed(1, -8, 0))
    x = net.input((1, 3), dtype=x_dtype)
    options = Table("Linear", requant=requant((1,), (24,), bias=ints(bias)))
    net.output(net.op(options, [x, w], (1, 1), dtype=y_dtype))
    for given in (*net.inputs, *net.outputs):
        given["source_dtype"] = INT16 if net.tensors[given["tensor"]]["dtype"] == INT16 else 0
    return net.model()


def dwconv_int4(*bias: int) -> Table:
    net = Net()
    w = net.tensor((1, 1, 2, 3), dtype=INT4, data=packed(1, -8, -8, -8, 1, 1))
    options = Table("DwConv2D", window=window((1, 2)), requant=requant((1,), (24,), bias=ints(*bias)))
    net.output(net.op(options, [net.input((1, 1, 2, 3)), w], (1, 1, 1, 3)))
    return net.model()


def constant_of(model: Table, tensor: int, count: int) -> Table:
    return but(model, **{f"tensors__{tensor}__dtype": INT4, f"tensors__{tensor}__data": packed(*[1] * count)})


BAD_INT4: dict[str, Callable[[], Table]] = {
    "v15_int4_data_too_short": lambda: constant_of(conv(x=(1, 4, 4, 3), weights=(3, 1, 1, 3)), 1, 8),
    "v47_int4": lambda: linear_int4(LARGEST + 1),
    "v47_int4_first_channel": lambda: dwconv_int4(LARGEST + 1, 0, 0),
    "v47_int4_last_channel": lambda: dwconv_int4(LARGEST, LARGEST, -LARGEST - 1),
    "v70_int4_of_add": lambda: constant_of(
        single(Table("Add", a_multiplier=1, b_multiplier=1), (1, 4), (1, 4), (1, 4), constants=[1]), 1, 4
    ),
    "v70_int4_of_transpose_conv2d": lambda: constant_of(transpose_conv(), 1, 32),
    "v70_int4_output": lambda: of_dtypes(Table("L2Norm"), 0, INT4),
    "v70_int4_and_int16_input": lambda: linear_int4(0, x_dtype=INT16),
    "v70_int4_and_int16_output": lambda: linear_int4(0, y_dtype=INT16),
}
