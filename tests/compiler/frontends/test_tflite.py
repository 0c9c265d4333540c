"""TensorFlow Lite files: bit-exact to TFLM's and LiteRT's reference kernels, layer by layer; and unsupported ones.

The published models are public data that the project does not include; without them these tests are skipped.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import engines
import numpy as np
import pytest
from places import MODELS, SHARED

import qrt
from qrt.compiler import CompileError, compile
from qrt.compiler.integers.gemmlowp import SOFTMAX_BITS, exp_on_negative, softmax_exponential
from qrt.compiler.ir import Edge, Graph, Op, Tensor

tflite = pytest.importorskip("tflite")

from qrt.compiler.frontends.tflite.graph import to_graph  # noqa: E402

SAMPLES = 100
# LiteRT refuses this file for a bias quantized along axis 3 of one.
NOT_FOR_LITERT = {"person_detect"}
# Bytes of arena at most: with everything on, and without overlap, where the lower bound is reached.
ARENAS = {
    "ad_autoencoder": (768, 768),
    "hello_world": (32, 32),
    "ic_resnet8": (33_792, 49_152),
    "kws_dscnn": (11_920, 16_000),
    "micro_speech": (4_208, 5_968),
    "mobilenet_v2_224": (1_211_392, 1_505_280),
    "person_detect": (46_080, 55_296),
    "sww": (4_016, 6_656),
    "vww_mobilenet": (37_632, 55_296),
}

published = pytest.mark.skipif(not MODELS, reason="the published .tflite models are not beside the project")
each_model = pytest.mark.parametrize("path", MODELS, ids=[path.stem for path in MODELS])


def samples(model: qrt.Model, count: int) -> np.ndarray:
    """Random codes in the layout of the source."""
    info = model.inputs[0]
    x = np.random.default_rng(5).integers(-128, 128, (count, *info.shape[1:]), dtype=np.int8)
    return x.transpose(0, 3, 1, 2) if info.source_layout == "NCHW" else x


def run(model: qrt.Model, *x: np.ndarray) -> list[np.ndarray]:
    layout = model.inputs[0].source_layout if any(len(info.shape) == 4 for info in model.inputs) else None
    result = model.run(*x, layout=layout)
    return result if isinstance(result, list) else [result]


def count_of(path: Path) -> int:
    return 4 if path.stat().st_size > 1_000_000 else SAMPLES


def layers(path: Path, match: str) -> Graph:
    """The network with every result that the file has as an output."""
    graph = to_graph(path, match)
    _, names = engines.exposed(path.read_bytes())
    graph.outputs = [Edge(op.output) for op in graph.ops if op.output.name in names]
    return graph


def real_inputs(path: Path, model: qrt.Model) -> list[np.ndarray]:
    """The real inputs that there are for a network, as codes in the layout of the source."""
    info, folder = model.inputs[0], SHARED / "inputs"
    if path.stem == "person_detect":
        return [np.load(folder / f"{name}.npy").reshape(info.shape) for name in ("person", "no_person")]
    if path.stem == "mobilenet_v2_224":
        return [np.load(folder / "dog.npy").reshape(1, 3, 224, 224)]
    if path.stem == "ad_autoencoder":
        frames = np.load(folder / "ad_normal_id01.npy").astype(np.float32)
        windows = [frames[k : k + 5].reshape(1, 640) for k in range(0, len(frames) - 4, 10)]
        return [info.quantize(window) for window in windows]
    return []


@published
@each_model
@pytest.mark.parametrize("match", ["tflm", "litert"])
def test_every_byte_of_every_layer(path: Path, match: str) -> None:
    if match == "litert" and path.stem in NOT_FOR_LITERT:
        pytest.skip(f"LiteRT refuses {path.stem}")
    content, names = engines.exposed(path.read_bytes())
    graph = layers(path, match)
    model = qrt.load(compile(graph).to_bytes())
    whole = qrt.load(compile(path, match=match).to_bytes())
    drawn = samples(model, count_of(path))
    engine = engines.Tflm(content) if match == "tflm" else engines.Litert(content)
    for x in [*(drawn[i : i + 1] for i in range(len(drawn))), *real_inputs(path, model)]:
        theirs = dict(zip(names, engine.run([x], len(names)), strict=True))
        ours = run(model, x)
        for info, codes in zip(model.outputs, ours, strict=True):
            assert np.array_equal(theirs[info.name].reshape(codes.shape), codes), info.name
        assert np.array_equal(run(whole, x)[0].reshape(-1), theirs[graph_output(path)].reshape(-1))
    assert len(model.outputs) >= len(set(names)) - 1


def graph_output(path: Path) -> str:
    return to_graph(path).outputs[0].tensor.name


@published
@each_model
def test_nearly_every_byte_of_xnnpack(path: Path) -> None:
    """Each layer by itself, on XNNPACK's own inputs to it: at least 99.999 % of the bytes."""
    if path.stem in NOT_FOR_LITERT:
        pytest.skip(f"LiteRT refuses {path.stem}")
    content, names = engines.exposed(path.read_bytes())
    graph = to_graph(path, "xnnpack")
    singles = [single(op) for op in graph.ops]
    (edge,) = graph.inputs
    engine = engines.Litert(content, reference=False)
    rng = np.random.default_rng(0)
    differing: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for _ in range(count_of(path)):
        x = rng.integers(-128, 128, edge.tensor.shape, dtype=np.int8)
        values = dict(zip(names, engine.run([x], len(names)), strict=True))
        known = {edge.tensor: x}
        for op, inputs, model in singles:
            (y,) = run(model, *(known[t] for t in inputs))
            known[op.output] = y
            if op.output.name in values:
                known[op.output] = values[op.output.name].reshape(y.shape)
                differing[op.output.name] += int((known[op.output] != y).sum())
                seen[op.output.name] += y.size
    # One byte alone is no rate.
    assert all(count <= max(1, seen[name] * 1e-5) for name, count in differing.items()), differing
    assert sum(differing.values()) <= sum(seen.values()) * 1e-5


