"""Every verb that reads samples, on models with every kind of input, with valid and invalid data: never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batched_tflite import tflite_network
from command_line import PLAIN, Cli, assert_refused

import qrt
from qrt.compiler.backends.qfb.reader import read

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("tflite")

from qdq import Net  # noqa: E402

Array = np.ndarray[Any, Any]


def net(*shapes: tuple[int, ...], kind: str, **attrs: Any) -> Callable[[], bytes]:
    """An ONNX network of one operator on inputs of these shapes."""

    def make() -> bytes:
        n = Net()
        inputs = [n.input(f"x{k}", shape) for k, shape in enumerate(shapes)]
        extra = [n.weights((2, shapes[0][1], 3, 3))] if kind == "Conv" else []
        content: bytes = n.model(n.op(kind, *inputs, *extra, **attrs)).SerializeToString()
        return content

    return make


def rows() -> bytes:
    """Four rows of output for each sample."""
    n = Net()
    y = n.op("Reshape", n.input("x", (3, 4, 5)), n.constant([-1, 5], np.int64))
    content: bytes = n.model(n.op("MatMul", y, n.weights((5, 2)))).SerializeToString()
    return content


def unchanged() -> bytes:
    """An output that is the input."""
    n = Net()
    content: bytes = n.model(n.input("x", (1, 6))).SerializeToString()
    return content


@dataclass(frozen=True)
class Model:
    """A source and how it is compiled."""

    make: Callable[[], bytes]
    suffix: str = ".onnx"
    options: tuple[str, ...] = ()


MODELS = {
    "images": Model(net((1, 3, 4, 5), kind="Conv", pads=[1, 1, 1, 1])),
    "kept nchw": Model(net((1, 3, 4, 5), kind="Relu"), options=("--no-to-nhwc",)),
    "cubes": Model(net((1, 4, 4, 4), kind="Conv", pads=[1, 1, 1, 1])),
    "two inputs": Model(net((1, 6), (1, 6), kind="Add")),
    "two shapes": Model(net((1, 6), (1, 1), kind="Mul")),
    "three axes": Model(net((2, 4, 5), kind="Softmax", axis=-1)),
    "vectors": Model(net((6,), kind="Relu")),
    "mixed": Model(net((4, 6), kind="Softmax", axis=0)),
    "unequal": Model(net((4, 6), (1, 6), kind="Add")),
    "fixed": Model(net((4, 6), kind="Softmax", axis=-1), options=("--batch", "3")),
    "rows": Model(rows),
    "unchanged": Model(unchanged),
    "tflite": Model(tflite_network, ".tflite"),
}

Shapes = list[tuple[int, ...]]
Data = list[Array] | None
REFUSED, TAKEN, EITHER = 2, 0, None
# Data that every model takes, as long as its layout is clear.
GOOD = ("whole", "codes", "doubles", "halves", "big endian", "columns first")


def floats(*shapes: tuple[int, ...]) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def of_type(dtype: str) -> Callable[[Shapes], Data]:
    return lambda shapes: [x.astype(dtype) for x in floats(*shapes)]


def longer(count: int) -> Callable[[Shapes], Data]:
    return lambda shapes: floats(*((shape[0] * count, *shape[1:]) for shape in shapes))


def spoilt(value: float) -> Callable[[Shapes], Data]:
    def make(shapes: Shapes) -> Data:
        arrays = floats(*shapes)
        arrays[0].flat[-1] = value
        return arrays

    return make


def alone(shapes: Shapes) -> Data:
    """One sample without the axis of the batch."""
    return floats(*(shape[1:] for shape in shapes)) if {shape[0] for shape in shapes} == {1} else None


def turned(shapes: Shapes) -> Data:
    """Channels last of what has them first, and the other way round."""
    orders = {(1, 4, 4, 4): None, (1, 6, 6, 2): (0, 3, 1, 2)}
    if len(shapes[0]) != 4 or orders.get(shapes[0], ()) is None:
        return None
    return [np.ascontiguousarray(x.transpose(orders.get(x.shape) or (0, 2, 3, 1))) for x in floats(*shapes)]


# What a file of samples holds for inputs of these shapes (in the source's layout), and the exit code of run and of
# compare: None where it hangs on the model.
DATA: dict[str, tuple[Callable[[Shapes], Data], int | None]] = {
    "whole": (lambda shapes: floats(*shapes), EITHER),
    "codes": (of_type("int8"), EITHER),
    "doubles": (of_type("float64"), EITHER),
    "halves": (of_type("float16"), EITHER),
    "big endian": (of_type(">f4"), EITHER),
    "columns first": (lambda shapes: [np.asfortranarray(x) for x in floats(*shapes)], EITHER),
    "alone": (alone, EITHER),
    "twice": (longer(2), EITHER),
    "many": (longer(5), EITHER),
    "turned": (turned, EITHER),
    "none": (longer(0), REFUSED),
    "int32": (of_type("int32"), REFUSED),
    "uint8": (of_type("uint8"), REFUSED),
    "booleans": (of_type("bool"), REFUSED),
    "complex": (of_type("complex64"), REFUSED),
    "strings": (of_type("U8"), REFUSED),
    "objects": (of_type("object"), REFUSED),
    "times": (lambda shapes: [np.zeros(shape, "datetime64[s]") for shape in shapes], REFUSED),
    "records": (lambda shapes: [np.zeros(shape, [("a", "f4")]) for shape in shapes], REFUSED),
    "NaN": (spoilt(np.nan), REFUSED),
    "infinity": (spoilt(np.inf), EITHER),
    "scalar": (lambda shapes: [np.float32(1)] * len(shapes), REFUSED),
    "wrong size": (lambda shapes: floats(*((*shape[:-1], shape[-1] + 7) for shape in shapes)), EITHER),
    "wrong rank": (lambda shapes: floats(*((2, 2, 2, *shape, 2) for shape in shapes)), REFUSED),
    "too many": (lambda shapes: floats(*shapes, (2, 2)), EITHER),
    "too few": (lambda shapes: floats(*shapes[1:]), REFUSED),
    "other counts": (lambda s: [*floats((5, *s[0][1:])), *floats((7, *s[1][1:]))] if len(s) > 1 else None, REFUSED),
}
LABELS: dict[str, Callable[[int], Array]] = {
    "labels": lambda count: np.zeros(count, np.int64),
    "float labels": lambda count: np.zeros(count, np.float32),
    "too few labels": lambda count: np.zeros(count - 1, np.int64),
    "one label": lambda count: np.int64(3),
}


@pytest.fixture(scope="module", params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source and its file."""
    from click.testing import CliRunner

    from qrt.cli import verbs

    model = MODELS[request.param]
    path: Path = tmp_path_factory.mktemp("model")
    (path / f"net{model.suffix}").write_bytes(model.make())
    arguments = ["compile", str(path / f"net{model.suffix}"), "-q", "--test-vectors", "1", *model.options]
    result = CliRunner().invoke(verbs, arguments, env=PLAIN)
    assert result.exit_code == 0, result.output
    return path


