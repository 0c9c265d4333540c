"""The kernel sets that tests compare: those of this machine, and the other encodings of a set that it supports."""

from __future__ import annotations

import qrt
from qrt import _executor

# A set is the first of its encodings.
ENCODINGS = _executor.ENCODINGS[1:]
ALL = (*qrt.kernel_sets(), *ENCODINGS)
# Without the reference, which they are compared with.
COMPARED = ALL[1:]
