"""`state=`: an output that is an input of the next run, against engines that are stepped by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import qrt_in_process

import qrt
from qrt.compiler import Compiled, CompileError, GraphBuilder, compile

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
Net = pytest.importorskip("qdq").Net

Array = np.ndarray[Any, Any]
STEPS = 20
# Two scales that make no ties.
SCALE, OTHER = 0.0413, 0.0517


def gru() -> tuple[Any, dict[str, str]]:
    """One step of a GRU: the state is float, and is quantized where it is read and where it is written."""
    net = Net()
    x, h = net.input("x", (1, 4)), net.input("h", (1, 6))
    both = net.op("Concat", x, h, axis=1)
    z, r = (net.op("Sigmoid", net.op("Gemm", both, net.weights((6, 10)), transB=1)) for _ in range(2))
    reset = net.op("Concat", x, net.op("Mul", r, h), axis=1)
    n = net.op("Tanh", net.op("Gemm", reset, net.weights((6, 10)), transB=1))
    kept, added = net.op("Mul", z, h), net.op("Mul", net.op("Sub", net.real(np.ones((1, 6))), z), n)
    h_next = net.op("Add", kept, added)
    return net.model(net.op("Gemm", h_next, net.weights((3, 6)), transB=1), h_next), {"h": h_next}


def window(written: float = SCALE, rows: int = 1, axis: int = 2) -> tuple[Any, dict[str, str]]:
    """A convolution over the last rows of an NCHW image, of which each run gets new ones."""
    net = Net()
    shape = [1, 3, 6, 5]
    x = net.float_input("x", [rows if k == axis else n for k, n in enumerate(shape)])
    old = net.float_input("old", shape)
    whole = net.node("Concat", net.qdq(old, SCALE), net.qdq(x, SCALE), axis=axis)
    part = [net.constant([value], np.int64) for value in (rows, 6 + rows if axis == 2 else 5 + rows, axis)]
    new = net.qdq(net.node("Slice", whole, *part), written)
    y = net.op("Conv", whole, net.weights((2, 3, 3, 3)))
    return net.model(y, new), {"old": new}


def rows_of_words() -> tuple[Any, dict[str, str]]:
    """The oldest row is cut off before the new one is appended; rank 3."""
    net = Net()
    x, old = net.float_input("x", (1, 1, 8)), net.float_input("old", (1, 5, 8))
    kept = net.node("Slice", net.qdq(old, SCALE), *(net.constant([k], np.int64) for k in (1, 5, 1)))
    whole = net.qdq(net.node("Concat", kept, net.qdq(x, SCALE), axis=1), SCALE)
    y = net.op("ReduceMean", whole, axes=[2], keepdims=1)
    return net.model(y, whole), {"old": whole}


def delayed() -> tuple[Any, dict[str, str]]:
    """Two states, of which one becomes what the other was; the other is an output too."""
    net = Net()
    x, a, b = (net.qdq(net.float_input(name, (1, 4)), SCALE) for name in ("x", "a", "b"))
    total = net.qdq(net.node("Add", x, b), SCALE)
    copied = net.qdq(net.node("Identity", a), SCALE)
    return net.model(net.op("Add", a, total), total, copied), {"a": total, "b": copied}


NETWORKS: dict[str, tuple[Callable[[], tuple[Any, dict[str, str]]], list[str]]] = {
    "GRU": (gru, ["assign"]),
    "a window": (window, ["push"]),
    "a window, two rows": (lambda: window(rows=2), ["push"]),
    "a window, more rows than it keeps": (lambda: window(rows=7), ["push"]),
    "a window of columns": (lambda: window(axis=3), ["push"]),
    "a window whose new value has another scale": (lambda: window(OTHER), ["assign"]),
    "rows": (rows_of_words, ["push"]),
    "delayed": (delayed, ["assign", "assign"]),
}


def states(result: Compiled) -> list[str]:
    return [op.kind for op in result.graph.ops if op.kind in ("push", "assign")]


def stepped(model: Any, state: dict[str, str], xs: Array) -> list[Array]:
    """The first output of each run of onnxruntime, with the states given back by hand; real zeros at first."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    shapes = {one.name: one.shape for one in session.get_inputs()}
    names = [one.name for one in session.get_outputs()]
    held = {name: np.zeros(shapes[name], np.float32) for name in state}
    results = []
    for x in xs:
        outputs = dict(zip(names, session.run(None, {"x": x, **held}), strict=True))
        held = {name: outputs[written] for name, written in state.items()}
        results.append(outputs[names[0]])
    return results


