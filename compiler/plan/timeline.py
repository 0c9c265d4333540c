"""The pieces of memory of a network with bands, in slots of its whole run."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np

from qrt.compiler.ir import Op, Tensor
from qrt.compiler.plan.layout import Piece
from qrt.compiler.plan.occupancy import SUM, Rows, births, buffer, deaths, is_buffer, is_sum, scratch
from qrt.compiler.plan.pacing import Run, Streaming
from qrt.compiler.plan.rows import Numbers


class Timeline:
    """Slots of all steps of a network: one for each operator outside of bands, and those of each band.

    Attributes
    ----------
    facts : Streaming
    runs : sequence of Run
        The bands.
    """

    def __init__(self, facts: Streaming, runs: Sequence[Run]) -> None:
        self.facts, self.runs = facts, runs
        self._run = {step: run for run in runs for step in range(run.first + 1, run.stop + 1)}
        self._start: list[int] = []
        slot = 0
        # Step 0 is before the first operator; one more is behind the last.
        for step in range(len(facts.graph.ops) + 2):
            run = self._run.get(step)
            if run is not None and step > run.first + 1:
                self._start.append(self._start[-1])
                continue
            self._start.append(slot)
            slot += 1 if run is None else run.turns * run.slots

    def start(self, tensor: Tensor) -> int:
        """The slot of the operator outside of bands that makes a tensor, or the first of the band that does."""
        return self._start[self.facts.lives[tensor][0]]

    def steps(self, slot: int) -> tuple[int, int]:
        """The first and last step of a slot: those of a band's operators, or the same."""
        last = bisect_right(self._start, slot) - 1
        return bisect_left(self._start, self._start[last]), last

    def slot(self, op: Op) -> int | None:
        """That of an operator outside of bands."""
        step = self.facts.maker[op.output] + 1
        return None if step in self._run else self._start[step]

    def shared(self, tensors: Sequence[Tensor]) -> Piece:
        """The memory of tensors that share it, in the order of writing."""
        first, last = tensors[0], tensors[-1]
        run = self._making(first)
        if run is not None and is_buffer(run, first):
            return buffer(run, first, self._start[run.first + 1])
        born, dies = self._born(first, run), self._dies(last)
        if run is not None and is_sum(run, first):
            return Rows(SUM * first.nbytes, born[:1], dies[-1:])
        if len(born) == len(dies):
            return Rows(first.nbytes // len(born), born, dies)
        if len(dies) == 1 or len(born) > 1:
            return Rows(first.nbytes // len(born), born, np.full(len(born), dies[-1]))
        return Rows(last.nbytes // len(dies), np.full(len(dies), born[0]), dies)

    def scratch(self, op: Op, size: int) -> Piece:
        """The temporary memory of an operator."""
        step = self.facts.maker[op.output] + 1
        run = self._run.get(step)
        if run is not None:
            return scratch(run, step - 1, size, self._start[run.first + 1])
        slot = np.array([self._start[step]])
        return Rows(size, slot, slot)

    def _making(self, tensor: Tensor) -> Run | None:
        """The band that makes a tensor, or that it is fed to."""
        return next((run for run in self.runs if tensor in run.lines), None)

    def _born(self, tensor: Tensor, run: Run | None) -> Numbers:
        if run is not None:
            return births(run, tensor, self._start[run.first + 1])
        return np.array([self._start[self.facts.lives[tensor][0]]])

    def _dies(self, tensor: Tensor) -> Numbers:
        step = self.facts.lives[tensor][1]
        run = self._run.get(step)
        if run is None:
            return np.array([self._start[step]])
        if not run.readers(tensor):
            return np.array([self._start[run.first + 1] + run.turns * run.slots - 1])
        return deaths(run, tensor, self._start[run.first + 1])
