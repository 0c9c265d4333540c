"""Random networks, exported: TFLM and LiteRT are bit-exact to qrt, including intermediate tensors."""

from __future__ import annotations

import json
from pathlib import Path

import engines
import numpy as np
import pytest
from command_line import qrt_in_process
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from places import MODELS

import qrt
from qrt.compiler import CompileError, GraphBuilder, compile
from qrt.compiler.backends.qfb import writer
from qrt.compiler.ir import Edge, Graph, Tensor
from qrt.compiler.plan import memory

pytest.importorskip("tflite")

from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.backends.tflite.axes import merged_axes
from qrt.compiler.backends.tflite.file import TfliteFile
from qrt.compiler.backends.tflite.tables import FIXED, Form, form_of
from qrt.compiler.backends.tflite.writer import to_tflite
from qrt.compiler.frontends.tflite.reductions import mean_requant
from qrt.compiler.integers import functions
from qrt.compiler.integers.arithmetic import requantize
from qrt.compiler.integers.codes import per_tensor

Rng = np.random.Generator


def codes(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-127, 128, shape).astype(np.int8)


class Drawing:
    """A network of operators drawn at random, with the numbers that TensorFlow Lite's engines compute with."""

    def __init__(self, seed: int, linear_rounding: str) -> None:
        self.rng = np.random.default_rng(seed)
        self.linear_rounding = linear_rounding
        self.g = GraphBuilder("drawn")
        shape = (1, *(int(n) for n in self.rng.integers(3, 9, 2)), int(self.rng.integers(1, 6)))
        y = self.g.input("x", shape, scale=0.1, zero_point=self.zero_point())
        self.seen = [y]
        for _ in range(int(self.rng.integers(1, 7))):
            y = self.step(y)
            self.seen.append(y)
        y = self.g.reshape(y, (1, y.size))
        y = self.linear(y)
        self.seen.append(y)
        self.g.output(y)

    def zero_point(self) -> int:
        return int(self.rng.integers(-128, 128))

    def numbers(self, x: Tensor, growth: float = 2.0) -> dict[str, object]:
        return {
            "scale": x.scale * growth * float(self.rng.uniform(0.5, 1.5)),
            "zero_point": self.zero_point(),
            "activation": str(self.rng.choice(["relu", "relu6"])) if self.rng.random() < 0.4 else None,
        }

    def linear(self, x: Tensor) -> Tensor:
        out = int(self.rng.integers(1, 6))
        bias = self.rng.integers(-3000, 3000, out)
        weights = codes(self.rng, (out, x.shape[1]))
        numbers = self.numbers(x, 2 + x.shape[1] ** 0.5)
        scale = float(self.rng.uniform(0.005, 0.02))
        return self.g.linear(x, weights, bias, weights_scale=scale, rounding=self.linear_rounding, **numbers)  # type: ignore[arg-type]

    def step(self, x: Tensor) -> Tensor:
        kinds = ["conv2d", "dwconv2d", "add", "sub", "mul", "pool", "pad", "requantize", "clamp", "slice", "maximum",
                 "transpose", "concat", "transpose_conv2d", "mean"]  # fmt: skip
        return getattr(self, f"_{self.rng.choice(kinds)}")(x)  # type: ignore[no-any-return]

    def _window(self, x: Tensor) -> dict[str, object]:
        padding = self.rng.choice(["same", "none", "odd"])
        size = [int(self.rng.integers(1, min(4, n) + 1)) for n in x.shape[1:3]]
        sides = {"same": "same", "none": 0, "odd": tuple(int(n) for n in self.rng.integers(0, 3, 4))}[str(padding)]
        return {"size": tuple(size), "stride": tuple(int(n) for n in self.rng.integers(1, 3, 2)), "padding": sides}

    def _conv2d(self, x: Tensor) -> Tensor:
        window, out = self._window(x), int(self.rng.integers(1, 6))
        weights = codes(self.rng, (out, *window.pop("size"), x.shape[3]))  # type: ignore[misc]
        scales = self.rng.uniform(0.005, 0.02, out)
        numbers = self.numbers(x, 4)
        bias = self.rng.integers(-3000, 3000, out)
        return self.g.conv2d(x, weights, bias, weights_scale=scales, rounding="DOUBLE", **window, **numbers)  # type: ignore[arg-type]

    def _dwconv2d(self, x: Tensor) -> Tensor:
        window, out = self._window(x), x.shape[3] * int(self.rng.integers(1, 3))
        weights = codes(self.rng, (1, *window.pop("size"), out))  # type: ignore[misc]
        scales = self.rng.uniform(0.005, 0.02, out)
        numbers = self.numbers(x, 2)
        bias = self.rng.integers(-3000, 3000, out)
        return self.g.dwconv2d(x, weights, bias, weights_scale=scales, rounding="DOUBLE", **window, **numbers)  # type: ignore[arg-type]

    def _transpose_conv2d(self, x: Tensor) -> Tensor:
        if x.shape[1] * x.shape[2] > 100:
            return self._pool(x)
        out = int(self.rng.integers(1, 5))
        weights = codes(self.rng, (out, 2, 3, x.shape[3]))
        numbers = self.numbers(x, 2)
        return self.g.transpose_conv2d(
            x,
            weights,
            self.rng.integers(-3000, 3000, out),
            weights_scale=0.01,
            rounding="DOUBLE",
            stride=2,
            **numbers,  # type: ignore[arg-type]
        )

    def _other(self, x: Tensor) -> Tensor:
        """Something of x's shape."""
        same = [t for t in self.seen if t.shape == x.shape]
        return same[int(self.rng.integers(len(same)))] if same else x

    def _add(self, x: Tensor) -> Tensor:
        return self.g.add(x, self._other(x), form="TFLITE", **self.numbers(x))  # type: ignore[arg-type]

    def _sub(self, x: Tensor) -> Tensor:
        return self.g.sub(x, self._other(x), form="TFLITE", **self.numbers(x))  # type: ignore[arg-type]

    def _mul(self, x: Tensor) -> Tensor:
        other = self.g.constant(codes(self.rng, (1, 1, 1, x.shape[3])), scale=0.01)
        return self.g.mul(x, other, rounding="DOUBLE", **self.numbers(x, 0.7))  # type: ignore[arg-type]

    def _pool(self, x: Tensor) -> Tensor:
        size = tuple(min(2, n) for n in x.shape[1:3])
        padding = str(self.rng.choice(["same", "valid"]))
        pool = self.g.max_pool2d if self.rng.random() < 0.5 else self.g.average_pool2d
        return pool(x, size, padding="same" if padding == "same" else 0)

    def _mean(self, x: Tensor) -> Tensor:
        y = self.g.mean(x, scale=x.scale * 0.6, zero_point=self.zero_point(), rounding="DOUBLE")
        self.g.graph.ops[-1].attrs["requant"] = mean_requant(x, y, x.shape[1] * x.shape[2])
        return y

    def _pad(self, x: Tensor) -> Tensor:
        before, after = ((0, *(int(n) for n in self.rng.integers(0, 2, 3))) for _ in range(2))
        return self.g.pad(x, before, after, value=None if self.rng.random() < 0.5 else self.zero_point())

    def _requantize(self, x: Tensor) -> Tensor:
        scale = x.scale * float(self.rng.uniform(0.5, 2))
        return self.g.requantize(x, scale=scale, zero_point=self.zero_point(), rounding="DOUBLE")

    def _clamp(self, x: Tensor) -> Tensor:
        low, high = sorted(int(n) for n in self.rng.integers(-128, 128, 2))
        return self.g.clamp(x, output_min=low, output_max=high)

    def _slice(self, x: Tensor) -> Tensor:
        begin = tuple(int(self.rng.integers(n)) for n in x.shape)
        if self.rng.random() < 0.5:
            shape = tuple(int(self.rng.integers(1, n - b + 1)) for n, b in zip(x.shape, begin, strict=True))
            return self.g.slice(x, begin, shape)
        shape = tuple(int(self.rng.integers(1, b + 2)) for b in begin)
        return self.g.slice(x, begin, shape, stride=(-1,) * 4)

    def _maximum(self, x: Tensor) -> Tensor:
        data = codes(self.rng, (1, 1, 1, x.shape[3]))
        other = self.g.constant(data, scale=x.scale, zero_point=x.zero_point)
        return self.g.maximum(x, other) if self.rng.random() < 0.5 else self.g.minimum(x, other)

    def _transpose(self, x: Tensor) -> Tensor:
        return self.g.transpose(x, (0, 2, 1, 3))

    def _concat(self, x: Tensor) -> Tensor:
        return self.g.concat([x, self.g.clamp(x, output_max=int(self.rng.integers(-128, 128)))], 3)


