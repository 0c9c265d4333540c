"""PyTorch: modules and .pt2 files -> source graph; the quantizer and the backend configuration for qrt.

``from qrt.compiler.frontends.torch import QrtQuantizer`` needs torch and torchao: ``pip install "qrt[torch]"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qrt.compiler.libraries import load

if TYPE_CHECKING:
    from torch.ao.quantization.backend_config import BackendConfig

    from qrt.compiler import from_torch as lower_to_qrt
    from qrt.compiler.frontends.torch.quantizer import QrtQuantizer

__all__ = ["QrtQuantizer", "get_qrt_backend_config", "lower_to_qrt"]


def __getattr__(name: str) -> Any:
    if name == "lower_to_qrt":
        # The last step of RFC-0019's workflow, on the result of convert_to_reference_fx.
        from qrt.compiler import from_torch

        return from_torch
    if name != "QrtQuantizer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    load("torchao")
    from qrt.compiler.frontends.torch.quantizer import QrtQuantizer

    return QrtQuantizer


def get_qrt_backend_config() -> BackendConfig:
    """The operators that qrt supports, for ``prepare_fx`` and ``convert_to_reference_fx``."""
    load("torch")
    from qrt.compiler.frontends.torch.backend import backend_config

    return backend_config()