def first_output(model: qrt.Model, x: Array) -> Array:
    """Real values, in the source's layout."""
    real = model.run(x, dequantize=True, layout=model.inputs[0].source_layout)
    first: Array = real[0] if isinstance(real, list) else real
    return first.transpose(0, 3, 1, 2) if model.outputs[0].source_layout == "NCHW" else first


def samples(shape: tuple[int, ...], seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(0, 2, (STEPS, *shape)).astype(np.float32)


@pytest.mark.parametrize("name", NETWORKS)
def test_states_give_what_onnxruntime_gives_in_a_loop(name: str) -> None:
    make, kinds = NETWORKS[name]
    model, state = make()
    result = compile(model, state=state)
    assert states(result) == kinds
    ours = qrt.load(result.to_bytes())
    xs = samples(tuple(dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim))
    for _ in range(2):
        ours.reset()
        for x, real in zip(xs, stepped(model, state, xs), strict=True):
            np.testing.assert_array_equal(first_output(ours, x), real)


def test_positions_name_inputs_and_outputs_too() -> None:
    model, state = gru()
    assert compile(model, state={"1": "1"}).to_bytes() == compile(model, state=state).to_bytes()


def of_codes(shape: tuple[int, ...] = (1, 8), numbers: float = OTHER) -> Any:
    """y = x + h, where all three are codes; y has another scale than x and h."""
    net = Net()
    info = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT8, shape) for name in ("x", "h")]
    net.inputs += info
    ours, theirs = ((net.constant(scale), net.constant(zero, np.int8)) for scale, zero in ((SCALE, 3), (numbers, -5)))
    x, h = (net.node("DequantizeLinear", name, *ours) for name in ("x", "h"))
    codes = net.node("QuantizeLinear", net.node("Add", x, h), *theirs)
    model = net.model(net.qdq(net.node("Relu", net.node("DequantizeLinear", codes, *theirs)), 0.06), codes)
    model.graph.output[1].type.tensor_type.elem_type = onnx.TensorProto.INT8
    return model, codes


def test_codes_of_two_scales_are_carried_by_their_real_values() -> None:
    model, codes = of_codes()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ours = qrt.load(compile(model, state={"h": codes}).to_bytes())
    h = np.full((1, 8), 3, np.int8)
    for x in np.random.default_rng(0).integers(-128, 128, (STEPS, 1, 8), np.int8):
        real, y = session.run(None, {"x": x, "h": h})
        np.testing.assert_array_equal(ours.run(x, dequantize=True), real)
        exact = np.float32(OTHER) * (y.astype(np.float32) + 5) / np.float32(SCALE)
        h = np.clip(np.rint(exact) + 3, -128, 127).astype(np.int8)


def test_a_network_built_in_python_has_states_too() -> None:
    net = GraphBuilder("sum")
    x, h = (net.input(name, (1, 4), scale=0.1, zero_point=0) for name in ("x", "h"))
    total = net.add(x, h, scale=0.1, zero_point=0)
    net.output(total)
    net.output(net.clamp(total, output_min=0))
    ours = qrt.load(compile(net, state={"h": "0"}).to_bytes())
    assert [ours.run(np.full((1, 4), k, np.int8)).tolist() for k in (5, -7, 9)] == [[[k] * 4] for k in (5, 0, 7)]


