"""A streaming network gives, run by run, the bytes that the network it was made from gives for whole windows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Cli, assert_refused
from drawn_streams import Array, Drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from places import SHARED
from variable_networks import VariableFile

import qrt
from qrt.compiler import Compiled, CompileError, GraphBuilder, compile
from qrt.compiler.passes.quantized.frames import RULES
from qrt.compiler.report import Stream
from qrt.schema.operators import OPERATORS

# The fastest that the CPU has, and the plain one.
KERNELS = (None, "portable")


def test_every_operator_has_a_rule() -> None:
    stateful = {kind for kind, facts in OPERATORS.items() if facts.writes_state or facts.states}
    assert set(RULES) | stateful == set(OPERATORS)


# --------------------------------------------------------------------------------------------- running


def loaded(compiled: Compiled, kernels: str | None = None) -> qrt.Model:
    return qrt.load(compiled.to_bytes(), kernels=kernels)


def ran(model: qrt.Model, codes: Array) -> Array:
    """Codes and outputs are in the source's layout."""
    is_nchw = codes.ndim == 4 and model.inputs[0].source_layout == "NCHW"
    result = model.run(codes, layout="NCHW" if is_nchw else None)
    assert isinstance(result, np.ndarray)
    return result.transpose(0, 3, 1, 2) if model.outputs[0].source_layout == "NCHW" else result


def source_shape(model: qrt.Model) -> tuple[int, ...]:
    n, *shape = model.inputs[0].shape
    return (n, shape[-1], *shape[:-1]) if model.inputs[0].source_layout == "NCHW" else (n, *shape)


def part(x: Array, axis: int, begin: int, end: int) -> Array:
    return np.take(x, range(begin, end), axis)


def drawn_codes(model: qrt.Model, axis: int, frames: int) -> Array:
    shape = [frames if k == axis else n for k, n in enumerate(source_shape(model))]
    return np.random.default_rng(frames).integers(-128, 128, shape).astype(np.int8)


def stream_of(compiled: Compiled) -> Stream:
    assert compiled.report.stream is not None
    return compiled.report.stream


def streamed(model: qrt.Model, x: Array, axis: int) -> list[Array]:
    """The outputs of all runs."""
    frames = source_shape(model)[axis]
    return [ran(model, part(x, axis, end - frames, end)) for end in range(frames, x.shape[axis] + 1, frames)]


def assert_windows(
    make: Callable[..., Compiled],
    axis: int,
    *,
    rows: int | None = None,
    kernels: str | None = None,
) -> Stream:
    """From the first run that it claims on, each run gives what the source gives for the last frames.

    `make` compiles the source, with an option `stream`. `axis` is that of the frames, `rows` that of the output's rows,
    of which a run gives the last ones.
    """
    whole, compiled = loaded(make(), kernels), make(stream=axis)
    stream = stream_of(compiled)
    assert not stream.pads and not stream.late
    model, length = loaded(compiled, kernels), stream.window
    x = drawn_codes(whole, axis, (math.ceil(length / stream.frames) + 5) * stream.frames)
    for run, got in enumerate(streamed(model, x, axis), 1):
        end = run * stream.frames
        # A window that is not full has any frames in front of the first.
        before = np.concatenate([drawn_codes(whole, axis, length), part(x, axis, 0, end)], axis)
        expected = ran(whole, part(before, axis, end, end + length))
        if rows is not None:
            expected = part(expected, rows, expected.shape[rows] - got.shape[rows], expected.shape[rows])
        assert run < stream.first_run or np.array_equal(got, expected), f"run {run}"
    return stream


# ------------------------------------------------------------------------------------- drawn networks


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_networks_without_padding(data: st.DataObject) -> None:
    d = Drawn(data, "none")
    ends = [d.head()] if data.draw(st.booleans()) else []
    g = d.network(d.span + d.frames * d.number(1, 4) + d.number(0, 3), *ends)
    rows = None if ends or g.graph.outputs[0].tensor.shape[d.axis] == 1 else d.axis
    assert_windows(partial(compile, g), d.axis, rows=rows, kernels=data.draw(st.sampled_from(KERNELS)))


