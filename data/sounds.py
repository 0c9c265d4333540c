"""Recordings as inputs of a network: read by soundfile, as samples or as log-mel spectra."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qrt.data import arrays
from qrt.data.arrays import Array
from qrt.data.dataset import Entry
from qrt.data.errors import DataError
from qrt.data.preprocess import LONGEST_RECORDING, SoundSteps
from qrt.edges import TensorInfo

SUFFIXES = (".wav", ".flac", ".ogg")
MAGICS = (b"RIFF", b"fLaC", b"OggS")

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class SoundFile:
    """Reads a recording as a sample.

    Attributes
    ----------
    info : qrt.TensorInfo
        The input.
    steps : SoundSteps
    """

    info: TensorInfo
    steps: SoundSteps

    def __call__(self, entry: Entry) -> Array:
        content = arrays.read_bytes(entry.path) if entry.content is None else entry.content
        samples = _read(content, self.steps, entry.where)
        shape, wanted = feature_shape(len(samples), self.steps), self.info.shape[1:]
        if [length for length in shape if length != 1] != [length for length in wanted if length != 1]:
            got = f"{len(samples)} samples give {'x'.join(map(str, shape))} features"
            takes = f"input {self.info.name} takes {'x'.join(map(str, wanted))}"
            raise DataError(f"{entry.where}: {got}, {takes}; {stating(self.info, self.steps.rate)}")
        found = features(samples, self.steps).astype(np.float32).reshape(1, *wanted)
        if not np.isfinite(found).all():
            raise DataError(f"{entry.where}: has silence, whose logarithm is infinite; state a log_offset above 0")
        return found


def sound_file(info: TensorInfo, steps: SoundSteps | None, where: str) -> SoundFile:
    """A reader of recordings for an input."""
    if steps is None:
        raise DataError(f"{where}: nothing says what of recordings input {info.name} takes; {stating(info)}")
    return SoundFile(info, steps)


def stating(info: TensorInfo, rate: int = 16_000) -> str:
    """The remedy: the preprocessing that an input may need."""
    shape = [length for length in info.shape[1:] if length != 1]
    if len(shape) == 2:
        window, hop = rate * 3 // 100, rate // 100
        keys = f"length = {window + (shape[0] - 1) * hop}, window = {window}, hop = {hop}, n_mels = {shape[1]}"
    else:
        keys = f'length = {int(np.prod(shape))}, features = "samples"'
    return f"state it in a file for --preprocess, for example: audio = {{ rate = {rate}, {keys} }}"


def _read(content: bytes, steps: SoundSteps, where: str) -> Reals:
    """The samples of a file, -1 to 1, as many as are stated."""
    rate, length = steps.rate, steps.length
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: without libsndfile
        reason = 'recordings are read by soundfile; install it with: pip install "qrt[data]"'
        raise DataError(f"{where}: {reason}") from None
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            if file.samplerate != rate:
                remedy = f"resample it to {rate} Hz"
                raise DataError(f"{where}: is of {file.samplerate} Hz, the preprocessing of {rate}; {remedy}")
            if file.channels != 1:
                raise DataError(f"{where}: has {file.channels} channels; mix them to one")
            samples: Reals = file.read(length or LONGEST_RECORDING + 1, dtype="float64")
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where}: no recording that can be read; write it again as WAV") from None
    if len(samples) > LONGEST_RECORDING:
        raise DataError(f"{where}: has more than {LONGEST_RECORDING:,} samples; cut it")
    if not len(samples) or not np.isfinite(samples).all():
        raise DataError(f"{where}: has no samples, or some that are no finite numbers; record it again")
    return samples if length is None else np.pad(samples, (0, length - len(samples)))


def features(samples: Reals, steps: SoundSteps) -> Reals:
    """What the network takes of samples: themselves, or [windows, bands]."""
    if steps.features == "samples":
        return samples
    energies = spectrum(samples, steps) @ bands(steps).T + steps.log_offset
    with np.errstate(divide="ignore"):
        logs = np.log(energies) if steps.log == "natural" else np.log10(energies)
    if steps.log == "decibel":
        logs = logs * 10
    if steps.mean:
        logs = logs - np.array(steps.mean)
    if steps.std:
        logs = logs / np.array(steps.std)
    found: Reals = logs.T if steps.mel_first else logs
    return found


def feature_shape(count: int, steps: SoundSteps) -> tuple[int, ...]:
    """The shape of the features of `count` samples."""
    if steps.features == "samples":
        return (count,)
    padded = count + (2 * (steps.window // 2) if steps.pad != "none" else 0)
    windows = max(0, (padded - steps.window) // steps.hop + 1)
    return (steps.n_mels, windows) if steps.mel_first else (windows, steps.n_mels)


def spectrum(samples: Reals, steps: SoundSteps) -> Reals:
    """Magnitudes, or their squares, of the windows of samples, [windows, fft / 2 + 1]."""
    if steps.pad != "none":
        samples = np.pad(samples, steps.window // 2, mode="constant" if steps.pad == "zeros" else "reflect")
    windows = np.lib.stride_tricks.sliding_window_view(samples, steps.window)[:: steps.hop]
    magnitudes: Reals = np.abs(np.fft.rfft(windows * window(steps), steps.fft))
    return magnitudes**steps.power


@lru_cache
def window(steps: SoundSteps) -> Reals:
    """Weights of the samples of a window; periodic, unless said otherwise."""
    length = steps.window
    if steps.shape == "ones":
        return np.ones(length)
    turns = np.arange(length) / (length - 1 if steps.shape == "hann-symmetric" else length)
    least = 0.54 if steps.shape == "hamming" else 0.5
    weights: Reals = least - (1 - least) * np.cos(2 * np.pi * turns)
    return weights


@lru_cache
def bands(steps: SoundSteps) -> Reals:
    """How much of each frequency belongs to each band, [n_mels, fft / 2 + 1].

    Triangles, each from the middle of the band before it to that of the one after it.
    """
    hertz = np.arange(steps.fft // 2 + 1, dtype=np.float64) * (steps.rate / steps.fft)
    lowest, highest = to_mel(np.array([steps.fmin, steps.fmax]), steps.mel).tolist()
    ends = np.linspace(lowest, highest, steps.n_mels + 2)
    edges = to_hertz(ends, steps.mel)
    x, corners = (hertz, edges) if steps.triangles == "hertz" else (to_mel(hertz, steps.mel), ends)
    low, middle, high = (corners[k : k + steps.n_mels, np.newaxis] for k in range(3))
    weights: Reals = np.maximum(0, np.minimum((x - low) / (middle - low), (high - x) / (high - middle)))
    if steps.norm == "slaney":
        weights = weights * (2 / (edges[2:] - edges[:-2]))[:, np.newaxis]
    return weights


# The scale of Slaney's Auditory Toolbox: linear up to 1000 Hz, from there a mel for each step of a 27th of log(6.4).
LINEAR, BREAK, STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def to_mel(hertz: Reals, scale: str) -> Reals:
    if scale == "htk":
        return np.asarray(2595 * np.log10(1 + hertz / 700))
    return np.where(hertz < BREAK, hertz / LINEAR, BREAK / LINEAR + np.log(np.maximum(hertz, BREAK) / BREAK) / STEP)


def to_hertz(mel: Reals, scale: str) -> Reals:
    if scale == "htk":
        return np.asarray(700 * (10 ** (mel / 2595) - 1))
    first = BREAK / LINEAR
    return np.where(mel < first, mel * LINEAR, BREAK * np.exp(STEP * (np.maximum(mel, first) - first)))
