"""Valid models made to exhaust memory: loading needs memory in proportion to the file and its stated arena."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from vectors.encode import Table, encode, requant, window
from vectors.models import Net

import qrt

# Whatever the size of a file, this much is not too much; and what Python's own objects take.
MODEST = 1 << 20
OBJECTS = 1 << 17


def repeated(
    options: Table, x: tuple[int, ...], weights: tuple[int, ...], y: tuple[int, ...], count: int, more: int = 0
) -> tuple[bytes, int]:
    """A file of `count` operators that share input, weights and the place of their outputs, and its arena's size.

    The arena has `more` bytes than are needed.
    """
    net = Net()
    operands = [net.input(x), *([net.constant(weights)] if weights else [])]
    for _ in range(count):
        output = net.op(options, operands, y)
    net.output(output)
    model = net.model()
    outputs = model["tensors"][len(operands) :]
    first, last = outputs[0]["arena_offset"], outputs[-1]["arena_offset"]
    for tensor in outputs:
        tensor["arena_offset"] = first
    model["arena_size"] += more + first - last
    return encode(model), model["arena_size"]


def conv2d(groups: int = 1, **w: tuple[int, ...]) -> Table:
    return Table("Conv2D", window=window(**w), groups=groups, requant=dropping())  # type: ignore[arg-type]


def dropping() -> Table:
    return requant(multiplier=(1 << 20,), shift=(50,))


# What a channel's weights are packed to has room for 16 channels, and for what their rounding needs.
HOSTILE = {
    "groups of one channel": (conv2d(groups=1 << 14), (1, 1, 1, 1 << 14), (1 << 14, 1, 1, 1), (1, 1, 1, 1 << 14), 64),
    "a window with gaps": (
        conv2d(filter=(256, 256), dilation=(2, 2)), (1, 512, 512, 1), (1, 256, 256, 1), (1, 2, 2, 1), 64,
    ),
    "one depthwise channel": (
        Table("DwConv2D", window=window((61, 67)), requant=dropping()),
        (1, 64, 130, 1), (1, 61, 67, 1), (1, 4, 64, 1), 64,
    ),
    "one output of linear": (Table("Linear", requant=dropping()), (1, 1 << 16), (1, 1 << 16), (1, 1), 64),
    "Winograd": (conv2d(filter=(3, 3)), (1, 4, 4, 64), (9, 3, 3, 64), (1, 2, 2, 9), 512),
    "steps beyond the image": (
        conv2d(stride=(1, 6), padding=(0, 0, 1, 0)), (1, 1, 1, 1 << 18), (1, 1, 1, 1 << 18), (1, 1, 1, 1), 1,
    ),
    "padding around one position": (
        conv2d(filter=(2, 2), dilation=(2000, 2000), padding=(1000, 1000, 1000, 1000)),
        (1, 1, 1, 4), (1, 2, 2, 4), (1, 1, 1, 1), 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kernels", qrt.kernel_sets()[1:])
@pytest.mark.parametrize("name", HOSTILE)
def test_memory_is_in_proportion(name: str, kernels: str) -> None:
    content, arena_size = repeated(*HOSTILE[name])
    tracemalloc.start()
    try:
        model = qrt.load(content, kernels)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    packed = 16 * len(content) + MODEST
    scratch = packed + arena_size
    tables = 512 * len(HOSTILE[name]) * HOSTILE[name][-1]
    assert peak < len(content) + arena_size + packed + scratch + tables + OBJECTS
    x = np.random.default_rng(0).integers(-128, 128, model.inputs[0].shape, np.int8)
    assert np.array_equal(model.run(x), qrt.load(content, "portable").run(x))


def test_an_arena_that_is_refused_leaves_no_room_to_pack() -> None:
    content, arena_size = repeated(*HOSTILE["one output of linear"], more=1 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(qrt.ModelError, match=f"states an arena of {arena_size} bytes"):
            qrt.load(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 17 * len(content) + MODEST + OBJECTS


def test_immense_work_is_worth_threads() -> None:
    # Each pool makes 2^52 steps: together more than an int64 counts.
    options = Table("MaxPool2D", window=window((2048, 2048), padding=(1023, 1024, 1023, 1024)))
    image = (1, 1 << 13, 1 << 14, 1)
    content, _ = repeated(options, image, (), image, 3000)
    assert qrt.load(content, threads=3).threads == 3