def test_states_on_the_command_line(tmp_path: Path) -> None:
    model, ((read, written),) = gru()[0], gru()[1].items()
    path, made = tmp_path / "gru.onnx", tmp_path / "gru.qfb"
    onnx.save(model, path)
    done = qrt_in_process("compile", str(path), "--state", f"{read}={written}", "-o", str(made))
    assert done.exit_code == 0, done.stderr
    assert made.read_bytes() == compile(path, state={read: written}).to_bytes()
    assert "1 state: windows that move 0, assigned as a whole 1" in done.stdout
    for given, reason in (
        (["h"], "'h' is not IN=OUT"),
        ([f"{read}={written}", f"{read}=0"], f"names the input {read!r} twice"),
        (["g=0"], "g (input): is not an input of the network"),
    ):
        options = [word for text in given for word in ("--state", text)]
        done = qrt_in_process("compile", str(path), *options, "-o", str(made))
        assert done.exit_code != 0
        assert reason in done.stderr


def test_compare_steps_the_source_too(tmp_path: Path) -> None:
    """Every layer has the codes of the quantized source, which is stepped as written."""
    model, ((read, written),) = window()[0], window()[1].items()
    path, made, data = tmp_path / "window.onnx", tmp_path / "window.qfb", tmp_path / "x.npy"
    onnx.save(model, path)
    np.save(data, samples((1, 3, 1, 5))[:, 0])
    given = ("--state", f"{read}={written}")
    assert qrt_in_process("compile", str(path), *given, "-o", str(made)).exit_code == 0
    done = qrt_in_process("compare", str(made), "--against", str(path), "--inputs", str(data), *given, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert [layer["kind"] for layer in found["layers"]] == ["push", "conv2d"]
    assert [layer["differing"] for layer in found["layers"]] == [0, 0]
    assert min(layer["sqnr"] for layer in found["layers"]) > 30
    done = qrt_in_process("compare", str(made), "--against", str(path), "--inputs", str(data))
    assert "give the source that it was compiled from, and the same --state" in done.stderr


# What is refused

REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "no such input": ({"g": "h"}, r"g \(input\): is not an input of the network; it has 0 x, 1 h"),
    "no such output": ({"h": "7"}, r"7 \(output\): is not an output of the network; it has 0 "),
    "two shapes": ({"h": "0"}, r"h \(input\): has shape \[1, 6\], and output .* has \[1, 3\]; give them the same"),
    "one output twice": ({"h": "1", "x": "1"}, r"1 \(output\): is a state already; name each"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_states_that_do_not_exist(name: str) -> None:
    state, reason = REFUSED[name]
    with pytest.raises(CompileError, match=reason):
        compile(gru()[0], state=state)


def test_a_batch_becomes_one_sample() -> None:
    def network(batch: int) -> tuple[Any, dict[str, str]]:
        net = Net()
        x, h = net.input("x", (batch, 4)), net.input("h", (batch, 4))
        total = net.op("Add", x, h)
        return net.model(net.op("Relu", total), total), {"h": total}

    model, state = network(8)
    assert compile(model, state=state).to_bytes() == compile(network(1)[0], state=state).to_bytes()
    with pytest.raises(CompileError, match="belongs to one sequence of samples, so the batch stays 8; omit --batch"):
        compile(model, state=state, batch=4)


def test_a_state_must_be_quantized() -> None:
    net = Net()
    x, h = net.input("x", (1, 4)), net.input("h", (1, 4))
    y = net.op("Add", x, h)
    h_next = net.node("Sigmoid", y)
    with pytest.raises(CompileError, match=r"Sigmoid.*is not quantized; quantize it"):
        compile(net.model(y, h_next), state={"h": h_next})
    wide = net.node("Gemm", y, net.weights((4, 4)), transB=1)
    with pytest.raises(CompileError, match=r"h \(state\): has int8 as its input and int32 as its output; quantize"):
        compile(net.model(y, wide), state={"h": wide})


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_network_needs_an_input_and_an_output(outputs: int) -> None:
    net = Net()
    h = net.qdq(net.float_input("h", (1, 4)), SCALE)
    new, y = net.op("Sigmoid", h), net.op("Tanh", h)
    model = net.model(*(new, y)[:outputs])
    with pytest.raises(CompileError, match="has no input other than states"):
        compile(model, state={"h": new})
    both = Net()
    total = both.op("Add", both.input("x", (1, 4)), both.input("h", (1, 4)))
    with pytest.raises(CompileError, match="has no output other than states"):
        compile(both.model(total), state={"h": total})
