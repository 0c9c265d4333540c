"""Which operators stream: where bands begin and end, so that the arena is smallest or fits with few of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from qrt.compiler.ir import Op, Tensor
from qrt.compiler.plan.occupancy import peak
from qrt.compiler.plan.pacing import Run, Streaming

# A band whose late plan is so many times the best known is not improved.
HOPELESS = 1.5


def improved(run: Run, scratch: Mapping[Op, int]) -> tuple[int, Run]:
    """With earlier leads of operators that have slack, where that lowers the peak; the peak and the run."""
    lowest = peak(run, scratch)
    for i in range(run.first, run.stop):
        earliest, line = run.earliest(i), run.line(i)
        if earliest is None or earliest <= line.lead:
            continue
        for lead in [*range(line.lead + line.per, earliest, line.per), earliest]:
            other = run.with_lead(i, lead)
            height = peak(other, scratch)
            if height < lowest:
                lowest, run = height, other
    return lowest, run


class Cuts:
    """Parts of a network, each a band or one operator outside of bands, with the most bytes live in each.

    Attributes
    ----------
    facts : Streaming
    steps : sequence of int
        Bytes that are live in each operator outside of bands.
    fed : Tensor or None
        The model's input that is given by rows.
    """

    def __init__(
        self, facts: Streaming, steps: Sequence[int], fed: Tensor | None = None, scratch: Mapping[Op, int] | None = None
    ) -> None:
        self.facts, self.steps, self.fed, self.scratch = facts, steps, fed, scratch or {}
        self.bands: dict[tuple[int, int], tuple[int, Run]] = {}
        self.count = len(steps)
        readers = facts.readers.get(fed, []) if fed is not None else []
        # Those that read the fed input are in one band.
        self.fed_from, self.fed_to = (readers[0], readers[-1] + 1) if readers else (0, 0)
        # The least that the most live bytes before each operator can be; None where no band can be fed.
        self.lowest: list[int | None] = [0]
        for stop in range(1, self.count + 1):
            self.lowest.append(self._lowest(stop))

    def _lowest(self, stop: int) -> int | None:
        """Finds the bands that end there."""
        single = self.lowest[stop - 1] if self._alone(stop) else None
        best = None if single is None else max(single, self.steps[stop - 1])
        for run in self._ending(stop):
            before = self.lowest[run.first]
            if before is None:
                continue
            height = peak(run, self.scratch)
            if best is None or max(before, height) < HOPELESS * best:
                height, run = improved(run, self.scratch)
                best = max(before, height) if best is None else min(best, max(before, height))
            self.bands[run.first, stop] = height, run
        return best

    def _ending(self, stop: int) -> Iterator[Run]:
        """The bands that end there, from short to long."""
        if not self.facts.able[stop - 1]:
            return
        run = Run(self.facts, stop - 1, stop)
        while run.is_small:
            candidate = self._fed(run)
            if candidate is not None and candidate.is_small:
                yield candidate
            if run.first == 0 or not self.facts.closed(run.first - 1, stop):
                return
            run = run.before()

    def _alone(self, stop: int) -> bool:
        """Whether the operator before `stop` can run without a band."""
        return not self.fed_from < stop <= self.fed_to

    def _fed(self, run: Run) -> Run | None:
        """The run as a band: with the input that is fed, if it reads it; None where it cannot be one."""
        inside = run.first < self.fed_to and self.fed_from < run.stop
        if not inside:
            return run if run.stop - run.first > 1 else None
        if run.first > self.fed_from or run.stop < self.fed_to:
            return None
        return Run(self.facts, run.first, run.stop, run.step, self.fed)

    def parts(self, stop: int) -> list[tuple[int, int]]:
        """The last part of a network that ends there, each as its first operator and the bytes live in it."""
        found = [(first, height) for (first, end), (height, _) in self.bands.items() if end == stop]
        return [*found, (stop - 1, self.steps[stop - 1])] if self._alone(stop) else found

    @property
    def least(self) -> int:
        """The least that the most live bytes of the network can be."""
        least = self.lowest[-1]
        assert least is not None
        return least

    def runs(self, limit: int) -> list[Run] | None:
        """The bands with the fewest operators in them such that no more bytes are live than `limit`."""
        best: list[tuple[int, int] | None] = [(0, 0)]
        for stop in range(1, self.count + 1):
            counts = [
                (before[0] + (stop - first if (first, stop) in self.bands else 0), first)
                for first, height in self.parts(stop)
                if height <= limit and (before := best[first]) is not None
            ]
            best.append(min(counts, default=None))
        chosen, stop = [], self.count
        while stop:
            last = best[stop]
            if last is None:
                return None
            if (last[1], stop) in self.bands:
                chosen.append(self.bands[last[1], stop][1])
            stop = last[1]
        return chosen[::-1]
