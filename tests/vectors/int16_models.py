"""Files of 16-bit arithmetic: a golden one, and `BAD_INT16`, by the rule that each violates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from vectors.encode import Table, encode, longs, requant, shorts, vectors, window
from vectors.models import Net
from vectors.state_models import INT16, of_dtypes

EMPTY = np.zeros(0, "<u4")
LOW = -(2**15)


def functions() -> bytes:
    """sigmoid and tanh of x / 4096, half of x or minus a quarter where it is negative, plus 7, and softmax."""
    net = Net(name="functions", producer="make_vectors.py")
    x = net.input((1, 4), dtype=INT16, name="x")
    net.inputs[0]["source_dtype"] = INT16
    leaky = Table("LeakyRelu", multiplier=1 << 30, shift=31, negative_multiplier=1 << 30, negative_shift=32)
    leaky["negate"] = True
    softmax = Table("Softmax", exponential=EMPTY, form=1, multiplier=1 << 30, shift=33)
    for options in (Table("Sigmoid", multiplier=3), Table("Tanh", multiplier=3), leaky, softmax):
        zero_point = {"zero_point16": 7} if options is leaky else {}
        net.output(net.op(options, [x], (1, 4), dtype=INT16, **zero_point), source_dtype=INT16)
    expected = [
        shorts(16384, 22129, 10639, 32757),
        shorts(0, 20465, -20465, 32767),
        shorts(7, 1507, 757, 16391),
        shorts(6726, 7123, 6352, 12567),
    ]
    return encode(net.model(test_vectors=vectors(([shorts(0, 3000, -3000, 32767)], expected))))


def gate(x: int = INT16, y: int = INT16, multiplier: int = 3, shift: int = 0, **changes: Any) -> Table:
    return of_dtypes(Table("Sigmoid", multiplier=multiplier, shift=shift), x, y, **changes)


def leaky(x: int = INT16, y: int = INT16, changes: dict[str, Any] | None = None, **fields: Any) -> Table:
    numbers = {"multiplier": 1 << 30, "shift": 31, "negative_multiplier": 1 << 30, "negative_shift": 31}
    return of_dtypes(Table("LeakyRelu", **{**numbers, **fields}), x, y, **(changes or {}))


def softmax(y: int = INT16, width: int = 4, changes: dict[str, Any] | None = None, **fields: Any) -> Table:
    numbers = {"exponential": EMPTY, "form": 1, "multiplier": 1 << 30, "shift": 33}
    return of_dtypes(Table("Softmax", **{**numbers, **fields}), INT16, y, shape=(1, width), **(changes or {}))


def tflite_sum(*dtypes: int, **changes: Any) -> Table:
    numbers = {f"{name}_{part}": value for name in "aby" for part, value in (("multiplier", 1 << 30), ("shift", 40))}
    return of_dtypes(Table("Add", form=1, **numbers), *dtypes, **changes)


def product(depth: int, multiplier: int, shift: int, addend: int | None = None, rounding: int = 0) -> Table:
    """A matrix product of `depth` terms, of which each can be 65535^2."""
    extra = {} if addend is None else {"addend": longs(addend)}
    options = Table("MatMul", requant=requant((multiplier,), (shift,), rounding=rounding, **extra))
    net = Net()
    inputs = [net.input((1, depth), dtype=INT16, zero_point16=LOW) for _ in range(2)]
    net.output(net.op(options, inputs, (1, 1), dtype=INT16), source_dtype=INT16)
    for given in net.inputs:
        given["source_dtype"] = INT16
    return net.model()


def pool() -> Table:
    net = Net()
    x = net.input((1, 256, 129, 1), dtype=INT16)
    net.inputs[0]["source_dtype"] = INT16
    options = Table("MaxPool2D", window=window((256, 129)))
    net.output(net.op(options, [x], (1, 1, 1, 1), dtype=INT16), source_dtype=INT16)
    return net.model()


BAD_INT16: dict[str, Callable[[], Table]] = {
    "v47_int16_double": lambda: product(1, 1 << 30, 31, rounding=1),
    # The largest product of an accumulator is 2^64 or more, and below 2^63 when a uint64 wraps around.
    "v48_int16_product_wraps": lambda: product(5, 1 << 30, 0),
    "v48_int16_round_wraps": lambda: product(2, (1 << 31) - 1, 51),
    "v48_int16_addend_wraps": lambda: product(2, (1 << 31) - 1, 0, addend=1 << 50),
    "v76_clamp_to_another_type": lambda: of_dtypes(Table("Clamp"), 0, INT16),
    "v76_mul_of_two_types": lambda: of_dtypes(Table("Mul", requant=requant()), INT16, 0, INT16),
    "v76_tflite_sum_to_another_type": lambda: tflite_sum(0, 0, INT16),
    "v76_tflite_sum_zero_point_of_a": lambda: tflite_sum(INT16, INT16, INT16, tensors__0__zero_point16=1),
    "v76_tflite_sum_zero_point_of_b": lambda: tflite_sum(INT16, INT16, INT16, tensors__1__zero_point16=1),
    "v76_tflite_sum_zero_point_of_y": lambda: tflite_sum(INT16, INT16, INT16, tensors__2__zero_point16=1),
    "v76_matmul_of_two_types": lambda: of_dtypes(Table("MatMul", requant=requant()), INT16, 0, INT16, shape=(2, 2)),
    "v77_large_pool": pool,
    "v78_sigmoid_of_int8": lambda: gate(x=0),
    "v78_sigmoid_to_int8": lambda: gate(y=0),
    "v78_zero_point_of_x": lambda: gate(tensors__0__zero_point16=1),
    "v78_zero_point_of_y": lambda: gate(tensors__1__zero_point16=1),
    "v78_negative_multiplier": lambda: gate(multiplier=-1),
    "v78_large_multiplier": lambda: gate(multiplier=1 << 15),
    "v78_large_shift": lambda: gate(shift=32),
    "v79_of_int8": lambda: leaky(x=0),
    "v79_to_int8": lambda: leaky(y=0),
    "v79_negative_multiplier": lambda: leaky(multiplier=-1),
    "v79_least_negative_multiplier": lambda: leaky(negative_multiplier=LOW << 16),
    "v79_shift_of_a_large_distance": lambda: leaky(shift=15, changes={"tensors__0__zero_point16": -1}),
    "v79_negative_shift_of_a_large_distance": lambda: leaky(negative_shift=15),
    "v79_large_shift": lambda: leaky(shift=63),
    "v80_form": lambda: softmax(form=0),
    "v80_exponential": lambda: softmax(exponential=np.array([1], "<u4")),
    "v80_to_int8": lambda: softmax(y=0),
    "v80_zero_point": lambda: softmax(changes={"tensors__1__zero_point16": 1}),
    "v80_negative_multiplier": lambda: softmax(multiplier=-1),
    "v80_small_shift": lambda: softmax(shift=16),
    "v80_too_many_channels": lambda: softmax(width=(1 << 16) + 1),
}
