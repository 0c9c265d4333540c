"""Model Explorer opens .qfb files: through its own manager of extensions, every layer is a node of the graph."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import CASES
from command_line import Cli, residual
from graphs import to_bytes
from places import DIGITS
from stateful import remembering

import qrt
from qrt.compiler import GraphBuilder, compile
from qrt.compiler.backends.qfb.reader import read
from qrt.explorer.overlays import layer_id, overlays

HOSTILE = ["<script>alert(1)</script>", "layer 2", "a/../b//c/", "\x1b[31m\u2028/\u202e/x", "/" * 400, "output 0"]
# One case of each operator.
KINDS = {case.name.split()[0].split("-")[0]: case for case in CASES}


@pytest.fixture(scope="module")
def manager() -> Any:
    pytest.importorskip("model_explorer", reason="opens graphs with ai-edge-model-explorer, of qrt[explorer]")
    from model_explorer.extension_manager import ExtensionManager

    made = ExtensionManager(["qrt.explorer"])
    # Those of other formats take seconds to import.
    ExtensionManager.BUILTIN_ADAPTER_MODULES = []
    made.load_extensions()
    return made


def converted(manager: Any, path: Path) -> dict[str, Any]:
    """The graph that the server sends to the browser."""
    command = {"cmdId": "convert", "extensionId": "qrt", "modelPath": str(path), "settings": {}}
    (graph,) = manager.run_cmd({**command, "deleteAfterConversion": False})["graphs"]
    found: dict[str, Any] = json.loads(json.dumps(graph))
    return found


def check(graph: dict[str, Any], content: bytes) -> None:
    """Every layer is a node, in order, and edges lead from nodes in front of it."""
    network = read(content)
    nodes = graph["nodes"]
    layers = [node for node in nodes if node["id"].startswith("layer ")]
    assert [node["id"] for node in layers] == [layer_id(index) for index in range(len(network.ops))]
    assert [node["label"] for node in layers] == [op.kind for op in network.ops]
    seen: set[str] = set()
    for node in nodes:
        assert node["id"] not in seen
        assert {edge["sourceNodeId"] for edge in node["incomingEdges"]} <= seen
        assert all(isinstance(fact["value"], str) for fact in node["attrs"])
        seen.add(node["id"])
    for node, op in zip(layers, network.ops, strict=True):
        assert len(node["incomingEdges"]) == sum(not tensor.is_constant for tensor in op.inputs)
    outputs = [node for node in nodes if node["label"] == "output"]
    assert len(outputs) == len(network.outputs)
    assert all(len(node["incomingEdges"]) == 1 for node in outputs)


def facts(node: dict[str, Any]) -> dict[str, str]:
    return {fact["key"]: fact["value"] for fact in node["attrs"]}


def test_is_listed_for_the_suffix(manager: Any) -> None:
    (listed,) = [entry for entry in manager.get_extensions_metadata() if entry["id"] == "qrt"]
    assert (listed["type"], listed["fileExts"]) == ("adapter", ["qfb"])


def test_layers_have_shapes_integers_and_formulas(manager: Any, tmp_path: Path) -> None:
    path = tmp_path / "pets.qfb"
    path.write_bytes(residual().compile())
    graph = converted(manager, path)
    check(graph, path.read_bytes())
    assert graph["id"] == "pets"
    nodes = {node["id"]: node for node in graph["nodes"]}
    stem = facts(nodes["layer 0"])
    assert stem["name"] == "stem" and stem["stride"] == "1, 1" and stem["constant"] == "int8[8,3,3,2], 144 bytes"
    assert stem["formula 1"].startswith("acc = sum")
    requant = read(path.read_bytes()).ops[0].attrs["requant"]
    assert stem["multiplier of channels"].split(", ")[:1] == [str(requant.multiplier[0])]
    (metadata,) = nodes["layer 0"]["outputsMetadata"]
    assert {"key": "tensor_shape", "value": "int8[1,4,4,8]"} in metadata["attrs"]
    assert facts(nodes["output 0"])["labels"] == "cat, dog, owl, bee"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_operator(manager: Any, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "case.qfb"
    path.write_bytes(to_bytes(KINDS[kind].graph()))
    check(converted(manager, path), path.read_bytes())


def test_states_are_nodes(manager: Any, tmp_path: Path) -> None:
    path = tmp_path / "states.qfb"
    path.write_bytes(remembering().compile())
    graph = converted(manager, path)
    check(graph, path.read_bytes())
    assert sum(node["label"] == "state" for node in graph["nodes"]) == 3


def test_names_are_only_text(manager: Any, tmp_path: Path) -> None:
    g = GraphBuilder(HOSTILE[0])
    x = g.input("layer 1", (1, 4, 4, 2), scale=0.5, zero_point=0)
    for name in HOSTILE:
        x = g.conv2d(x, np.ones((2, 1, 1, 2), np.int8), weights_scale=0.01, scale=0.25, name=name)
    g.output(x, labels=HOSTILE[:2])
    path = tmp_path / "hostile.qfb"
    path.write_bytes(g.compile())
    graph = converted(manager, path)
    check(graph, path.read_bytes())
    layers = [node for node in graph["nodes"] if node["id"].startswith("layer ")]
    assert [facts(node)["name"] for node in layers] == HOSTILE
    for node in layers:
        assert all(part for part in node["namespace"].split("/")) or node["namespace"] == ""
        assert node["namespace"].isprintable()
        # By these Model Explorer would look up node data before it looks at nodes.
        assert all(fact["key"] != "tensor_name" for item in node["outputsMetadata"] for fact in item["attrs"])


def test_a_bad_file_is_refused_with_its_reason(manager: Any, tmp_path: Path) -> None:
    path = tmp_path / "bad.qfb"
    path.write_bytes(b"no network")
    with pytest.raises(qrt.ModelError):
        converted(manager, path)


def test_a_network_of_bands_says_so(manager: Any, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    path = tmp_path / "digits.qfb"
    path.write_bytes(compile(DIGITS / "digits_resnet.onnx", ram="least").to_bytes())
    graph = converted(manager, path)
    check(graph, path.read_bytes())
    assert graph["groupNodeAttributes"][""]["row by row 0"] == "layers 1 to 3, 9 turns"
    assert {node["namespace"] for node in graph["nodes"]} >= {"", "stem/stem.0"}


def test_node_data_is_of_layers(cli: Cli) -> None:
    pytest.importorskip("onnxruntime")
    source = str(DIGITS / "digits_resnet.onnx")
    assert cli("compile", source, "-o", "digits.qfb", "-q").exit_code == 0
    np.save("one.npy", np.load(DIGITS / "test_digits.npz")["images"][:2])
    arguments = ("report", "digits.qfb", "--against", source, "--inputs", "one.npy", "--node-data", "colors")
    result = cli(*arguments, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    files = {path.stem: json.loads(path.read_text()) for path in Path("colors").iterdir()}
    assert files.keys() == {"bytes", "macs", "microseconds", "error_lsb", "sqnr_db"}
    assert files == dict(overlays(document))
    nodes = {layer_id(layer["index"]) for layer in document["layers"]}
    for data in files.values():
        assert data["results"].keys() <= nodes
        assert all(np.isfinite(result["value"]) for result in data["results"].values())
        assert [stop["stop"] for stop in data["gradient"]] == [0, 1]
    assert files["macs"]["results"]["layer 0"] == {"value": document["model"]["operators"][0]["macs"]}


def test_node_data_is_what_model_explorer_reads() -> None:
    """Its own class has the fields."""
    builder = pytest.importorskip("model_explorer").node_data_builder
    document = {"model": {"operators": [{"index": 0, "weight_bytes": 3, "parameter_bytes": 4, "macs": 5}]}}
    for _, data in overlays(document):
        results = {node: builder.NodeDataResult(**result) for node, result in data["results"].items()}
        gradient = [builder.GradientItem(**stop) for stop in data["gradient"]]
        made = builder.GraphNodeData(results=results, gradient=gradient)
        assert data.items() <= json.loads(made.to_json_string()).items()


def test_node_data_needs_nothing_of_model_explorer() -> None:
    code = "import sys, qrt.cli, qrt.explorer.overlays; print('model_explorer' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
