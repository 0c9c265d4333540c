"""The operators of GraphBuilder that keep codes from one run to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from qrt.compiler.builder_parts import Parts
from qrt.compiler.integers.codes import per_tensor
from qrt.compiler.ir import Quantization, Tensor


class States(Parts):
    """States, and what gives them a new value in each run."""

    def state(
        self,
        shape: Sequence[int],
        *,
        scale: float,
        zero_point: int = 0,
        initial: ArrayLike | None = None,
        dtype: str = "int8",
        name: str = "",
    ) -> Tensor:
        """A state, for `assign`. What is built from it in front of the assign has the codes that the last run left.

        Parameters
        ----------
        shape : sequence of int
        scale : float
        zero_point : int
        initial : array_like, optional
            Codes before the first run, of any shape that broadcasts to `shape`; without them real 0.
        dtype : str
            ``"int8"`` or ``"int16"``.
        """
        return self._state(tuple(shape), dtype, per_tensor(scale, zero_point, dtype), initial, name)

    def assign(self, state: Tensor, x: Tensor, *, name: str = "") -> Tensor:
        """Gives `state` the codes of `x`; both have the same shape, scale and zero_point. Returns the state."""
        if not state.is_state or any(op.output is state for op in self.graph.ops):
            raise ValueError(f"assign: {state.name!r} must be a state that has been assigned nothing yet")
        if x.shape != state.shape or x.dtype != state.dtype:
            raise ValueError(f"assign: {x.name!r} is {x.dtype} {x.shape}, {state.name!r} {state.dtype} {state.shape}")
        self._same_numbers("assign", [x, state])
        return self._update("assign", x, state, {}, name)

    def push(self, x: Tensor, length: int, *, axis: int, initial: ArrayLike | None = None, name: str = "") -> Tensor:
        """The last `length` entries along `axis` of all that `x` has been in this run and those before it.

        A state: the runs' entries move towards its start, and the newest lie at its end. `initial` is as in `state`.
        """
        if not 0 <= axis < len(x.shape) or not x.shape[axis] <= length:
            raise ValueError(f"push of {x.name!r} with shape {x.shape}: no room for it in {length} along axis {axis}")
        assert x.quantization is not None
        shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
        state = self._state(shape, x.dtype, x.quantization, initial, name or f"{x.name}_pushed")
        return self._update("push", x, state, {"axis": axis}, name)

    def _state(
        self, shape: tuple[int, ...], dtype: str, numbers: Quantization, initial: ArrayLike | None, name: str
    ) -> Tensor:
        codes = np.asarray(numbers.zero_point if initial is None else initial)
        limits = np.iinfo(dtype)
        if not np.issubdtype(codes.dtype, np.integer) or codes.min() < limits.min or codes.max() > limits.max:
            raise ValueError(f"initial must be codes of {dtype}")
        content = np.broadcast_to(codes, shape).astype(dtype)
        return Tensor(self._unique(name or "state"), shape, dtype, numbers, initial=content)