def exported(graph: Graph, skip: tuple[str, ...]) -> tuple[qrt.Model, bytes, dict[str, list[str]]]:
    content = compile(graph, skip=skip).to_bytes()
    result = to_tflite(read(content))
    return qrt.load(content), result.content, result.differing


@pytest.mark.parametrize("engine", ["tflm", "litert"])
@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), all_outputs=st.booleans())
def test_every_byte_of_drawn_networks(engine: str, seed: int, all_outputs: bool) -> None:
    drawing = Drawing(seed, "DOUBLE" if engine == "tflm" else "SINGLE")
    graph = drawing.g.graph
    skip: tuple[str, ...] = ()
    if all_outputs:
        # Outputs are told apart by their names, and those of moved tensors may stand twice.
        skip = ("to_nhwc", "simplify")
        graph.outputs = [Edge(op.output) for op in graph.ops]
    model, content, differing = exported(graph, skip)
    x = drawing.rng.integers(-128, 128, model.inputs[0].shape).astype(np.int8)
    result = model.run(x, layout="NHWC")
    ours = result if isinstance(result, list) else [result]
    # LiteRT multiplies linear layers by real numbers, whose exact ties the export names.
    linear = {op.name for op in graph.ops if op.kind == "linear"} if engine == "litert" else set()
    assert set(differing[engine]) <= linear
    assume(not differing[engine])
    peer = engines.Tflm(content) if engine == "tflm" else engines.Litert(content)
    theirs = peer.run([x], len(ours))
    for info, got, expected in zip(model.outputs, ours, theirs, strict=True):
        np.testing.assert_array_equal(got, expected.reshape(got.shape), err_msg=info.name)


