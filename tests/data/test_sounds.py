"""Recordings as inputs: log-mel spectra against the textbook's sums, and files that cannot be used."""

from __future__ import annotations

import cmath
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import input_info, write_sound

from qrt.data import DataError, Preprocess, open_dataset

pytest.importorskip("soundfile")

Array = np.ndarray[Any, Any]
LOUD = 3000


def samples(count: int) -> Array:
    """int16: two tones and noise."""
    t = np.arange(count) / 16_000
    noise = np.random.default_rng(0).normal(size=count)
    return (LOUD * (np.sin(2 * np.pi * 440 * t) + np.sin(2 * np.pi * 2500 * t)) + 100 * noise).astype(np.int16)


def read(path: Path, shape: tuple[int, ...], keys: str) -> Array:
    preprocess = Preprocess.parse(f"audio = {{ rate = 16000, {keys} }}", "p.toml")
    (found,) = open_dataset(path, [input_info(shape)], preprocess).read(0, 1)
    assert found.shape == shape
    return found[0]


def to_mel(hertz: float, scale: str) -> float:
    if scale == "htk":
        return 2595 * math.log10(1 + hertz / 700)
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


def to_hertz(mel: float, scale: str) -> float:
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def log_mel(x: Array, window: int, hop: int, n_mels: int, low: float, high: float, **keys: Any) -> Array:
    """By sums in double precision, number for number."""
    scale, triangles, norm = keys.get("mel", "slaney"), keys.get("triangles", "hertz"), keys.get("norm", "none")
    fft = 1 << (window - 1).bit_length()
    weights = [0.5 - 0.5 * math.cos(2 * math.pi * n / window) for n in range(window)]
    first, last = to_mel(low, scale), to_mel(high, scale)
    mels = [first + (last - first) * k / (n_mels + 1) for k in range(n_mels + 2)]
    edges = [to_hertz(m, scale) for m in mels]
    rows = []
    for start in range(0, len(x) - window + 1, hop):
        part = [float(v) * w for v, w in zip(x[start : start + window], weights, strict=True)]
        energies = [0.0] * n_mels
        for k in range(fft // 2 + 1):
            turned = cmath.exp(-2j * math.pi * k / fft)
            power = abs(sum(v * turned**n for n, v in enumerate(part))) ** 2
            for m in range(n_mels):
                here = k * 16_000 / fft
                corners = edges[m : m + 3]
                if triangles == "mel":
                    here, corners = to_mel(here, scale), mels[m : m + 3]
                left, middle, right = corners
                weight = max(0.0, min((here - left) / (middle - left), (right - here) / (right - middle)))
                energies[m] += power * weight * (2 / (edges[m + 2] - edges[m]) if norm == "slaney" else 1)
        rows.append([math.log(energy + 1e-6) for energy in energies])
    return np.array(rows)


@pytest.mark.parametrize("mel", ["slaney", "htk"])
@pytest.mark.parametrize("triangles", ["hertz", "mel"])
@pytest.mark.parametrize("norm", ["none", "slaney"])
def test_log_mel(tmp_path: Path, mel: str, triangles: str, norm: str) -> None:
    x = samples(200)
    path = write_sound(tmp_path / "x.wav", x)
    choices = f'mel = "{mel}", triangles = "{triangles}", norm = "{norm}"'
    found = read(path, (1, 3, 10, 1), f"window = 100, hop = 50, n_mels = 10, fmin = 100, fmax = 7000, {choices}")
    expected = log_mel(x / 32768, 100, 50, 10, 100, 7000, mel=mel, triangles=triangles, norm=norm)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, :, 0], expected, rtol=2e-6, atol=2e-6)


def test_what_follows_the_logarithm(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "x.wav", samples(400))
    keys = "window = 100, hop = 50, n_mels = 8, log_offset = 0.001"
    plain = read(path, (1, 7, 8), keys).astype(np.float64)
    for name, factor in (("log10", 1 / math.log(10)), ("decibel", 10 / math.log(10))):
        found = read(path, (1, 7, 8), f'{keys}, log = "{name}"')
        np.testing.assert_allclose(found, plain * factor, rtol=1e-6, atol=1e-6)
    turned = read(path, (1, 8, 7, 1), f"{keys}, mel_first = true, mean = -3.5, std = 2")
    np.testing.assert_allclose(turned[:, :, 0], (plain.T + 3.5) / 2, rtol=1e-6, atol=1e-6)


def test_padding(tmp_path: Path) -> None:
    """Zeros or the mirrored samples on both sides give the same as a recording that has them."""
    x = samples(400)
    keys = "window = 100, hop = 50, n_mels = 8"
    path, longer = write_sound(tmp_path / "x.wav", x), tmp_path / "longer.wav"
    for name, sides in (("zeros", (np.zeros(50), np.zeros(50))), ("reflect", (x[50:0:-1], x[-2:-52:-1]))):
        write_sound(longer, np.concatenate([sides[0], x, sides[1]]).astype(np.int16))
        assert np.array_equal(read(path, (1, 9, 8), f'{keys}, pad = "{name}"'), read(longer, (1, 9, 8), keys))


def test_samples_themselves(tmp_path: Path) -> None:
    x = samples(300)
    path = write_sound(tmp_path / "x.wav", x)
    exact = (x / 32768).astype(np.float32)
    assert np.array_equal(read(path, (1, 300), 'features = "samples"')[:], exact)
    assert np.array_equal(read(path, (1, 200, 1), 'features = "samples", length = 200')[:, 0], exact[:200])
    longer = read(path, (1, 320), 'features = "samples", length = 320')
    assert np.array_equal(longer, np.concatenate([exact, np.zeros(20, np.float32)]))


@pytest.mark.parametrize(
    ("rate", "shape", "length", "reason"),
    [
        (44_100, (400,), None, "is of 44100 Hz, the preprocessing of 16000; resample it to 16000 Hz"),
        (16_000, (400, 2), None, "has 2 channels; mix them to one"),
        (16_000, (500,), None, "500 samples give 9x8 features, input x takes 7x8; state it in a file for --preprocess"),
        (16_000, (400,), 30, "no recording that can be read; write it again as WAV"),
        (16_000, (0,), None, "has no samples, or some that are no finite numbers; record it again"),
    ],
)
def test_recordings_that_do_not_fit(
    tmp_path: Path, rate: int, shape: tuple[int, ...], length: int | None, reason: str
) -> None:
    path = write_sound(tmp_path / "x.wav", np.zeros(shape, np.int16), rate)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError) as caught:
        read(path, (1, 7, 8), "window = 100, hop = 50, n_mels = 8")
    assert str(caught.value).startswith(f"{path}: {reason}")


def test_silence_without_an_offset(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "x.wav", np.zeros(400, np.int16))
    with pytest.raises(DataError, match="has silence, whose logarithm is infinite; state a log_offset above 0"):
        read(path, (1, 7, 8), "window = 100, hop = 50, n_mels = 8, log_offset = 0")


def test_nothing_stated(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "x.wav", np.zeros(15_840, np.int16))
    with pytest.raises(DataError) as caught:
        open_dataset(path, [input_info((1, 49, 40, 1))])
    example = str(caught.value).partition("for example: ")[2]
    assert example == "audio = { rate = 16000, length = 8160, window = 480, hop = 160, n_mels = 40 }"
    (found,) = open_dataset(path, [input_info((1, 49, 40, 1))], Preprocess.parse(example, "error")).read(0, 1)
    assert found.shape == (1, 49, 40, 1)
