"""Every module and function of PyTorch that can be quantized, three ways, code for code against fbgemm and PT2E."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")
torch_modules = pytest.importorskip("torch_modules")

from torch_conversion import engine_as_before  # noqa: E402, F401

pytestmark = pytest.mark.filterwarnings("ignore")

# Held by the table of docs/operators.md, with FX and PT2E.
source_operators = pytest.importorskip("source_operators")
IN_TABLE = frozenset(row.torch for row in source_operators.OPERATORS.values())
# Refused by name, wherever PyTorch runs them.
REFUSED = {
    "Conv3d": "volumes",
    "MaxPool3d": "volumes",
    "AvgPool3d": "volumes",
    "Embedding": "looks up a table",
    "LSTM": "recurrent",
    "GRU": "recurrent",
    "topk": "sorts",
    "cumsum": "sums up",
    "sort": "sorts",
}
# PT2E splits these; the other ways leave them in float, as FX does functions that read no codes.
REFUSED_BUT_IN_PT2E = {
    "GLU": "QrtQuantizer",
    "Softmin": "not quantized",
    "attention": "QrtQuantizer",
    "MultiheadAttention": "QrtQuantizer",
    "TransformerEncoderLayer": "QrtQuantizer",
}
# Interpolation has TensorFlow Lite's arithmetic; normalizations sum in float32 in PyTorch.
WITHIN_ONE = frozenset({"Upsample bilinear", "Upsample aligned", "LogSoftmax"})
NORMS = frozenset({"LayerNorm", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "TransformerEncoderLayer"})
# Averages of PT2E that keep the scale have ties, which float32 sums decide.
TIES = frozenset({"AvgPool1d", "AvgPool2d", "AvgPool2d ceil", "AvgPool2d ceil padded"})
GROUPS = {
    "layers": torch_modules.LAYERS,
    "activations": torch_modules.ACTIVATIONS,
    "pools": torch_modules.POOLS,
    "movement": torch_modules.MOVEMENT,
    "arithmetic": torch_modules.ARITHMETIC,
}


def expected(name: str, way: str) -> tuple[set[str], str]:
    """The verdicts that are right, and what a refusal says."""
    if name in REFUSED:
        return {"refused"}, REFUSED[name]
    if name in REFUSED_BUT_IN_PT2E and way != "pt2e":
        return {"refused"}, REFUSED_BUT_IN_PT2E[name]
    if name in WITHIN_ONE | NORMS or (way == "pt2e" and name in TIES):
        return {"exact", "within one"}, ""
    return {"exact"}, ""


@pytest.mark.parametrize("way", ["fx", "eager", "pt2e"])
@pytest.mark.parametrize("group", list(GROUPS))
def test_modules(group: str, way: str, engine_as_before: Any) -> None:  # noqa: F811
    wrong = []
    for name in GROUPS[group]:
        if name in IN_TABLE and way != "eager":
            continue
        result, text = torch_modules.verdict(name, way)
        verdicts, said = expected(name, way)
        if result != "not run" and (result not in verdicts or (result == "refused" and said not in text)):
            wrong.append(f"{name}: {result} {text}")
    assert not wrong, "\n".join(wrong)


def test_enough_modules_run() -> None:
    """Where PyTorch itself does not run a network, nothing is compared."""
    names = list(torch_modules.CASES)
    assert len(names) >= 140
    assert torch_modules.verdict("AvgPool2d ceil", "fx", "qnnpack") == ("exact", "")


def test_reference_models(engine_as_before: Any) -> None:  # noqa: F811
    """FX's reference models with qrt's BackendConfig, which leaves none of these in float."""
    for name in ("Conv2d", "ConvTranspose2d", "PReLU", "InstanceNorm2d", "PixelShuffle", "Upsample nearest", "matmul"):
        result, text = torch_modules.verdict(name, "reference")
        assert result == "exact", f"{name}: {result} {text}"


def test_causes_only(engine_as_before: Any) -> None:  # noqa: F811
    """What reads the output of a refused node is not reported; a node that is refused for itself is."""
    from qrt.compiler import CompileError, from_torch

    class Two(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            values, _ = torch.relu(x).topk(2, 1)
            return (values[:, :1] + 1).reshape(-1), torch.cumsum(values, 1)

    edge = torch.ao.nn.quantized.Quantize(0.1, 3, torch.quint8)
    module = torch.nn.Sequential(edge, Two())
    with pytest.raises(CompileError) as caught:
        from_torch(module, (torch.zeros(1, 4),))
    assert [(problem.kind, "sorts" in problem.reason) for problem in caught.value.problems] == [
        ("Tensor.topk", True),
        ("torch.cumsum", True),
    ]


def test_torch_jit() -> None:
    from qrt.compiler import CompileError, from_torch

    x = torch.zeros(1, 4)
    traced = torch.jit.trace(torch.nn.Sequential(torch.nn.Linear(4, 2)), (x,))
    with pytest.raises(CompileError, match=r"torch\.jit"):
        from_torch(traced, (x,))


@pytest.mark.parametrize("name", ["Conv2d", "add", "AvgPool2d ceil padded", "mean", "cat", "mul negative", "x[:, :2]"])
def test_qnnpack(name: str, engine_as_before: Any) -> None:  # noqa: F811
    for way in ("fx", "eager"):
        result, text = torch_modules.verdict(name, way, "qnnpack")
        assert result in ("exact", "not run"), f"{way}: {result} {text}"
