"""Shared by all importers: errors for unsupported nodes, and codes with their quantization parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from qrt.compiler.ir import Graph, Op, Quantization, Tensor


class Unsupported(Exception):
    """A node that is not supported; the text is the reason and the remedy."""


def unquantized(what: str, path: str, *, partly: bool = False) -> str:
    """Why a file with float activations is refused, and the remedy; `partly` where something in it is quantized."""
    return f"{what}; quantize it{' statically' if partly else ''}: qrt compile {path} --calibrate DATA"


def check_scales(scales: Any) -> None:
    """Raises `Unsupported` unless every scale is a positive number."""
    if not (np.isfinite(scales).all() and (np.asarray(scales) > 0).all()):
        raise Unsupported("its scale is not a positive number; quantize the network again")


def add_dequantize(
    graph: Graph, node: str, source: str, codes: Tensor, quantization: Quantization, name: str
) -> Tensor:
    """The real values of `codes`, called `name`; codes without quantization get `quantization`.

    Parameters
    ----------
    node, source : str
        Name of the source's node, and its operator as the source spells it.
    """
    if codes.quantization is None and not codes.is_constant:
        codes.quantization = quantization
    elif codes.quantization is None:
        codes = Tensor(codes.name, codes.shape, codes.dtype, quantization, codes.data)
    elif not quantization.same_as(codes.quantization):
        raise Unsupported(f"reads {codes.name!r} with a different scale or zero point than it was written with")
    output = Tensor(name, codes.shape, "float32")
    graph.ops.append(Op("dequantize", node, [codes], output, {"source": source}))
    return output
