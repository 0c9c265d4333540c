"""From the network's probabilities to detections: the mean of the last ones must be high. main.c does the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

# So many probabilities are averaged; the mean, of 256, must reach the cutoff; then so many frames are not looked at.
AVERAGED, CUTOFF, REST = 5, 218, 100


class Detector:
    """Detects the phrase in a stream of codes, 256 of which are a probability of 1, from -128 on."""

    def __init__(self) -> None:
        self._last = deque([0] * AVERAGED, AVERAGED)
        self._rest = 0

    def hears(self, code: int) -> bool:
        """Whether the phrase is detected with this code."""
        self._last.append(int(code) + 128)
        self._rest = max(0, self._rest - 1)
        if self._rest > 0 or sum(self._last) < AVERAGED * CUTOFF:
            return False
        self._rest = REST
        return True


def detections(codes: Iterable[int]) -> list[int]:
    """The frames of a stream in which the phrase is detected."""
    detector = Detector()
    return [frame for frame, code in enumerate(codes) if detector.hears(code)]


def header() -> str:
    """The constants as C, for main.c."""
    numbers = {"AVERAGED": AVERAGED, "CUTOFF": CUTOFF, "REST": REST}
    lines = [f"#define {name} {number}" for name, number in numbers.items()]
    return "/* How main.c detects; detector.py writes it. */\n" + "\n".join(lines) + "\n"