def source_shapes(model: qrt.Model) -> Shapes:
    turn = {"NCHW": (0, 3, 1, 2)}
    return [tuple(info.shape[k] for k in turn.get(info.source_layout, range(len(info.shape)))) for info in model.inputs]


def write(folder: Path, name: str, arrays: list[Array], names: list[str]) -> Path:
    """One array as .npy, several as .npz; by the model's names where the count fits."""
    if len(arrays) == 1:
        np.save(folder / f"{name}.npy", arrays[0])
        return folder / f"{name}.npy"
    called = names if len(names) == len(arrays) else [f"a{k}" for k in range(len(arrays))]
    np.savez(folder / f"{name}.npz", **dict(zip(called, arrays, strict=True)))
    return folder / f"{name}.npz"


def judge(cli: Cli, arguments: list[str], data: Path, expected: int | None) -> int:
    """Runs qrt: it ends well, or with one line that names the verb, and the data or the model."""
    result = cli(*arguments)
    assert result.exit_code in ((0, 2) if expected is None else (expected,)), (arguments, result.output)
    if result.exit_code == 2:
        assert result.stdout == ""
        lines = result.stderr.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith(f"qrt {arguments[0]}: "), lines
        assert data.name in lines[0] or "net.qfb: has no layer" in lines[0], lines
        assert ";" in lines[0], lines  # the remedy
    return result.exit_code


@pytest.mark.parametrize("name", DATA)
def test_no_data_ends_in_a_traceback(cli: Cli, folder: Path, name: str) -> None:
    make, expected = DATA[name]
    (source,) = (path for path in folder.iterdir() if path.stem == "net" and path.suffix != ".qfb")
    file = str(folder / "net.qfb")
    model = qrt.load(file)
    arrays = make(source_shapes(model))
    if arrays is None:
        return
    data = write(folder, name.replace(" ", "_"), arrays, [info.name for info in model.inputs])
    if name == "uint8" and model.inputs[0].source_dtype == "UINT8":
        expected = None
    for layout in ([], ["--layout", "NHWC"], ["--layout", "NCHW"]):
        if name in GOOD and not layout:
            expected = REFUSED if model.inputs[0].shape == (1, 4, 4, 4) else TAKEN
        elif name in GOOD:
            expected = EITHER
        run = judge(cli, ["run", file, str(data), *layout], data, expected)
        profile = ["profile", file, "--input", str(data), "--repeats", "1", *layout]
        judge(cli, profile, data, TAKEN if run == 0 else None if name in ("none", "other counts") else expected)
        compared = expected if read(Path(file).read_bytes()).ops else EITHER
        judge(cli, ["compare", file, "--against", str(source), "--inputs", str(data), *layout], data, compared)


