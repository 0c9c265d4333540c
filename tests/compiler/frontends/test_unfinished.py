"""Networks that are float, prepared, or quantized dynamically: one line with the reason and the remedy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Cli

from qrt.compiler import CompileError, compile, from_torch
from qrt.compiler.frontends.float_network import first_paragraph

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")
pytestmark = pytest.mark.filterwarnings("ignore")

EXAMPLE = (torch.zeros(1, 3, 6, 6),)


class Net(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = torch.ao.quantization.QuantStub(), torch.ao.quantization.DeQuantStub()
        self.conv, self.linear = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(64, 5)

    def forward(self, x: Any) -> Any:
        return self.dequant(self.linear(torch.relu(self.conv(self.quant(x))).flatten(1)))


def prepared_eager(trained: bool) -> Any:
    ao, net = torch.ao.quantization, Net().train(trained)
    net.qconfig = (ao.get_default_qat_qconfig if trained else ao.get_default_qconfig)("fbgemm")
    return (ao.prepare_qat if trained else ao.prepare)(net)


def prepared_fx(trained: bool) -> Any:
    from torch.ao.quantization import quantize_fx

    ao = torch.ao.quantization
    mapping = (ao.get_default_qat_qconfig_mapping if trained else ao.get_default_qconfig_mapping)("fbgemm")
    return (quantize_fx.prepare_qat_fx if trained else quantize_fx.prepare_fx)(Net().train(trained), mapping, EXAMPLE)


def prepared_pt2e(trained: bool) -> Any:
    from torchao.quantization.pt2e import quantize_pt2e

    from qrt.compiler.frontends.torch.quantizer import QrtQuantizer

    module = torch.export.export(Net().eval(), EXAMPLE).module()
    return (quantize_pt2e.prepare_qat_pt2e if trained else quantize_pt2e.prepare_pt2e)(module, QrtQuantizer())


PREPARED: dict[str, Callable[[bool], Any]] = {
    "torch.ao.quantization.convert": prepared_eager,
    "convert_fx": prepared_fx,
    "convert_pt2e": prepared_pt2e,
}


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("convert", PREPARED)
def test_prepared_but_not_converted(convert: str, trained: bool) -> None:
    module = PREPARED[convert](trained)
    module(*EXAMPLE)
    with pytest.raises(CompileError) as caught:
        from_torch(module, EXAMPLE)
    (problem,) = caught.value.problems
    assert problem.reason == f"is prepared, but not converted; run samples through it and call {convert}"


def test_converted_modules_are_not_mistaken() -> None:
    ao = torch.ao.quantization
    eager = ao.convert(copy.deepcopy(prepared_eager(False)))
    assert from_torch(eager, EXAMPLE, match="fbgemm").graph.ops


def test_a_program_of_a_prepared_module(tmp_path: Path) -> None:
    """What the observers of training leave in an exported program; those of PT2E's calibration cannot be exported."""

    class Observed(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return torch.relu(torch.fake_quantize_per_tensor_affine(x, 0.1, 3, -128, 127))

    torch.export.save(torch.export.export(Observed(), EXAMPLE), tmp_path / "net.pt2")
    with pytest.raises(
        CompileError, match=r"is prepared, but not converted; .* call convert_pt2e, and export it again"
    ):
        compile(tmp_path / "net.pt2")


def test_dynamic_modules_of_torch() -> None:
    module = torch.ao.quantization.quantize_dynamic(Net().eval(), {torch.nn.Linear}, dtype=torch.qint8)
    with pytest.raises(CompileError) as caught:
        from_torch(module, EXAMPLE)
    (problem,) = caught.value.problems
    remedy = "quantize the float network statically: qrt.compiler.quantize_torch"
    assert problem.reason == f"is quantized dynamically (linear), with float activations; {remedy}"


def test_a_dynamic_program(tmp_path: Path) -> None:
    pytest.importorskip("torch.ao.quantization.fx._decomposed")  # registers the operators

    class Dynamic(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            ops = torch.ops.quantized_decomposed
            scale, zero_point = ops.choose_qparams.tensor(x, -128, 127, 1e-6, torch.int8)
            codes = ops.quantize_per_tensor.tensor(x, scale, zero_point, -128, 127, torch.int8)
            return ops.dequantize_per_tensor.tensor(codes, scale, zero_point, -128, 127, torch.int8)

    torch.export.save(torch.export.export(Dynamic(), EXAMPLE), tmp_path / "net.pt2")
    with pytest.raises(CompileError, match=r"is quantized dynamically, with float activations; .* statically"):
        compile(tmp_path / "net.pt2")


class Strange(torch.nn.Module):  # type: ignore[misc]
    """Float, with operators that no network of qrt has."""

    def forward(self, x: Any) -> Any:
        return torch.fft.fft(torch.sort(x)[0]).real


def strange_onnx() -> Path:
    onnx = pytest.importorskip("onnx")
    node, info = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    nodes = [node("NonZero", ["x"], ["a"]), node("Cast", ["a"], ["b"], to=1), node("IsNaN", ["b"], ["y"])]
    edges = [info("x", 1, (1, 6))], [info("y", onnx.TensorProto.BOOL, (2, 6))]
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph(nodes, "net", *edges), opset_imports=opset, ir_version=10),
        "net.onnx",
    )
    return Path("net.onnx")


def strange_pt2() -> Path:
    torch.export.save(torch.export.export(Strange(), EXAMPLE), "net.pt2")
    return Path("net.pt2")


@pytest.mark.parametrize("make", [strange_onnx, strange_pt2])
def test_a_float_network_of_unsupported_nodes(make: Callable[[], Path], cli: Cli) -> None:
    """That it is float comes first; with samples, what its nodes are."""
    path = make()
    result = cli("compile", str(path))
    assert (
        result.stderr == f"qrt compile: {path}: is a float network; quantize it: qrt compile {path} --calibrate DATA\n"
    )
    np.savez("x.npz", x=np.zeros((2, 6 if make is strange_onnx else 3), np.float32))
    assert "problems, nothing was written" in cli("compile", str(path), "--calibrate", "x.npz").stderr


def test_a_float_module_of_unsupported_nodes() -> None:
    with pytest.raises(CompileError) as caught:
        from_torch(Strange(), EXAMPLE)
    assert [p.reason for p in caught.value.problems] == [
        "is a float module; quantize it with qrt.compiler.quantize_torch"
    ]


def test_messages_of_libraries_are_whole() -> None:
    """onnxruntime tells a wrong batch on three lines, the first of which ends with a colon's promise."""
    text = (
        "Got invalid dimensions for input: x for the following indices\n index: 0 Got: 1 Expected: 4\n Please fix it."
    )
    assert first_paragraph(ValueError(text)) == " ".join(text.split())
    assert first_paragraph(ValueError("one\ntwo\n\nhow to debug it")) == "one two"
    assert first_paragraph(ValueError()) == "ValueError"
