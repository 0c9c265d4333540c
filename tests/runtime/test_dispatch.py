"""Each CPU gets the sets that it supports, and the reasons for the others: tested on emulated CPUs that lack them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import graphs
import numpy as np
import pytest
from graphs import Window
from sanitizers import SANITIZERS

import qrt
from qrt import _executor

CODE = """
import json, sys, numpy as np, qrt
model = qrt.load(sys.stdin.buffer.read())
y = model.run(np.arange(np.prod(model.inputs[0].shape)).astype(np.int8).reshape(model.inputs[0].shape))
print(json.dumps([qrt.kernel_sets(), qrt.absent_kernel_sets(), model.kernels, y.ravel().tolist()]))
"""


@pytest.mark.parametrize(
    ("cpu", "sets", "reasons"),
    [
        ("Nehalem", ["reference", "portable"], {"avxvnni": "no AVX2", "avx512vnni": "no AVX2", "amx": "no AVX2"}),
        (
            "Haswell",
            ["reference", "portable", "avx2"],
            {"avxvnni": "neither AVX-VNNI", "avx512vnni": "no AVX-512", "amx": "no AVX-512"},
        ),
    ],
)
def test_emulated_cpu(cpu: str, sets: list[str], reasons: dict[str, str]) -> None:
    emulator = shutil.which("qemu-x86_64")
    if emulator is None:
        pytest.skip("qemu-x86_64 is not installed")
    if SANITIZERS:
        pytest.skip("an emulator has no room for the shadow memory of a sanitizer")
    rng = np.random.default_rng(1)
    content = graphs.to_bytes(graphs.conv2d(rng, (1, 6, 6, 24), 40, Window(padding=(1, 1, 1, 1))))
    command = [emulator, "-cpu", cpu, sys.executable, "-c", CODE]
    result = subprocess.run(command, input=content, capture_output=True, check=True)
    found, absent, used, codes = json.loads(result.stdout)
    assert found == sets
    assert used == sets[-1]
    arm = {"neon", "neondot", "neoni8mm"}
    assert set(absent) == {"avx2", "avxvnni", "avx512vnni", "amx", *arm} - set(sets)
    assert all(reason in absent[name] for name, reason in reasons.items())
    assert all("64-bit Arm" in absent[name] for name in arm)
    model = qrt.load(content, kernels="reference")
    x = np.arange(np.prod(model.inputs[0].shape)).astype(np.int8).reshape(model.inputs[0].shape)
    assert codes == model.run(x).ravel().tolist()


def test_encodings_of_a_set() -> None:
    """The set is the best encoding that CPU and compiler have; each that they lack is refused with a reason."""
    encodings = _executor.ENCODINGS
    assert bool(encodings) == ("avxvnni" in qrt.kernel_sets())
    for name in ("avxvnni-signed", "avxvnni-vex", "avxvnni-evex"):
        refusal = _executor.refusal(name)
        assert (refusal == "") == (name in encodings)
        assert name not in qrt.kernel_sets()
        assert name not in qrt.absent_kernel_sets()
        assert refusal == "" or f"no kernel set {name!r} here: " in refusal
