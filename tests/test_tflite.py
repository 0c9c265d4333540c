"""TensorFlow Lite files: every byte of TFLM's and of LiteRT's reference kernels, layer by layer, and refusals.

The published models are public data that the project does not ship; without them these tests say so.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, build
from qrt.compiler.gemmlowp import exp_on_negative, softmax_exponential
from qrt.compiler.ir import Edge

tflite = pytest.importorskip("tflite")

from qrt.compiler.frontends.tflite import to_graph  # noqa: E402

SHARED = Path(__file__).resolve().parents[2] / "shared"
MODELS = sorted((SHARED / "models").glob("*.tflite"))
SAMPLES = 100
# LiteRT refuses this file for a bias quantized along axis 3 of one.
NOT_FOR_LITERT = {"person_detect"}
# Bytes of arena that a plan may take at most.
ARENAS = {
    "ad_autoencoder": 768,
    "ic_resnet8": 49_152,
    "kws_dscnn": 16_000,
    "person_detect": 55_296,
    "sww": 6_656,
    "vww_mobilenet": 55_296,
}

published = pytest.mark.skipif(not MODELS, reason="the published .tflite models are not beside the project")
each_model = pytest.mark.parametrize("path", MODELS, ids=[path.stem for path in MODELS])


def samples(model: qrt.Model, count: int) -> np.ndarray:
    """Random codes in the layout of the source."""
    info = model.inputs[0]
    x = np.random.default_rng(5).integers(-128, 128, (count, *info.shape[1:]), dtype=np.int8)
    return x.transpose(0, 3, 1, 2) if info.source_layout == "NCHW" else x


def run(model: qrt.Model, x: np.ndarray) -> list[np.ndarray]:
    result = model.run(x, layout=model.inputs[0].source_layout if x.ndim == 4 else None)
    return result if isinstance(result, list) else [result]


def count_of(path: Path) -> int:
    return 4 if path.stat().st_size > 1_000_000 else SAMPLES


@published
@each_model
def test_every_byte_of_tflm(path: Path) -> None:
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    model = qrt.load(build(path).to_bytes())
    x = samples(model, count_of(path))
    (ours,) = run(model, x)
    interpreter = runtime.Interpreter.from_file(str(path), arena_size=20_000_000)
    for i in range(len(x)):
        interpreter.set_input(x[i : i + 1], 0)
        interpreter.invoke()
        assert np.array_equal(interpreter.get_output(0), ours[i : i + 1])


@published
@each_model
def test_every_byte_of_every_layer_of_litert(path: Path) -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    if path.stem in NOT_FOR_LITERT:
        pytest.skip(f"LiteRT refuses {path.stem}")
    graph = to_graph(path, "litert")
    graph.outputs += [Edge(op.output) for op in graph.ops if op.kind not in ("pad", "reshape")]
    model = qrt.load(build(graph).to_bytes())
    interpreter = litert.Interpreter(
        str(path),
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    indices = {tensor["name"]: tensor["index"] for tensor in interpreter.get_tensor_details()}
    x = samples(model, min(count_of(path), 20))
    ours = run(model, x)
    compared = 0
    for i in range(len(x)):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[i : i + 1])
        interpreter.invoke()
        for info, codes in zip(model.outputs, ours, strict=True):
            if info.name not in indices:
                continue
            theirs = interpreter.get_tensor(indices[info.name])
            assert np.array_equal(theirs.reshape(codes[i].shape), codes[i]), info.name
            compared += 1
    assert compared >= len(x) * (len(model.outputs) - 2)


@published
@pytest.mark.parametrize("name", ARENAS)
def test_arena_is_the_lower_bound(name: str) -> None:
    report = build(SHARED / "models" / f"{name}.tflite").report
    assert report.arena_size == report.arena_lower_bound <= ARENAS[name]


@published
@pytest.mark.parametrize(("name", "expected"), [("person", [-113, 113]), ("no_person", [57, -57])])
def test_person_detection(name: str, expected: list[int]) -> None:
    model = qrt.load(build(SHARED / "models" / "person_detect.tflite").to_bytes())
    image = np.load(SHARED / "inputs" / f"{name}.npy")
    assert run(model, image.reshape(model.inputs[0].shape))[0].ravel().tolist() == expected


@published
def test_a_dog_is_seen() -> None:
    compiled = build(SHARED / "models" / "mobilenet_v2_224.tflite")
    assert not {"pad", "transpose"} & set(compiled.report.operators)
    model = qrt.load(compiled.to_bytes())
    (codes,) = run(model, np.load(SHARED / "inputs" / "dog.npy").reshape(1, 3, 224, 224))
    assert (int(codes.argmax()), int(codes.max())) == (258, 101)


# Without any model


def test_exponential_is_gemmlowps() -> None:
    assert exp_on_negative(0) == 2**31 - 1
    for real in (0.001, 0.124, 0.25, 0.7, 1.0, 3.3, 9.0, 20.0):
        assert abs(exp_on_negative(-round(real * 2**26)) / 2**31 - np.exp(-real)) < 3e-7
    table = softmax_exponential(0.25)
    assert table[0] == 2**31 - 1
    assert table == sorted(table, reverse=True)
    assert table[125:] == [0] * 131


def test_files_that_are_no_tflite(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    for content in (b"", b"nothing of the kind", b"\x1c\x00\x00\x00TFL3" + bytes(100), b"\xff\xff\xff\x00TFL3"):
        path.write_bytes(content)
        with pytest.raises(
            CompileError, match=r"model\.tflite \(file\): (is not a TensorFlow Lite file|cannot be understood)"
        ):
            build(path)


def test_engines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"")
    with pytest.raises(CompileError, match=r"cannot give the bytes of 'xnnpack'; .* there is tflm, litert"):
        build(path, match="xnnpack")


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "tflite", None)
    (tmp_path / "model.tflite").write_bytes(b"")
    with pytest.raises(ImportError, match=r'pip install "qrt\[tflite\]"'):
        build(tmp_path / "model.tflite")
