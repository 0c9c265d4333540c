"""The operators of GraphBuilder that compute with whole rows of the last axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qrt.compiler.builder_parts import Parts
from qrt.compiler.integers.codes import per_tensor
from qrt.compiler.ir import Tensor


class Rows(Parts):
    """Operators over the last axis."""

    def arg_max(self, x: Tensor, *, name: str = "") -> Tensor:
        """Index of the largest entry along the last axis, at most 256 long: scale 1, zero_point -128."""
        if x.shape[-1] > 256:
            raise ValueError(f"arg_max of {x.name!r}: {x.shape[-1]} entries do not fit into codes, at most 256 do")
        return self._append("arg_max", [x], (*x.shape[:-1], 1), per_tensor(1.0, -128), {}, name)

    def l2_norm(self, x: Tensor, *, name: str = "") -> Tensor:
        """Each row of the last axis divided by its length: scale 1/128, zero_point 0."""
        return self._append("l2_norm", [x], x.shape, per_tensor(1 / 128, 0), {}, name)

    def softmax(self, x: Tensor, *, scale: float = 1 / 256, zero_point: int = -128, name: str = "") -> Tensor:
        """Softmax over the last axis."""
        return self._computed("softmax", [x], x.shape, scale, zero_point, None, {}, name)

    def log_softmax(
        self, x: Tensor, *, scale: float = 1 / 16, zero_point: int = 127, form: str = "EXACT", name: str = ""
    ) -> Tensor:
        """Logarithm of softmax over the last axis; `form` TFLITE is TensorFlow Lite's, for the default scale only."""
        return self._computed("log_softmax", [x], x.shape, scale, zero_point, None, {"form": form}, name)

    def layer_norm(
        self,
        x: Tensor,
        gamma: ArrayLike,
        beta: ArrayLike,
        *,
        epsilon: float = 1e-5,
        scale: float,
        zero_point: int = 0,
        name: str = "",
    ) -> Tensor:
        """Each row of the last axis less its mean, divided by its standard deviation, times `gamma` plus `beta`.

        `gamma` and `beta` have an entry for each entry of the last axis; `epsilon` is added to the variance.
        """
        parameters = {"gamma": np.asarray(gamma, np.float64), "beta": np.asarray(beta, np.float64)}
        for key, array in parameters.items():
            if array.shape not in ((), x.shape[-1:]):
                raise ValueError(f"layer_norm of {x.name!r}: {key} has shape {array.shape}, not {x.shape[-1:]}")
        attrs = {**parameters, "epsilon": epsilon}
        return self._computed("layer_norm", [x], x.shape, scale, zero_point, None, attrs, name)
