"""Features of speech in integers: the bits of TensorFlow Lite Micro's audio frontend as microWakeWord sets it up.

    python examples/wakeword/log_mel.py FOLDER    # writes log_mel_tables.h, which log_mel.c includes

Every 10 ms a frame of 40 numbers: a window of 30 ms, its spectrum, 40 bands on the mel scale, less the noise, with
automatic gain, as logarithms. Floats occur only where the tables are computed. log_mel.c is the same for devices.
"""

from __future__ import annotations

import sys
import textwrap
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

RATE = 16_000
WINDOW = 480
STEP = 160
BANDS = 40
# The window, padded by zeros to this length, goes through a real FFT: a complex one of half the length.
FFT = 512
HALF = FFT // 2

LOWEST_HZ, HIGHEST_HZ = 125.0, 7500.0
# Of the coefficients of the window and of the bands.
WINDOW_BITS = BAND_BITS = 12

# The noise in each band, of NOISE_BITS more bits than the signal, follows it slowly, faster in bands with odd number.
NOISE_BITS = 10
SMOOTHING_BITS = 14
SMOOTHING = tuple(int(np.float32(share) * 2**SMOOTHING_BITS) for share in (0.025, 0.06))
# What is left of the signal at least.
LEAST_SHARE = int(np.float32(0.05) * 2**SMOOTHING_BITS)

# Bits of the signal that the logarithm puts before the fraction of the bands' square roots.
CORRECTION_BITS = (FFT.bit_length() - 1) - BAND_BITS // 2
GAIN_STRENGTH, GAIN_OFFSET, GAIN_BITS = np.float32(0.95), np.float32(80.0), 21
SNR_BITS = 12
SNR_SHIFT = GAIN_BITS - CORRECTION_BITS - SNR_BITS
SHRUNK_BITS = 6

# The logarithm has 16 bits of fraction, from a table of 128 segments; frames have 6.
LOG_BITS, LOG_SEGMENT_BITS, LOG_OF_2 = 16, 7, 45_426
FEATURE_BITS = 6

# Of a frame's numbers, so many are 256 codes: microWakeWord's networks take codes of 26/256 from -128 on.
CODE_STEP = 666
CODE_SCALE, CODE_ZERO_POINT = 26 / 256, -128


def mel(hertz: ArrayLike) -> np.ndarray:
    """A frequency on the mel scale, in float32 as C computes it: log1p rounded, then multiplied."""
    ratio = np.asarray(hertz, np.float32) / np.float32(700.0)
    return np.float32(1127.0) * np.log1p(ratio.astype(np.float64)).astype(np.float32)


def rounded(x: np.ndarray) -> np.ndarray:
    return np.floor(x + 0.5).astype(np.int64)