@pytest.mark.parametrize("name", ["whole", "objects", "too few"])
def test_data_that_is_taken_for_a_model(cli: Cli, folder: Path, name: str) -> None:
    file, model = folder / "net.qfb", qrt.load(folder / "net.qfb")
    arrays = DATA[name][0](source_shapes(model))
    assert arrays is not None
    data = write(folder, "data", arrays, [info.name for info in model.inputs])
    if read(file.read_bytes()).ops:
        judge(cli, ["explain", str(file), "0", "--source", str(data)], data, REFUSED)
    for verb in ("inspect", "check", "export", "compile", "profile", "run"):
        judge(cli, [verb, str(data), *([str(data)] if verb == "run" else [])], data, REFUSED)
    judge(cli, ["compare", str(file), "--against", str(data), "--inputs", str(data)], data, REFUSED)


@pytest.mark.parametrize("name", LABELS)
def test_labels(cli: Cli, folder: Path, name: str) -> None:
    (source,) = (path for path in folder.iterdir() if path.stem == "net" and path.suffix != ".qfb")
    file = str(folder / "net.qfb")
    model = qrt.load(file)
    shapes = source_shapes(model)
    arrays = dict(zip((info.name for info in model.inputs), floats(*shapes), strict=True))
    data = folder / "labels.npz"
    np.savez(data, labels=LABELS[name](shapes[0][0]), **arrays)
    code = judge(
        cli, ["compare", file, "--against", str(source), "--inputs", str(data), "--layout", "NCHW"], data, None
    )
    assert code == 2 or name == "labels"


def test_cubes_need_a_layout(cli: Cli) -> None:
    """As many channels as rows and columns: both layouts fit, and give other codes."""
    Path("net.onnx").write_bytes(MODELS["cubes"].make())
    assert cli("compile", "net.onnx", "-q").exit_code == 0
    x = floats((5, 4, 4, 4))[0]
    np.save("first.npy", x)
    np.save("last.npy", x.transpose(0, 2, 3, 1))
    reason = "can be NHWC or NCHW; choose one with --layout NHWC or --layout NCHW"
    compare = ("compare", "net.qfb", "--against", "net.onnx", "--inputs")
    for arguments in (compare, ("run", "net.qfb"), ("profile", "net.qfb", "--input")):
        refused = cli(*arguments, "first.npy")
        assert_refused(refused, f"qrt {arguments[0]}: first.npy: input x0: first.npy (5, 4, 4, 4) float32 {reason}")
    first, last = (
        cli(*compare, f"{name}.npy", "--layout", layout, "--json")
        for name, layout in (("first", "NCHW"), ("last", "NHWC"))
    )
    assert json.loads(first.stdout)["layers"] == json.loads(last.stdout)["layers"]
    assert json.loads(first.stdout)["first_differing"] is None


@pytest.mark.parametrize("name", DATA)
def test_calibration_data(cli: Cli, name: str) -> None:
    n = Net(quantized=False)
    y = n.op("Conv", n.input("x", (2, 3, 4, 5)), n.weights((2, 3, 3, 3)))
    Path("float.onnx").write_bytes(n.model(y).SerializeToString())
    arrays = DATA[name][0]([(2, 3, 4, 5)])
    if arrays is None:
        return
    data = write(Path(), name.replace(" ", "_"), arrays, ["x"])
    wrong = REFUSED if name in ("codes", "infinity", "wrong size", "turned", "too many") else TAKEN
    judge(cli, ["compile", "float.onnx", "--calibrate", str(data)], data, DATA[name][1] or wrong)


def test_another_networks_source(cli: Cli) -> None:
    for name in ("images", "cubes"):
        Path(f"{name}.onnx").write_bytes(MODELS[name].make())
        assert cli("compile", f"{name}.onnx", "-q").exit_code == 0
    np.save("x.npy", floats((1, 3, 4, 5))[0])
    refused = cli("compare", "images.qfb", "--against", "cubes.onnx", "--inputs", "x.npy")
    assert_refused(refused, "qrt compare: cubes.onnx: has inputs [[1, 4, 4, 4]], 1 outputs, but images.qfb has inputs ")


@pytest.mark.parametrize("path", [".", "..", "loop.onnx"])
@pytest.mark.parametrize("verb", ["compile", "export", "inspect", "check", "profile", "explain"])
def test_folders_and_links_that_lead_nowhere(cli: Cli, verb: str, path: str) -> None:
    Path("loop.onnx").symlink_to("loop.onnx")
    result = cli(verb, path, *(["0"] if verb == "explain" else []))
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stderr.startswith(f"qrt {verb}: "), result.stderr


def test_an_output_that_is_a_link_to_itself(cli: Cli) -> None:
    Path("plain.onnx").write_bytes(net((1, 4), kind="Relu")())
    for name in ("loop.qfb", "loop.npy", "loop.tflite"):
        Path(name).symlink_to(name)
    assert cli("compile", "plain.onnx", "-o", "model.qfb").exit_code == 0
    np.save("x.npy", floats((1, 4))[0])
    for verb, *arguments in (
        ["compile", "plain.onnx", "-o", "loop.qfb"],
        ["run", "model.qfb", "x.npy", "-o", "loop.npy"],
        ["export", "model.qfb", "-o", "loop.tflite"],
    ):
        result = cli(verb, *arguments)
        assert_refused(
            result, f"qrt {verb}: {arguments[-1]}: is a link that leads to itself; name another file with -o"
        )
