"""Seed files for fuzzing besides the golden files: small networks in the format of each target.

cd tests && python -m fuzz.seeds onnx folder
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from command_line import residual
from places import VECTORS
from vectors import models
from vectors.encode import encode

from qrt.compiler import GraphBuilder


def networks() -> Iterator[GraphBuilder]:
    """Small networks that the compiler lowers, one for each of its ways."""
    yield residual()
    rng = np.random.default_rng(1)
    g = GraphBuilder("pools")
    x = g.input("x", (1, 6, 6, 4), scale=0.1, zero_point=3)
    y = g.dwconv2d(x, rng.normal(size=(1, 3, 3, 4)), scale=0.1, padding=1, activation="relu6")
    y = g.max_pool2d(y, 2, stride=2)
    g.output(g.mean(y, scale=0.1))
    yield g


# Valid models of one operator, which take least time.
SINGLE = (
    models.linear,
    models.conv,
    models.dwconv,
    models.pool,
    models.add,
    models.tflite_add,
    models.mean,
    models.requantize,
    models.softmax,
    models.softmax_tflite,
    models.reshapes,
    models.slice_of,
    models.resize,
    models.transpose_conv,
    models.arg_max,
    models.matmul,
    models.l2_norm,
    models.accumulators,
    models.requantize_sum,
    models.squared_difference,
    models.layer_norm,
    models.log_softmax,
    models.log_softmax_tflite,
)


# Files with variables: a window, initial values, and both.
VARIABLES = (0, 6, 12)


def model() -> Iterator[bytes]:
    for folder in ("good", "bad"):
        for path in sorted((VECTORS / folder).glob("*.qfb")):
            yield path.read_bytes()
    yield from (encode(single()) for single in SINGLE)
    yield from (network.compile() for network in networks())


def onnx() -> Iterator[bytes]:
    from onnx_models import Net, quantized

    for convolution in (True, False):
        net = Net((1, 3, 6, 6)) if convolution else Net((1, 8))
        y = net.node("Relu", net.conv("x", 4, 3)) if convolution else net.gemm("x", 4, 8)
        yield quantized(net.model(y)).SerializeToString()


def tflite() -> Iterator[bytes]:
    from variable_networks import drawn

    from qrt.compiler import compile
    from qrt.compiler.backends.tflite.writer import to_tflite

    for network in networks():
        yield to_tflite(compile(network).graph).content
    yield from (drawn(np.random.default_rng(seed)) for seed in VARIABLES)


def pt2() -> Iterator[bytes]:
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from qrt.compiler.frontends.torch import QrtQuantizer

    for layer, shape in ((torch.nn.Linear(6, 3), (1, 6)), (torch.nn.Conv2d(2, 3, 3), (1, 2, 4, 4))):
        example = (torch.randn(*shape),)
        module = torch.nn.Sequential(layer, torch.nn.ReLU()).eval()
        prepared = prepare_pt2e(torch.export.export(module, example).module(check_guards=False), QrtQuantizer())
        prepared(*example)
        stream = io.BytesIO()
        torch.export.save(torch.export.export(convert_pt2e(prepared), example), stream)
        yield stream.getvalue()


def npy() -> Iterator[bytes]:
    for array in (np.arange(12, dtype=np.int8).reshape(3, 4), np.linspace(0, 1, 5), np.array([], np.uint8)):
        stream = io.BytesIO()
        np.save(stream, array)
        yield stream.getvalue()
        stream = io.BytesIO()
        np.savez_compressed(stream, x=array, y=array)
        yield stream.getvalue()


SEEDS = {"model": model, "onnx": onnx, "tflite": tflite, "pt2": pt2, "npy": npy}


def write(name: str, folder: Path) -> None:
    """Writes the seeds of a target into a folder, each named by its number."""
    for number, content in enumerate(SEEDS[name]()):
        (folder / f"seed{number:03}").write_bytes(content)


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
