"""SPEC.md 1.4 in Python's unbounded integers; the table is read out of SPEC.md."""

from __future__ import annotations

import re

from places import ROOT

SECTION = (ROOT / "schema/SPEC.md").read_text(encoding="utf-8").split("### 1.4")[1].split("\n##")[0]
T = [int(n) for n in re.findall(r"\d+", SECTION.split("T, from T[0] to T[255]:")[1])]
assert len(T) == 256


def between(a: int, step: int) -> int:
    u, rest = divmod(a, step)
    return T[u] * step + rest * (T[u + 1] - T[u])


def sigmoid(d: int) -> int:
    r = between(abs(d), 512) if abs(d) < 255 * 512 else 32767 * 2**10
    return (r + 512) // 1024 if d >= 0 else (2**25 - r + 511) // 1024


def tanh(d: int) -> int:
    r = between(abs(d), 256) if abs(d) < 255 * 256 else 65535 * 2**8
    return (r - 2**23 + 128) // 256 if d >= 0 else (2**23 - r + 127) // 256
