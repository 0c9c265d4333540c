"""PyTorch layer by layer: every code of every quantized layer against its engine; eager mode, QAT, other quantizers."""

from __future__ import annotations

import copy
import random
import warnings
import zipfile
from io import BytesIO
from itertools import product
from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, compile, from_torch
from qrt.compiler.backends.qfb.writer import write
from qrt.compiler.ir import Edge, Graph
from qrt.compiler.plan.memory import plan

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")
torch_networks = pytest.importorskip("torch_networks")

from torch_conversion import converted, differing, engine_as_before, program  # noqa: E402, F401

pytestmark = pytest.mark.filterwarnings("ignore")

# Least share of equal codes in each layer, by the engine.
SHARES = {"fbgemm": 1.0, "qnnpack": 1.0, "x86": 0.99999, "onednn": 0.99999}


def recorded(module: Any, images: Any) -> dict[str, Any]:
    """The value of every node of a traced module."""
    values: dict[str, Any] = {}

    class Recorder(torch.fx.Interpreter):  # type: ignore[misc]
        def run_node(self, n: Any) -> Any:
            values[n.name] = super().run_node(n)
            return values[n.name]

    Recorder(module).run(images)
    return values


def codes_of(value: Any) -> np.ndarray:
    """A quantized tensor as this project's codes."""
    codes = value.int_repr().numpy()
    codes = (codes.astype(np.int16) - 128).astype(np.int8) if codes.dtype == np.uint8 else codes
    return codes.transpose(0, 2, 3, 1) if codes.ndim == 4 else codes


def alone(op: Any, *inputs: np.ndarray) -> np.ndarray:
    """One operator's codes, as a network of its own."""
    given = [tensor for tensor in op.inputs if tensor.data is None]
    graph = Graph("one", [op], [Edge(tensor) for tensor in given], [Edge(op.output)])
    return np.asarray(qrt.load(write(graph, plan(graph))).run(*map(np.ascontiguousarray, inputs)))


@pytest.mark.parametrize("engine", list(SHARES))
@pytest.mark.parametrize("kind", ["mlp", "residual", "mobile"])
def test_every_layer(kind: str, engine: str) -> None:
    module = converted(kind, engine)
    images = torch_networks.digits()[2]
    values = recorded(module, images)
    before = {node.name: node.args[0].name for node in module.graph.nodes if node.op == "call_module" and node.args}
    compiled = from_torch(module, (images,), skip=["remove_channels"])
    compared = 0
    for op in compiled.graph.ops:
        # A layer with a relu in it is called by the operator in front of the relu.
        name = op.name.removesuffix("_conv2d").removesuffix("_linear")
        if op.kind not in ("conv2d", "dwconv2d", "linear") or name not in before:
            continue
        theirs, ours = codes_of(values[name]), alone(op, codes_of(values[before[name]]))
        requant = op.attrs["requant"]  # which has the ReLU6 behind a layer in it
        theirs = np.clip(theirs, requant.output_min, requant.output_max)
        differing = int((ours != theirs).sum())
        assert differing <= round((1 - SHARES[engine]) * theirs.size) + (engine in ("x86", "onednn")), op.name
        assert np.abs(ours.astype(int) - theirs).max() <= 1, op.name
        compared += 1
    assert compared == {"mlp": 3, "residual": 8, "mobile": 11}[kind]


@pytest.mark.parametrize("largest", [2e4, 2e6])
@pytest.mark.parametrize("engine", ["fbgemm", "qnnpack"])
def test_random_layers(engine: str, largest: float) -> None:
    """Codes of layers with random scales and with biases of up to `largest` steps of the accumulator.

    Where these are many, float32 rounds so that no integers can have all of its thresholds; the report says where.
    """
    torch.backends.quantized.engine = engine
    rng = np.random.default_rng(0)
    quantized = torch.ao.nn.quantized
    wrong = 0
    for _ in range(60):
        x_scale, *w_scales = (float(np.float32(scale)) for scale in rng.uniform(0.001, 0.03, 17))
        units = x_scale * np.array(w_scales)
        weights = torch.tensor(rng.integers(-64, 64, (16, 64)), dtype=torch.float32) * torch.tensor(w_scales)[:, None]
        zeros = torch.zeros(16, dtype=torch.long)
        codes = torch.quantize_per_channel(weights.float(), torch.tensor(w_scales), zeros, 0, torch.qint8)
        layer = quantized.Linear(64, 16)
        layer.set_weight_bias(codes, torch.tensor(rng.uniform(-largest, largest, 16) * units, dtype=torch.float32))
        layer.scale, layer.zero_point = float(np.float32(max(3e4, largest) * units.mean() / 100)), 128
        edge = quantized.Quantize(x_scale, int(rng.integers(100, 156)), torch.quint8)
        x = torch.tensor(rng.uniform(-100, 100, (1000, 64)) * x_scale, dtype=torch.float32)
        compiled = from_torch(torch.nn.Sequential(edge, layer, quantized.DeQuantize()), (x,))
        (op,) = compiled.graph.ops
        differing_here = int((alone(op, codes_of(edge(x))) != codes_of(layer(edge(x)))).sum())
        assert not differing_here or compiled.report.deviations
        wrong += differing_here
    assert wrong <= (0 if largest < 1e5 else 9)