@pytest.mark.skipif(not MODELS, reason="the published .tflite models are not beside the project")
@pytest.mark.parametrize("path", MODELS, ids=[path.stem for path in MODELS])
def test_published_models_there_and_back(path: Path, tmp_path: Path) -> None:
    content = compile(path).to_bytes()
    result = to_tflite(read(content))
    assert not result.differing["tflm"]
    back = tmp_path / "back.tflite"
    back.write_bytes(result.content)
    first, second = qrt.load(content), qrt.load(compile(back).to_bytes())
    x = np.random.default_rng(1).integers(-128, 128, first.inputs[0].shape, dtype=np.int8)
    np.testing.assert_array_equal(first.run(x, layout="NHWC"), second.run(x, layout="NHWC"))


def test_the_reader_is_the_writers_inverse() -> None:
    for seed in range(30):
        compiled = compile(Drawing(seed, "DOUBLE").g.graph)
        content = compiled.to_bytes()
        again = read(content)
        assert [op.kind for op in again.ops] == [op.kind for op in compiled.graph.ops]
        assert writer.write(again, memory.plan(again)) == content


def normalized(scale: float = 1 / 16, *, layer_norm: bool = False) -> Graph:
    g = GraphBuilder("normalized")
    a, b = (g.input(name, (2, 30), scale=0.1, zero_point=5) for name in "ab")
    y = g.squared_difference(a, b, scale=0.5, zero_point=-120, activation="relu6")
    if layer_norm:
        y = g.layer_norm(y, 1.0, 0.0, scale=0.05)
    g.output(g.log_softmax(y, scale=scale, form="TFLITE" if scale == 1 / 16 else "EXACT"))
    return compile(g).graph