def single(op: Op) -> tuple[Op, list[Tensor], qrt.Model]:
    """One operator as a network of its own."""
    inputs = [tensor for tensor in dict.fromkeys(op.inputs) if not tensor.is_constant]
    graph = Graph(op.name, [op], [Edge(tensor) for tensor in inputs], [Edge(op.output)])
    return op, inputs, qrt.load(compile(graph, skip=["to_nhwc", "remove_channels"]).to_bytes())


@published
@pytest.mark.parametrize("name", ARENAS)
def test_arena(name: str) -> None:
    path, (least, apart) = SHARED / "models" / f"{name}.tflite", ARENAS[name]
    report = compile(path).report
    assert report.arena_lower_bound <= report.arena_size <= least
    plain = compile(path, skip=["overlap"]).plan
    assert plain.arena_size == plain.lower_bound <= apart


@published
@each_model
def test_file_is_smaller(path: Path) -> None:
    assert len(compile(path).to_bytes()) < path.stat().st_size


@published
@published
def test_channels_of_vww_are_removed() -> None:
    path = SHARED / "models" / "vww_mobilenet.tflite"
    compiled, whole = compile(path), compile(path, skip=["remove_channels"])
    assert whole.report.macs == 7_489_664
    assert compiled.report.macs <= 3_800_000
    assert compiled.report.arena_size < 55_296
    x = samples(qrt.load(compiled.to_bytes()), 20)
    np.testing.assert_array_equal(qrt.load(compiled.to_bytes()).run(x), qrt.load(whole.to_bytes()).run(x))


@published
@pytest.mark.parametrize(("name", "expected"), [("person", [-113, 113]), ("no_person", [57, -57])])
def test_person_detection(name: str, expected: list[int]) -> None:
    model = qrt.load(compile(SHARED / "models" / "person_detect.tflite").to_bytes())
    image = np.load(SHARED / "inputs" / f"{name}.npy")
    assert run(model, image.reshape(model.inputs[0].shape))[0].ravel().tolist() == expected


@published
def test_a_dog_is_seen() -> None:
    compiled = compile(SHARED / "models" / "mobilenet_v2_224.tflite")
    assert not {"pad", "transpose"} & set(compiled.report.operators)
    model = qrt.load(compiled.to_bytes())
    (codes,) = run(model, np.load(SHARED / "inputs" / "dog.npy").reshape(1, 3, 224, 224))
    assert (int(codes.argmax()), int(codes.max())) == (258, 101)


# Without any model


def test_exponential_is_gemmlowps() -> None:
    assert exp_on_negative(0, SOFTMAX_BITS) == 2**31 - 1
    for real in (0.001, 0.124, 0.25, 0.7, 1.0, 3.3, 9.0, 20.0):
        assert abs(exp_on_negative(-round(real * 2**26), SOFTMAX_BITS) / 2**31 - np.exp(-real)) < 3e-7
    table = softmax_exponential(0.25)
    assert table[0] == 2**31 - 1
    assert table == sorted(table, reverse=True)
    assert table[125:] == [0] * 131


def test_files_that_are_no_tflite(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    for content in (b"", b"nothing of the kind", b"\x1c\x00\x00\x00TFL3" + bytes(100), b"\xff\xff\xff\x00TFL3"):
        path.write_bytes(content)
        with pytest.raises(
            CompileError,
            match=r"model\.tflite \(file\): (is empty|is not a TensorFlow Lite file|has 0 subgraphs|cannot be read)",
        ):
            compile(path)


def test_engines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"TFL3")
    with pytest.raises(CompileError, match=r"cannot match 'cmsis'; .* supports tflm, litert, xnnpack"):
        compile(path, match="cmsis")


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "tflite", None)
    (tmp_path / "model.tflite").write_bytes(b"TFL3")
    with pytest.raises(ImportError, match=r'pip install "qrt\[tflite\]"'):
        compile(tmp_path / "model.tflite")
