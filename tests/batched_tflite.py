"""A .tflite network with a batch, as the converter writes one."""

from __future__ import annotations

import numpy as np
import pytest

N = 6


def tflite_network() -> bytes:
    """Layers on images and on all rows, and a constant that is there once for every sample."""
    pytest.importorskip("tflite")
    from qrt.compiler.backends.tflite.file import TfliteFile

    rng, file = np.random.default_rng(3), TfliteFile("net")

    def weights(shape: tuple[int, ...], x_scale: float) -> list[int]:
        scale = rng.uniform(0.002, 0.01, shape[0]).astype(np.float32)
        w = file.tensor(f"w{len(file.tensors)}", shape, scale=scale, data=rng.integers(-127, 128, shape))
        bias = rng.integers(-2000, 2000, shape[0])
        scales = scale * np.float32(x_scale)
        return [w, file.tensor(f"b{len(file.tensors)}", bias.shape, "int32", scale=scales, data=bias)]

    x = file.tensor("x", (N, 6, 6, 2), scale=0.05, zero_point=-3)
    a = file.tensor("a", (N, 6, 6, 4), scale=0.04, zero_point=5)
    options = {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
    file.operator("CONV_2D", [x, *weights((4, 3, 3, 2), 0.05)], [a], "Conv2DOptions", **options)
    b = file.tensor("b", (N, 6, 6, 5), scale=0.03)
    file.operator("FULLY_CONNECTED", [a, *weights((5, 4), 0.04)], [b], "FullyConnectedOptions", keep_num_dims=True)
    same = np.repeat(rng.integers(-128, 128, (1, 6, 6, 5)), N, axis=0)
    constant = file.tensor("constant", same.shape, scale=0.02, zero_point=1, data=same)
    c = file.tensor("c", (N, 6, 6, 5), scale=0.05, zero_point=-7)
    file.operator("ADD", [b, constant], [c], "AddOptions")
    axes = file.tensor("axes", (2,), "int32", data=np.array([1, 2]))
    d = file.tensor("d", (N, 5), scale=0.02, zero_point=2)
    file.operator("MEAN", [c, axes], [d], "ReducerOptions", keep_dims=False)
    e = file.tensor("e", (N, 7), scale=0.03, zero_point=-1)
    file.operator("FULLY_CONNECTED", [d, *weights((7, 5), 0.02)], [e], "FullyConnectedOptions")
    y = file.tensor("y", (N, 7), scale=1 / 256, zero_point=-128)
    file.operator("SOFTMAX", [e], [y], "SoftmaxOptions", beta=1.0)
    return file.to_bytes([x], [y])
