"""Float networks quantized on samples: .tflite, .onnx, .pt2 and modules, and those with quantized weights alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import engines
import numpy as np
import pytest
from command_line import Cli, assert_refused
from float_tflite import SHAPE, float_tflite

import qrt
from qrt.compiler import CompileError, compile, quantize
from qrt.compiler.calibration import float_network

Array = np.ndarray[Any, Any]
# Signal to quantization noise that int8 must reach on networks of a few layers, dB.
SQNR = 25


def samples(shape: tuple[int, ...], count: int = 24, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def sqnr(meant: Array, got: Array) -> float:
    return float(10 * np.log10((meant**2).sum() / ((meant - got) ** 2).sum()))


def agrees(path: Path, shape: tuple[int, ...]) -> float:
    """SQNR of the compiled network against the float engine on new samples; the same samples give the same bytes."""
    quantized = quantize(path, samples(shape))
    content = compile(quantized).to_bytes()
    assert content == compile(quantize(path, samples(shape))).to_bytes()
    network, model, x = float_network(path), qrt.load(content), samples(shape, seed=2)
    meant = np.stack([network.run([one]) for one in x])
    layout = "NCHW" if model.inputs[0].source_layout == "NCHW" else None
    got = np.stack([model.run(one, layout=layout, dequantize=True) for one in x])
    got = np.moveaxis(got, -1, 2) if model.outputs[0].source_layout == "NCHW" else got
    return sqnr(meant, got.reshape(meant.shape))


# TFLite


@pytest.mark.parametrize("weights", ["float32", "float16", "int8", "int8 dequantized"])
def test_tflite(weights: str, tmp_path: Path) -> None:
    pytest.importorskip("litert_quantizer")
    path = tmp_path / "net.tflite"
    path.write_bytes(float_tflite(weights))
    assert agrees(path, SHAPE) > SQNR


def test_tflite_gives_the_bytes_of_tflm(tmp_path: Path) -> None:
    """What the quantizer writes is an int8 network like any other."""
    pytest.importorskip("litert_quantizer")
    path = tmp_path / "net.tflite"
    path.write_bytes(float_tflite())
    quantized = quantize(path, samples(SHAPE))
    model, peer = qrt.load(compile(quantized).to_bytes()), engines.Tflm(quantized.content)
    assert compile(quantized).report.name == "net"
    for x in samples(SHAPE, seed=2):
        codes = model.inputs[0].quantize(x)
        np.testing.assert_array_equal(model.run(codes), peer.run([codes])[0])


def one_operator(kind: str, shape: tuple[int, ...], table: str | None = None, inputs: int = 1, **options: Any) -> bytes:
    """Inputs, an addition of a constant to each, and the operator on the sums."""
    pytest.importorskip("tflite")
    from qrt.compiler.backends.tflite.file import TfliteFile

    rng, file = np.random.default_rng(0), TfliteFile("net")
    given = [file.tensor(f"x{k}", SHAPE, "float32") for k in range(inputs)]
    sums = [file.tensor(f"sum{k}", SHAPE, "float32") for k in range(inputs)]
    for k in range(inputs):
        constant = file.tensor(f"c{k}", SHAPE[-1:], "float32", data=rng.normal(size=SHAPE[-1]))
        file.operator("ADD", [given[k], constant], [sums[k]], "AddOptions")
    y = file.tensor("y", shape, "float32")
    file.operator(kind, sums, [y], table, **options)
    return file.to_bytes(given, [y])


LEFT_IN_FLOAT: dict[str, Callable[[], bytes]] = {
    "RELU6": lambda: one_operator("RELU6", SHAPE),
    "LEAKY_RELU": lambda: one_operator("LEAKY_RELU", SHAPE, "LeakyReluOptions", alpha=0.1),
    "MINIMUM": lambda: one_operator("MINIMUM", SHAPE, "MaximumMinimumOptions", inputs=2),
    "L2_NORMALIZATION": lambda: one_operator("L2_NORMALIZATION", SHAPE, "L2NormOptions"),
}


@pytest.mark.parametrize("kind", LEFT_IN_FLOAT)
def test_operators_that_the_quantizer_leaves_in_float(kind: str, tmp_path: Path) -> None:
    """They become the int8 operators that TFLite has, with the bytes of its reference kernels."""
    pytest.importorskip("litert_quantizer")
    path = tmp_path / "net.tflite"
    path.write_bytes(LEFT_IN_FLOAT[kind]())
    network = float_network(path)
    names = [name for name, _ in network.inputs]
    quantized = quantize(path, {name: samples(SHAPE, seed=k) for k, name in enumerate(names)})
    model, peer = qrt.load(compile(quantized, match="litert").to_bytes()), engines.Litert(quantized.content)
    meant, got = [], []
    for run in zip(*(samples(SHAPE, seed=9 + k) for k in range(len(names))), strict=True):
        codes = [info.quantize(x) for info, x in zip(model.inputs, run, strict=True)]
        np.testing.assert_array_equal(model.run(*codes), peer.run(codes)[0])
        meant.append(network.run(run))
        got.append(model.run(*run, dequantize=True))
    assert sqnr(np.stack(meant), np.stack(got)) > SQNR


def test_constants_behind_the_flatbuffer(tmp_path: Path) -> None:
    """The quantizer writes constants there, as soon as there are 256 KiB of them."""
    pytest.importorskip("litert_quantizer")
    pytest.importorskip("tflite")
    from qrt.compiler.backends.tflite.file import TfliteFile

    rng, file = np.random.default_rng(0), TfliteFile("net")
    x, y = file.tensor("x", (1, 600), "float32"), file.tensor("y", (1, 500), "float32")
    w = file.tensor("w", (500, 600), "float32", data=rng.normal(size=(500, 600)) / 30)
    b = file.tensor("b", (500,), "float32", data=rng.normal(size=500))
    file.operator("FULLY_CONNECTED", [x, w, b], [y], "FullyConnectedOptions")
    path = tmp_path / "net.tflite"
    path.write_bytes(file.to_bytes([x], [y]))
    assert agrees(path, (1, 600)) > SQNR


def test_what_the_quantizer_prints_is_not_seen(cli: Cli, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("litert_quantizer")
    Path("net.tflite").write_bytes(float_tflite())
    np.savez("data.npz", x=samples(SHAPE)[:, 0], labels=np.arange(24) % 4)
    result = cli("compile", "net.tflite", "--calibrate", "data.npz", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert "".join(capfd.readouterr()) == ""


def test_a_tensor_that_becomes_infinite(tmp_path: Path) -> None:
    pytest.importorskip("litert_quantizer")
    path = tmp_path / "net.tflite"
    path.write_bytes(float_tflite())
    with pytest.raises(CompileError, match="becomes infinite or NaN on the samples"):
        quantize(path, np.full((2, *SHAPE), 3e38, np.float32))


# ONNX


def dynamic_onnx(folder: Path, per_channel: bool = False, weights: str = "QInt8") -> Path:
    """onnxruntime's dynamic quantization of a convolution and two matrix products."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    onnx_models = pytest.importorskip("onnx_models")
    n = onnx_models.Net((1, 3, 6, 6))
    x = n.node("Relu", n.conv("x", 8, 3, pads=[1, 1, 1, 1]))
    x = n.node("Relu", n.gemm(n.node("Flatten", n.node("GlobalAveragePool", x)), 16, 8))
    path = folder / "float.onnx"
    path.write_bytes(n.model(n.gemm(x, 5, 16)).SerializeToString())
    quantization.quantize_dynamic(
        path,
        folder / "dynamic.onnx",
        weight_type=quantization.QuantType[weights],
        per_channel=per_channel,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
    )
    return folder / "dynamic.onnx"


