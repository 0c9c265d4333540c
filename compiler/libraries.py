"""Optional libraries: imported when needed; if one is missing, the error says what to install."""

from __future__ import annotations

import importlib
from types import ModuleType

# For each library, its purpose and the extra that installs it.
NEEDED = {
    "onnx": ("reading .onnx files", "onnx"),
    "onnxruntime": ("calibration of .onnx files", "onnx"),
    "tflite": ("reading and writing .tflite files", "tflite"),
    "litert_quantizer": ("calibration of .tflite files", "tflite-calibrate"),
    "torch": ("reading PyTorch modules", "torch"),
    "torchao": ("quantizing with PyTorch", "torch"),
}
# What there is to know of an extra before it is installed.
HINTS = {
    "torch": "; with CUDA that is several gigabytes: install PyTorch's CPU wheel first, see PyTorch's install page"
}


def load(name: str) -> ModuleType:
    """The library of that name, one of `NEEDED`.

    Raises
    ------
    ImportError
        It is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        (purpose, extra), package = NEEDED[name], name.replace("_", "-")
        hint = HINTS.get(extra, "")
        raise ImportError(f'{purpose} needs the package {package}: pip install "qrt[{extra}]"{hint}') from None
