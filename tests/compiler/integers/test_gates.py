"""Sigmoid and tanh of 16 bits: the table in each place that has it, and the functions in C, against SPEC.md."""

from __future__ import annotations

import re
import subprocess
import zlib
from pathlib import Path

import bigint_gates
import numpy as np
import pytest
from c_programs import FLAGS, compiler
from places import ROOT

from qrt.compiler.integers import gates

PROGRAM = """
#include <stdio.h>

#include "portable/gates.h"

int main(void) {
    for (int32_t d = -140000; d < 140000; d++) printf("%d %d\\n", (int)qrt_sigmoid16(d), (int)qrt_tanh16(d));
    return 0;
}
"""
D = np.arange(-140000, 140000)


def numbers(text: str) -> list[int]:
    """The list of numbers in a text that begins as the table does."""
    (found,) = re.findall(r"\b32768,\s+33451(?:,\s+\d+)+", text)
    return [int(n) for n in re.findall(r"\d+", found)]


@pytest.mark.parametrize("path", ["schema/SPEC.md", "runtime/kernels/portable/gates.h", "runtime/_reference_gates.pxi"])
def test_the_table_is_one(path: str) -> None:
    assert numbers((ROOT / path).read_text(encoding="utf-8")) == gates.TABLE.tolist()


def test_the_table_is_that_of_tensorflow_lite() -> None:
    assert zlib.crc32(gates.TABLE.astype("<u2").tobytes()) == 0xB84F6AB4


def test_functions_in_c_and_in_numpy(tmp_path: Path) -> None:
    source, program = tmp_path / "gates.c", tmp_path / "gates"
    source.write_text(PROGRAM)
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
    subprocess.run([compiler(), *FLAGS, *warnings, str(source), "-o", str(program)], check=True)
    listing = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    theirs = np.array(listing.split(), np.int64).reshape(-1, 2)
    np.testing.assert_array_equal(theirs[:, 0], gates.sigmoid(D))
    np.testing.assert_array_equal(theirs[:, 1], gates.tanh(D))
    some = D[::61]
    np.testing.assert_array_equal([bigint_gates.sigmoid(int(d)) for d in some], gates.sigmoid(some))
    np.testing.assert_array_equal([bigint_gates.tanh(int(d)) for d in some], gates.tanh(some))


def test_they_are_sigmoid_and_tanh() -> None:
    x = D / gates.UNIT
    assert np.abs(gates.sigmoid(D) / 2**15 - 1 / (1 + np.exp(-x))).max() < 2**-14
    assert np.abs(gates.tanh(D) / 2**15 - np.tanh(x)).max() < 2**-13


@pytest.mark.parametrize(
    ("scale", "most", "expected"),
    [
        (2.0**-12, 0, (3, 0)),
        (2.0**-11, 1, (6, 0)),
        (2.0**-11, 0, (24576, 12)),
        (1e-4, 1, (20132, 14)),
        (2.6, 1, (int(2.6 * 12288), 0)),
        (1e-13, 0, (int(1e-13 * 12288 * 2**31), 31)),
    ],
)
def test_scaling(scale: float, most: int, expected: tuple[int, int]) -> None:
    assert gates.scaling(scale, most) == expected


def test_a_scale_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="too large for a function"):
        gates.scaling(2.7, 1)
