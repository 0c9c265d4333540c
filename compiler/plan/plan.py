"""What a memory plan says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from qrt.compiler.ir import Op, Tensor
from qrt.compiler.plan.bands import Band


@dataclass(frozen=True)
class Plan:
    """Where in the arena the tensors of a graph lie, and when: what `qrt.compiler.plan.memory.plan` finds.

    Attributes
    ----------
    offsets : dict of Tensor to int
        Byte position of every activation in the arena, a multiple of 16.
    lifetimes : dict of Tensor to (int, int)
        First and last step: operator i is step i + 1, model inputs begin at 0, model outputs end one step
        after the last operator.
    arena_size : int
        Bytes.
    state_size : int
        Of these the first, where the states lie.
    lower_bound : int
        Bytes that no plan for this operator order and these sharings can go below: the largest sum
        of what is live in one step.
    overlaps : frozenset of Op
        Operators whose output lies partly over their first input.
    scratch : dict of Op to int
        Byte position of the scratch memory of each operator that was said to need some, a multiple of 16.
    bands : tuple of Band
        The operators that take turns.
    """

    offsets: dict[Tensor, int]
    lifetimes: dict[Tensor, tuple[int, int]]
    arena_size: int
    lower_bound: int
    overlaps: frozenset[Op] = frozenset()
    scratch: Mapping[Op, int] = field(default_factory=dict)
    state_size: int = 0
    bands: tuple[Band, ...] = ()