@pytest.mark.parametrize("weights, per_channel", [("QInt8", False), ("QInt8", True), ("QUInt8", False)])
def test_dynamic_onnx(weights: str, per_channel: bool, tmp_path: Path) -> None:
    path = dynamic_onnx(tmp_path, per_channel, weights)
    assert agrees(path, (1, 3, 6, 6)) > SQNR
    # Undone, only the rounding of the weights is left.
    undone, meant = float_network(path), float_network(tmp_path / "float.onnx")
    x = samples((1, 3, 6, 6))
    assert sqnr(np.stack([meant.run([one]) for one in x]), np.stack([undone.run([one]) for one in x])) > 30


@pytest.mark.parametrize("last", ["PRelu", "Max", "Softsign", "ReduceMean"])
def test_onnx_with_operators_that_onnxruntime_leaves_float(last: str, tmp_path: Path) -> None:
    """At the beginning what normalizes images, between layers a difference, at the end one of several."""
    onnx_models = pytest.importorskip("onnx_models")
    n = onnx_models.Net((1, 3, 24, 24))
    x = n.node("Div", n.node("Sub", "x", n.constant(np.full((3, 1, 1), 0.4))), n.constant(np.full((3, 1, 1), 0.5)))
    x = n.node("Sub", n.conv(x, 4, 3), n.conv(x, 4, 3))
    x = n.conv(n.node("Relu", n.node("PRelu", x, n.constant(np.full((4, 1, 1), 0.2)))), 5, 4)
    match last:
        case "PRelu":
            y = n.node(last, x, n.constant(np.full((5, 1, 1), 0.3)))
        case "Max":
            y = n.node(last, x, n.constant(0.1))
        case "ReduceMean":
            y = n.node(last, x, axes=[1])
        case _:
            y = n.node(last, x)
    path = tmp_path / "net.onnx"
    path.write_bytes(n.model(y).SerializeToString())
    assert agrees(path, (1, 3, 24, 24)) > SQNR


