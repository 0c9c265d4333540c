"""Networks of one operator of each source, exported: TFLM and LiteRT accept every file, and give the bytes."""

from __future__ import annotations

from pathlib import Path

import engines
import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, compile

pytest.importorskip("tflite")
pytest.importorskip("onnxruntime")
pytest.importorskip("torchao")
source_operators = pytest.importorskip("source_operators")

from qrt.compiler.backends.qfb.reader import read  # noqa: E402
from qrt.compiler.backends.tflite.writer import to_tflite  # noqa: E402

# What no operator of .tflite expresses exactly enough; every other network of a source's operator is exported.
REFUSED = {
    "log softmax": "quantize it so",
    "layer normalization": "no layer normalization",
    "instance normalization": "no layer normalization",
    "position of the greatest": "outputs int32",
    "position of the least": "outputs int32",
    "gather of constant positions": "follow no rule",
    "pad with a mirror image": "follow no rule",
    "pad with the edge": "follow no rule",
    "repeat": "follow no rule",
    "recurrence": "is int16",
    "filters over time": "does not export",
}


@pytest.mark.parametrize("source", ["onnx", "tflite"])
@pytest.mark.parametrize("name", list(source_operators.OPERATORS))
def test_every_operator_runs_in_both_engines(name: str, source: str, tmp_path: Path) -> None:
    """Both engines accept every exported file; bytes are the same, but by one code of an operator that is named."""
    make = getattr(source_operators.OPERATORS[name], source)
    if make is None:
        pytest.skip("the source has no such operator")
    if source == "onnx":
        net = source_operators.Net()
        networks = [(net.model(make(net)), "auto")]
    else:
        model = source_operators.Model(np.random.default_rng(1))
        make(model)
        (tmp_path / "one.tflite").write_bytes(model.to_bytes())
        networks = [(tmp_path / "one.tflite", match) for match in ("tflm", "litert", "xnnpack")]
    rng = np.random.default_rng(2)
    for network, match in networks:
        try:
            compiled = compile(network, match=match)
        except CompileError:  # of the source: what frontends refuse is tested with them
            continue
        content = compiled.to_bytes()
        try:
            result = to_tflite(read(content))
        except CompileError as error:
            assert REFUSED[name] in str(error)
            continue
        model = qrt.load(content)
        inputs = [rng.integers(-128, 128, info.shape).astype(np.int8) for info in model.inputs]
        ours = model.run(*inputs, layout="NHWC")
        expected = ours if isinstance(ours, list) else [ours]
        for engine, peer in {"tflm": engines.Tflm, "litert": engines.Litert}.items():
            for got, right in zip(peer(result.content).run(inputs, len(expected)), expected, strict=True):
                apart = int(np.abs(got.reshape(right.shape).astype(int) - right).max())
                assert apart <= (1 if result.differing[engine] else 0), (match, engine)