@settings(max_examples=30, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("padding", ["causal", "same"])
def test_networks_with_padding(padding: str, data: st.DataObject) -> None:
    """The rows of a run are those of the network over the whole stream, maybe late."""
    d = Drawn(data, padding)
    kernels, count = data.draw(st.sampled_from(KERNELS)), d.span + 4
    compiled = compile(d.network(d.frames * d.number(2, 5)), stream=d.axis)
    stream = stream_of(compiled)
    whole = loaded(compile(d.network(count * stream.frames)), kernels)
    assert padding == "same" or not stream.late
    x = drawn_codes(whole, d.axis, count * stream.frames)
    expected = ran(whole, x)
    late = sum(stream.late.values()) // d.stride
    checked = 0
    for run, got in enumerate(streamed(loaded(compiled, kernels), x, d.axis), 1):
        if run >= stream.first_run:
            rows = got.shape[d.axis]
            end = run * rows - late
            assert np.array_equal(got, part(expected, d.axis, end - rows, end)), f"run {run}"
            checked += 1
    assert checked > 0


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_one_answer_behind_causal_layers(data: st.DataObject) -> None:
    """It is computed from the last rows of the network over the whole stream."""
    d = Drawn(data, "causal")
    head, length = d.head(), d.number(2, 4) * d.frames
    compiled = compile(d.network(length, head), stream=d.axis)
    stream, rows = stream_of(compiled), length // d.stride
    count = rows + d.span + 3
    body = d.network(d.frames * count)
    y = body.graph.outputs[0].tensor
    g = GraphBuilder("head")
    x = g.input("x", (1, *d.pair(rows, y.shape[3 - d.axis]), y.shape[3]), scale=y.scale, zero_point=y.zero_point)
    g.output(head(g, x))
    whole, answer = loaded(compile(body)), loaded(compile(g))
    codes = drawn_codes(whole, d.axis, count * d.frames)
    expected = ran(whole, codes)
    runs = streamed(loaded(compiled), codes, d.axis)
    for run in range(max(stream.first_run, length // stream.frames), len(runs) + 1):
        end = run * stream.frames // d.stride
        assert np.array_equal(runs[run - 1], ran(answer, part(expected, d.axis, end - rows, end))), f"run {run}"


# ----------------------------------------------------------------------------------- other frontends


def onnx_rows(n: Any) -> str:
    """1-D convolutions, a branch that is cut to the rows of the other, and a mean."""
    y = n.op("Relu", n.node("Conv", n.input("x", (1, 5, 30)), n.weights((8, 5, 5))))
    y = n.op("Relu", n.node("Conv", y, n.weights((8, 1, 3)), group=8, dilations=[2]))
    z = n.op("Conv", y, n.weights((8, 8, 3)))
    cut = n.node("Slice", y, *(n.constant([k], np.int64) for k in (2, 99, 2)))
    y = n.op("MaxPool", n.op("Add", cut, z), kernel_shape=[2], strides=[2])
    y = n.op("ReduceMean", y, axes=[2], keepdims=0)
    return n.op("Softmax", n.op("Gemm", y, n.weights((4, 8)), transB=1), scale=1 / 256)  # type: ignore[no-any-return]


def onnx_images(n: Any) -> str:
    """Features as an image of one channel, with frames as its rows."""
    y = n.input("x", (1, 1, 30, 10))
    y = n.op("Relu", n.node("Conv", y, n.weights((8, 1, 5, 3)), pads=[0, 1, 0, 1], strides=[2, 1]))
    y = n.op("Conv", y, n.weights((6, 8, 3, 3)), pads=[0, 1, 0, 1])
    return n.op("Gemm", n.op("Flatten", y, axis=1), n.weights((4, 6 * 11 * 10)), transB=1)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("network", "frames"), [(onnx_rows, 2), (onnx_images, 2)], ids=["rows", "images"])
def test_onnx(network: Callable[[Any], str], frames: int) -> None:
    pytest.importorskip("onnx")
    from qdq import Net

    n = Net()
    stream = assert_windows(partial(compile, n.model(network(n))), 2)
    assert (stream.frames, stream.first_run) == (frames, 15) and stream.macs * 8 < stream.window_macs


def test_torch() -> None:
    """1-D convolutions: without padding and with a mean; causal, one output for each frame."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchao")
    from qrt.compiler import from_torch, quantize_torch

    def quantized(module: Any) -> Callable[..., Compiled]:
        x = torch.randn(8, 10, 40, generator=torch.Generator().manual_seed(0))
        program = quantize_torch(module.eval(), (x[:1],), (x,))
        return partial(from_torch, program, (x[:1],))

    conv = torch.nn.Conv1d
    body = [conv(10, 16, 5), torch.nn.ReLU(), conv(16, 16, 3, groups=16, dilation=2), conv(16, 16, 1), torch.nn.ReLU()]
    head = [torch.nn.AdaptiveAvgPool1d(1), torch.nn.Flatten(), torch.nn.Linear(16, 4)]
    assert assert_windows(quantized(torch.nn.Sequential(*body, *head)), 2).frames == 1

    causal = [
        torch.nn.ConstantPad1d((4, 0), 0.0),
        conv(10, 16, 5),
        torch.nn.ReLU(),
        torch.nn.ConstantPad1d((4, 0), 0.0),
    ]
    make = quantized(torch.nn.Sequential(*causal, conv(16, 6, 3, dilation=2)))
    compiled, whole = make(stream=2), loaded(make())
    stream = stream_of(compiled)
    assert stream.pads and stream.first_run == 1 and not stream.late
    x = drawn_codes(whole, 2, 40)
    assert np.array_equal(np.concatenate(streamed(loaded(compiled), x, 2), 2), ran(whole, x))


# --------------------------------------------------------------------------------------------- figures


def keywords(padding: tuple[int, int, int, int] = (0, 0, 0, 0), frames: int = 32) -> GraphBuilder:
    """Two convolutions in time, of lengths 5 and 3, and a mean over all of it."""
    rng = np.random.default_rng(0)
    g = GraphBuilder("keywords")
    y = g.input("x", (1, frames, 1, 8), scale=0.05)
    for size, name in ((5, "first"), (3, "second")):
        weights = rng.normal(size=(8, size, 1, 8))
        y = g.conv2d(y, weights, scale=0.3, zero_point=-128, activation="relu", padding=padding, name=name)
    g.output(g.mean(y, scale=0.1, name="mean"))
    return g


def test_figures() -> None:
    stream = assert_windows(partial(compile, keywords()), 1)
    assert (stream.frames, stream.window, stream.first_run, stream.heads) == (1, 32, 32, ("mean",))
    assert stream.macs == 8 * 8 * (5 + 3) and stream.window_macs == 8 * 8 * (5 * 28 + 3 * 26)
    assert stream.state_bytes == 8 * (5 + 3 + 26)


def test_causal_rows_are_right_from_the_first_run() -> None:
    g = GraphBuilder("causal")
    x = g.input("x", (1, 6, 1, 2), scale=0.1, zero_point=5)
    y = g.dwconv2d(x, np.ones((1, 3, 1, 2)), scale=0.2, padding=(2, 0, 0, 0))
    y = g.conv2d(y, np.ones((3, 2, 1, 2)), scale=0.2, dilation=(2, 1), padding=(2, 0, 0, 0))
    g.output(g.max_pool2d(g.add(y, y, scale=0.3), (2, 1), stride=1, padding=(1, 0, 0, 0)))
    compiled = compile(g, stream=1)
    stream, whole = stream_of(compiled), loaded(compile(g))
    assert stream.pads and stream.first_run == 1 and not stream.late
    x = drawn_codes(whole, 1, 6)
    assert np.array_equal(np.concatenate(streamed(loaded(compiled), x, 1), 1), ran(whole, x))


def test_pads_of_their_own() -> None:
    """In front of a pool, which they are not fused into: these rows count there, and have any code."""
    for value in (5, -40):
        g = GraphBuilder("padded")
        x = g.input("x", (1, 6, 1, 2), scale=0.1, zero_point=5)
        y = g.max_pool2d(g.pad(x, (0, 2, 0, 0), (0, 0, 0, 0), value=value), (3, 1), stride=1)
        g.output(g.average_pool2d(g.pad(y, (0, 1, 0, 0), (0, 0, 0, 0), value=value), (2, 1), stride=1))
        compiled, whole = compile(g, stream=1), loaded(compile(g))
        assert stream_of(compiled).first_run == 1
        codes = drawn_codes(whole, 1, 6)
        assert np.array_equal(np.concatenate(streamed(loaded(compiled), codes, 1), 1), ran(whole, codes))


def test_outputs_that_wait_for_the_end_of_a_window_are_late() -> None:
    """Padding on both sides, and a branch without it that waits for the other."""
    g = GraphBuilder("denoise")
    x = g.input("x", (1, 20, 1, 4), scale=0.1)
    y = g.conv2d(x, np.ones((4, 5, 1, 4)), scale=0.2, padding=(2, 2, 0, 0))
    y = g.conv2d(y, np.ones((4, 3, 1, 4)), scale=0.2, padding=(1, 1, 0, 0))
    g.output(g.mul(x, y, scale=0.3, name="clean"))
    stream = stream_of(compile(g, stream=1))
    assert stream.late == {"clean": 3} and stream.first_run == 7
    assert stream.state_bytes == 4 * (5 + 3)


def test_wake_word() -> None:
    """As microWakeWord's networks: three frames a run, and depthwise filters of two lengths side by side."""
    rng = np.random.default_rng(1)
    g = GraphBuilder("wake")
    y = g.input("x", (1, 62, 1, 10), scale=0.1, zero_point=-128)
    y = g.conv2d(y, rng.normal(size=(8, 5, 1, 10)), scale=0.2, zero_point=-128, stride=(3, 1), activation="relu")
    for short, long in ((3, 5), (2, 9)):
        halves = [g.slice(y, (0, 0, 0, begin), (*y.shape[:3], 4)) for begin in (0, 4)]
        sizes = zip(halves, (short, long), strict=True)
        a, b = (g.dwconv2d(half, rng.normal(size=(1, n, 1, 4)), scale=0.2) for half, n in sizes)
        a = g.slice(a, (0, a.shape[1] - b.shape[1], 0, 0), b.shape)
        weights = rng.normal(size=(8, 1, 1, 8))
        y = g.conv2d(g.concat([a, b], 3), weights, scale=0.2, zero_point=-128, activation="relu")
    flat = g.reshape(y, (1, y.size))
    g.output(g.lut(g.linear(flat, rng.normal(size=(1, y.size)), scale=0.1), "sigmoid", scale=1 / 256, zero_point=-128))
    stream = assert_windows(partial(compile, g), 1)
    assert (stream.frames, stream.first_run) == (3, 21)


def test_what_depends_on_the_place_in_the_window_is_computed_for_all_of_it() -> None:
    """Weights for each frame, and a factor from the mean over the window."""
    rng = np.random.default_rng(2)
    g = GraphBuilder("places")
    x = g.input("x", (1, 9, 2, 4), scale=0.1)
    y = g.conv2d(x, rng.normal(size=(4, 3, 1, 4)), scale=0.2)
    same = g.constant(np.full((1, 7, 2, 4), 9), scale=0.1)
    y = g.mul(y, same, scale=0.2, name="same")
    y = g.mul(y, g.lut(g.mean(y, scale=0.1), "sigmoid", scale=0.01), scale=0.2, name="gate")
    places = g.constant(rng.integers(-99, 99, (1, 7, 1, 1)), scale=0.1)
    y = g.add(y, places, scale=0.4, name="places")
    g.output(g.conv2d(y, rng.normal(size=(3, 3, 1, 4)), scale=0.5, padding=(1, 1, 0, 0)))
    stream = assert_windows(partial(compile, g), 1)
    assert set(stream.heads) == {"mean", "gate"} and not stream.pads


def test_int16() -> None:
    g = GraphBuilder("wide")
    x = g.input("x", (1, 6, 3), scale=0.1, dtype="int16")
    g.output(g.reshape(g.slice(x, (0, 1, 0), (1, 3, 3), stride=(1, 2, 1)), (1, 9)))
    compiled, whole = compile(g, stream=1), loaded(compile(g))
    codes = np.random.default_rng(3).integers(-(2**15), 2**15, (1, 16, 3)).astype(np.int16)
    runs = streamed(loaded(compiled), codes, 1)
    assert stream_of(compiled).frames == 2
    for end in range(6, 17, 2):
        assert np.array_equal(runs[end // 2 - 1], ran(whole, codes[:, end - 6 : end]))


def test_weights_beyond_int8() -> None:
    """They are split into sums of int8 weights afterwards, which read rows twice."""
    rng = np.random.default_rng(4)
    g = GraphBuilder("asymmetric")
    x = g.input("x", (1, 9, 1, 4), scale=0.1)
    y = g.dwconv2d(x, np.zeros((1, 3, 1, 4), np.int8), weights_scale=0.01, scale=0.9)
    g.output(g.mean(y, scale=0.5))
    weights = g.graph.ops[0].inputs[1]
    weights.data = rng.integers(-255, 256, weights.shape).astype(np.int16)
    assert assert_windows(partial(compile, g), 1).state_bytes == 4 * (3 + 7)


def test_command_line(cli: Cli) -> None:
    onnx = pytest.importorskip("onnx")
    from qdq import Net

    n = Net()
    onnx.save(n.model(onnx_rows(n)), "net.onnx")
    shown = cli("compile", "net.onnx", "--stream", "2", "--test-vectors", "20").stdout
    assert "frames        2 in each run, where the source reads 30" in shown
    assert "results       from run 15 on those of the source for the last 30 frames" in shown
    assert cli("check", "net.qfb").exit_code == 0
    document = json.loads(cli("compile", "net.onnx", "--stream", "-1", "--json").stdout)
    assert document["stream"]["frames"] == 2 and document["stream"]["late"] == {}
    refused = cli("compile", "net.onnx", "--stream", "3")
    assert_refused(refused, "qrt compile: net.onnx: x (input): has no axis 3, its shape is [1, 5, 30]")


# ------------------------------------------------------------------------------------------- refusals


def problems(source: Any, stream: int = 1, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(CompileError) as refused:
        compile(source, stream=stream, **options)
    return [(problem.name, problem.reason) for problem in refused.value.problems]


def test_padding_behind_the_window_is_refused_for_all_layers_at_once() -> None:
    (first, reason), (second, _) = problems(keywords(padding=(1, 1, 0, 0)))
    assert (first, second) == ("first", "second")
    assert "mean reads all of that window" in reason and "padding in front only" in reason


@pytest.mark.parametrize(
    ("stream", "batch", "reason"),
    [
        (4, None, "has no axis 4"),
        (-5, None, "has no axis -5"),
        (2, None, "has one entry along axis 2"),
        (1, 3, "has a batch of 3"),
    ],
)
def test_inputs_that_are_no_windows(stream: int, batch: int | None, reason: str) -> None:
    (problem,) = problems(keywords(), stream, batch=batch)
    assert problem[0] == "x" and reason in problem[1]


def test_inputs_of_different_lengths() -> None:
    g = GraphBuilder("two")
    g.output(g.mean(g.input("a", (1, 4, 1, 2), scale=0.1), scale=0.1))
    g.output(g.mean(g.input("b", (1, 5, 1, 2), scale=0.1), scale=0.1))
    assert problems(g) == [("two", "differ in their number of frames: a 4, b 5")]


def test_states_of_the_source() -> None:
    g = GraphBuilder("pushed")
    g.output(g.push(g.input("x", (1, 4, 1, 2), scale=0.1), 9, axis=1, name="last"))
    ((name, reason),) = problems(g)
    assert name == "last" and "keeps codes from one run to the next already" in reason


def test_variables_of_as_many_rows_as_the_window(tmp_path: Path) -> None:
    f = VariableFile()
    x, variable, shape = f.x((1, 3, 2)), f.variable("sum"), (1, 3, 2)
    total = f.add(f.read(variable, shape), x, shape)
    f.assign(variable, total)
    path = tmp_path / "sum.tflite"
    path.write_bytes(f.to_bytes(f.add(total, total, shape)))
    with pytest.raises(CompileError, match=r"sum \(state\): keeps codes from one run to the next already"):
        compile(path, stream=1)


def test_accumulators_that_would_have_to_wait() -> None:
    g = GraphBuilder("accumulators")
    x = g.input("x", (1, 8, 1, 2), scale=0.1)
    a = g.conv2d(x, np.ones((2, 1, 1, 2)), scale=None, name="exact")
    b = g.conv2d(x, np.ones((2, 3, 1, 2)), scale=0.2, padding=(1, 1, 0, 0))
    g.output(g.requantize_sum(a, b, scale=0.3, name="sum"))
    ((name, reason),) = problems(g)
    assert name == "sum" and "accumulators of former runs" in reason


def test_padded_windows_are_whole_runs() -> None:
    g = GraphBuilder("strided")
    x = g.input("x", (1, 9, 1, 2), scale=0.1)
    g.output(g.conv2d(x, np.ones((3, 3, 1, 2)), scale=0.2, stride=(2, 1), padding=(2, 0, 0, 0)))
    assert problems(g) == [
        ("x", "has 9 frames; a network that pads them and reads 2 in each run needs a multiple of it")
    ]


def test_published_models() -> None:
    models = SHARED / "models"
    if not models.is_dir():
        pytest.skip(f"{models} is absent")
    stream = assert_windows(partial(compile, models / "sww.tflite"), 1)
    assert stream.macs * 17 < stream.window_macs
    padded = problems(models / "kws_dscnn.tflite")
    assert len(padded) == 5 and all("pads the end of the window" in reason for _, reason in padded)


def cut_and_padded(kind: str, frames: int, cut: tuple[int, int], pads: tuple[int, int], rows: int = 0) -> GraphBuilder:
    """Frames cut off at both ends, then padding in their place; a head reads the last `rows`, if any."""
    rng, g = np.random.default_rng(0), GraphBuilder("cut")
    x = g.slice(
        g.input("x", (1, frames, 1, 2), scale=0.1, zero_point=3), (0, cut[0], 0, 0), (1, frames - sum(cut), 1, 2)
    )
    size, sides = 1 + sum(pads), (*pads, 0, 0)
    weights, numbers = rng.normal(size=(3, size, 1, 2)), {"scale": 0.05, "zero_point": -7}
    if kind == "pad":
        y = g.pad(x, (0, pads[0], 0, 0), (0, pads[1], 0, 0), value=9)
        y = g.conv2d(y, weights, **numbers)  # type: ignore[arg-type]
    elif kind == "conv2d":
        y = g.conv2d(x, weights, padding=sides, **numbers)  # type: ignore[arg-type]
    elif kind == "max_pool2d":
        y = g.max_pool2d(x, (size, 1), stride=1, padding=sides)
    else:
        turned, out = (pads[1], pads[0], 0, 0), (x.shape[1], 1)
        y = g.transpose_conv2d(x, weights, stride=1, padding=turned, output_size=out, **numbers)  # type: ignore[arg-type]
    if rows:
        y = g.mean(g.slice(y, (0, y.shape[1] - rows, 0, 0), (1, rows, 1, y.shape[3])), scale=0.02)
    g.output(y)
    return g


@pytest.mark.parametrize("head", [False, True], ids=["rows", "head"])
@pytest.mark.parametrize("kind", ["conv2d", "max_pool2d", "pad", "transpose_conv2d"])
def test_padding_where_frames_were_cut_off(kind: str, head: bool) -> None:
    """A window's padding stands for frames that a stream has: rows beside it are late, or a head is refused."""
    length, extra, refused = 8, 3, 0
    for front, end, before, after in product((0, 2), (0, 1, 3), (0, 2), (0, 1)):
        cut, pads = (front, end), (before, after)
        rows = (length - front - end) * head
        try:
            compiled = compile(cut_and_padded(kind, length, cut, pads, rows), stream=1)
        except CompileError as error:
            assert head and after and "pads the end of the window" in str(error)
            refused += 1
            continue
        stream, model = stream_of(compiled), loaded(compiled)
        codes = drawn_codes(model, 1, length + extra)
        for run, got in enumerate(streamed(model, codes, 1), 1):
            if run < max(stream.first_run, length):
                continue
            expected = ran(loaded(compile(cut_and_padded(kind, run, cut, pads, rows))), codes[:, :run])
            last = expected.shape[1] - sum(stream.late.values())
            assert np.array_equal(got, expected[:, last - 1 : last]), (cut, pads, run)
    assert (refused > 0) == head
