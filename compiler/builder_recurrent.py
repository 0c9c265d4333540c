"""The operators of GraphBuilder that keep state from run to run."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qrt.compiler.builder_state import States
from qrt.compiler.integers.codes import per_tensor
from qrt.compiler.ir import Quantization, Tensor


class Recurrent(States):
    """svdf and lstm, with TensorFlow Lite's arithmetic."""

    def svdf(
        self,
        x: Tensor,
        feature_weights: ArrayLike,
        time_weights: ArrayLike,
        bias: ArrayLike | None = None,
        *,
        rank: int = 1,
        feature_scale: float,
        time_scale: float,
        state_scale: float,
        state_zero_point: int = 0,
        scale: float,
        zero_point: int = 0,
        name: str = "",
    ) -> Tensor:
        """Filters over the features of this run and of earlier ones; x is [batch, features].

        Parameters
        ----------
        feature_weights : array_like of int8, shape (filters, features)
        time_weights : array_like of int8 or int16, shape (filters, memory)
            The state has their type.
        bias : array_like of int32, shape (filters / rank,), optional
            In steps of state_scale * time_scale.
        rank : int
            How many filters make an output.
        """
        features, time = self._int8(feature_weights, "feature_weights"), np.asarray(time_weights)
        if time.dtype != np.int16:
            time = self._int8(time, "time_weights")
        self._rank(x, 2)
        if features.shape[1:] != x.shape[1:] or time.shape[:1] != features.shape[:1] or len(features) % rank:
            raise ValueError(
                f"svdf of {x.name!r}: {list(x.shape)} does not fit weights {list(features.shape)} and "
                f"{list(time.shape)} with rank={rank}"
            )
        if time.dtype == np.int16 and state_zero_point != 0:
            raise ValueError("a state of int16 has zero_point 0")
        batch, (filters, memory) = x.shape[0], time.shape
        units = filters // rank
        if bias is not None and np.shape(bias) != (units,):
            raise ValueError(f"bias must have one entry for each of {units} outputs, got shape {np.shape(bias)}")
        name = self._unique(name or "svdf")
        attrs = {"rank": rank} if bias is None else {"rank": rank, "bias": np.asarray(bias, np.int32)}
        weights = [
            Tensor(self._unique(f"{name}_{what}"), codes.shape, codes.dtype.name, per_tensor(its_scale, 0), codes)
            for what, codes, its_scale in (("features", features, feature_scale), ("time", time, time_scale))
        ]
        state = self._state(
            (batch, filters * memory),
            time.dtype.name,
            per_tensor(state_scale, state_zero_point),
            None,
            f"{name}_state",
        )
        return self._computed("svdf", [x, *weights, state], (batch, units), scale, zero_point, None, attrs, name)

    def lstm(
        self,
        x: Tensor,
        weights: ArrayLike,
        recurrent_weights: ArrayLike,
        bias: ArrayLike | None = None,
        *,
        weights_scale: ArrayLike,
        recurrent_scale: ArrayLike,
        cell_power: int = -11,
        cell_clip: int = 0,
        scale: float,
        zero_point: int = 0,
        time_major: bool = False,
        name: str = "",
    ) -> Tensor:
        """Long short-term memory; x is [batch, time, features], or [time, batch, features] with `time_major`.

        Parameters
        ----------
        weights : array_like of int8, shape (4 * units, features)
            Of the input, the forget, the cell and the output gate.
        recurrent_weights : array_like of int8, shape (4 * units, units)
        bias : array_like of int, shape (4 * units,), optional
            In steps of x_scale * weights_scale.
        weights_scale, recurrent_scale : number or array_like
            One, or one for each gate.
        cell_power : int
            The cell has scale 2^cell_power.
        cell_clip : int
            The largest code of the cell; 0: none.
        """
        self._rank(x, 3)
        w, r = self._int8(weights, "weights"), self._int8(recurrent_weights, "recurrent_weights")
        units = r.shape[-1]
        if w.shape != (4 * units, x.shape[2]) or r.shape != (4 * units, units):
            raise ValueError(
                f"lstm of {x.name!r}: {x.shape[2]} features do not fit weights {list(w.shape)} and {list(r.shape)}"
            )
        if bias is not None and np.shape(bias) != (4 * units,):
            raise ValueError(f"bias must have one entry for each of {4 * units} rows, got shape {np.shape(bias)}")
        batch = x.shape[1 if time_major else 0]
        name = self._unique(name or "lstm")
        constants = []
        for what, codes, its_scale in (("weights", w, weights_scale), ("recurrent", r, recurrent_scale)):
            scales = np.repeat(np.broadcast_to(np.asarray(its_scale, np.float32), (4,)), units)
            quantization = Quantization(scales, np.zeros(4 * units, np.int32), 0)
            constants.append(Tensor(self._unique(f"{name}_{what}"), codes.shape, "int8", quantization, codes))
        h = self._state((batch, units), x.dtype, per_tensor(scale, zero_point), None, f"{name}_h")
        c = self._state((batch, units), "int16", per_tensor(2.0**cell_power, 0), None, f"{name}_c")
        given = np.zeros(4 * units, np.int64) if bias is None else np.asarray(bias, np.int64)
        attrs = {"bias": given, "cell_clip": cell_clip, "time_major": time_major}
        shape = (*x.shape[:2], units)
        y = self._computed("lstm", [x, *constants, h, c], shape, scale, zero_point, None, attrs, name)
        y.dtype = x.dtype
        return y
