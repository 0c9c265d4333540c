"""What the calibration of every kind of float file has in common."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from qrt.compiler.errors import CompileError, Problem

Array = np.ndarray[Any, Any]
# For each input, in order: float32 [runs, *the input's shape].
Samples = Mapping[str, Array]
# Is called with the number of samples that were run.
Seen = Callable[[int], None]


class FloatNetwork(ABC):
    """A network whose activations are float32, before it is quantized on samples.

    Attributes
    ----------
    path : str
        The file, for messages.
    inputs : list of (name, shape)
        In the layout of the file; an unknown batch is 1.
    library : str
        What quantizes it, for messages.
    methods : tuple of str
        How the range of an activation may follow from its values; the first is the default.
    granularities : tuple of str
        How many scales the weights of a layer may have; the first is the default.
    """

    library: ClassVar[str]
    methods: ClassVar[tuple[str, ...]]
    granularities: ClassVar[tuple[str, ...]] = ("per_channel",)
    path: str
    inputs: list[tuple[str, tuple[int, ...]]]

    @abstractmethod
    def quantized(self, samples: Samples, method: str, seen: Seen, granularity: str) -> bytes:
        """The content of the quantized file, of the same kind; the same samples give the same network."""

    @abstractmethod
    def run(self, inputs: Sequence[Array]) -> Array:
        """The first output of the float network for one run."""

    def quantize(self, samples: Samples, method: str, seen: Seen, granularity: str = "per_channel") -> bytes:
        """`quantized`; what the library says becomes one line.

        Raises
        ------
        CompileError
            The library cannot quantize the network, or not in this way; the message has its reason.
        ImportError
            The library is missing.
        """
        if granularity not in self.granularities:
            known = " or ".join(self.granularities).replace("_", " ")
            reason = f"cannot be quantized {granularity.replace('_', ' ')}; {self.library} does so {known} here"
            raise CompileError([Problem(self.path, "file", reason)])
        with self.quantizing(method):
            return self.quantized(samples, method, seen, granularity)

    def layers(self, content: bytes) -> list[str]:
        """The inputs and layers of the quantized file that `with_int16` knows, in order.

        Raises
        ------
        CompileError
            This kind of file has no such layers.
        """
        raise self._only_8_bits()

    def with_int16(self, content: bytes, layers: Sequence[str]) -> bytes:
        """The quantized file with activations of 16 bits where these layers write; the ranges stay the same.

        Raises
        ------
        CompileError
            This kind of file has no such layers, or none of these names.
        """
        raise self._only_8_bits()

    def _only_8_bits(self) -> CompileError:
        reason = f"{self.library} gives all layers 8 bits here; for layers of int16 give the network as .onnx"
        return CompileError([Problem(self.path, "file", reason)])

    @contextmanager
    def quantizing(self, method: str) -> Iterator[None]:
        """Checks the method; what the library raises inside of the block becomes a CompileError of one line."""
        if method not in self.methods:
            reason = f"cannot be calibrated by {method}; this kind of file supports {', '.join(self.methods)}"
            raise CompileError([Problem(self.path, "file", reason)])
        try:
            yield
        except (CompileError, ImportError, MemoryError):
            raise
        except Exception as error:
            reason = f"{self.library} cannot quantize it: {first_paragraph(error)}"
            raise CompileError([Problem(self.path, "file", reason)]) from None


def first_paragraph(error: Exception) -> str:
    """What a library says, on one line: it may say it on several, with details in further paragraphs."""
    paragraph = re.split(r"\n\s*\n", str(error).strip())[0]
    return " ".join(paragraph.split()) or type(error).__name__


def already_quantized(path: str | os.PathLike[str]) -> CompileError:
    """The error for a network that calibration would quantize a second time."""
    reason = "is already quantized; compile it without --calibrate"
    return CompileError([Problem(os.fspath(path), "file", reason)])
