"""Valid networks that hardly anybody has: the C of each compiles without a warning and gives the expected bytes."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path

import graphs
import numpy as np
import pytest
from c_programs import compiler
from vectors.encode import Table, codes, encode, requant
from vectors.models import Net

import qrt
from qrt.firmware.generate.network import generate
from qrt.firmware.projects.library import library_files
from qrt.firmware.targets import target

FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
TEXT = '*/ /* "q" \\ ??/ @name@ ${x} %s {0} $(id) \n#error\r inputs[0] = ;\u2028 \U0001f600 a  b \\'
LABELS = [TEXT, " ".join("many words" for _ in range(30)), "-".join("hyphen" for _ in range(40)), "", "\\1"]


def texts() -> bytes:
    net = Net(name=TEXT)
    x = net.input((1, 5), name=TEXT, scale=0.5)
    y = net.op(Table("Lut", table=codes(*range(127, -129, -1))), [x], (1, 5), name=TEXT, scale=0.25)
    net.output(y, labels=LABELS)
    return encode(net.model())


def no_operators() -> bytes:
    """Inputs that are outputs, in another order, and one of them twice."""
    net = Net(name="none")
    x, z = net.input((1, 3), scale=0.5), net.input((2, 2))
    for tensor in (z, x, z):
        net.output(tensor)
    return encode(net.model())


def reshape_in_place() -> bytes:
    net = Net(name="stays")
    x = net.input((1, 6))
    y = net.op(Table("Reshape"), [x], (2, 3), name="inputs[0] =")
    net.output(y)
    model = net.model()
    net.tensors[y]["arena_offset"] = net.tensors[x]["arena_offset"]
    return encode(model)


def accumulators() -> bytes:
    """Scales whose exponents have a hyphen, and the smallest and largest that a float has."""
    net = Net(name="accumulators")
    x = net.input((1, 3), -128, scale=float(np.float32(1e-45)))
    for scales in ([1.23456e-5 * (i + 1) for i in range(40)], [1e-45, 1e-39, 3.4028235e38, 1.0]):
        options = Table("Linear", requant=requant((1,), (0,)))
        y = net.op(options, [x, net.constant((len(scales), 3))], (1, len(scales)), dtype=1)
        net.output(y, scales=np.array(scales, "<f4"))
    return encode(net.model())


def far_apart(channels: int, vertical: bool) -> bytes:
    """A convolution whose strides and padding, in bytes, have more than 31 bits."""
    stride, padding = ((65535, 1), (0, 65535, 0, 0)) if vertical else ((1, 65535), (0, 0, 0, 65535))
    window = graphs.Window((1, 1), stride=stride, padding=padding)
    return graphs.to_bytes(graphs.conv2d(np.random.default_rng(1), (1, 1, 1, channels), 1, window))


NETWORKS: dict[str, Callable[[], bytes]] = {
    **{
        f"far_apart_{channels}_{vertical}": functools.partial(far_apart, channels, vertical)
        for channels in (32768, 65537)
        for vertical in (False, True)
    },
    "texts": texts,
    "no_operators": no_operators,
    "reshape_in_place": reshape_in_place,
    "accumulators": accumulators,
}


def write_library(content: bytes, folder: Path, core: str = "generic") -> None:
    """The library of a network, named net, with two vectors."""
    rng = np.random.default_rng(0)
    model = qrt.load(content, kernels="reference")
    vectors = []
    for _ in range(2):
        inputs = [rng.integers(-128, 128, x.shape).astype(np.int8) for x in model.inputs]
        outputs = model.run(*inputs, layout="NHWC")
        vectors.append(qrt.TestVector(inputs, outputs if isinstance(outputs, list) else [outputs], False))
    for name, text in library_files(generate(content, target(core), "net"), vectors).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def run_program(folder: Path, *sources: Path) -> bytes:
    """What a program of the library and these sources prints; it must end with 0."""
    library = sorted((folder / "src").rglob("*.c"))
    program = folder / "program"
    command = [compiler(), *FLAGS, f"-I{folder / 'src'}", *map(str, [*library, *sources]), "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return subprocess.run([program], capture_output=True, check=True).stdout


@pytest.mark.parametrize("core", ["generic", "cortex-m4", "cortex-m55"])
@pytest.mark.parametrize("name", NETWORKS)
def test_odd_network_gives_the_expected_bytes(name: str, core: str, tmp_path: Path) -> None:
    write_library(NETWORKS[name](), tmp_path, core)
    run_program(tmp_path, *(tmp_path / "check").glob("*.c"))


def test_labels_are_the_bytes_of_the_file(tmp_path: Path) -> None:
    write_library(texts(), tmp_path)
    (tmp_path / "labels.c").write_text(
        '#include <stdio.h>\n#include "net.h"\n'
        "int main(void) {\n"
        '    for (int i = 0; i < NET_OUTPUT_0_LABEL_COUNT; i++) printf("%s%c", net_output_0_labels[i], 0);\n'
        "    return 0;\n}\n"
    )
    assert run_program(tmp_path, tmp_path / "labels.c").decode().split("\0")[:-1] == LABELS


def test_scales_are_those_of_the_file(tmp_path: Path) -> None:
    write_library(accumulators(), tmp_path)
    (tmp_path / "scales.c").write_text(
        '#include <stdio.h>\n#include "net.h"\n'
        "static const float scales[2][40] = {NET_OUTPUT_0_SCALES, NET_OUTPUT_1_SCALES};\n"
        "int main(void) { return fwrite(scales, sizeof scales, 1, stdout) != 1; }\n"
    )
    found = np.frombuffer(run_program(tmp_path, tmp_path / "scales.c"), "f4").reshape(2, 40)
    graph = generate(accumulators(), target("generic"), "net").graph
    for row, edge in zip(found, graph.outputs, strict=True):
        assert edge.scales is not None
        assert row[: len(edge.scales)].tobytes() == np.asarray(edge.scales, "f4").tobytes()