@pytest.mark.parametrize("engine", ["tflm", "litert"])
def test_squared_difference_and_log_softmax(engine: str) -> None:
    graph = normalized()
    exported = to_tflite(graph)
    assert exported.differing == {"tflm": [], "litert": []}
    inputs = [codes(np.random.default_rng(i), (2, 30)) for i in range(2)]
    (expected,) = {"tflm": engines.Tflm, "litert": engines.Litert}[engine](exported.content).run(inputs)
    np.testing.assert_array_equal(qrt.load(writer.write(graph, memory.plan(graph))).run(*inputs), expected)


@pytest.mark.parametrize(("layer_norm", "text"), [(True, "it has no layer normalization"), (False, "scale of 1/16")])
def test_normalizations_that_tflite_has_not(layer_norm: bool, text: str) -> None:
    with pytest.raises(CompileError, match=text):
        to_tflite(normalized(0.1, layer_norm=layer_norm))


def test_what_tflite_cannot_say_is_refused_whole(tmp_path: Path) -> None:
    g = GraphBuilder("unsayable")
    x = g.input("x", (1, 8, 8, 2), scale=0.1)
    y = g.max_pool2d(x, 3, padding=(2, 0, 0, 1), name="crooked")
    g.output(g.layer_norm(y, 1.0, 0.0, scale=0.1, name="normalized"))
    with pytest.raises(CompileError) as error:
        to_tflite(read(g.compile()))
    assert [problem.name for problem in error.value.problems] == ["crooked", "normalized"]
    (tmp_path / "model.qfb").write_bytes(g.compile())
    result = qrt_in_process("export", str(tmp_path / "model.qfb"))
    assert result.exit_code != 0
    assert "2 problems, nothing was written" in result.stderr
    assert not (tmp_path / "model.tflite").exists()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def kinds(content: bytes) -> list[str]:
    """The operators of a .tflite file."""
    import tflite

    names = {number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)}
    model = tflite.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    codes = [graph.Operators(k).OpcodeIndex() for k in range(graph.OperatorsLength())]
    return [names[model.OperatorCodes(code).BuiltinCode()] for code in codes]


LOOKED_UP = ["CAST", "ADD", "GATHER"]
FUNCTIONS = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "sigmoid of both engines": lambda x: np.rint(sigmoid(x) * 256) / 256,
    "cube": lambda x: x**3,
}


@pytest.mark.parametrize(
    ("function", "scale", "zero_point"),
    [
        *(("sigmoid", *numbers) for numbers in ((1 / 256, -128), (1 / 255, -128), (0.9 / 256, -120), (1 / 100, 3))),
        *(("tanh", *numbers) for numbers in ((1 / 128, 0), (1 / 127, -1), (1 / 100, 3), (1 / 255, -128))),
        ("sigmoid", 1 / 900, -128),
        ("cube", 0.1, 7),
    ],
)
@pytest.mark.parametrize("shape", [(1, 256), (2, 1, 4, 2, 4, 4)])
def test_functions_of_any_scale_are_exact(function: str, scale: float, zero_point: int, shape: tuple[int, ...]) -> None:
    """LOGISTIC and TANH have one output scale in the format; other tables are looked up."""
    g = GraphBuilder("scaled")
    x = g.input("x", shape, scale=0.04, zero_point=3)
    g.output(g.lut(x, FUNCTIONS[function], scale=scale, zero_point=zero_point, name="f"))
    model, content, differing = exported(g.graph, ())
    codes = np.arange(-128, 128).astype(np.int8).reshape(shape)
    for name, peer in {"tflm": engines.Tflm(content), "litert": engines.Litert(content)}.items():
        apart = peer.run([codes])[0].astype(int) - model.run(codes)
        assert np.abs(apart).max() == 0 if not differing[name] else np.abs(apart).max() <= 1
    if (function, scale) not in (("sigmoid", 1 / 256), ("tanh", 1 / 128)):
        assert [kind for kind in kinds(content) if kind != "RESHAPE"] == LOOKED_UP
        assert differing == {"tflm": [], "litert": []}


