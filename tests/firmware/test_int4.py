"""A network with weights of int4 on a core of each kernel set: the reference's bytes, and what its constants take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from device_programs import SET_CORES, place
from expected import expect
from many_networks import device_image, differ_on_device, networks_of
from places import DIGITS

from qrt.compiler import compile
from qrt.firmware.generate.network import generate
from qrt.firmware.toolchain.compilers import find_compiler


@pytest.fixture(scope="module")
def network() -> bytes:
    pytest.importorskip("onnx")
    return compile(DIGITS / "digits_resnet.onnx", weights="int4").to_bytes()


@pytest.mark.parametrize("kernels", SET_CORES)
def test_on_a_core(network: bytes, kernels: str, tmp_path: Path) -> None:
    target = place(*SET_CORES[kernels])
    rng = np.random.default_rng(4)
    case = expect("digits", network, [[rng.integers(-128, 128, (1, 8, 8, 1)).astype(np.int8)] for _ in range(3)])
    networks = networks_of([network], target)
    image = device_image(networks, tmp_path, target, find_compiler(target))
    assert differ_on_device(image, target, networks, [case], aligned=False) == []


# The dsp set keeps depthwise and small layers in int8.
@pytest.mark.parametrize(("kernels", "least"), [("portable", 0.48), ("dsp", 0.42)])
def test_constants_are_smaller(network: bytes, kernels: str, least: float) -> None:
    target = place(*SET_CORES[kernels])
    wide = generate(compile(DIGITS / "digits_resnet.onnx").to_bytes(), target, "net")
    packed = generate(network, target, "net")
    weights = sum(op.inputs[1].size for op in packed.graph.ops if len(op.inputs) > 1 and op.inputs[1].is_constant)
    assert wide.constants - packed.constants > least * weights
