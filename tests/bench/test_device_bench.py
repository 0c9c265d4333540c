"""The benchmark of microcontrollers: what it measures of a tiny network, and what becomes of its results."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import qrt
from bench import recipes
from bench.device import bakenn, forms, recorded
from bench.device.__main__ import main
from bench.device.chart import draw
from bench.device.mobilenet import NAME, built, mobilenet
from bench.device.networks import Network, from_tflite, plan
from bench.device.programs import Configuration, Figures
from bench.device.report import DOCS, MARK, docs_text, millions, not_run, readme_text, write_tables
from bench.device.run import Settings, contestants, run, steps
from bench.networks import Unusable
from bench.recipes import Recipe, mobilenet_v2
from bench.report import README
from qrt.compiler import GraphBuilder
from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.backends.tflite.writer import to_tflite
from qrt.firmware.errors import DeviceError
from qrt.firmware.targets import TARGETS, Target
from qrt.firmware.toolchain.compilers import Compiler, find_compiler

M4 = TARGETS["cortex-m4"]


def tiny() -> GraphBuilder:
    """Every kind of layer that MobileNetV2 has, and a softmax."""
    r = Recipe("tiny")
    y = r.conv(r.start(6, 6, 3), 8, 3, 2, activation="relu6", deviation=recipes.CLAMPED)
    z = r.conv(y, 8, 3, groups=8, activation="relu6", deviation=recipes.CLAMPED)
    r.linear(r.mean(r.add(r.conv(z, 8, 1, deviation=recipes.BRANCH), y, "relu")), 5)
    g = built(r)
    last = g.graph.outputs.pop().tensor
    g.output(g.softmax(last))
    return g


@pytest.fixture
def network(tmp_path: Path) -> Network:
    pytest.importorskip("tflite")
    path = tmp_path / "tiny.tflite"
    path.write_bytes(to_tflite(read(tiny().compile())).content)
    return from_tflite(path, tmp_path)


@pytest.fixture
def how() -> Configuration:
    for package in ("ziglang", "unicorn", "elftools", "capstone"):
        pytest.importorskip(package)
    return Configuration(find_compiler(M4), "s")


def test_mobilenet_has_the_published_size() -> None:
    """Keras counts 410,208 parameters up to the classifier, four of each channel those of batch normalization."""
    layers = [layer for layer in mobilenet_v2(NAME, 96, 0.35, 10).layers if layer.kind == "conv"]
    assert (
        sum(layer.weights.size + 4 * layer.output.shape[-1] for layer in layers if layer.weights is not None) == 410_208
    )
    model = qrt.load(mobilenet().compile())
    outputs = model.run(np.random.default_rng(1).integers(-128, 128, (8, 96, 96, 3), dtype=np.int8))
    assert len(np.unique(outputs)) > 10 and np.abs(outputs).max() < 127


def test_the_exported_network_is_the_same_without_its_softmax(network: Network) -> None:
    assert network.macs > 0 and len(network.samples) == len(network.expected) == len(network.expected_exported)
    assert [op.kind for op in read(network.content).ops].count("softmax") == 1
    for (y,), (before,) in zip(network.expected, network.expected_exported, strict=True):
        assert np.argmax(np.frombuffer(y, np.int8)) == np.argmax(np.frombuffer(before, np.int8))


def test_both_forms_have_the_bytes_of_this_machine(network: Network, how: Configuration) -> None:
    generated, interpreted = (measure(network, M4, how) for measure in (forms.generated, forms.interpreted))
    assert generated.outputs == interpreted.outputs == network.expected
    assert generated.startup == 0 < interpreted.startup
    # The same kernels; the interpreter has the file, its own code, and records for each operator.
    assert abs(generated.instructions / interpreted.instructions - 1) < 0.05
    for figure in ("code", "constants", "memory", "stack"):
        assert 0 < getattr(generated, figure) < getattr(interpreted, figure), figure
    assert generated.cycles is not None and generated.cycles > generated.instructions


def test_bakenn_has_the_same_bytes(network: Network, how: Configuration) -> None:
    pytest.importorskip("bakenn")
    for measure in (bakenn.own_kernels, bakenn.cmsis_nn):
        found = measure(network, M4, how)
        assert found.outputs == network.expected_exported and found.instructions > 0 and found.startup == 0
    with pytest.raises(Unusable, match="processors with the DSP extension only"):
        bakenn.cmsis_nn(network, TARGETS["cortex-m0"], how)


def pretended(instructions: int, other_bytes: bool = False) -> Callable[..., Figures]:
    """A measurement that takes no time; gcc needs twice as many instructions."""

    def measure(network: Network, target: Target, how: Configuration) -> Figures:
        if target.name == "cortex-m0":
            raise DeviceError("no room\nat all")
        outputs = [[b"other"]] if other_bytes else network.expected
        return Figures(instructions * (1 + (how.compiler.kind == "gcc")), None, 7, 100, 1000, 2000, 300, outputs)

    return measure


@pytest.fixture
def document(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Of a run of a network, one processor of which cannot run it, while BakeNN has other bytes."""
    monkeypatch.setattr(forms, "generated", pretended(2_000_000))
    monkeypatch.setattr(forms, "interpreted", pretended(2_100_000))
    monkeypatch.setattr(bakenn, "missing", lambda: "")
    monkeypatch.setattr(bakenn, "cmsis_nn", pretended(5_000_000))
    monkeypatch.setattr(bakenn, "own_kernels", pretended(9_000_000, other_bytes=True))
    monkeypatch.setattr("bench.device.run.require_packages", lambda target: None)
    ways = [Configuration(Compiler((kind,), kind, f"{kind} 1.0"), "3") for kind in ("gcc", "zig")]
    monkeypatch.setattr("bench.device.run.configurations", lambda target, settings: ways)
    network = Network("kws_dscnn", 1_500_000, b"", b"", [[]], [[b"y"]], [[b"y"]])
    settings = Settings([M4, TARGETS["cortex-m0"]], ["qrt", "bakenn"], [], ["3"])
    done: list[None] = []
    made = run(
        settings, {"kws_dscnn": lambda: network}, {"sww": "absent"}, lambda text: None, lambda: done.append(None)
    )
    assert len(done) == steps(settings, 1)
    return made


