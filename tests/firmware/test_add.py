"""The dsp set's add, which is proved for the numbers of an operator: the reference's bytes for all pairs of codes."""

from __future__ import annotations

from pathlib import Path

import graphs
import numpy as np
from c_programs import compiler
from expected import expect
from graphs import Sum, to_bytes
from many_networks import differ_on_host, host_program, networks_of

from qrt._prepared import Prepared
from qrt.compiler.integers.channels import quantize_multiplier
from qrt.firmware.targets import TARGETS

CODES = np.arange(-128, 128, dtype=np.int8)
PAIRS = [np.repeat(CODES, 256), np.tile(CODES, 256)]


def sum_of(form: str, a: float, b: float, y: float, zero_point: int, subtract: bool = False) -> Sum:
    """The integers for three scales."""
    if form == "TFLITE":
        unit = 2 * max(a, b)
        (a_multiplier, a_shift), (b_multiplier, b_shift) = quantize_multiplier(a / unit), quantize_multiplier(b / unit)
        y_multiplier, y_shift = quantize_multiplier(unit / (2**20 * y))
        shifts = {"a_shift": a_shift, "b_shift": b_shift, "y_multiplier": y_multiplier, "y_shift": y_shift}
        return Sum(form, a_multiplier, b_multiplier, **shifts, y_zero_point=zero_point, subtract=subtract)
    shift = quantize_multiplier(max(a, b) / y)[1]
    return Sum(
        form, round(a / y * 2**shift), round(b / y * 2**shift), shift, y_zero_point=zero_point, subtract=subtract
    )


def function(file: bytes) -> str:
    return Prepared(file, "dsp").function(0)


def add_file(numbers: Sum, shape: tuple[int, ...] = (65536,)) -> bytes:
    return to_bytes(graphs.add(np.random.default_rng(0), shape, shape, numbers))


def test_all_pairs(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    sums = []
    for i in range(48):
        a, b = np.exp(rng.uniform(-1.5, 1.5, 2)).tolist()
        # Halves and doubles have many ties.
        b, y = (b, (a + b) * rng.uniform(0.3, 1.1)) if i % 3 else (a * 2.0 ** rng.integers(-2, 3), a * 2)
        for form in ("COMMON_SHIFT", "TFLITE"):
            sums.append(sum_of(form, a, b, y, int(rng.integers(-128, 128)), i % 4 == 1))
    files = [add_file(numbers) for numbers in sums]
    ran = [function(file) for file in files]
    assert ran.count("qrt_add_s8_dsp") > 0.9 * len(ran)
    expected = [expect(str(numbers), file, [PAIRS]) for numbers, file in zip(sums, files, strict=True)]
    done = host_program(networks_of(files, TARGETS["cortex-m4"]), tmp_path, compiler(), ["-O1"])
    assert done.returncode == 0, done.stderr
    assert differ_on_host(tmp_path / "run_networks", expected) == []


def test_what_is_not_proved() -> None:
    """Factors of 4 and more, and a y_shift with which TFLITE's own roundings are too coarse."""
    assert function(add_file(sum_of("COMMON_SHIFT", 1, 1, 1, 0))) == "qrt_add_s8_dsp"
    assert function(add_file(sum_of("COMMON_SHIFT", 4, 1, 1, 0))) == "qrt_add_s8"
    assert function(add_file(sum_of("TFLITE", 1, 4, 1, 0))) == "qrt_add_s8"
    assert function(add_file(Sum("TFLITE", y_shift=41))) == "qrt_add_s8"
