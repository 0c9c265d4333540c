"""Float networks in: a file is quantized on samples by the library of its kind, before it is compiled."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from qrt.compiler.errors import CompileError, Problem, understanding
from qrt.compiler.frontends.float_network import Array, FloatNetwork, Samples, Seen
from qrt.compiler.untrusted import refuse_no_file

# For each suffix of a file, the module of qrt.compiler.frontends that calibrates it.
CALIBRATORS = {".onnx": "onnx.calibrate", ".tflite": "tflite.calibrate", ".pt2": "torch.calibrate"}


@dataclass(frozen=True)
class Quantized:
    """A float network after its quantization, for `qrt.compiler.compile`.

    Attributes
    ----------
    path : pathlib.Path
        The float file.
    content : bytes
        A quantized file of the same kind.
    """

    path: Path
    content: bytes = field(repr=False)


def float_network(source: str | os.PathLike[str]) -> FloatNetwork:
    """The float network of a file.

    Raises
    ------
    CompileError
        Not such a file, already quantized, or operators that cannot be undone into float; lists all of them.
    ImportError
        The library that quantizes such files is missing; the message says what to install.
    """
    path = Path(source)
    refuse_no_file(path)
    if path.suffix not in CALIBRATORS:
        reason = f"cannot be calibrated; give {' or '.join(CALIBRATORS)}"
        raise CompileError([Problem(str(path), "file", reason)])
    module = importlib.import_module(f"qrt.compiler.frontends.{CALIBRATORS[path.suffix]}")
    with understanding(path):
        network: FloatNetwork = module.float_network(path)
    return network


def quantize(
    source: str | os.PathLike[str],
    samples: Array | Mapping[str, Array],
    method: str = "minmax",
    seen: Seen = lambda count: None,
    int16: Sequence[str] = (),
    granularity: str = "per_channel",
) -> Quantized:
    """Quantizes a float network on samples; `qrt.compiler.compile` compiles the result.

    Parameters
    ----------
    source : path
        A float .onnx, .tflite or .pt2 file. Files whose weights alone are quantized (dynamic-range and float16
        .tflite, dynamically quantized .onnx) are float networks too.
    samples : numpy.ndarray, or dict of str to numpy.ndarray
        For each input, by its name: floats ``[runs, *shape]``, or without the batch axis of a batch of 1.
        An array alone is for a network with one input.
    method : {"minmax", "entropy", "percentile", "histogram"}
        How the range of each activation follows from its values: minimum and maximum; for .onnx also the least loss
        of information, or 99.999 %; for .pt2 also the least squared error of a histogram.
    seen : function
        Called with the number of samples that were run.
    int16 : sequence of str
        Layers whose outputs get int16 activations in place of int8, and inputs of the network, by name; .onnx only.
        ``qrt compile --int16 auto`` finds out which ones it takes.
    granularity : {"per_channel", "per_tensor"}
        Whether each channel of a layer's weights has a scale, or the layer one; the latter of .onnx only.

    Raises
    ------
    CompileError
        Not such a file, already quantized, the library cannot quantize it, or there is no such layer.
    ValueError
        Samples that do not fit the inputs.
    ImportError
        The library is missing; the message says what to install.
    """
    network = float_network(source)
    content = network.quantize(checked(samples, network), method, seen, granularity)
    return Quantized(Path(source), network.with_int16(content, int16) if int16 else content)


def checked(samples: Array | Mapping[str, Array], network: FloatNetwork) -> Samples:
    """Samples for the inputs of `network`, as float32 [runs, *the input's shape].

    Raises
    ------
    ValueError
        They do not fit.
    """
    names = [name for name, _ in network.inputs]
    given = samples if isinstance(samples, Mapping) else {names[0]: samples}
    if set(given) != set(names):
        raise ValueError(f"the network has inputs {', '.join(names)}, got samples for {', '.join(given)}")
    found = {name: _runs(np.asarray(given[name]), name, shape) for name, shape in network.inputs}
    if len({len(x) for x in found.values()}) != 1:
        counts = ", ".join(f"{name} {len(x)}" for name, x in found.items())
        raise ValueError(f"inputs have different numbers of samples: {counts}")
    return found


def _runs(x: Array, name: str, shape: tuple[int, ...]) -> Array:
    runs = x[:, np.newaxis] if shape[:1] == (1,) and x.ndim and x.shape[1:] == shape[1:] else x
    if not np.issubdtype(x.dtype, np.floating) or runs.shape[1:] != shape or len(runs) == 0:
        wanted = ", ".join(map(str, ("runs", *shape)))
        raise ValueError(f"input {name} takes floats of shape ({wanted}), got {x.dtype} {x.shape}")
    with np.errstate(over="ignore"):
        values: Array = runs.astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError(f"input {name} has samples that are NaN or infinite in float32")
    return values
