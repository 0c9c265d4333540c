"""A float .tflite network, and the same with weights alone quantized, as TensorFlow's converter writes them."""

from __future__ import annotations

import numpy as np
import pytest

SHAPE = (1, 8, 8, 3)


def float_tflite(weights: str = "float32", shape: tuple[int, ...] = SHAPE, seed: int = 0) -> bytes:
    """Convolution, depthwise convolution, addition, mean, fully connected, softmax.

    `weights` is ``"float32"``; ``"float16"`` with DEQUANTIZE of each constant; ``"int8"`` for dynamic range
    quantization, which the float operators read; or ``"int8 dequantized"`` for weight only quantization.
    """
    pytest.importorskip("tflite")
    from qrt.compiler.backends.tflite.file import TfliteFile

    rng, file = np.random.default_rng(seed), TfliteFile("net")

    def constant(name: str, size: tuple[int, ...], axis: int = 0) -> int:
        values = (rng.normal(size=size) / np.sqrt(max(np.prod(size) / size[axis], 1))).astype(np.float32)
        if weights == "float32" or (len(size) == 1 and weights != "float16"):
            return file.tensor(name, size, "float32", data=values)
        if weights == "float16":
            stored = file.tensor(f"{name}_half", size, "float16", data=values.astype(np.float16))
        else:
            others = tuple(k for k in range(len(size)) if k != axis)
            scale = (np.abs(values).max(axis=others) / 127).astype(np.float32)
            codes = np.rint(values / np.expand_dims(scale, others)).astype(np.int8)
            stored = file.tensor(f"{name}_codes", size, scale=scale, axis=axis, data=codes)
            if weights == "int8":
                return stored
        real = file.tensor(name, size, "float32")
        file.operator("DEQUANTIZE", [stored], [real])
        return real

    n, h, w, c = shape
    x = file.tensor("x", shape, "float32")
    a = file.tensor("a", (n, h, w, 6), "float32")
    options = {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
    parameters = [constant("w0", (6, 3, 3, c)), constant("b0", (6,))]
    file.operator("CONV_2D", [x, *parameters], [a], "Conv2DOptions", fused_activation_function=1, **options)
    b = file.tensor("b", (n, h, w, 6), "float32")
    parameters = [constant("w1", (1, 3, 3, 6), 3), constant("b1", (6,))]
    file.operator("DEPTHWISE_CONV_2D", [a, *parameters], [b], "DepthwiseConv2DOptions", depth_multiplier=1, **options)
    d = file.tensor("d", (n, h, w, 6), "float32")
    file.operator("ADD", [a, b], [d], "AddOptions")
    axes = file.tensor("axes", (2,), "int32", data=np.array([1, 2]))
    e = file.tensor("e", (n, 6), "float32")
    file.operator("MEAN", [d, axes], [e], "ReducerOptions", keep_dims=False)
    f = file.tensor("f", (n, 4), "float32")
    file.operator("FULLY_CONNECTED", [e, constant("w2", (4, 6)), constant("b2", (4,))], [f], "FullyConnectedOptions")
    y = file.tensor("y", (n, 4), "float32")
    file.operator("SOFTMAX", [f], [y], "SoftmaxOptions", beta=1.0)
    return file.to_bytes([x], [y])
