"""Which layers Winograd's algorithm computes, against measurements instead of a clock, which depends on what else runs.

The ratios were measured by a C program on a Sapphire Rapids core with AMX left out: medians of 5 rounds, with weights
in the L2 cache and in the L3. bench/winograd.py measures the layers that are chosen.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import qrt
from bench.machine import describe
from bench.winograd import MOST_LOSS, Layer

# Batch, height, width, channels: speed by Winograd's algorithm, relative to the direct convolution's, with weights near
# and far. None: weights of one layer are far.
MEASURED: dict[tuple[int, int, int, int, int], tuple[float | None, float]] = {
    (1, 7, 7, 16, 16): (0.59, 0.62),
    (1, 7, 7, 32, 32): (0.71, 0.49),
    (1, 7, 7, 48, 48): (0.83, 0.52),
    (1, 7, 7, 64, 64): (0.98, 0.49),
    (1, 7, 7, 96, 96): (0.99, 0.49),
    (1, 7, 7, 128, 128): (None, 0.49),
    (1, 7, 7, 160, 320): (None, 0.46),
    (1, 7, 7, 192, 192): (None, 0.48),
    (1, 7, 7, 256, 256): (None, 0.47),
    (1, 7, 7, 512, 512): (None, 0.44),
    (1, 7, 20, 64, 64): (1.29, 0.99),
    (1, 8, 8, 16, 16): (0.75, 0.70),
    (1, 8, 8, 32, 32): (0.84, 0.66),
    (1, 8, 8, 32, 128): (1.09, 0.61),
    (1, 8, 8, 48, 48): (1.01, 0.56),
    (1, 8, 8, 64, 64): (1.25, 0.63),
    (1, 8, 8, 96, 96): (1.28, 0.64),
    (1, 8, 8, 128, 32): (0.99, 0.64),
    (1, 8, 8, 128, 128): (None, 0.64),
    (1, 8, 8, 192, 192): (None, 0.77),
    (1, 8, 8, 256, 256): (None, 0.62),
    (1, 10, 10, 16, 16): (0.63, 0.63),
    (1, 10, 10, 32, 32): (0.88, 0.67),
    (1, 10, 10, 48, 48): (1.09, 0.78),
    (1, 10, 10, 64, 64): (1.21, 0.77),
    (1, 10, 10, 96, 96): (1.33, 0.83),
    (1, 10, 10, 128, 128): (None, 0.86),
    (1, 10, 10, 192, 192): (None, 0.82),
    (1, 10, 10, 256, 256): (None, 0.87),
    (1, 12, 12, 16, 16): (0.66, 0.70),
    (1, 12, 12, 32, 32): (1.03, 0.91),
    (1, 12, 12, 48, 48): (1.22, 0.94),
    (1, 12, 12, 64, 64): (1.33, 1.04),
    (1, 12, 12, 96, 96): (1.51, 1.13),
    (1, 12, 12, 128, 128): (None, 1.15),
    (1, 12, 12, 192, 192): (None, 1.18),
    (1, 12, 12, 256, 256): (None, 1.17),
    (1, 13, 13, 128, 128): (None, 1.15),
    (1, 14, 14, 16, 16): (0.63, 0.66),
    (1, 14, 14, 32, 32): (0.91, 0.79),
    (1, 14, 14, 48, 48): (1.10, 0.95),
    (1, 14, 14, 64, 64): (1.26, 1.08),
    (1, 14, 14, 64, 256): (None, 1.16),
    (1, 14, 14, 96, 96): (1.36, 1.17),
    (1, 14, 14, 96, 208): (None, 1.24),
    (1, 14, 14, 128, 128): (None, 1.28),
    (1, 14, 14, 192, 192): (None, 1.32),
    (1, 14, 14, 256, 64): (None, 1.25),
    (1, 14, 14, 256, 256): (None, 1.35),
    (1, 16, 16, 16, 16): (0.78, 0.84),
    (1, 16, 16, 16, 64): (0.93, 0.86),
    (1, 16, 16, 32, 32): (1.06, 0.98),
    (1, 16, 16, 48, 48): (1.21, 1.10),
    (1, 16, 16, 64, 16): (1.17, 1.04),
    (1, 16, 16, 64, 64): (1.40, 1.25),
    (1, 16, 16, 96, 96): (1.52, 1.33),
    (1, 16, 16, 128, 128): (None, 1.45),
    (1, 16, 16, 192, 192): (None, 1.50),
    (1, 20, 20, 16, 16): (0.75, 0.76),
    (1, 20, 20, 32, 32): (1.09, 1.02),
    (1, 20, 20, 48, 48): (1.23, 1.14),
    (1, 20, 20, 64, 64): (1.37, 1.32),
    (1, 20, 20, 96, 96): (1.53, 1.36),
    (1, 20, 20, 128, 128): (None, 1.42),
    (1, 24, 24, 16, 16): (0.71, 0.78),
    (1, 24, 24, 32, 32): (1.16, 1.06),
    (1, 24, 24, 48, 48): (1.21, 1.14),
    (1, 24, 24, 64, 64): (1.38, 1.30),
    (1, 24, 24, 96, 96): (1.51, 1.40),
    (1, 24, 24, 128, 128): (None, 1.53),
    (1, 28, 28, 16, 16): (0.72, 0.71),
    (1, 28, 28, 32, 32): (1.00, 0.91),
    (1, 28, 28, 32, 64): (1.15, 1.08),
    (1, 28, 28, 48, 48): (1.21, 1.17),
    (1, 28, 28, 64, 64): (1.36, 1.32),
    (1, 28, 28, 96, 96): (1.49, 1.43),
    (1, 28, 28, 128, 128): (None, 1.54),
    (1, 32, 32, 16, 16): (0.78, 0.77),
    (1, 32, 32, 16, 32): (0.86, 0.82),
    (1, 32, 32, 32, 32): (1.09, 0.99),
    (1, 32, 32, 48, 48): (1.18, 1.15),
    (1, 32, 32, 64, 64): (1.37, 1.24),
    (1, 32, 32, 96, 96): (1.53, 1.49),
    (1, 56, 56, 16, 16): (0.75, 0.73),
    (1, 56, 56, 32, 32): (1.00, 0.94),
    (1, 56, 56, 48, 48): (1.19, 1.14),
    (1, 56, 56, 64, 64): (1.33, 1.26),
    (4, 7, 7, 128, 128): (None, 1.22),
    (4, 7, 7, 512, 512): (None, 1.10),
    (8, 7, 7, 64, 64): (1.21, 1.05),
}
# What must not be missed.
WORTH = 1.25


def measured() -> Iterator[tuple[Layer, float]]:
    for shape, (near, far) in MEASURED.items():
        if near is not None:
            yield Layer(*shape), near
        yield Layer(*shape, far=True), far


@pytest.mark.skipif("avx512vnni" not in qrt.kernel_sets(), reason="this machine has no AVX512-VNNI")
@pytest.mark.skipif(describe()["cpu"].startswith("AMD"), reason="the measurements are an Intel processor's")
def test_choice_agrees_with_measurements() -> None:
    chosen = {layer: layer.is_transformed() for layer, _ in measured()}
    assert [str(layer) for layer, ratio in measured() if chosen[layer] and ratio < 1 - MOST_LOSS] == []
    assert [str(layer) for layer, ratio in measured() if not chosen[layer] and ratio > WORTH] == []


# The same for registers of 256 bits and images of this size with 64 channels, which are near.
MEASURED_256: dict[str, dict[int, float]] = {
    "avx2": {3: 1.67, 4: 2.13, 5: 1.55, 6: 2.16, 7: 2.25, 8: 3.05, 9: 2.24, 12: 3.10, 56: 2.99},
    "avxvnni": {2: 0.51, 3: 0.70, 4: 0.77, 5: 0.69, 6: 0.85, 7: 1.12, 8: 1.28, 9: 1.02, 12: 1.37, 56: 1.45},
}


@pytest.mark.parametrize("kernels", MEASURED_256)
def test_choice_with_half_registers(kernels: str) -> None:
    if kernels not in qrt.kernel_sets():
        pytest.skip(f"this machine has no {kernels}")
    for size, ratio in MEASURED_256[kernels].items():
        chosen = Layer(1, size, size, 64, 64).is_transformed(kernels)
        assert not (chosen and ratio < 1 - MOST_LOSS), size
        assert chosen or ratio <= WORTH, size
