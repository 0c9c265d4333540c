"""Malicious .onnx, .tflite and .pt2 files: refused with bounded time and memory, and without access to other files."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Cli, residual

from qrt.compiler import CompileError, compile, source_graph

onnx = pytest.importorskip("onnx")
helper, TensorProto = onnx.helper, onnx.TensorProto

# Bytes that refusing a small file may take, the libraries' own among them.
MODEST = 64 << 20
SECRET = b"a secret of 32 bytes, not more.."


def refuses(cli: Cli, name: str, content: bytes, reason: str = "") -> None:
    """`content` is refused, for `reason`, without memory to speak of, and nothing is written."""
    Path(name).write_bytes(content)
    before = sorted(os.listdir())
    tracemalloc.start()
    try:
        result = cli("compile", name)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"qrt compile: {name}: ")
    assert reason in result.stderr
    assert SECRET.decode() not in result.stderr
    assert peak < MODEST
    assert sorted(os.listdir()) == before
    with pytest.raises(CompileError):
        compile(name)


# ------------------------------------------------------------------------------------------------- ONNX


def network(nodes: list[Any], constants: list[Any] = (), shape: Any = (1, 4), output: str = "y") -> bytes:  # type: ignore[assignment]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ("n",))],
        constants,
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("foreign", 1)]
    content: bytes = helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()
    return content


def external(location: str, **more: Any) -> Any:
    """A constant whose 32 bytes lie elsewhere."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[8], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def test_external_data_stay_in_the_folder(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    folder = tmp_path / "model"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("link").symlink_to(tmp_path / "secret")
    Path("inner").symlink_to(tmp_path)
    Path("own").write_bytes(bytes(32))
    for location in ("../secret", str(tmp_path / "secret"), "link", "inner/secret", "a/../../secret", "none", "", "."):
        for add in (
            network([helper.make_node("Add", ["x", "w"], ["y"])], [external(location)], (1, 8)),
            network(
                [
                    helper.make_node("Constant", [], ["w"], value=external(location)),
                    helper.make_node("Add", ["x", "w"], ["y"]),
                ],
                shape=(1, 8),
            ),
        ):
            refuses(cli, "net.onnx", add, "is not in a file of the model's folder")
    for more in ({"offset": 8}, {"offset": -8}, {"length": 2**62}, {"offset": 2**62}, {"length": "x"}):
        add = network([helper.make_node("Add", ["x", "w"], ["y"])], [external("own", **more)], (1, 8))
        refuses(cli, "net.onnx", add)
    own = network([helper.make_node("Add", ["x", "w"], ["y"])], [external("own")], (1, 8))
    Path("net.onnx").write_bytes(own)
    (op,) = source_graph("net.onnx").ops
    assert np.array_equal(op.inputs[1].data, np.zeros(8))
    with pytest.raises(CompileError, match="a model in memory"):
        compile(onnx.load_model_from_string(own))


def test_external_data_are_not_multiplied(cli: Cli) -> None:
    Path("own").write_bytes(bytes(1 << 20))
    tensors = []
    for i in range(100):
        tensors.append(external("own"))
        tensors[-1].name, tensors[-1].dims[0] = f"w{i}", 1 << 18
    refuses(cli, "net.onnx", network([helper.make_node("Relu", ["x"], ["y"])], tensors), "is larger than its file")


def numbers(name: str, *values: int) -> Any:
    return onnx.numpy_helper.from_array(np.array(values, np.int64), name)


def scalar(name: str, value: int) -> Any:
    return onnx.numpy_helper.from_array(np.array(value, np.int64), name)


def add_of(*nodes: Any) -> list[Any]:
    return [*nodes, helper.make_node("Add", ["x", "w"], ["y"])]


