"""The memory plan: live tensors never overlap, it is never worse than greedy-by-size, and its bound holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qrt
from qrt.cli.summary import arena_facts, peak_text
from qrt.compiler import GraphBuilder, compile
from qrt.compiler.backends.qfb.reader import read, read_bands
from qrt.compiler.plan.layout import ALIGNMENT
from qrt.compiler.plan.memory import Block, overlap_in_time, peak, place
from qrt.compiler.report import Peak

blocks_strategy = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 12), st.integers(0, 5)).map(
        lambda t: Block(t[0] * ALIGNMENT, t[1], t[1] + t[2])
    ),
    min_size=1,
    max_size=14,
)


def greedy_by_size(blocks: list[Block]) -> int:
    """Largest first, each at the lowest free place; the height reached. Written apart from the planner."""
    placed: list[tuple[int, Block]] = []
    for block in sorted(blocks, key=lambda b: (-b.size, b.first)):
        meeting = [(start, other) for start, other in placed if overlap_in_time(block, other)]
        candidates = [0, *(start + other.size for start, other in meeting)]
        free = [c for c in candidates if all(c + block.size <= s or s + o.size <= c for s, o in meeting)]
        placed.append((min(free), block))
    return max(start + block.size for start, block in placed)


@given(blocks_strategy)
def test_live_blocks_share_no_byte(blocks: list[Block]) -> None:
    starts, height = place(blocks)
    for i, a in enumerate(blocks):
        assert starts[i] % ALIGNMENT == 0
        assert starts[i] + a.size <= height
        for k in range(i):
            b = blocks[k]
            if overlap_in_time(a, b):
                assert starts[i] + a.size <= starts[k] or starts[k] + b.size <= starts[i]


@given(blocks_strategy)
def test_between_the_lower_bound_and_greedy_by_size(blocks: list[Block]) -> None:
    _, height = place(blocks)
    bound = max(sum(b.size for b in blocks if b.first <= step <= b.last) for step in range(20))
    assert bound <= height <= greedy_by_size(blocks)


def residual() -> GraphBuilder:
    g = GraphBuilder("residual")
    x = g.input("x", (1, 4, 4, 8), scale=0.1)
    y = g.conv2d(x, np.ones((8, 1, 1, 8)), scale=0.1)
    z = g.add(x, y, scale=0.1)
    g.output(g.clamp(g.reshape(z, (1, 128)), output_max=100))
    return g


def test_adds_and_clamps_and_reshapes_in_place() -> None:
    compiled = compile(residual())
    offsets = {tensor.name: offset for tensor, offset in compiled.plan.offsets.items()}
    assert compiled.plan.arena_size == compiled.plan.lower_bound == 2 * 128
    assert offsets["add"] == offsets["reshape"] == offsets["clamp"]
    assert offsets["add"] in (offsets["x"], offsets["conv2d"])
    x = np.random.default_rng(0).integers(-128, 128, (1, 4, 4, 8), dtype=np.int8)
    outputs = [qrt.load(compiled.to_bytes(), kernels=name).run(x) for name in qrt.kernel_sets()]
    assert all(np.array_equal(outputs[0], other) for other in outputs)


def test_lifetimes() -> None:
    compiled = compile(residual())
    lives = {tensor.name: life for tensor, life in compiled.plan.lifetimes.items()}
    assert lives == {"x": (0, 2), "conv2d": (1, 2), "add": (2, 3), "reshape": (3, 4), "clamp": (4, 5)}


def test_a_broadcast_operand_is_never_overwritten() -> None:
    g = GraphBuilder("broadcast")
    a = g.input("a", (1, 1, 1, 16), scale=0.1)
    b = g.input("b", (1, 4, 4, 16), scale=0.1)
    g.output(g.add(a, b, scale=0.1))
    compiled = compile(g)
    offsets = {tensor.name: offset for tensor, offset in compiled.plan.offsets.items()}
    assert offsets["add"] == offsets["b"] != offsets["a"]
    assert qrt.load(compiled.to_bytes())


@pytest.mark.parametrize("ram", ["fast", "least"])
def test_the_peak_is_the_bound_and_names_what_is_live(ram: str) -> None:
    compiled = compile(residual(), ram=ram)
    content, bound = compiled.to_bytes(), compiled.plan.lower_bound
    found = peak(read(content), read_bands(content))
    assert found == compiled.report.arena_peak
    assert found.size == compiled.report.arena_lower_bound == bound
    assert sum(size for _, size in found.tensors) - found.shared + found.states == bound
    assert (found.first == found.last) == (found.kind != "")


def test_a_gap_says_what_is_live() -> None:
    one = Peak(240, 12, 12, "add", (("a", 128), ("b", 128)), 32, 16)
    assert arena_facts(240, one) == [("arena", "240 bytes, which is the lower bound")]
    assert arena_facts(300, one) == [
        ("arena", "300 bytes; lower bound 240, gap 25.0 %"),
        ("most live", "layer 12 add: a 128 + b 128 + states 16 - 32 that two share"),
    ]
    assert peak_text(Peak(64, 2, 5, "", (("a;b", 64),), 0, 0)) == "layers 2 to 5, in turns: a 64"
    assert peak_text(Peak(64, None, None, "", (("", 64),), 0, 0)) == "inputs and outputs: (no name) 64"
