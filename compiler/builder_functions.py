"""The operators of GraphBuilder that are functions of int16 codes."""

from __future__ import annotations

from qrt.compiler.builder_parts import Parts
from qrt.compiler.integers.codes import per_tensor
from qrt.compiler.ir import Tensor


class Functions(Parts):
    """Functions of int16 codes; those of int8 codes are tables, `lut`."""

    def sigmoid(self, x: Tensor, *, name: str = "") -> Tensor:
        """1 / (1 + e^-x) of an int16 tensor with zero_point 0: scale 2^-15, zero_point 0."""
        return self._gate("sigmoid", x, name)

    def tanh(self, x: Tensor, *, name: str = "") -> Tensor:
        """The hyperbolic tangent of an int16 tensor with zero_point 0: scale 2^-15, zero_point 0."""
        return self._gate("tanh", x, name)

    def _gate(self, kind: str, x: Tensor, name: str) -> Tensor:
        self._int16(kind, x)
        if x.zero_point != 0:
            raise ValueError(f"{kind} of {x.name!r}: its zero_point is {x.zero_point}, not 0; requantize")
        return self._append(kind, [x], x.shape, per_tensor(2.0**-15, 0), {}, name)

    def leaky_relu(self, x: Tensor, alpha: float, *, scale: float, zero_point: int = 0, name: str = "") -> Tensor:
        """x, or `alpha` * x where x is negative, of an int16 tensor."""
        self._int16("leaky_relu", x)
        attrs = {"slopes": (x.scale / scale, alpha * x.scale / scale)}
        return self._computed("leaky_relu", [x], x.shape, scale, zero_point, None, attrs, name)

    @staticmethod
    def _int16(kind: str, x: Tensor) -> None:
        if x.dtype != "int16":
            raise ValueError(f"{kind} of {x.name!r}: it is {x.dtype}, not int16; requantize, or use lut")