def loop() -> Any:
    """A constant that takes 2^62 turns."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["a"], ["b"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, ()),
            helper.make_tensor_value_info("c", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("a", TensorProto.INT64, (1,)),
        ],
        [
            helper.make_tensor_value_info("d", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("b", TensorProto.INT64, (1,)),
        ],
    )
    return helper.make_node("Loop", ["turns", "", "start"], ["w"], body=body)


ONE = onnx.numpy_helper.from_array(np.ones((1, 1), np.float32), "one")
IMMENSE = "constants that are far too large for the file"
BOMBS: dict[str, tuple[bytes, str]] = {
    "ConstantOfShape": (
        network(add_of(helper.make_node("ConstantOfShape", ["n"], ["w"])), [numbers("n", 1 << 20, 1 << 20)]),
        IMMENSE,
    ),
    "Expand": (
        network(add_of(helper.make_node("Expand", ["one", "n"], ["w"])), [ONE, numbers("n", 1 << 40, 4)]),
        IMMENSE,
    ),
    "Tile": (network(add_of(helper.make_node("Tile", ["one", "n"], ["w"])), [ONE, numbers("n", 1 << 40, 4)]), IMMENSE),
    "Range": (
        network(
            add_of(helper.make_node("Range", ["a", "b", "c"], ["w"])),
            [scalar("a", 0), scalar("b", 1 << 45), scalar("c", 1)],
        ),
        IMMENSE,
    ),
    "Pad": (
        network(add_of(helper.make_node("Pad", ["one", "n"], ["w"])), [ONE, numbers("n", 0, 0, 0, 1 << 40)]),
        IMMENSE,
    ),
    "RandomNormal": (network(add_of(helper.make_node("RandomNormal", [], ["w"], shape=[1 << 30, 1 << 30]))), IMMENSE),
    "doubling": (
        network(
            [helper.make_node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], axis=0) for i in range(40)]
            + [helper.make_node("Add", ["x", "c40"], ["y"])],
            [onnx.numpy_helper.from_array(np.ones((1, 4), np.float32), "c0")],
        ),
        IMMENSE,
    ),
    "Loop": (
        network(add_of(loop()), [scalar("turns", 1 << 62), numbers("start", 1)]),
        "is control flow, which is not supported",
    ),
    "doubled activations": (
        network(
            [helper.make_node("Identity", ["x"], ["c0"])]
            + [helper.make_node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], axis=1) for i in range(70)]
            + [helper.make_node("Relu", ["c70"], ["y"])]
        ),
        "has shape [1, 4294967296]",
    ),
    "an immense input": (network([helper.make_node("Relu", ["x"], ["y"])], shape=(1, 1 << 62)), "has shape [1, "),
    "an input beyond int64": (
        network([helper.make_node("Relu", ["x"], ["y"])], shape=(1, 1 << 40, 1 << 40)),
        "has shape [1, ",
    ),
    "an immense window": (
        network(
            [helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[1 << 31, 1 << 31], pads=[1 << 31] * 4)],
            shape=(1, 1, 4, 4),
        ),
        "",
    ),
    "a cycle": (
        network([helper.make_node("Add", ["x", "b"], ["y"]), helper.make_node("Relu", ["y"], ["b"])]),
        "is not a valid ONNX model",
    ),
    "a cycle that the checker does not see": (
        network(
            [
                helper.make_node("Add", ["x", "b"], ["y"]),
                helper.make_node("Relu", ["y"], ["b"]),
                helper.make_node("Strange", ["y"], ["z"], domain="foreign"),
            ]
        ),
        "is a float network; quantize it",
    ),
    "a value written twice": (
        network([helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Relu", ["y"], ["y"])]),
        "",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_onnx_networks_out_of_proportion(cli: Cli, name: str) -> None:
    content, reason = BOMBS[name]
    refuses(cli, "net.onnx", content, reason)


def test_onnx_networks_in_networks(cli: Cli) -> None:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n",))],
    )
    for _ in range(90):
        node = helper.make_node("If", ["t"], ["y"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n",))])
        if inner.ByteSize() > 1 << 20:
            break
    truth = onnx.numpy_helper.from_array(np.array(True), "t")
    refuses(cli, "net.onnx", network(list(inner.node), [truth]))
    # A message in a message in a message, by hand, deeper than protobuf reads.
    nested = b""
    for _ in range(2000):
        nested = b"\x0a" + _varint(len(nested) + 2) + b"\x7a" + _varint(len(nested)) + nested
    refuses(cli, "net.onnx", b"\x3a" + _varint(len(nested)) + nested, "is not a valid ONNX model")


def _varint(value: int) -> bytes:
    content = b""
    while value > 127:
        content, value = content + bytes([value & 127 | 128]), value >> 7
    return content + bytes([value])


def attack(content: bytes, read: Callable[[bytes], Any], count: int) -> None:
    """Cut and changed content is compiled or refused, whatever it has become."""
    rng = random.Random(3)
    for turn in range(count):
        changed = bytearray(content)
        if turn % 4 == 0:
            del changed[rng.randrange(len(changed)) :]
        for _ in range(rng.randrange(4)):
            if changed:
                changed[rng.randrange(len(changed))] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
        try:
            read(bytes(changed))
        except CompileError as error:
            assert error.problems


def compiling(name: str) -> Callable[[bytes], Any]:
    def read(content: bytes) -> Any:
        Path(name).write_bytes(content)
        return compile(name)

    return read


@pytest.mark.filterwarnings("ignore")
def test_changed_onnx_files(cli: Cli) -> None:
    onnx_models = pytest.importorskip("onnx_models")
    net = onnx_models.Net((1, 2, 6, 6))
    model = onnx_models.quantized(net.model(net.node("Relu", net.conv("x", 4, 2))))
    attack(model.SerializeToString(), compiling("net.onnx"), 60)


# ------------------------------------------------------------------------------------------------- TensorFlow Lite


@pytest.fixture
def tflite_file() -> bytearray:
    pytest.importorskip("tflite")
    from qrt.compiler.backends.qfb.reader import read
    from qrt.compiler.backends.tflite.writer import to_tflite

    return bytearray(to_tflite(read(residual().compile())).content)


def vector_of(content: bytearray, operator: int, slot: int) -> int:
    """Where the first entry of an operator's vector of tensors lies; slot 6 is its inputs, 8 its outputs."""
    import tflite

    table = tflite.Model.GetRootAsModel(content, 0).Subgraphs(0).Operators(operator)._tab
    place: int = table.Vector(table.Offset(slot))
    return place