POOLS = {
    "2x2": lambda nn: nn.AvgPool2d(2),
    "whole": lambda nn: nn.AvgPool2d(6),
    "padding counted": lambda nn: nn.AvgPool2d(4, 2, 1),
    "padding not counted": lambda nn: nn.AvgPool2d(4, 2, 1, count_include_pad=False),
    "adaptive 1": lambda nn: nn.AdaptiveAvgPool2d(1),
    "adaptive 3": lambda nn: nn.AdaptiveAvgPool2d(3),
}


@pytest.mark.parametrize("behind", ["input", "convolution"])
@pytest.mark.parametrize("engine", ["fbgemm", "qnnpack"])
@pytest.mark.parametrize("pool", list(POOLS))
def test_ties_of_pools(pool: str, engine: str, behind: str) -> None:
    """Every code, at even and odd zero points, with channels that fill vectors of 16 and channels that do not."""
    torch.backends.quantized.engine = engine
    rng = np.random.default_rng(0)
    quantized = torch.ao.nn.quantized
    for channels, zero_point in product((7, 16, 24), (0, 77, 128)):
        edge = quantized.Quantize(1.0, zero_point, torch.quint8)
        same = quantized.Conv2d(channels, channels, 1)
        same.set_weight_bias(
            torch.quantize_per_tensor(torch.eye(channels)[:, :, None, None], 0.25, 0, torch.qint8), None
        )
        same.scale, same.zero_point = 1.0, zero_point
        layers = [edge, *([same] if behind == "convolution" else []), POOLS[pool](torch.nn), quantized.DeQuantize()]
        module = torch.nn.Sequential(*layers)
        x = torch.tensor(rng.integers(0, 256, (20, channels, 6, 6)) - zero_point, dtype=torch.float32)
        compiled = from_torch(module, (x,))
        ours = qrt.load(compiled.to_bytes()).run(x.numpy().transpose(0, 2, 3, 1), dequantize=True, layout="NHWC")
        assert np.array_equal(ours, module(x).numpy().transpose(0, 2, 3, 1)), (channels, zero_point)
        assert "transpose" not in compiled.report.operators


@pytest.mark.parametrize("kind", ["mlp", "residual", "mobile"])
def test_every_layer_of_pt2e(kind: str) -> None:
    """With int32 biases: what each operator gives for the codes that PyTorch gave it."""
    module = program(kind, "int32")
    images = torch_networks.digits()[2]
    values = recorded(module, images)
    codes = {}
    for node in module.graph.nodes:
        if "quantize_per_tensor" in str(node.target) and "dequantize" not in str(node.target):
            value = values[node.name].numpy()
            codes[node.args[0].name] = value.transpose(0, 2, 3, 1) if value.ndim == 4 else value
    compiled = from_torch(torch.export.export(module, (images[:1],)), (images,), skip=["remove_channels"])
    compared = 0
    for op in compiled.graph.ops:
        names = [tensor.name.removesuffix("_nhwc") for tensor in (*op.inputs, op.output) if tensor.data is None]
        if op.kind in ("reshape", "transpose") or not set(names) <= set(codes):
            continue
        *inputs, theirs = (codes[name] for name in names)
        ours = alone(op, *inputs)
        assert (ours != theirs).sum() <= 1e-4 * theirs.size, op.name
        assert np.abs(ours.astype(int) - theirs).max() <= 1, op.name
        compared += 1
    assert compared >= {"mlp": 2, "residual": 9, "mobile": 12}[kind]


class Eager(torch.nn.Module):  # type: ignore[misc]
    """A residual network as eager mode wants it: stubs at its edges, a module for the add."""

    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        self.quant, self.dequant = torch.ao.quantization.QuantStub(), torch.ao.quantization.DeQuantStub()
        self.conv1, self.norm1, self.relu1 = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()
        self.conv2, self.relu2 = nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()
        self.add = nn.quantized.FloatFunctional()
        self.pool, self.linear = nn.AdaptiveAvgPool2d(1), nn.Linear(16, 10)

    def forward(self, x: Any) -> Any:
        x = self.relu1(self.norm1(self.conv1(self.quant(x))))
        x = self.add.add_relu(x, self.relu2(self.conv2(x)))
        return self.dequant(self.linear(self.pool(x).flatten(1)))


