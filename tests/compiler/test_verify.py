"""The rules of the intermediate representation: each rejects a graph that violates it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from qrt.compiler import Graph, GraphBuilder
from qrt.compiler.ir import Op, Quantization, Tensor
from qrt.compiler.verify import RULES, verify


def graph() -> Graph:
    g = GraphBuilder("small")
    x = g.input("x", (1, 6, 6, 2), scale=0.1)
    y = g.conv2d(x, np.ones((4, 3, 3, 2)), np.ones(4), scale=0.1, name="conv")
    g.output(g.max_pool2d(y, 2, name="pool"))
    return g.graph


def conv(g: Graph) -> Op:
    return g.ops[0]


def other_scale(g: Graph) -> None:
    g.ops[1].output.quantization = Quantization(np.float32(0.3), np.int32(0))


def float_tensor(g: Graph) -> None:
    conv(g).output.dtype = "float32"


BREAKS: list[tuple[str, Callable[[Graph], object]]] = [
    ("its kind is an operator of SPEC.md", lambda g: setattr(conv(g), "kind", "relu")),
    ("has an input", lambda g: setattr(g.ops[1], "inputs", [])),
    ("has its attributes", lambda g: conv(g).attrs.pop("stride")),
    ("has its attributes", lambda g: conv(g).attrs.update(stride=(0, 1))),
    ("has its attributes", lambda g: conv(g).attrs.update(padding=(0, 0, 0, -1))),
    ("has as many inputs as its kind takes", lambda g: g.ops[1].inputs.append(g.ops[1].inputs[0])),
    ("its tensors are codes with one scale", float_tensor),
    ("its weights are constant int8", lambda g: setattr(conv(g).inputs[1], "data", None)),
    ("its output has the shape that follows", lambda g: setattr(g.ops[1].output, "shape", (1, 2, 2, 5))),
    ("keeps the numbers of its input", other_scale),
    ("output_min and output_max are codes in order", lambda g: g.ops[1].attrs.update(output_min=5, output_max=4)),
    ("which nothing has written yet", lambda g: g.ops.reverse()),
    ("which has a value already", lambda g: g.ops.insert(1, g.ops[0])),
    ("is written by nothing", lambda g: setattr(g.outputs[0], "tensor", Tensor("lost", (1,)))),
]


@pytest.mark.parametrize(("message", "break_it"), BREAKS, ids=[message for message, _ in BREAKS])
def test_a_broken_rule_is_named(message: str, break_it: Callable[[Graph], object]) -> None:
    broken = graph()
    verify(broken, "quantized")
    break_it(broken)
    with pytest.raises(AssertionError, match=message):
        verify(broken, "quantized", "a pass")


def test_lowered_graphs_have_their_integers() -> None:
    with pytest.raises(AssertionError, match=r"after lower: conv: rule broken: has its integers"):
        verify(graph(), "lowered", "lower")


def test_source_graphs_have_known_kinds() -> None:
    source = graph()
    source.ops[0].kind = "attention"
    with pytest.raises(AssertionError, match="its kind is known"):
        verify(source, "source")


def test_every_rule_has_a_stage_and_a_sentence() -> None:
    assert all(rule.stages and rule.message for rule in RULES)