@pytest.mark.parametrize("kind", ["LOGISTIC", "TANH"])
@pytest.mark.parametrize("zero_point", [-128, -100, 0, 20])
def test_the_prescribed_scale_and_an_exact_requantization(kind: str, zero_point: int) -> None:
    """A QUANTIZE follows the function where that gives the table in both engines."""
    x = Tensor("x", (1, 256), "int8", per_tensor(0.4, 3))
    scale, standard = FIXED[kind]
    y = Tensor("y", (1, 256), "int8", per_tensor(scale * 4, zero_point))
    between = Tensor("", (1, 256), "int8", per_tensor(scale, standard))
    function = functions.logistic if kind == "LOGISTIC" else functions.tanh
    steps = function(x, between, "tflm").astype(int) - standard
    table = requantize(steps, functions.double(scale / y.scale), zero_point).astype(np.int8)
    same = np.array_equal(function(x, between, "litert"), function(x, between, "tflm"))
    assert form_of(x, y, table) == (Form(kind, requantized=True) if same else None)
    g = GraphBuilder("requantized")
    tensor = g.input("x", (1, 256), scale=0.4, zero_point=3)
    g.output(g.lut(tensor, lambda v: v, scale=y.scale, zero_point=zero_point, name="f"))
    g.graph.ops[-1].attrs["table"] = table
    model, content, differing = exported(g.graph, ())
    assert differing == {"tflm": [], "litert": []}
    assert kinds(content) == ([kind, "QUANTIZE"] if same else LOOKED_UP)
    codes = np.arange(-128, 128).astype(np.int8)[np.newaxis]
    for peer in (engines.Tflm(content), engines.Litert(content)):
        np.testing.assert_array_equal(peer.run([codes])[0], model.run(codes))


@pytest.mark.parametrize(("scale", "zero_point"), [(1 / 256, -128), (1 / 255, -128), (1 / 100, 3), (1 / 300, -128)])
def test_softmax_of_any_scale(scale: float, zero_point: int) -> None:
    """The engines accept the file, and what is said to differ does so by one code at most."""
    g = GraphBuilder("scaled")
    g.output(g.softmax(g.input("x", (30, 20), scale=0.04), scale=scale, zero_point=zero_point, name="f"))
    if scale < 1 / 256:  # two codes apart would be possible
        with pytest.raises(CompileError, match="SOFTMAX none below 1/256; quantize it with 1/256"):
            exported(g.graph, ())
        return
    model, content, differing = exported(g.graph, ())
    assert differing == {"tflm": ["f"], "litert": ["f"]}
    x = np.random.default_rng(0).integers(-128, 128, (30, 20)).astype(np.int8)
    for peer in (engines.Tflm(content), engines.Litert(content)):
        assert np.abs(peer.run([x])[0].astype(int) - model.run(x)).max() <= 1


