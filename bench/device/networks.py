"""The networks of the benchmark of microcontrollers: as .tflite files, and compiled by qrt."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import qrt
from bench.device.mobilenet import NAME as MOBILENET
from bench.device.mobilenet import mobilenet
from bench.networks import PUBLISHED, Unusable
from bench.recipes import Array
from qrt.compiler import CompileError, compile
from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.backends.tflite.writer import to_tflite
from qrt.compiler.ir import Edge

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits_resnet.onnx"
PUBLISHED_NAMES = ("ic_resnet8", "kws_dscnn", "vww_mobilenet", "ad_autoencoder", "sww")
NAMES = (*PUBLISHED_NAMES, "digits", MOBILENET)
# Inputs on which outputs are compared; instructions are those of the first.
SAMPLES = 2


@dataclass(frozen=True)
class Network:
    """A network as every contestant gets it.

    Attributes
    ----------
    name : str
    macs : int
        Multiply-accumulates of the network including all channels.
    content : bytes
        The .qfb file, bit-exact to TFLite Micro, without names.
    exported : bytes
        The same network as .tflite, as ``qrt export`` writes it, with the channels that qrt removes, and without a
        softmax at its end, which BakeNN does not take.
    samples : list of list of Array
        For each run the codes of each input.
    expected, expected_exported : list of list of bytes
        For each run the outputs of `content` and of `exported` on this machine.
    """

    name: str
    macs: int
    content: bytes
    exported: bytes
    samples: list[list[Array]]
    expected: list[list[bytes]]
    expected_exported: list[list[bytes]]

    @property
    def input_bytes(self) -> list[list[bytes]]:
        return [[codes.tobytes() for codes in sample] for sample in self.samples]


def from_tflite(path: Path, folder: Path) -> Network:
    """The network of a .tflite file; `folder` is where the exported file goes."""
    try:
        content = compile(path, match="tflm").to_bytes(strip=True)
        whole = compile(path, match="tflm", skip={"remove_channels"})
        graph = read(whole.to_bytes())
        if graph.ops[-1].kind == "softmax":
            graph.outputs = [Edge(graph.ops.pop().inputs[0])]
        exported = folder / f"{path.stem}_exported.tflite"
        exported.write_bytes(to_tflite(graph).content)
        again = compile(exported, match="tflm").to_bytes()
    except (CompileError, ImportError, OSError) as error:
        raise Unusable(str(error).splitlines()[0]) from None
    rng = np.random.default_rng(5)
    model = qrt.load(content)
    samples = [[rng.integers(-128, 128, info.shape, dtype=np.int8) for info in model.inputs] for _ in range(SAMPLES)]
    return Network(
        path.stem,
        whole.report.macs,
        content,
        exported.read_bytes(),
        samples,
        [_outputs(model, sample) for sample in samples],
        [_outputs(qrt.load(again), sample) for sample in samples],
    )


def _outputs(model: qrt.Model, sample: list[Array]) -> list[bytes]:
    return [y.tobytes() for y in model.run(*sample, layout="NHWC", as_list=True)]


def _written(content: bytes, name: str, folder: Path) -> Path:
    """A compiled network as a .tflite file of its own, which is what is measured."""
    path = folder / f"{name}.tflite"
    path.write_bytes(to_tflite(read(content)).content)
    return path


def plan(names: tuple[str, ...], folder: Path) -> tuple[dict[str, Callable[[], Network]], dict[str, str]]:
    """Functions that make the networks of these names, and those that cannot be made, with the reason."""
    makers: dict[str, Callable[[], Network]] = {}
    skipped: dict[str, str] = {}
    for name in names:
        missing = [] if name == MOBILENET else ["tflite"] if name in PUBLISHED_NAMES else ["onnx", "tflite"]
        if lacking := [package for package in missing if importlib.util.find_spec(package) is None]:
            skipped[name] = f'{", ".join(lacking)} is not installed: pip install "qrt[bench]"'
        elif name == MOBILENET:
            makers[name] = lambda: from_tflite(_written(mobilenet().compile(), MOBILENET, folder), folder)
        elif name == "digits":
            makers[name] = lambda: from_tflite(_written(compile(DIGITS).to_bytes(), "digits", folder), folder)
        elif (path := PUBLISHED / f"{name}.tflite").is_file():
            makers[name] = partial(from_tflite, path, folder)
        else:
            skipped[name] = "its file is missing in shared/models beside the project"
    return makers, skipped