def test_the_fastest_configuration_counts(document: dict[str, Any]) -> None:
    assert json.loads(json.dumps(document)) == document
    race = document["races"][0]
    qrt_rows = [
        f"qrt {kernels}{form}" for kernels in dict.fromkeys((M4.kernels, "portable")) for form in ("", ", interpreter")
    ]
    assert list(race["results"]) == [*qrt_rows, "BakeNN, CMSIS-NN"]
    best = race["results"][qrt_rows[0]]
    assert best["instructions"] == 2_000_000 and best["configuration"] == "zig -O3"
    assert best["flash"] == 1100 and best["ram"] == 2300 and best["startup"] == 7


def test_other_bytes_do_not_count_and_are_said(document: dict[str, Any]) -> None:
    assert document["disagreements"] == ["BakeNN, own kernels on cortex-m4, kws_dscnn"]


def test_what_is_missing_is_said_in_one_line_each(document: dict[str, Any]) -> None:
    lines = list(not_run(document))
    assert lines[0] == "sww: absent"
    assert "qrt portable on cortex-m0: kws_dscnn: no room at all" in lines
    assert len(lines) == 1 + len(contestants(TARGETS["cortex-m0"], ["qrt", "bakenn"]))


def test_tables(document: dict[str, Any], tmp_path: Path) -> None:
    recorded_once = millions(recorded.INSTRUCTIONS["cortex-m4"]["kws_dscnn"])
    assert f"| kws_dscnn | 1.50 | 2.000 | 5.000 | - | {recorded_once} |" in readme_text(document)
    assert "zig 1.0" in readme_text(document) and "gcc 1.0" in readme_text(document)
    assert "| kws_dscnn | 2.000 | - |" in docs_text(document)
    assert "| BakeNN, CMSIS-NN | 5.000 | 100 + 1,000 | 2,000 + 300 | 7 |" in docs_text(document)
    pages = [tmp_path / name for name in ("README.md", "benchmark.md")]
    for page in pages:
        page.write_text("before\n<!-- bench device table: begin -->\nold\n<!-- bench device table: end -->\nafter\n")
    write_tables(document, *pages)
    for page, made in zip(pages, (readme_text(document), docs_text(document)), strict=True):
        assert page.read_text().replace(made, "") == (
            "before\n<!-- bench device table: begin -->\n<!-- bench device table: end -->\nafter\n"
        )
    pytest.importorskip("matplotlib")
    assert list(draw(document, tmp_path)) == [tmp_path / "cortex-m4.png"]


def test_pages_have_the_marks() -> None:
    for page in (README, DOCS):
        assert MARK.search(page.read_text(encoding="utf-8")), page.name


def test_plan_names_what_it_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.device.networks.PUBLISHED", tmp_path)
    makers, skipped = plan(("sww", NAME), tmp_path)
    assert list(makers) == [NAME]
    assert "shared/models" in skipped["sww"] or "is not installed" in skipped["sww"]


@pytest.mark.parametrize("option", ["--networks", "--targets", "--engines", "--optimize"])
def test_bad_options_are_refused(option: str) -> None:
    result = CliRunner().invoke(main, [option, "nonsense"])
    assert result.exit_code == 2
    assert "no 'nonsense'; choose from" in result.output