def test_dynamic_onnx_as_onnxruntime_fuses_it(tmp_path: Path) -> None:
    """DynamicQuantizeMatMul in place of the nodes that the quantizer writes."""
    path = dynamic_onnx(tmp_path)
    onnxruntime, onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    assert "DynamicQuantizeMatMul" in {node.op_type for node in onnx.load(tmp_path / "fused.onnx").graph.node}
    fused, plain = float_network(tmp_path / "fused.onnx"), float_network(path)
    for x in samples((1, 3, 6, 6)):
        np.testing.assert_allclose(fused.run([x]), plain.run([x]), rtol=1e-5, atol=1e-6)


def test_dynamic_onnx_in_another_form(tmp_path: Path) -> None:
    """A product whose integers are used as they are has no float form."""
    onnx = pytest.importorskip("onnx")
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 13]>
        net (float[1,4] x) => (int32[1,2] y) <int8[4,2] w = {1,2,3,4,5,6,7,8}>
        { q, s, z = DynamicQuantizeLinear(x)  y = MatMulInteger(q, w, z) }"""
    )
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(CompileError, match="is not followed by Cast and Mul"):
        float_network(tmp_path / "net.onnx")


# PyTorch


def module() -> Any:
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchao")
    torch.manual_seed(0)
    nn = torch.nn
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(8, 5)).eval()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamic", [False, True])
def test_pt2(dynamic: bool, tmp_path: Path) -> None:
    net = module()
    torch = pytest.importorskip("torch")
    shapes = ({0: torch.export.Dim.DYNAMIC},) if dynamic else None
    program = torch.export.export(net, (torch.zeros(2 if dynamic else 1, 3, 6, 6),), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "net.pt2")
    assert agrees(tmp_path / "net.pt2", (1, 3, 6, 6)) > SQNR


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["minmax", "histogram"])
def test_modules(method: str) -> None:
    from qrt.compiler import from_torch, quantize_torch

    net = module()
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(samples((3, 6, 6)))
    with pytest.raises(CompileError, match="is a float module; quantize it with qrt"):
        from_torch(net, (x[:1],))
    program = quantize_torch(net, (x[:1],), (x,), method)
    model = qrt.load(from_torch(program, (x[:1],)).to_bytes())
    new = samples((3, 6, 6), seed=2)
    got = model.run(new, layout="NCHW", dequantize=True)
    assert sqnr(net(torch.from_numpy(new)).detach().numpy(), got) > SQNR
    with pytest.raises(CompileError, match="is already quantized"):
        quantize_torch(program, (x[:1],), (x,))
    for wrong, reason in (
        ((x, x), "samples has 2 entries for 1 example inputs"),
        ((x[:, :2],), r"give floats \(n, 3, 6, 6\), n at least 1"),
        ((x[:0],), "n at least 1"),
        ((x.to(torch.int32),), "is int32"),
        ((x * torch.inf,), "contains NaN or infinity"),
    ):
        with pytest.raises(ValueError, match=reason):
            quantize_torch(net, (x[:1],), wrong)


# What is refused


def tflite_file(content: bytes) -> Path:
    Path("net.tflite").write_bytes(content)
    return Path("net.tflite")


def onnx_file(quantized: bool) -> Path:
    onnx_models = pytest.importorskip("onnx_models")
    net = onnx_models.Net((1, 6))
    model = net.model(net.gemm("x", 4, 6))
    Path("net.onnx").write_bytes((onnx_models.quantized(model) if quantized else model).SerializeToString())
    return Path("net.onnx")


def int8_tflite() -> Path:
    from batched_tflite import tflite_network

    return tflite_file(tflite_network())


FLOAT: dict[str, tuple[Callable[[], Path], str]] = {
    "onnx": (lambda: onnx_file(False), "is a float network; quantize it: qrt compile net.onnx --calibrate DATA"),
    "dynamic onnx": (
        lambda: dynamic_onnx(Path()),
        "is quantized dynamically, with float activations; quantize it statically: ",
    ),
    "tflite": (lambda: tflite_file(float_tflite()), "is a float network; quantize it"),
    "float16 tflite": (lambda: tflite_file(float_tflite("float16")), "is a float network with float16 weights; "),
    "dynamic tflite": (lambda: tflite_file(float_tflite("int8")), "has int8 weights but float activations"),
}


@pytest.mark.parametrize("kind", FLOAT)
def test_a_float_network_without_samples(cli: Cli, kind: str) -> None:
    make, reason = FLOAT[kind]
    path = make()
    result = cli("compile", str(path))
    assert_refused(result, f"qrt compile: {path}: {reason}")
    assert "--calibrate" in result.stderr


@pytest.mark.parametrize("make", [lambda: onnx_file(True), int8_tflite], ids=["onnx", "tflite"])
def test_a_quantized_network_with_samples(cli: Cli, make: Callable[[], Path]) -> None:
    pytest.importorskip("litert_quantizer")
    path = make()
    np.save("x.npy", samples((6, 6, 2)))
    refused = cli("compile", str(path), "--calibrate", "x.npy")
    assert_refused(refused, f"qrt compile: {path}: is already quantized; compile it without --calibrate")


BAD: dict[str, tuple[Array, str]] = {
    "shape": (samples((5, 5, 3)), "input x takes samples of shape (n, 8, 8, 3), got "),
    "integers": (samples(SHAPE[1:]).astype(np.int32), "input x takes floats, got "),
    "not a number": (samples(SHAPE[1:]) * np.float32(np.nan), "has NaN or infinity"),
    "none": (samples(SHAPE[1:])[:0], "give n samples, at least one"),
}


@pytest.mark.parametrize("kind", BAD)
def test_samples_that_do_not_fit(cli: Cli, kind: str) -> None:
    pytest.importorskip("litert_quantizer")
    path, (x, reason) = tflite_file(float_tflite()), BAD[kind]
    np.save("bad.npy", x)
    refused = cli("compile", str(path), "--calibrate", "bad.npy")
    assert_refused(refused, "qrt compile: bad.npy: input x")
    assert reason in refused.stderr
    with pytest.raises(ValueError, match="input x"):
        quantize(path, x)
    with pytest.raises(ValueError, match="the network has inputs x, got samples for z"):
        quantize(path, {"z": samples(SHAPE)})


def test_a_method_that_the_library_does_not_have(cli: Cli) -> None:
    pytest.importorskip("litert_quantizer")
    path = tflite_file(float_tflite())
    np.save("x.npy", samples(SHAPE))
    refused = cli("compile", str(path), "--calibrate", "x.npy", "--calibration", "entropy")
    assert_refused(refused, f"qrt compile: {path}: cannot be calibrated by entropy; this kind of file supports minmax")


@pytest.mark.parametrize("suffix, library", [("tflite", "litert_quantizer"), ("pt2", "torchao")])
def test_a_library_that_is_missing(cli: Cli, suffix: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(f"net.{suffix}")
    if suffix == "tflite":
        path.write_bytes(float_tflite())
    else:
        net = module()
        torch = pytest.importorskip("torch")
        torch.export.save(torch.export.export(net, (torch.zeros(1, 3, 6, 6),)), path)
    np.save("x.npy", samples((3, 6, 6)))
    monkeypatch.setitem(sys.modules, library, None)
    refused = cli("compile", str(path), "--calibrate", "x.npy")
    extra = {"tflite": "tflite-calibrate", "pt2": "torch"}[suffix]
    assert_refused(refused, f"qrt compile: {path}: ")
    assert f'needs the package {library.replace("_", "-")}: pip install "qrt[{extra}]"' in refused.stderr


def test_another_kind_of_file(cli: Cli) -> None:
    Path("net.txt").write_text("text")
    np.save("x.npy", samples((3,)))
    refused = cli("compile", "net.txt", "--calibrate", "x.npy")
    assert_refused(refused, "qrt compile: net.txt: cannot be calibrated; give .onnx or .tflite or .pt2")