@pytest.mark.parametrize("engine", list(SHARES))
def test_eager_mode(engine: str) -> None:
    from torch.ao.quantization import convert, fuse_modules, get_default_qconfig, prepare

    torch.backends.quantized.engine = engine
    torch.manual_seed(0)
    images = torch_networks.digits()[2]
    model = fuse_modules(Eager().eval(), [["conv1", "norm1", "relu1"], ["conv2", "relu2"]])
    model.qconfig = get_default_qconfig(engine)
    prepared = prepare(model)
    prepared(images)
    module = convert(prepared)
    compiled = from_torch(module, (images,))
    assert compiled.report.match == engine
    count, apart = differing(compiled, module)
    assert count <= (0 if engine == "fbgemm" else 40)
    assert apart < 1.01


def fine_tuned(prepared: Any, images: Any) -> Any:
    """A few steps of quantization-aware training."""
    from torchao.quantization.pt2e import move_exported_model_to_eval, move_exported_model_to_train

    labels = torch_networks.digits()[1]
    move_exported_model_to_train(prepared)
    optimizer = torch.optim.SGD(prepared.parameters(), 1e-3)
    for first in range(0, 512, 64):
        optimizer.zero_grad()
        batch = slice(first, first + 64)
        torch.nn.functional.cross_entropy(prepared(images[batch]), labels[batch]).backward()
        optimizer.step()
    move_exported_model_to_eval(prepared)
    return prepared


# Training takes most of the time; one quantizer shows what it leaves.
QUANTIZED = [(which, kind, False) for which in ("qrt", "xnnpack", "cortex_m") for kind in ("residual", "mobile")]


@pytest.mark.parametrize(("which", "kind", "is_qat"), [*QUANTIZED, ("qrt", "residual", True)])
def test_quantizers(which: str, kind: str, is_qat: bool) -> None:
    """QrtQuantizer, XNNPACKQuantizer and executorch's CortexMQuantizer, after training and while training."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e, prepare_qat_pt2e

    from qrt.compiler.frontends.torch import QrtQuantizer

    images, _, tests, _ = torch_networks.digits()
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    model = copy.deepcopy(torch_networks.trained(kind)).train(is_qat)
    if which == "cortex_m":  # which leaves images of another layout in float
        model, images, tests = (one.to(memory_format=torch.channels_last) for one in (model, images, tests))
    exported = torch.export.export(model, (images[:4],), dynamic_shapes=dynamic).module(check_guards=False)
    if which == "qrt":
        quantizer = QrtQuantizer(is_qat=is_qat)
    elif which == "cortex_m":
        executorch = pytest.importorskip("executorch.backends.cortex_m.quantizer.quantizer")
        quantizer = executorch.CortexMQuantizer()
    else:
        xnnpack = pytest.importorskip("torchao.testing.pt2e._xnnpack_quantizer")
        config = xnnpack.get_symmetric_quantization_config(is_per_channel=True, is_qat=is_qat)
        quantizer = xnnpack.XNNPACKQuantizer().set_global(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepared = (prepare_qat_pt2e if is_qat else prepare_pt2e)(exported, quantizer)
        prepared = fine_tuned(prepared, images) if is_qat else prepared
        if not is_qat:
            prepared(images[:256])
        module = convert_pt2e(prepared)
    compiled = from_torch(torch.export.export(module, (images[:1],)), (images[:1],))
    count, apart = differing(compiled, module)
    # XNNPACKQuantizer lets an average pool keep its scale: at the many exact ties, PyTorch's float noise decides.
    assert count <= (0.005 if which == "qrt" else 0.1) * 10 * len(tests)
    assert apart < (2.01 if which == "qrt" else 3.01)


def test_programs_with_changed_members_are_refused_or_compiled() -> None:
    """Whatever the JSON of a program says, there is a CompileError or a file, and nothing else."""
    stream = BytesIO()
    torch.export.save(torch.export.export(program("residual", "int32"), (torch_networks.digits()[2][:1],)), stream)
    with zipfile.ZipFile(stream) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    model = next(name for name in members if name.endswith("models/model.json"))
    rng = random.Random(0)
    from qrt.compiler.frontends.torch import pt2

    refused = 0
    for _ in range(150):
        text = bytearray(members[model])
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(text))
            text[at : at + rng.choice((1, 1, 2, 40))] = rng.choice((b"9", b"-1", b"null", b"", b"[]", b"1e999", b'"'))
        target = BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, bytes(text) if name == model else data)
        try:
            compile(pt2.to_graph(target.getvalue()))
        except CompileError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("engine", ["fbgemm", "qnnpack"])
def test_quantized_sigmoid(engine: str) -> None:
    torch.backends.quantized.engine = engine
    quantized = torch.ao.nn.quantized
    sigmoid = quantized.Sigmoid(1 / 256, 0)
    module = torch.nn.Sequential(quantized.Quantize(0.25, 77, torch.quint8), sigmoid, quantized.DeQuantize())
    x = torch.tensor((np.arange(256, dtype=np.float32) - 77) * 0.25).reshape(16, 16)
    ours = qrt.load(from_torch(module, (x[:1],)).to_bytes()).run(x.numpy(), dequantize=True)
    assert np.array_equal(ours, module(x).numpy())