def test_tflite_networks_out_of_order(cli: Cli, tflite_file: bytearray) -> None:
    import tflite

    graph = tflite.Model.GetRootAsModel(bytes(tflite_file), 0).Subgraphs(0)
    own = int(graph.Operators(1).OutputsAsNumpy()[0])
    for slot, value, reason in (
        (6, own, "which no earlier node writes"),
        (6, 10**6, ""),
        (6, -(2**31), ""),
        (8, int(graph.InputsAsNumpy()[0]), "which does not follow from"),
    ):
        changed = tflite_file.copy()
        struct.pack_into("<i", changed, vector_of(changed, 1, slot), value)
        refuses(cli, "net.tflite", bytes(changed), reason)


def test_tflite_shapes_out_of_proportion(cli: Cli, tflite_file: bytearray) -> None:
    stated = struct.pack("<5i", 4, 1, 4, 4, 2)
    assert stated in tflite_file
    for shape in ((1, 2**31 - 1, 2**31 - 1, 2), (2**15, 2**15, 2**15, 2**15), (1, -4, -4, 2), (0, 4, 4, 2)):
        refuses(cli, "net.tflite", bytes(tflite_file).replace(stated, struct.pack("<5i", 4, *shape)))
    # A vector that is said to be longer than the file.
    refuses(cli, "net.tflite", bytes(tflite_file).replace(stated, struct.pack("<5i", 2**30, 1, 4, 4, 2)))


@pytest.mark.filterwarnings("ignore")
def test_changed_tflite_files(cli: Cli, tflite_file: bytearray) -> None:
    attack(bytes(tflite_file), compiling("net.tflite"), 120)


# ------------------------------------------------------------------------------------------------- PyTorch