class Tables:
    """What the arithmetic reads: integers, from formulas in the floats that the C of TFLM uses."""

    @cached_property
    def window(self) -> np.ndarray:
        """A Hann window, in float32: not quite symmetric. [WINDOW]"""
        phase = np.float32(np.pi * 2.0 / WINDOW) * (np.arange(WINDOW, dtype=np.float32) + np.float32(0.5))
        hann = np.float32(0.5) - np.float32(0.5) * np.cos(phase.astype(np.float64)).astype(np.float32)
        return rounded(hann * np.float32(2**WINDOW_BITS)).astype(np.int32)

    @staticmethod
    def _roots(phase: np.ndarray) -> np.ndarray:
        return np.stack([rounded(32767 * np.cos(phase)), rounded(32767 * np.sin(phase))], axis=1).astype(np.int32)

    @cached_property
    def twiddles(self) -> np.ndarray:
        """Roots of unity of the complex FFT, real and imaginary part. [3 / 4 HALF, 2]"""
        return self._roots(-2 * np.pi * np.arange(HALF * 3 // 4) / HALF)

    @cached_property
    def real_twiddles(self) -> np.ndarray:
        """Those that make the FFT of real samples out of it, from entry 1 of the spectrum on. [HALF / 2, 2]"""
        return self._roots(-np.pi * (np.arange(1, HALF // 2 + 1) / HALF + 0.5))

    @cached_property
    def band_starts(self) -> np.ndarray:
        """Where each slope begins in the spectrum: a band falls while the next one rises. [BANDS + 2]"""
        return self._bands[0]

    @cached_property
    def band_weights(self) -> np.ndarray:
        """How much of each entry, from band_starts[0] to band_starts[-1], belongs to the band that falls there."""
        weights = self._bands[1].copy()
        # log1pf of newlib, and of glibc before 2.41, is not rounded correctly; at 7500 Hz that reaches two weights.
        weights[np.array([149, 221]) - self.band_starts[0]] += 1
        return weights

    @cached_property
    def _bands(self) -> tuple[np.ndarray, np.ndarray]:
        low, high = mel(LOWEST_HZ), mel(HIGHEST_HZ)
        spacing = (high - low) / np.float32(BANDS + 1)
        centers = low + spacing * np.arange(1, BANDS + 2, dtype=np.float32)
        hertz = np.float32(RATE / FFT)
        entries = mel(np.arange(HALF, dtype=np.float32) * hertz)
        first = int(1.5 + LOWEST_HZ / hertz)
        starts = np.concatenate([[first], np.searchsorted(entries, centers, side="right")])
        weights = [
            (center - entries[start:end]) / (center - before)
            for center, before, start, end in zip(centers, [low, *centers], starts, starts[1:], strict=False)
        ]
        return starts, rounded(np.concatenate(weights).astype(np.float64) * 2**BAND_BITS)

    @cached_property
    def gain(self) -> np.ndarray:
        """Gain for a level of noise: of 0, of 1, then a parabola for each power of two. [2 + 31 * 3]"""

        def at(noise: int) -> int:
            level = np.float32(noise) / np.float32(2 ** (NOISE_BITS - CORRECTION_BITS)) + GAIN_OFFSET
            value = np.float32(2**GAIN_BITS) * np.float32(float(level) ** -float(GAIN_STRENGTH))
            return 32767 if value > 32767 else int(value + np.float32(0.5))

        table = [at(0), at(1)]
        for power in range(1, 32):
            start = 2**power
            y0, y1, y2 = at(start), at(start * 3 // 2), at(2 * start if power < 31 else 2 * start - 1)
            linear = 4 * (y1 - y0) - (y2 - y0)
            table += [y0, linear, y2 - y0 - linear]
        return np.array(table)

    @cached_property
    def log(self) -> np.ndarray:
        """log2(1 + x) - x at the ends of the segments of 0 to 1. [2^LOG_SEGMENT_BITS + 1]"""
        x = np.arange(2**LOG_SEGMENT_BITS + 1) / 2**LOG_SEGMENT_BITS
        return rounded((np.log2(1 + x) - x) * 2**LOG_BITS)


TABLES = Tables()


def _int16(x: np.ndarray) -> np.ndarray:
    """Wrapped to 16 bits, as C stores it; int32 again, which products and sums of two fit into."""
    return x.astype(np.int16).astype(np.int32)


def _q15(x: np.ndarray) -> np.ndarray:
    """The products of a sum, of 15 bits of fraction each, rounded together."""
    return _int16((x + 2**14) >> 15)


def _times(real: np.ndarray, imag: np.ndarray, roots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A complex product."""
    cos, sin = roots.T
    return _q15(real * cos - imag * sin), _q15(real * sin + imag * cos)


def _complex_fft(real: np.ndarray, imag: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kiss FFT's decimation in time, radix 4, of [frames, HALF] in 16 bits: each stage divides by 4."""
    order = np.arange(HALF).reshape(4, 4, 4, 4).transpose().ravel()
    real, imag = real[:, order], imag[:, order]
    span = 1
    while span < HALF:
        # Four parts, of which the spectra are known, make a spectrum four times as long.
        parts = [
            (_q15(r * (32767 // 4)), _q15(i * (32767 // 4)))
            for r, i in zip(
                np.moveaxis(real.reshape(-1, HALF // (4 * span), 4, span), 2, 0),
                np.moveaxis(imag.reshape(-1, HALF // (4 * span), 4, span), 2, 0),
                strict=True,
            )
        ]
        step = HALF // (4 * span)
        turned = [_times(*parts[k], TABLES.twiddles[np.arange(span) * step * k]) for k in (1, 2, 3)]
        (r0, i0), ((r1, i1), (r2, i2), (r3, i3)) = parts[0], turned
        even_r, even_i, odd_r, odd_i = _int16(r0 + r2), _int16(i0 + i2), _int16(r1 + r3), _int16(i1 + i3)
        less_r, less_i, turn_r, turn_i = _int16(r0 - r2), _int16(i0 - i2), _int16(r1 - r3), _int16(i1 - i3)
        real = _int16(np.stack([even_r + odd_r, less_r + turn_i, even_r - odd_r, less_r - turn_i], axis=2))
        imag = _int16(np.stack([even_i + odd_i, less_i - turn_r, even_i - odd_i, less_i + turn_r], axis=2))
        real, imag = real.reshape(-1, HALF), imag.reshape(-1, HALF)
        span *= 4
    return real, imag


def _energies(windows: np.ndarray) -> np.ndarray:
    """The squared spectrum of [frames, FFT] samples of 16 bits, its entries 1 to HALF - 1 in their places."""
    # Even samples are the real parts, odd ones the imaginary parts; the entries k and -k hold the spectra of both.
    real, imag = _complex_fft(windows[:, 0::2], windows[:, 1::2])
    k = np.arange(1, HALF // 2 + 1)
    half = 32767 // 2
    here_r, here_i, there_r, there_i = (_q15(x * half) for x in (real[:, k], imag[:, k], real[:, -k], -imag[:, -k]))
    even_r, even_i = _int16(here_r + there_r), _int16(here_i + there_i)
    odd_r, odd_i = _times(_int16(here_r - there_r), _int16(here_i - there_i), TABLES.real_twiddles)
    energies = np.zeros((len(windows), HALF), np.int64)
    # The middle entry is its own partner, and written last as such.
    energies[:, k] = _squared((even_r + odd_r) >> 1, (even_i + odd_i) >> 1)
    energies[:, -k] = _squared((even_r - odd_r) >> 1, (odd_i - even_i) >> 1)
    return energies


def _squared(real: np.ndarray, imag: np.ndarray) -> np.ndarray:
    return real.astype(np.int64) ** 2 + imag.astype(np.int64) ** 2


def _root(x: np.ndarray) -> np.ndarray:
    """Square roots, rounded; below 2^32 they stay in 16 bits. Exact: x is below 2^52."""
    root = np.sqrt(x.astype(np.float64)).astype(np.int64)
    return root + ((x - root * root > root) & ((root != 0xFFFF) | (x >= 2**32)))


def _signals(windows: np.ndarray) -> np.ndarray:
    """The bands of windows of samples, without state. int16 [frames, WINDOW] -> [frames, BANDS]"""
    weighted = _int16((windows.astype(np.int32) * TABLES.window) >> WINDOW_BITS)
    # Magnitudes of 16 bits, of which that of -32768 is negative.
    loudest = _int16(np.abs(weighted)).max(axis=1).clip(0)
    shift = 15 - np.ceil(np.log2(loudest + 1)).astype(np.int32)
    padded = np.zeros((len(windows), FFT), np.int32)
    padded[:, :WINDOW] = _int16(weighted << shift[:, np.newaxis])
    starts = TABLES.band_starts
    energies = _energies(padded)[:, starts[0] : starts[-1]]
    falling = np.add.reduceat(energies * TABLES.band_weights, starts[:-1] - starts[0], axis=1)
    rising = np.add.reduceat(energies * (2**BAND_BITS - TABLES.band_weights), starts[:-1] - starts[0], axis=1)
    return _root(rising[:, :-1] + falling[:, 1:]) >> shift[:, np.newaxis]


def _gain(noise: np.ndarray) -> np.ndarray:
    """From the level of the noise."""
    power = np.floor(np.log2(noise.clip(1))).astype(np.int64)
    y0, linear, square = (TABLES.gain[(2 + 3 * (power - 1) + k).clip(0)] for k in range(3))
    # The place between two powers of two, in 10 bits.
    place = ((noise << 10) >> power) & 0x3FF
    parabola = ((((square * place) >> 5) + (linear << 5)) * place + 2**14) >> 15
    return np.where(noise < 2, TABLES.gain[noise.clip(0, 1)], y0 + parabola)


def _logarithm(x: np.ndarray) -> np.ndarray:
    """The natural logarithm with FEATURE_BITS of fraction; of 0 and 1 it is 0."""
    power = np.floor(np.log2(x.clip(1))).astype(np.int64)
    fraction = ((x << LOG_BITS) >> power) - 2**LOG_BITS
    segment = (fraction >> (LOG_BITS - LOG_SEGMENT_BITS)).clip(0)
    start = TABLES.log[segment]
    slope = TABLES.log[segment + 1] - start
    between = (slope * (fraction - (segment << (LOG_BITS - LOG_SEGMENT_BITS)))) >> LOG_BITS
    log2 = (power << LOG_BITS) + fraction + start + between
    natural = (log2 * LOG_OF_2 + 2 ** (LOG_BITS - 1)) >> LOG_BITS
    return np.where(x > 1, ((natural << FEATURE_BITS) + 2 ** (LOG_BITS - 1)) >> LOG_BITS, 0)


class LogMel:
    """Features of a stream of samples, however it is cut into pieces."""

    def __init__(self) -> None:
        self._samples = np.zeros(0, np.int16)
        self._noise = np.zeros(BANDS, np.int64)

    def frames(self, samples: np.ndarray) -> np.ndarray:
        """int16 samples at RATE -> uint16 [frames, BANDS], a frame for each STEP once there are WINDOW samples."""
        self._samples = np.concatenate([self._samples, samples])
        if len(self._samples) < WINDOW:
            return np.zeros((0, BANDS), np.uint16)
        windows = np.lib.stride_tricks.sliding_window_view(self._samples, WINDOW)[::STEP]
        self._samples = self._samples[len(windows) * STEP :]
        signals, noises = _signals(windows), []
        smoothing = np.resize(SMOOTHING, BANDS)
        for signal in signals << NOISE_BITS:
            self._noise = (signal * smoothing + self._noise * (2**SMOOTHING_BITS - smoothing)) >> SMOOTHING_BITS
            noises.append(self._noise)
        noise = np.array(noises)
        rest = ((signals << NOISE_BITS) - noise).clip(0) >> NOISE_BITS
        quiet = np.maximum(rest, (signals * LEAST_SHARE) >> SMOOTHING_BITS)
        ratio = (quiet * _gain(noise)) >> SNR_SHIFT
        shrunk = np.where(
            ratio < 2 << SNR_BITS,
            (ratio * ratio) >> (2 + 2 * SNR_BITS - SHRUNK_BITS),
            (ratio >> (SNR_BITS - SHRUNK_BITS)) - 2**SHRUNK_BITS,
        )
        return _logarithm(shrunk << CORRECTION_BITS).clip(0, 0xFFFF).astype(np.uint16)


def codes(frames: np.ndarray) -> np.ndarray:
    """Frames as the int8 codes that the network takes."""
    steps = (frames.astype(np.int64) * 256 + CODE_STEP // 2) // CODE_STEP
    return (steps + CODE_ZERO_POINT).clip(-128, 127).astype(np.int8)


def header() -> str:
    """The constants and tables as C, for log_mel.c."""
    names = ("WINDOW", "BAND", "NOISE", "SMOOTHING", "CORRECTION", "SNR", "SHRUNK", "LOG", "LOG_SEGMENT", "FEATURE")
    constants = [*(f"{name}_BITS" for name in names), "LEAST_SHARE", "SNR_SHIFT", "LOG_OF_2", "CODE_STEP"]
    tables = {
        "int16_t window[]": TABLES.window,
        "int16_t twiddles[][2]": TABLES.twiddles,
        "int16_t real_twiddles[][2]": TABLES.real_twiddles,
        "int16_t band_starts[]": TABLES.band_starts,
        "int16_t band_weights[]": TABLES.band_weights,
        "uint16_t smoothing[]": np.array(SMOOTHING),
        "int32_t gain[]": TABLES.gain,
        "uint16_t log_table[]": TABLES.log,
    }
    lines = ["/* Constants and tables of log_mel.c; log_mel.py writes them. */"]
    lines += [f"#define {name} {globals()[name]}" for name in constants]
    for declaration, table in tables.items():
        rows = [", ".join(map(str, np.ravel(row))) for row in table]
        body = ", ".join(f"{{{row}}}" if table.ndim == 2 else row for row in rows)
        lines += [f"static const {declaration} = {{", *textwrap.wrap(body, 120), "};"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python log_mel.py FOLDER")
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    Path(sys.argv[1], "log_mel_tables.h").write_text(header(), encoding="utf-8")
