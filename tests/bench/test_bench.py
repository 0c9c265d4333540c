"""The benchmark: its arithmetic, the networks that it generates, and the results of a quick run. Asserts no speed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sanitizers import SANITIZERS

import qrt
from bench import recipes
from bench.__main__ import main
from bench.chart import draw
from bench.classes import CLASSES, lower_classes, own_class
from bench.contestants import Runner, runner_of_qrt
from bench.edges import codes_of, given
from bench.held import environment, preload
from bench.machine import _cpu_name
from bench.measure import Timing, interleaved, repeats_for, seconds_each
from bench.networks import NAMES, PUBLISHED, Network, Unusable, from_file, from_recipe, plan
from bench.peak import Peaks
from bench.race import ENGINES, agreement_of, measured_sets, ratio
from bench.recipes import Recipe
from bench.report import DOCS, README, Table, mark, micro, not_run, tables, write_tables

NAMED = ("amx", "avxvnni", "avx2")


def small() -> Recipe:
    """Every kind of layer that the large networks have."""
    r = Recipe("small")
    y = r.max_pool(r.conv(r.start(16, 16, 3), 8, 3, 2, activation="relu"), 3, 2)
    z = r.conv(y, 16, 1, activation="relu6", deviation=recipes.CLAMPED)
    z = r.conv(z, 16, 3, groups=16, activation="relu6", deviation=recipes.CLAMPED)
    r.linear(r.mean(r.add(r.conv(z, 8, 1, deviation=recipes.BRANCH), y, "relu")), 10)
    return r


@pytest.fixture
def network(tmp_path: Path) -> Network:
    pytest.importorskip("onnx")
    return from_recipe(small(), tmp_path / "networks")


def quick(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """The document of a run on this machine's class, without peers unless they are named."""
    places = ["--json", str(tmp_path / "out.json"), "--chart", str(tmp_path / "out.png")]
    result = CliRunner().invoke(
        main, ["--quick", "--engines", "none", "--classes", "own", "--threads", "1", *places, *arguments]
    )
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    return document


def test_median_of_rounds_and_its_spread() -> None:
    timing = Timing((4.0, 1.0, 3.0, 2.0, 100.0))
    assert timing.seconds == 3.0
    assert timing.spread == (4.0 - 2.0) / 3.0
    assert Timing((2.0,)).spread == 0.0


def test_ratio_is_theirs_over_ours() -> None:
    assert ratio(Timing((6.0, 6.0, 1.0)), Timing((2.0, 9.0, 2.0))) == 3.0


def test_calls_take_turns() -> None:
    order: list[str] = []
    timings = interleaved({name: lambda name=name: order.append(name) for name in "ab"}, rounds=3, seconds=0)
    assert [len(timings[name].rounds) for name in "ab"] == [3, 3]
    # Warming up comes first; then a turn is an unbroken row of one name, and the names alternate.
    turns = [name for i, name in enumerate(order) if i == 0 or order[i - 1] != name]
    assert "".join(turns) == "ab" * 4


def test_a_sample_is_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("bench.measure.time", SimpleNamespace(perf_counter=lambda: now[0]))

    def call() -> None:
        now[0] += 2**-20

    repeats = repeats_for(call, seconds=2**-10)
    assert 2**10 <= repeats <= 2**11
    assert seconds_each(call, repeats) == 2**-20


def test_same_padding_is_tensorflows() -> None:
    assert recipes.same(224, 7, 2) == (112, (2, 3))
    assert recipes.same(112, 3, 2) == (56, (0, 1))
    assert recipes.same(56, 3, 1) == (56, (1, 1))
    assert recipes.same(56, 1, 2) == (28, (0, 0))


