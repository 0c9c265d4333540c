"""The engines whose bytes are reproduced: the package of each, and the version that every comparison was made with."""

from __future__ import annotations

from typing import NamedTuple


class Engine(NamedTuple):
    """Where an engine's bytes come from.

    Attributes
    ----------
    package : str
        On PyPI.
    version : str
        Other versions may round differently.
    what : str
        The part of the package that computes.
    """

    package: str
    version: str
    what: str


LITERT, TORCH = ("ai-edge-litert", "2.3.0"), ("torch", "2.13.0")
# By the names that --match takes.
VERSIONS = {
    "tflm": Engine("tflite-micro", "0.dev20261023182759", "TFLite Micro's reference kernels"),
    "litert": Engine(*LITERT, "LiteRT's reference kernels"),
    "xnnpack": Engine(*LITERT, "the XNNPACK that LiteRT delegates to"),
    "onnxruntime": Engine("onnxruntime", "1.32.0", "its CPU provider"),
    "pytorch": Engine(*TORCH, "float operators between quantize and dequantize"),
    "fbgemm": Engine(*TORCH, "its engine FBGEMM"),
    "qnnpack": Engine(*TORCH, "its engine QNNPACK"),
    "x86": Engine(*TORCH, "its engine x86"),
    "onednn": Engine(*TORCH, "its engine oneDNN"),
}
