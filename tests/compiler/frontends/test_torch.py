"""PyTorch: modules of its engines, PT2E programs and reference models, against PyTorch itself on real networks."""

from __future__ import annotations

import copy
import io
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, compile, from_torch
from qrt.compiler.integers import arithmetic

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")
torch_networks = pytest.importorskip("torch_networks")

from torch_conversion import converted, differing, engine_as_before, program  # noqa: E402, F401

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("kind", ["mlp", "residual", "mobile"])
def test_fbgemm_end_to_end(kind: str) -> None:
    module = converted(kind, "fbgemm")
    compiled = from_torch(module, (torch_networks.digits()[2],))
    assert compiled.report.match == "fbgemm"
    assert differing(compiled, module)[0] == 0


@pytest.mark.parametrize("kind", ["mlp", "residual"])
def test_qnnpack_end_to_end(kind: str) -> None:
    module = converted(kind, "qnnpack")
    compiled = from_torch(module, (torch_networks.digits()[2],))
    assert compiled.report.match == "qnnpack"
    assert differing(compiled, module)[0] == 0


@pytest.mark.parametrize("engine", ["x86", "onednn"])
@pytest.mark.parametrize("kind", ["mlp", "residual", "mobile"])
def test_onednn_end_to_end(kind: str, engine: str) -> None:
    module = converted(kind, engine)
    count, apart = differing(from_torch(module, (torch_networks.digits()[2],)), module)
    assert count <= 40
    assert apart < 1.01


@pytest.mark.parametrize("bias", ["int32", "float"])
@pytest.mark.parametrize("kind", ["mlp", "residual", "mobile"])
def test_pt2e_end_to_end(kind: str, bias: str, tmp_path: Path) -> None:
    module = program(kind, bias)
    images = torch_networks.digits()[2]
    path = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(module, (images[:1],)), path)
    compiled = compile(path)
    requants = [op.attrs["requant"] for op in compiled.graph.ops if op.kind in ("conv2d", "linear")]
    assert all((requant.addend is None) == (bias == "int32") for requant in requants)
    count, apart = differing(compiled, module)
    assert count <= 0.005 * 10 * len(images)
    assert apart < 2.01


def test_reference_model_by_the_workflow_of_the_rfc() -> None:
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_to_reference_fx, prepare_fx

    from qrt.compiler.frontends.torch import get_qrt_backend_config, lower_to_qrt

    images, _, tests, labels = torch_networks.digits()
    config = get_qrt_backend_config()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = copy.deepcopy(torch_networks.trained("residual"))
        prepared = prepare_fx(model, get_default_qconfig_mapping("fbgemm"), (images,), backend_config=config)
        prepared(images[:256])
        reference = convert_to_reference_fx(prepared, backend_config=config)
        compiled = lower_to_qrt(reference, (images,))
    assert differing(compiled, reference)[1] < 2.01
    predictions = qrt.load(compiled.to_bytes()).run(tests.numpy(), dequantize=True).argmax(1)
    assert (predictions == labels.numpy()).mean() > 0.85


EVERY_A, EVERY_B = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8), indexing="ij")


class Sum(torch.nn.Module):  # type: ignore[misc]
    """torch.ops.quantized.add between stubs."""

    def __init__(self, scales: Any, zero_points: Any, relu: bool = False) -> None:
        super().__init__()
        edges = [
            (float(np.float32(scale)), int(zero_point)) for scale, zero_point in zip(scales, zero_points, strict=True)
        ]
        quantize = torch.ao.nn.quantized.Quantize
        self.a, self.b = (quantize(*edge, torch.quint8) for edge in edges[:2])
        self.y, self.relu = edges[2], relu

    def codes(self, a: Any, b: Any) -> Any:
        add = torch.ops.quantized.add_relu if self.relu else torch.ops.quantized.add
        return add(a, b, *self.y)

    def forward(self, a: Any, b: Any) -> Any:
        return self.codes(self.a(a), self.b(b)).dequantize()


def wrong_sums(module: Sum) -> int:
    """Of all pairs of codes, those that PyTorch's engine adds otherwise."""
    given = [
        torch._make_per_tensor_quantized_tensor(torch.tensor(codes), float(edge.scale), int(edge.zero_point))
        for codes, edge in ((EVERY_A, module.a), (EVERY_B, module.b))
    ]
    theirs = module.codes(*given).int_repr().numpy().astype(int) - 128
    compiled = from_torch(module, (torch.zeros(1, 1), torch.zeros(1, 1)))
    (op,) = compiled.graph.ops
    wrong = int((arithmetic.add(op, EVERY_A.astype(int) - 128, EVERY_B.astype(int) - 128) != theirs).sum())
    assert wrong == sum(one.count for one in compiled.report.deviations), "the report counts them"
    return wrong


def random_sums(seed: int, count: int) -> Iterator[Sum]:
    rng = np.random.default_rng(seed)
    for index in range(count):
        # Of zero point 255 qnnpack's relu would leave one code, which it refuses.
        yield Sum(rng.uniform(0.005, 0.2, 3), rng.integers(0, 255, 3), relu=bool(index % 2))


@pytest.mark.parametrize("engine", ["fbgemm", "x86"])
def test_residual_add_equals_fbgemm(engine: str) -> None:
    torch.backends.quantized.engine = engine
    assert sum(map(wrong_sums, random_sums(0, 100))) <= 20


@pytest.mark.parametrize("engine", ["fbgemm", "x86"])
@pytest.mark.parametrize("scales", [(1, 1, 2), (1, 1, 4), (3, 1, 2), (5, 3, 16)])
def test_ties_of_sums_in_fbgemm_are_counted(scales: tuple[int, ...], engine: str) -> None:
    torch.backends.quantized.engine = engine
    for scale in (0.25, 0.1, 0.037):
        wrong_sums(Sum(np.multiply(scales, scale), (100, 77, 128)))