@pytest.mark.parametrize("beta", [1.0, 0.3, 2.7, 0.12345678])
def test_softmax_with_a_beta(beta: float, tmp_path: Path) -> None:
    file = TfliteFile("beta")
    x = file.tensor("x", (1, 30), scale=0.05, zero_point=3)
    y = file.tensor("y", (1, 30), scale=1 / 256, zero_point=-128)
    file.operator("SOFTMAX", [x], [y], "SoftmaxOptions", beta=beta)
    path = tmp_path / "beta.tflite"
    path.write_bytes(file.to_bytes([x], [y]))
    back = to_tflite(read(compile(path).to_bytes()))
    assert back.differing == {"tflm": [], "litert": []}
    ours, source = engines.Tflm(back.content), engines.Tflm(path.read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(9):
        one = codes(rng, (1, 30))
        np.testing.assert_array_equal(ours.run([one])[0], source.run([one])[0])


@pytest.mark.parametrize(("factor", "kind"), [(1, "DEPTHWISE_CONV_2D"), (0.37, "DEPTHWISE_CONV_2D"), (1 / 63, "MEAN")])
@pytest.mark.parametrize("engine", ["tflm", "litert"])
def test_sums_by_any_factor(engine: str, factor: float, kind: str) -> None:
    """A mean by another factor than the count's, such as a sum, is not MEAN; LiteRT's SUM ignores the zero points."""
    g = GraphBuilder("sum")
    x = g.input("x", (2, 7, 9, 5), scale=0.1, zero_point=-7)
    y = g.mean(x, scale=4.0, zero_point=20, rounding="DOUBLE", name="sum")
    op = g.graph.ops[-1]
    if kind == "MEAN":
        op.attrs["requant"] = mean_requant(x, y, 63)
    else:
        op.attrs["requant"] = functions.double(float(np.float32(factor)) * x.scale / y.scale)
    g.output(y)
    model, content, differing = exported(g.graph, ())
    assert kinds(content) == [kind]
    assert differing == {"tflm": [], "litert": []}
    x0 = np.random.default_rng(0).integers(-128, 128, x.shape).astype(np.int8)
    peer = engines.Tflm(content) if engine == "tflm" else engines.Litert(content)
    np.testing.assert_array_equal(peer.run([x0])[0].reshape(-1), model.run(x0, layout="NHWC").reshape(-1))


@settings(max_examples=300, deadline=None)
@given(st.permutations(range(6)), st.lists(st.integers(1, 3), min_size=6, max_size=6))
def test_merged_axes(permutation: list[int], shape: list[int]) -> None:
    x = np.arange(np.prod(shape)).reshape(shape)
    merged, order = merged_axes(shape, permutation)
    assert len(merged) == len(order) <= 6
    np.testing.assert_array_equal(x.reshape(merged).transpose(order).ravel(), x.transpose(permutation).ravel())


def test_the_verb_says_who_will_differ(tmp_path: Path) -> None:
    g = GraphBuilder("once")
    x = g.input("x", (1, 4), scale=0.1)
    x = g.linear(x, np.ones((2, 4), np.int8), weights_scale=0.0123, scale=0.1, name="layer")
    # Half of the accumulators are ties, which LiteRT rounds away from zero.
    g.output(g.linear(x, np.ones((2, 2), np.int8), weights_scale=0.5, scale=0.1, name="ties"))
    (tmp_path / "model.qfb").write_bytes(g.compile())
    result = qrt_in_process("export", str(tmp_path / "model.qfb"), "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["differing"] == {"tflm": ["layer", "ties"], "litert": ["ties"]}
    assert qrt_in_process("export", str(tmp_path / "model.qfb"), "-o", "model.onnx").exit_code != 0


def test_a_file_that_export_was_not_told_to_write_stays(tmp_path: Path) -> None:
    """MODEL.tflite beside MODEL.qfb is often the network that the file was compiled from."""
    g = GraphBuilder("kept")
    g.output(g.relu(g.input("x", (1, 4), scale=0.1)))
    (tmp_path / "model.qfb").write_bytes(g.compile())
    (tmp_path / "model.tflite").write_bytes(b"source")
    result = qrt_in_process("export", str(tmp_path / "model.qfb"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith("model.tflite: exists already; name the file to write with -o\n")
    assert (tmp_path / "model.tflite").read_bytes() == b"source"
    assert qrt_in_process("export", str(tmp_path / "model.qfb"), "-o", str(tmp_path / "model.tflite")).exit_code == 0