def sized(count: int) -> dict[str, Any]:
    ints = [{"as_int": count}]
    return {"dtype": 7, "sizes": ints, "strides": [{"as_int": 1}], "storage_offset": {"as_int": 0}}


def program(**changes: Any) -> dict[str, bytes]:
    """The members of an exported program: y = x, and the weight w of 4 float32."""
    entry = {"path_name": "w", "use_pickle": False, "tensor_meta": sized(4)} | changes.pop("entry", {})
    weights = changes.pop("weights", 1)
    names = [f"w{i}" for i in range(weights)]
    inputs = [{"parameter": {"arg": {"name": name}, "parameter_name": name}} for name in names]
    module = {
        "graph": {"tensor_values": {"x": sized(4) | changes.pop("x", {})}, "nodes": changes.pop("nodes", [])},
        "signature": {
            "input_specs": [*inputs, {"user_input": {"arg": {"as_tensor": {"name": "x"}}}}],
            "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "x"}}}}],
        },
    }
    model = {"schema_version": {"major": 8, "minor": 1}, "graph_module": module}
    return {
        "p/models/model.json": json.dumps(model).encode(),
        "p/data/weights/model_weights_config.json": json.dumps({"config": dict.fromkeys(names, entry)}).encode(),
        "p/data/constants/model_constants_config.json": b'{"config": {}}',
        "p/data/weights/w": bytes(changes.pop("size", 16)),
    } | changes.pop("members", {})


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


MODEL = "p/models/model.json"
PROGRAMS: dict[str, tuple[bytes, str]] = {
    "compressed": (zipped(program(size=64 << 20), zipfile.ZIP_DEFLATED), "is compressed, unlike in files of PyTorch"),
    "pickled": (zipped(program(entry={"use_pickle": True})), "is pickled, which is never loaded"),
    "a path out": (zipped(program(entry={"path_name": "../../../../etc/passwd"})), "/etc/passwd is missing"),
    "an absolute path": (zipped(program(entry={"path_name": "/etc/passwd"})), "/etc/passwd is missing"),
    "beyond its bytes": (zipped(program(entry={"tensor_meta": sized(5)})), "reaches beyond its bytes"),
    "immense": (zipped(program(entry={"tensor_meta": sized(2**62)})), "reaches beyond its bytes"),
    "negative": (zipped(program(entry={"tensor_meta": sized(-1)})), "reaches beyond its bytes"),
    "one weight many times": (
        zipped(program(weights=500, size=1 << 20, entry={"tensor_meta": sized(1 << 18)})),
        "times as large as the file",
    ),
    "an immense input": (zipped(program(x=sized(2**62))), "at most 2^31 - 1 elements are supported"),
    "an input beyond int64": (zipped(program(x=sized(10**40))), "at most 2^31 - 1 elements are supported"),
    "nested": (zipped(program(members={MODEL: b"[" * 100_000})), ""),
    "a long number": (zipped(program(members={MODEL: b"1" * 100_000})), ""),
    "no object": (zipped(program(members={MODEL: b"[]"})), ""),
    "two models": (zipped(program(members={"q/models/model.json": b"{}"})), "was not written by torch.export.save"),
    "not a zip": (b"PK\x03\x04" + bytes(100), "is not a zip archive"),
    "nothing computed": (zipped(program()), "is a float network; quantize it"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_pt2_programs_that_lie(cli: Cli, name: str) -> None:
    content, reason = PROGRAMS[name]
    refuses(cli, "net.pt2", content, reason)


def test_locked_pt2_programs(cli: Cli) -> None:
    content = bytearray(zipped(program()))
    place = -1
    while (place := content.find(b"PK\x01\x02", place + 1)) >= 0:
        content[place + 8] |= 1
    refuses(cli, "net.pt2", bytes(content), "is encrypted")


@pytest.mark.filterwarnings("ignore")
def test_changed_pt2_files(cli: Cli) -> None:
    attack(zipped(program()), compiling("net.pt2"), 200)