def test_residual_add_is_that_of_qnnpack() -> None:
    torch.backends.quantized.engine = "qnnpack"
    assert sum(map(wrong_sums, random_sums(0, 200))) == 0


@pytest.mark.parametrize("scales", [(1, 1, 2), (1, 1, 4), (1, 2, 2), (2, 1, 8), (3, 1, 2), (5, 3, 16), (7, 1, 8)])
def test_ties_of_sums_are_those_of_qnnpack(scales: tuple[int, ...]) -> None:
    """Where many sums lie halfway between two codes, which qnnpack rounds away from zero."""
    torch.backends.quantized.engine = "qnnpack"
    rng = np.random.default_rng(0)
    for scale in (0.25, 0.1, 0.037):
        for zero_points in rng.integers(0, 256, (10, 3)):
            assert wrong_sums(Sum(np.multiply(scales, scale), zero_points)) == 0


def test_pruned_channels_and_large_biases_keep_their_accuracy() -> None:
    model = copy.deepcopy(torch_networks.trained("mlp"))
    with torch.no_grad():
        first, second = model[1], model[3]
        first.weight[:8] = 0
        first.bias[:8] = torch.linspace(-30, 30, 8)
        second.weight[:, :8] = 0
    images, _, tests, labels = torch_networks.digits()
    exact = (model(tests).argmax(1) == labels).float().mean().item()
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    torch.backends.quantized.engine = "qnnpack"
    prepared = prepare_fx(model, get_default_qconfig_mapping("fbgemm"), (images,))
    prepared(images)
    module = convert_fx(prepared)
    for rescue in from_torch(module, (images,)).report.rescues:
        assert rescue.removed and set(rescue.channels) <= set(range(8)), "constant channels are removed"
    compiled = from_torch(module, (images,), skip=["remove_channels"])
    assert any(set(range(8)) & set(rescue.channels) for rescue in compiled.report.rescues)
    predictions = qrt.load(compiled.to_bytes()).run(tests.numpy(), dequantize=True).argmax(1)
    assert (predictions == labels.numpy()).mean() > exact - 0.02


def by_inductor(model: Any) -> Any:
    """A network as X86InductorQuantizer leaves it: sums and last layers in float."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (
        X86InductorQuantizer,
        get_default_x86_inductor_quantization_config,
    )

    images = torch_networks.digits()[0][:256]
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    exported = torch.export.export(model, (images[:4],), dynamic_shapes=dynamic).module(check_guards=False)
    quantizer = X86InductorQuantizer().set_global(get_default_x86_inductor_quantization_config())
    prepared = prepare_pt2e(exported, quantizer)
    prepared(images)
    return convert_pt2e(prepared)


@pytest.mark.parametrize("kind", ["mlp", "residual", "mobile"])
def test_float_islands_are_lowered(kind: str) -> None:
    """An add that reads a float convolution rounds once; float logits are int32, made real at the edge."""
    module = by_inductor(torch_networks.trained(kind))
    images, labels = torch_networks.digits()[2:]
    compiled = from_torch(torch.export.export(module, (images[:1],)), (images,))
    assert compiled.report.operators.get("requantize_sum", 0) == {"mlp": 0, "residual": 2, "mobile": 2}[kind]
    model = qrt.load(compiled.to_bytes())
    assert model.outputs[0].dtype == np.int32
    ours, theirs = model.run(images.numpy(), dequantize=True), module(images).detach().numpy()
    # A code that rounds another way in an inner layer (at ties of pools, mostly) shows in the logits.
    assert np.mean(np.abs(ours - theirs).max(axis=1) < 1e-3) > 0.7
    assert np.abs(ours - theirs).max() < 0.02 * np.abs(theirs).max()
    assert np.mean(ours.argmax(1) == theirs.argmax(1)) > 0.99
    assert np.mean(ours.argmax(1) == labels.numpy()) > 0.8


def test_float_islands_are_refused_by_name() -> None:
    nn = torch.nn
    conv = [nn.Conv2d(1, 4, 3, padding=1), nn.Softplus(), nn.Conv2d(4, 4, 3), nn.ReLU()]
    module = by_inductor(nn.Sequential(*conv, nn.Flatten(), nn.Linear(144, 10)).eval())
    images = torch_networks.digits()[0][:1]
    with pytest.raises(CompileError) as refused:
        from_torch(torch.export.export(module, (images,)), (images,))
    assert {problem.name for problem in refused.value.problems} >= {"conv2d"}
    assert "QrtQuantizer" in str(refused.value)


def test_float_layers_of_modules_are_refused_with_the_remedy() -> None:
    nn, quantized = torch.nn, torch.ao.nn.quantized
    head = nn.Sequential(quantized.Quantize(0.1, 0, torch.quint8), quantized.DeQuantize(), nn.Conv2d(1, 4, 3)).eval()
    for module in (head, nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()):
        with pytest.raises(CompileError, match="quantize it"):
            from_torch(module, (torch_networks.digits()[0],))


def test_damaged_and_hostile_programs_are_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.export.save(torch.export.export(program("mlp", "int32"), (torch_networks.digits()[2][:1],)), stream)
    content = stream.getvalue()
    path = tmp_path / "broken.pt2"
    for broken in (b"", b"PK", content[: len(content) // 2], _rewritten(content, zipfile.ZIP_DEFLATED)):
        path.write_bytes(broken)
        with pytest.raises(CompileError, match=r"broken\.pt2"):
            compile(path)


def _rewritten(content: bytes, compression: int) -> bytes:
    """The same members, compressed."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(target, "w", compression) as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    return target.getvalue()