def test_recipe_is_neither_blank_nor_saturated(network: Network) -> None:
    """No tensor of the network is, so every activation counts in what is timed and compared."""
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = onnx.load(network.files["ONNX u8s8"])
    kept = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None) for name in kept)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for (sample,) in network.samples(2):
        results = session.run(kept, {"input": given(sample, network.inputs[0], sample.shape, np.uint8)})
        for name, codes in zip(kept, results, strict=True):
            assert (codes == 255).sum() <= 1 + 0.05 * codes.size, name
            assert len(np.unique(codes)) >= min(codes.size // 2, 60), name


def test_all_files_of_a_recipe_say_the_same(network: Network) -> None:
    assert set(network.files) == {"ONNX u8s8", "ONNX s8s8", "tflite, exported by qrt"}
    (sample,) = network.samples(1)
    expected = qrt.load(network.content).run(*sample)
    for path in network.files.values():
        other = from_file(path, path.parent)
        options = {} if path.suffix == ".onnx" else {"match": "xnnpack"}
        difference = np.abs(qrt.load(other.content).run(*sample).astype(int) - expected)
        assert difference.max() <= (1 if options else 0), path.name
        assert other.macs == network.macs
        assert not other.float_edges


def test_every_configuration_of_every_engine_gives_the_codes(network: Network) -> None:
    """Each engine that is installed; those that must be compiled need a C++ compiler."""
    samples = network.samples(2)
    ours = runner_of_qrt(network, samples[0], network.content, "portable")
    expected = [ours.outputs(sample) for sample in samples]
    ran = 0
    for engine in (kind() for kind in ENGINES):
        if engine.missing():
            continue
        for title, make in engine.candidates(network, samples[0]):
            if title.startswith("PT2E") and shutil.which("g++") is None:
                continue
            runner = make()
            assert agreement_of(runner, samples, expected)["largest"] <= 1, f"{engine.name}, {title}"
            runner.call()
            runner.whole()
            ran += 1
    if not ran:
        pytest.skip("no engine is installed")


def test_a_tflite_network_is_a_recipe_again(network: Network, tmp_path: Path) -> None:
    """From the exported file come the weights and biases of the recipe, and an ONNX file with the same codes."""
    again = from_file(network.files["tflite, exported by qrt"], tmp_path)
    assert again.recipe is not None and network.recipe is not None
    assert set(again.files) == {"tflite", "ONNX u8s8", "ONNX s8s8"} and again.qoperator
    for theirs, ours in zip(again.recipe.layers, network.recipe.layers, strict=True):
        for name in ("kind", "activation", "size", "stride", "padding", "groups", "weights", "bias"):
            assert np.array_equal(getattr(theirs, name), getattr(ours, name)), (ours.kind, name)
    (sample,) = network.samples(1)
    other = from_file(again.files["ONNX u8s8"], tmp_path)
    difference = qrt.load(other.content).run(*sample).astype(int) - qrt.load(again.content).run(*sample)
    assert np.abs(difference).max() <= 1


def test_a_network_that_is_no_recipe_says_why(tmp_path: Path) -> None:
    path = PUBLISHED / "kws_dscnn.tflite"
    if not path.is_file():
        pytest.skip(f"{path.name} is not beside the project")
    network = from_file(path, tmp_path)
    assert network.recipe is None and network.without_onnx.endswith("is not converted: its images are not square")


def test_large_networks_have_the_published_sizes() -> None:
    sizes = {
        name: sum(layer.weights.size for layer in make().layers if layer.weights is not None)
        for name, make in recipes.NETWORKS.items()
    }
    # The published parameters without those of batch normalization and the biases of 1,000 classes.
    assert sizes == {"resnet18_224": 11_678_912, "resnet50_224": 25_502_912, "mobilenet_v2_qdq": 3_469_760}


def test_edges_turn_and_shift() -> None:
    info = qrt.load(_image_model()).inputs[0]
    codes = np.arange(-24, 24, dtype=np.int8).reshape(info.shape)
    nchw = given(codes, info, (1, 3, 4, 4), np.uint8)
    assert nchw.shape == (1, 3, 4, 4) and nchw.dtype == np.uint8
    assert (nchw.transpose(0, 2, 3, 1).astype(int) - 128 == codes).all()
    assert (codes_of(nchw, info) == codes).all()
    real = given(codes, info, info.shape, np.float32)
    assert np.allclose(real, 0.5 * (codes.astype(float) - 3))
    assert (codes_of(real, info) == codes).all()


def _image_model() -> bytes:
    from qrt.compiler import GraphBuilder

    g = GraphBuilder("image")
    g.output(g.conv2d(g.input("x", (1, 4, 4, 3), scale=0.5, zero_point=3), np.ones((1, 1, 1, 3)), scale=0.5))
    return g.compile()


def test_agreement_counts_codes(network: Network) -> None:
    samples = network.samples(2)
    runner = runner_of_qrt(network, samples[0], network.content, "portable")
    expected = [runner.outputs(sample) for sample in samples]
    assert agreement_of(runner, samples, expected) == {"equal_share": 1.0, "largest": 0, "mean": 0.0}
    off = Runner(runner.call, runner.whole, lambda codes: [y.astype(int) + 3 for y in runner.outputs(codes)])
    assert agreement_of(off, samples, expected) == {"equal_share": 0.0, "largest": 3, "mean": 3.0}


def test_peaks_are_of_sets_with_instructions_of_their_own() -> None:
    peaks = Peaks(qrt.kernel_sets())
    assert set(peaks.calls) == set(peaks.macs) == set(qrt.kernel_sets()) - {"reference", "portable"}
    for name, call in peaks.calls.items():
        macs, nanoseconds = call()
        assert macs == peaks.macs[name] and nanoseconds > 0


def test_quick_run_writes_its_document(network: Network, tmp_path: Path) -> None:
    document = quick(tmp_path, str(network.files["ONNX u8s8"]), "--networks", "call")
    assert set(document) == {
        "format",
        "machine",
        "settings",
        "class",
        "held",
        "peak_gmacs",
        "networks",
        "layers",
        "call",
        "loading",
        "threads",
        "skipped",
        "disagreements",
    }
    (race,) = document["networks"]
    sets = measured_sets()
    assert list(race["sets"]) == sets
    assert race["qrt"] == {key: race["sets"][sets[-1]][key] for key in ("seconds", "spread", "rounds")}
    for entry in race["sets"].values():
        assert len(entry["rounds"]) == document["settings"]["rounds"] == 3
        assert entry["seconds"] == statistics.median(entry["rounds"]) > 0
        assert np.isclose(entry["gmacs"], race["executed_macs"] / entry["seconds"] / 1e9)
    assert race["macs"] == network.macs
    assert race["ratio"] is None and race["peers"] == {} and race["best_peer"] is None
    call = document["call"]
    assert call["overhead_seconds"] == call["run"]["seconds"] - call["kernels_seconds"]
    assert document["machine"]["kernel_sets"] == list(qrt.kernel_sets())
    assert document["disagreements"] == []


def test_a_document_with_peers_becomes_a_table_and_a_chart(network: Network, tmp_path: Path) -> None:
    document = quick(tmp_path, str(network.files["ONNX u8s8"]))
    (race,) = document["networks"]
    slower = {**race["qrt"], "seconds": 2.5 * race["qrt"]["seconds"]}
    race |= {"peers": {"Other": slower}, "best_peer": "Other", "ratio": 2.5}
    document |= {"class": "amx", "held": [{"class": "avx2", "by": "x", "networks": [race], "wider": []}]}
    document["held"].append({"class": "avxvnni", "by": "x", "networks": [race], "wider": ["AVX-512"]})
    places = "".join(
        f"<!-- bench table {name}: begin -->\nold {name}\n<!-- bench table {name}: end -->\n" for name in NAMED
    )
    readme, docs = tmp_path / "README.md", tmp_path / "benchmark.md"
    readme.write_text(f"before\n{places}after\n".replace(" avx2:", " other:"), encoding="utf-8")
    docs.write_text(places, encoding="utf-8")
    assert write_tables(document, readme, docs) == ["amx", "avx2"]
    text = docs.read_text(encoding="utf-8")
    assert "old avxvnni" in text and "old amx" not in text and "old avx2\n" not in text
    assert text.count("| 2.50 | Other |") == 2 and document["machine"]["date"] in text
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- bench table amx: begin -->\nAMX: ") and text.endswith("end -->\nafter\n")
    assert text.count("| 2.50 | Other |") == 1
    pytest.importorskip("matplotlib")
    draw(document, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


LOWER = [one for one in CLASSES if one in lower_classes()]


@pytest.fixture(params=LOWER, ids=lambda one: one.name)
def held(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, str]]:
    """A class of machines, and the environment of a process that is held to it."""
    if SANITIZERS:
        pytest.skip("a sanitizer wants faults for itself")
    try:
        return request.param.sets[0], os.environ | environment(request.param, preload(tmp_path))
    except Unusable as reason:
        pytest.skip(str(reason))


def test_no_thread_of_a_held_process_sees_more(held: tuple[str, dict[str, str]]) -> None:
    program = """
import threading, qrt
looked = []
thread = threading.Thread(target=lambda: looked.append(qrt._executor.SETS))
thread.start(); thread.join()
print(qrt.kernel_sets() == looked[0], looked[0][-1])
"""
    done = subprocess.run([sys.executable, "-c", program], env=held[1], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", held[0]]


def test_its_other_faults_end_it(held: tuple[str, dict[str, str]]) -> None:
    done = subprocess.run([sys.executable, "-c", "import ctypes; ctypes.string_at(1)"], env=held[1])
    assert done.returncode == -signal.SIGSEGV


@pytest.mark.parametrize("one", LOWER, ids=lambda one: one.name)
def test_a_lower_class_has_its_races(one: Any, network: Network, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    if SANITIZERS:
        pytest.skip("a sanitizer wants faults for itself")
    try:
        preload(tmp_path)
    except Unusable as reason:
        pytest.skip(str(reason))
    path = str(network.files["tflite, exported by qrt"])
    document = quick(tmp_path, path, "--engines", "litert", "--classes", one.name)
    assert document["networks"] == []
    (run,) = document["held"]
    assert (run["class"], run["by"], run["wider"], run["skipped"]) == (one.name, "CPUID trapped", [], [])
    (race,) = run["networks"]
    assert list(race["sets"]) == list(one.sets) and race["best_peer"] == "LiteRT" and race["ratio"] > 0
    (table,) = (table for table in tables(document) if table.rows and table.title.startswith("Networks, held"))
    assert table.title == f"Networks, held to {one.title} by CPUID trapped"


def test_where_nothing_can_be_hidden_only_engines_with_a_switch_race(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert")
    if not LOWER:
        pytest.skip("this machine has no lower class")
    monkeypatch.setattr("bench.held.platform.machine", lambda: "aarch64")
    path = str(network.files["tflite, exported by qrt"])
    document = quick(tmp_path, path, "--engines", "litert", "--classes", LOWER[-1].name)
    (run,) = document["held"]
    why = "hiding instruction sets from a process is supported on x86-64 Linux only"
    assert run["by"] == "engines' switches" and run["networks"][0]["peers"] == {}
    assert run["skipped"] == [{"what": "LiteRT", "reason": f"it has no switch for instruction sets, and {why}"}]
    assert any(line.startswith("LiteRT, held to ") for line in not_run(document))


def test_a_class_above_this_machine_is_reported(network: Network, tmp_path: Path) -> None:
    other = next(one for one in reversed(CLASSES) if one != own_class() and one not in LOWER)
    document = quick(tmp_path, str(network.files["ONNX u8s8"]), "--classes", other.name)
    assert document["held"] == []
    assert {"what": other.title, "reason": "this machine has not all of its instructions"} in document["skipped"]


def test_documents_have_the_marks() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in (README, DOCS)}
    assert all(mark(one.name).search(texts[DOCS]) for one in CLASSES)
    assert sum(bool(mark(one.name).search(texts[README])) for one in CLASSES) == 2


def test_name_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = {"model name": "Intel(R) Xeon(R) Processor @ 2.10GHz", "cpu family": "6", "model": "143"}
    assert _cpu_name(hidden) == "Intel Xeon Processor, family 6 model 143"
    assert _cpu_name({**hidden, "model name": "AMD EPYC 9R14"}) == "AMD EPYC 9R14"
    monkeypatch.setattr("bench.machine.platform.processor", lambda: "")
    monkeypatch.setattr("bench.machine.platform.machine", lambda: "aarch64")
    assert _cpu_name({"CPU implementer": "0x41", "CPU part": "0xd0c"}) == "aarch64, implementer 0x41 part 0xd0c"


def test_classes_name_kernel_sets_and_own_is_one() -> None:
    known = {name for one in CLASSES for name in one.sets}
    assert known == {*qrt.kernel_sets(), *qrt.absent_kernel_sets()} - {"reference", "portable"}
    own = own_class()
    assert (own is None) == (qrt.kernel_sets()[-1] in ("reference", "portable"))


def test_what_is_missing_is_said_once_for_all() -> None:
    races = [{"name": name, "absent": {"Engine": "no file"}} for name in ("a", "b")]
    document = {"skipped": [{"what": "c", "reason": "absent"}], "networks": races, "layers": [], "held": []}
    assert list(not_run(document)) == ["c: absent", "Engine on a, b: no file"]


def test_table_is_aligned() -> None:
    lines = list(Table("t", ["name", "us"], [["a", "1.00"], ["long name", "1,234"]]).lines())
    assert lines == ["name          us", "a           1.00", "long name  1,234"]
    assert [micro({"seconds": s}) for s in (1.234e-6, 12.34e-6, 1.2345e-3)] == ["1.23", "12.3", "1,234"]


def test_plan_names_what_it_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.networks.PUBLISHED", tmp_path)
    made = plan([], [], tmp_path, quick=True)
    assert set(made.networks) | set(made.skipped) | ({"call"} if made.call else set()) == set(NAMES)
    assert "shared/models" in made.skipped["kws_dscnn"]
    with pytest.raises(Unusable, match="no network 'nonsense'; choose from ic_resnet8"):
        plan([], ["nonsense"], tmp_path, quick=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--networks", "nonsense"], "no network 'nonsense'"),
        (["--engines", "nonsense"], "no engine 'nonsense'"),
        (["--classes", "nonsense"], "no class 'nonsense'"),
        (["--cpu", "9999"], "must be one of"),
    ],
)
def test_bad_options_are_refused(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_file_that_cannot_run_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"nothing")
    document = quick(tmp_path, str(path))
    assert document["skipped"][-1]["what"] == "model.bin"
    assert document["networks"] == []
