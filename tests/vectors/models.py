"""Composes valid models: `Net` of any operators, and below it functions for models of one operator each.

With other arguments than the defaults, these functions create models that violate a rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from vectors.encode import Table, codes, edge, ints, longs, requant, ubytes, ushorts, window

from qrt.schema import generated

# Of an element, by dtype.
BYTES = (1, 4, 2, 1)


class Net:
    """Composes a model out of operators; `model` adds lifetimes and an arena in which nothing is shared."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        self.tensors: list[Table] = []
        self.operators: list[Table] = []
        self.inputs: list[Table] = []
        self.outputs: list[Table] = []

    def tensor(self, shape: Iterable[int], zero_point: int = 0, **fields: Any) -> int:
        self.tensors.append(Table("Tensor", shape=ints(*shape), zero_point=zero_point, **fields))
        return len(self.tensors) - 1

    def constant(self, shape: tuple[int, ...], data: np.ndarray | None = None) -> int:
        return self.tensor(shape, data=np.ones(np.prod(shape), dtype=np.int8) if data is None else data)

    def input(self, shape: Iterable[int], zero_point: int = 0, **fields: Any) -> int:
        tensor = self.tensor(shape, zero_point, **fields)
        self.inputs.append(edge(tensor))
        return tensor

    def state(self, shape: Iterable[int], *initial: int, zero_point: int = 0, **fields: Any) -> int:
        return self.tensor(shape, zero_point, initial=codes(*initial), **fields)

    def op(
        self, options: Table, inputs: Iterable[int], shape: Iterable[int], zero_point: int = 0, **fields: Any
    ) -> int:
        return self.update(options, inputs, self.tensor(shape, zero_point, **fields))

    def update(self, options: Table, inputs: Iterable[int], y: int) -> int:
        """An operator whose output is a tensor that is there, as a state is."""
        kind = getattr(generated.Options, options.table_name)
        operands = np.array([*inputs], dtype="<u4")
        self.operators.append(Table("Operator", inputs=operands, output=y, options_type=kind, options=options))
        return y

    def output(self, tensor: int, **fields: Any) -> None:
        self.outputs.append(edge(tensor, **fields))

    def model(self, **fields: Any) -> Table:
        lifetimes = {given["tensor"]: (0, 0) for given in self.inputs}
        for i, op in enumerate(self.operators):
            lifetimes[op["output"]] = (i + 1, i + 1)
            for tensor in op["inputs"]:
                lifetimes[tensor] = (lifetimes.get(tensor, (0, 0))[0], i + 1)
        for output in self.outputs:
            lifetimes[output["tensor"]] = (lifetimes[output["tensor"]][0], len(self.operators) + 1)
        arena_size = state_size = 0
        placed = [(i, tensor) for i, tensor in enumerate(self.tensors) if "data" not in tensor.fields]
        for i, tensor in sorted(placed, key=lambda pair: "initial" not in pair[1].fields):
            if "initial" not in tensor.fields:
                tensor["lifetime"] = lifetimes[i]
            tensor["arena_offset"] = arena_size
            size = int(np.prod(tensor["shape"], dtype=np.int64)) * BYTES[tensor.fields.get("dtype", 0)]
            arena_size += -(-size // 16) * 16
            if "initial" in tensor.fields:
                state_size = arena_size
        if state_size:
            fields = {"state_size": state_size, **fields}
        model = Table("Model", format_version=1, seal=(0, 0), **self.fields)
        model.fields.update(tensors=self.tensors, operators=self.operators, inputs=self.inputs, outputs=self.outputs)
        model.fields.update(arena_size=arena_size, **fields)
        return model


def single(options: Table, *shapes: Iterable[int], constants: Iterable[int] = (), zero_point: int = 0) -> Table:
    """A model of one operator; `shapes` are its inputs' and its output's, `constants` says which are constant."""
    net = Net()
    *inputs, y = [tuple(shape) for shape in shapes]
    operands = [
        net.constant(shape) if i in constants else net.input(shape, zero_point) for i, shape in enumerate(inputs)
    ]
    net.output(net.op(options, operands, y, zero_point))
    return net.model()


def chain(*kinds: str, size: int = 16) -> Table:
    """A model of operators without parameters, each reading the one before it."""
    net = Net()
    x = net.input((size,))
    for kind in kinds:
        x = net.op(Table(kind), [x], (size,))
    net.output(x)
    return net.model()


def dense(x: Any, weights: Any, y: Any, **fields: Any) -> Table:
    return single(Table("Linear", requant=requant(**fields)), x, weights, y, constants=[1])


def linear(x: int = 3, y: int = 2, **fields: Any) -> Table:
    """Tensors 0 to 2 are x, weights and y; `fields` are the Requant's."""
    return dense((1, x), (y, x), (1, y), **fields)


def conv(x: Any = (1, 4, 4, 2), weights: Any = (3, 1, 1, 2), y: Any = (1, 4, 4, 3), groups: int = 1, **w: Any) -> Table:
    options = Table("Conv2D", window=window(**w), groups=groups, requant=requant())
    return single(options, x, weights, y, constants=[1])


def dwconv(x: Any = (1, 4, 4, 2), weights: Any = (1, 1, 1, 4), y: Any = (1, 4, 4, 4)) -> Table:
    return single(Table("DwConv2D", window=window(), requant=requant()), x, weights, y, constants=[1])


def pool(x: Any = (1, 4, 4, 2), y: Any = (1, 2, 2, 2), filter: Any = (2, 2), stride: Any = (2, 2), **w: Any) -> Table:
    return single(Table("AveragePool2D", window=window(filter, stride, **w)), x, y)


def add(a: Any = (1, 4), b: Any = (1, 4), zero_point: int = 0, **fields: Any) -> Table:
    return single(Table("Add", **fields), a, b, (1, 4), zero_point=zero_point)


def tflite_add(**fields: Any) -> Table:
    return add(**{"form": 1, "a_shift": 31, "b_shift": 31, "y_shift": 31, **fields})


def squared_difference(**fields: Any) -> Table:
    options = Table("SquaredDifference", **{"a_shift": 31, "b_shift": 31, "y_shift": 31, **fields})
    return single(options, (1, 4), (1, 4), (1, 4))


def mean(x: Any = (1, 2, 2, 2), y: Any = (1, 1, 1, 2), **fields: Any) -> Table:
    return single(Table("Mean", requant=requant(**fields)), x, y)


def requantize(y: Any = (16,), zero_point: int = 0, **fields: Any) -> Table:
    return single(Table("Requantize", requant=requant(**fields)), (16,), y, zero_point=zero_point)


def pad(before: np.ndarray, after: np.ndarray, y: Any = (1, 4)) -> Table:
    return single(Table("Pad", before=before, after=after), (1, 4), y)


def concat(axis: int, *shapes: Any) -> Table:
    return single(Table("Concat", axis=axis), *shapes)


def transpose(*permutation: int, y: Any = (2, 2)) -> Table:
    return single(Table("Transpose", permutation=ubytes(*permutation)), (2, 2), y)


def softmax(largest: int = 1, entries: int = 256, **fields: Any) -> Table:
    exponential = np.array([largest] + [0] * (entries - 1), dtype="<u4")
    return single(Table("Softmax", exponential=exponential, **fields), (1, 4), (1, 4))


def softmax_tflite(largest: int = 2**31 - 1, zero_point: int = -128, channels: int = 4) -> Table:
    exponential = np.array([largest] + [0] * 255, dtype="<u4")
    options = Table("Softmax", exponential=exponential, form=1)
    return but(single(options, (1, channels), (1, channels)), tensors__1__zero_point=zero_point)


def reshapes(count: int = 1, **changes: Any) -> Table:
    """Tensor 0 is x, tensor i + 1 the output of operator i."""
    return but(chain(*["Reshape"] * count), **changes)


def but(model: Table, **changes: Any) -> Table:
    """`model` with other values; ``tensors__0__shape`` is the path of a field, None leaves it out."""
    for path, value in changes.items():
        *way, last = path.split("__")
        at: Any = model
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at[step]
        if value is None:
            del at.fields[last]
        else:
            at[last] = value
    return model


def slice_of(begin: Any = (0, 1), stride: Any = (1, 2), x: Any = (2, 6), y: Any = (2, 3), **fields: Any) -> Table:
    return single(Table("Slice", begin=ints(*begin), stride=ints(*stride)), x, y, **fields)


def resize(
    x: Any = (1, 2, 3, 4), y: Any = (1, 2, 2, 4), rows: Any = (0, 1), columns: Any = (2, 0), **weights: Any
) -> Table:
    vectors = {key: ushorts(*values) for key, values in weights.items()}
    return single(Table("Resize2D", rows=ushorts(*rows), columns=ushorts(*columns), **vectors), x, y)


def transpose_conv(
    x: Any = (1, 3, 3, 2), weights: Any = (4, 2, 2, 2), y: Any = (1, 6, 6, 4), filter: Any = (2, 2), **w: Any
) -> Table:
    w = {"stride": (2, 2), **w}
    options = Table("TransposeConv2D", window=window(filter, **w), requant=requant())
    return single(options, x, weights, y, constants=[1])


def arg_max(x: Any = (2, 5), y: Any = (2, 1), zero_point: int = -128) -> Table:
    return single(Table("ArgMax"), x, y, zero_point=zero_point)


def matmul(a: Any = (2, 3, 4), b: Any = (2, 5, 4), y: Any = (2, 3, 5), **fields: Any) -> Table:
    return single(Table("MatMul", requant=requant(**fields)), a, b, y)


def l2_norm(x: Any = (2, 5), y: Any = (2, 5), zero_point: int = 0) -> Table:
    return single(Table("L2Norm"), x, y, zero_point=zero_point)


def layer_norm(
    x: Any = (2, 3), y: Any = (2, 3), multiplier: Any = (1, 2, 3), addend: Any = (4, 5, 6), **fields: Any
) -> Table:
    return single(Table("LayerNorm", multiplier=ints(*multiplier), addend=longs(*addend), **fields), x, y)


def log_softmax(first: int = 1 << 31, rest: Any = (1,), shape: Any = (1, 4), y: Any = (1, 4), **fields: Any) -> Table:
    return single(Table("LogSoftmax", exponential=np.array([first, *rest], "<u4"), **fields), shape, y)


def log_softmax_tflite(
    first: int = (1 << 31) - 1, rest: Any = (1,), channels: int = 4, zero_point: int = 127, **fields: Any
) -> Table:
    fields = {"form": 1, "shift": 31, **fields}
    model = log_softmax(first, rest, (1, channels), (1, channels), **fields)
    return but(model, tensors__1__zero_point=zero_point)


def accumulators(scales: Any = (0.5, 0.25), dtype: int = 1, **fields: Any) -> Table:
    """A Linear whose output, tensor 2, is int32."""
    net = Net()
    x = net.input((1, 3))
    options = Table("Linear", requant=requant(**{"multiplier": (1,), "shift": (0,), **fields}))
    y = net.op(options, [x, net.constant((2, 3))], (1, 2), dtype=dtype)
    net.output(y, **({} if scales is None else {"scales": np.array(scales, "<f4")}))
    return net.model()


def requantize_sum(
    b: Any = (1, 2), y: Any = (1, 2), b_multiplier: Any = (1 << 20,), acc_dtype: int = 1, **fields: Any
) -> Table:
    """Tensors: 0 x, 1 weights, 2 acc, 3 b, 4 y; `fields` are the Requant's."""
    net = Net()
    x = net.input((1, 3))
    layer = Table("Linear", requant=requant((1,), (0,)))
    acc = net.op(layer, [x, net.constant((2, 3))], (1, 2), dtype=acc_dtype)
    given = requant(**{"multiplier": (1 << 30,), "shift": (34,), "addend": longs(1 << 33), **fields})
    options = Table("RequantizeSum", requant=given, b_multiplier=longs(*b_multiplier))
    net.output(net.op(options, [acc, net.input(b)], y))
    return net.model()
