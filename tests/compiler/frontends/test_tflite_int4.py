"""Weights of int4 in .tflite files, against TFLite Micro; how they are stored; and what --weights makes of int8."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import engines
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from single_operators import Make, Model

import qrt
from qrt.compiler import CompileError, compile
from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.backends.tflite.writer import to_tflite
from qrt.compiler.frontends.tflite.graph import to_graph


def layer(kind: str, channels: int, size: int, *, bias: bool = True, dtype: str = "int4") -> Make:
    """A convolution, or a linear layer of `size` features."""

    def make(m: Model) -> None:
        is_linear, is_depthwise = kind == "FULLY_CONNECTED", kind == "DEPTHWISE_CONV_2D"
        window = (int(m.rng.integers(1, 4)), int(m.rng.integers(1, 4)))
        shape = (channels, size) if is_linear else (channels, *window, size)
        x_shape: tuple[int, ...] = (3, size) if is_linear else (1, 5, 6, size)
        if is_depthwise:
            shape, x_shape = (1, *window, channels), (1, 5, 6, channels)
        x = m.x(x_shape)
        axis, limits = 3 if is_depthwise else 0, (-8, 8) if dtype == "int4" else (-127, 128)
        # TFLite Micro has no linear layer of int4 per channel.
        scale = m.rng.uniform(0.01, 0.1, () if is_linear else channels).astype(np.float32)
        inputs = [x, m.constant(m.rng.integers(*limits, shape), dtype, scale=scale, axis=axis)]
        if bias:
            inputs.append(
                m.constant(m.rng.integers(-2000, 2000, channels), scale=np.broadcast_to(scale, channels) * m.scales[0])
            )
        if is_linear:
            m.file.operator(kind, inputs, [m.y((3, channels), 0.2)], "FullyConnectedOptions")
            return
        options: dict[str, Any] = {"padding": int(m.rng.integers(2)), "stride_h": 2, "stride_w": 1}
        options |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
        if is_depthwise:
            options["depth_multiplier"] = 1
        height, width = (5 - window[0]) // 2 + 1, 6 - window[1] + 1
        y = m.y((1, 3, 6, channels) if options["padding"] == 0 else (1, height, width, channels), 0.2)
        m.file.operator(kind, inputs, [y], "DepthwiseConv2DOptions" if is_depthwise else "Conv2DOptions", **options)

    return make


def file_of(make: Make, seed: int = 0) -> tuple[bytes, tuple[int, ...], np.random.Generator]:
    rng = np.random.default_rng(seed)
    m = Model(rng)
    make(m)
    return m.to_bytes(), m.shapes[0], rng


def compiled(folder: Path, content: bytes, **options: Any) -> bytes:
    path = folder / "net.tflite"
    path.write_bytes(content)
    return compile(path, **options).to_bytes()


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
@settings(deadline=None, max_examples=25)
@given(channels=st.integers(1, 33), size=st.integers(1, 20), bias=st.booleans(), seed=st.integers(0, 2**32 - 1))
def test_the_bytes_of_tflm(kind: str, channels: int, size: int, bias: bool, seed: int, tmp_path_factory: Any) -> None:
    content, shape, rng = file_of(layer(kind, channels, size, bias=bias), seed)
    data = compiled(tmp_path_factory.mktemp("int4"), content)
    assert read(data).ops[0].inputs[1].dtype == "int4"
    models = [qrt.load(data, kernels=name) for name in qrt.kernel_sets()]
    engine = engines.Tflm(content)
    for _ in range(3):
        x = rng.integers(-128, 128, shape).astype(np.int8)
        (expected,) = engine.run([x])
        for model in models:
            np.testing.assert_array_equal(model.run(x), expected, err_msg=model.kernels)


def test_half_of_the_bytes(tmp_path: Path) -> None:
    content, shape, rng = file_of(layer("CONV_2D", 16, 16))
    packed, plain = compiled(tmp_path, content), compiled(tmp_path, content, weights="int8")
    weights = read(plain).ops[0].inputs[1]
    assert weights.dtype == "int8"
    np.testing.assert_array_equal(read(packed).ops[0].inputs[1].data, weights.data)
    assert len(plain) - len(packed) >= weights.size // 2 - 16
    x = rng.integers(-128, 128, shape).astype(np.int8)
    np.testing.assert_array_equal(qrt.load(packed).run(x), qrt.load(plain).run(x))


def test_int4_comes_back_from_an_export(tmp_path: Path) -> None:
    content, shape, rng = file_of(layer("DEPTHWISE_CONV_2D", 5, 5))
    data = to_tflite(read(compiled(tmp_path, content))).content
    again = to_graph(_written(tmp_path / "again.tflite", data), "tflm")
    assert again.int4
    x = rng.integers(-128, 128, shape).astype(np.int8)
    np.testing.assert_array_equal(engines.Tflm(data).run([x])[0], engines.Tflm(content).run([x])[0])


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_weights_of_an_int8_network(tmp_path: Path) -> None:
    """They stay near what they were, in all layers or in the named one."""
    content = file_of(layer("CONV_2D", 24, 20, dtype="int8"))[0]
    path = _written(tmp_path / "net.tflite", content)
    rough = compile(path, weights="int4")
    (op,) = rough.graph.ops
    assert op.inputs[1].dtype == "int4"
    assert any(name == "quantize_weights" for name, _ in rough.report.notes)
    named = compile(path, weights=f"int4:{op.name}").to_bytes()
    assert named == rough.to_bytes()
    with pytest.raises(CompileError, match=r"nothing .layer.: is no conv2d, .* there are y0"):
        compile(path, weights="int4:nothing")
    with pytest.raises(ValueError, match="weights must be 'int4'"):
        compile(path, weights="int5")
