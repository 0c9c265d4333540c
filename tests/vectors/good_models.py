"""The golden files that every later reader must open, with their outputs; `GOOD` lists them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from vectors.encode import Table, codes, encode, ints, longs, requant, ubytes, ushorts, vectors, window
from vectors.models import Net


def linear_3_to_2() -> bytes:
    """The worked example of SPEC.md, section 6."""
    net = Net(name="tiny")
    x = net.input((1, 3), zero_point=-1, name="x", scale=0.5)
    weights = net.constant((2, 3), codes(1, -2, 3, 4, 5, -6))
    options = Table("Linear", requant=requant((1 << 30,), (32,), bias=ints(6, -7)))
    net.output(net.op(options, [x, weights], (1, 2), zero_point=2, name="y", scale=0.25))
    return encode(net.model(test_vectors=vectors(([codes(10, 20, 30)], [codes(19, -9)]))))


# As a writer found it: with a line break of Windows, and a character outside of ASCII.
PREPROCESSING = "# größe\r\n[image]\nresize = [2, 2]\nrange = [0, 1]\n"


def preprocessing_file() -> bytes:
    """A model that says how images become its input."""
    net = Net(name="preprocessing", producer="make_vectors.py")
    x = net.input((1, 2, 2, 1), zero_point=-128, name="image", scale=1 / 255)
    net.output(net.op(Table("Reshape"), [x], (1, 4), zero_point=-128, scale=1 / 255))
    shown = vectors(([codes(-128, 127, 0, 1)], [codes(-128, 127, 0, 1)]))
    return encode(net.model(test_vectors=shown, preprocessing=PREPROCESSING))


def pattern(count: int, step: int = 37) -> np.ndarray:
    """Codes that look like noise."""
    return ((np.arange(count) * step + 11) % 256 - 128).astype(np.int8)


# What every_operator() computes from pattern(120, 53) and pattern(156, 19): the second half of its first output
# follows from the lut alone, all else went through the other operators too.
EVERY_CODE = """
    010101012424242424242424010101011c1d1c1d1b1c1b1c01010101131213121313131301010101ff06ff060306030601010101
    e1e5e1e5e1e1e1e101010101e1e4e1e4e1e1e1e101010101e1e1e1e1e1ede1ed01010101e813e813e70ce70c0101010116191619
    1518151801010101111111111212121201010101070507050705070501010101fdfcfdfcfdfdfdfd010101010101010101010101
    806d5a4734210efbe8d5c2af9c897663503d2a1704f1decbb8a5927f6c594633200dfae7d4c1ae9b8875624f3c291603f0ddcab7
    a4917e6b5845321f0cf9e6d3c0ad9a8774614e3b281502efdcc9b6a3907d6a5744311e0bf8e5d2bfac998673604d3a271401eedb
    c8b5a28f7c695643301d0af7e4d1beab9885725f4c39261300eddac7b4a18e7b6855422f1c09f6e3d0bdaa9784715e4b382512ff
"""
EVERY_PROBABILITY = (24, -55, -97, 107, -109, -126)


def every_operator() -> bytes:
    """Each operator, each value of each enumeration, broadcasting, and one tensor written in place of another."""
    net = Net(name="every operator", producer="make_vectors.py")
    x = net.input((1, 6, 5, 4), zero_point=-3, name="image", scale=0.5)
    z = net.input((1, 156), zero_point=5, name="z")
    net.inputs[0].fields.update(quantize_rule=1, source_layout=1)

    multipliers = np.repeat([1 << 30, 1500000000, 1 << 30], 2)
    conv_requant = requant(multipliers, np.repeat([40, 39, 41], 2), bias=ints(1000, -20000, 7, 0, 0, 1), rounding=1)
    options = Table("Conv2D", window=window((3, 3), (2, 2), padding=(1, 0, 1, 1)), groups=2, requant=conv_requant)
    t = net.op(options, [x, net.constant((6, 3, 3, 2), pattern(108))], (1, 3, 3, 6), 10, name="conv", scale=1.0)
    dw_requant = requant((1700000000,), (37,), addend=longs((1 << 36) - (4 << 37)), output_min=-100, output_max=90)
    options = Table("DwConv2D", window=window((2, 2), dilation=(2, 1), padding=(1, 1, 0, 1)), requant=dw_requant)
    t = net.op(options, [t, net.constant((1, 2, 2, 12), pattern(48, 91))], (1, 3, 3, 12), -4)
    for rounding in range(3):
        options = Table("AveragePool2D", window=window((2, 2), padding=(0, 1, 1, 0)), rounding=rounding)
        t = net.op(options, [t], (1, 3, 3, 12), -4)
    means = net.op(Table("Mean", requant=requant((1 << 30,), (33,))), [t], (1, 1, 1, 12), 3)
    peaks = net.op(Table("MaxPool2D", window=window((2, 2), (2, 2), padding=(0, 1, 0, 1))), [t], (1, 2, 2, 12), -4)
    product = net.op(Table("Mul", requant=requant((1 << 30,), (34,))), [peaks, means], (1, 2, 2, 12), 1)
    options = Table("Add", form=0, a_multiplier=1 << 30, b_multiplier=3 << 28, shift=31, output_min=-120)
    total = net.op(options, [product, net.constant((1, 1, 1, 12), pattern(12))], (1, 2, 2, 12), -9)
    options = Table("Add", form=1, a_multiplier=1 << 30, a_shift=31, b_multiplier=3 << 29, b_shift=33)
    options.fields.update(y_multiplier=1 << 30, y_shift=49)
    t = net.op(options, [total, peaks], (1, 2, 2, 12), 0)
    t = net.op(Table("Pad", before=ints(0, 1, 0, 0), after=ints(0, 0, 0, 1), value=7), [t], (1, 3, 2, 13))
    t = net.op(Table("Transpose", permutation=ubytes(0, 3, 1, 2)), [t], (1, 13, 3, 2))
    t = net.op(Table("Concat", axis=3), [t, t], (1, 13, 3, 4))
    flat = net.op(Table("Reshape"), [t], (1, 156))
    clamped = net.op(Table("Clamp", output_min=-40, output_max=50), [flat], (1, 156))
    t = net.op(Table("Requantize", requant=requant((1600000000,), (31,))), [clamped], (1, 156), 5)
    t = net.op(Table("Concat", axis=0), [t, z], (2, 156), 5)
    t = net.op(Table("Lut", table=pattern(256, 255)), [t], (2, 156), -8, name="codes")
    net.output(t)
    options = Table("Linear", requant=requant((1 << 30,), (41,), bias=ints(100, 200, -300)))
    t = net.op(options, [t, net.constant((3, 156), pattern(468))], (2, 3), 0)
    exponential = np.array([2**31 * 9**d // 10**d for d in range(256)], dtype="<u4")
    options = Table("Softmax", exponential=exponential, numerator=1 << 60, shift=52)
    net.output(net.op(options, [t], (2, 3), -128, scale=2**-8), labels=["café", "日本", ""])

    expected = [np.frombuffer(bytes.fromhex(EVERY_CODE), dtype=np.int8), codes(*EVERY_PROBABILITY)]
    model = net.model(test_vectors=vectors(([pattern(120, 53), pattern(156, 19)], expected)))
    net.tensors[clamped]["arena_offset"] = net.tensors[flat]["arena_offset"]
    return encode(model)


# What more_operators() computes from pattern(72, 53).
MORE_CODES = """
    07060408000301060f060d05000104060407020201080d070f030300000502030400010300020300040101010100010101453922
    50f517002059204c19fa002b472b550e0e002b4a25560c0cfae95b172d44e90039e31d39e3560000000080000000838183838185
    80
"""


def more_operators() -> bytes:
    """The operators that every_operator() lacks."""
    net = Net(name="more operators", producer="make_vectors.py")
    x = net.input((1, 4, 3, 6), zero_point=2, name="image", scale=0.5)
    part = net.op(Table("Slice", begin=ints(0, 3, 0, 1), stride=ints(1, -1, 1, 2)), [x], (1, 4, 3, 3), 2)
    near = net.op(Table("Resize2D", rows=ushorts(3, 0, 1), columns=ushorts(2, 0)), [part], (1, 3, 2, 3), 2)
    options = Table("Resize2D", rows=ushorts(0, 1, 3), columns=ushorts(1, 2))
    options.fields.update(row_weight=ushorts(1023, 512, 7), column_weight=ushorts(300, 0))
    between = net.op(options, [part], (1, 3, 2, 3), 2)
    high = net.op(Table("Maximum"), [near, between], (1, 3, 2, 3), 2)
    low = net.op(Table("Minimum"), [near, between], (1, 3, 2, 3), 2)
    options = Table("Add", form=0, a_multiplier=1 << 30, b_multiplier=3 << 28, shift=31, subtract=True)
    first = net.op(options, [high, low], (1, 3, 2, 3), -9)
    options = Table("Add", form=1, a_multiplier=1 << 30, a_shift=31, b_multiplier=3 << 29, b_shift=33, subtract=True)
    options.fields.update(y_multiplier=1 << 30, y_shift=49)
    second = net.op(options, [first, low], (1, 3, 2, 3), 5)
    tconv = Table("TransposeConv2D", window=window((3, 2), (2, 2), padding=(1, 0, 0, 1)))
    tconv.fields["requant"] = requant((1 << 30, 3 << 29), (39, 40), bias=ints(900, -700))
    y = net.op(tconv, [second, net.constant((2, 3, 2, 3), pattern(36))], (1, 7, 4, 2), -4)
    rows = net.op(Table("Reshape"), [y], (1, 7, 8), -4)
    product = net.op(Table("MatMul", requant=requant((1 << 30,), (36,), rounding=1)), [rows, rows], (1, 7, 7), 1)
    net.output(product)
    net.output(net.op(Table("L2Norm"), [product], (1, 7, 7), 0, scale=2**-7))
    net.output(net.op(Table("ArgMax"), [product], (1, 7, 1), -128, scale=1.0))
    expected = np.frombuffer(bytes.fromhex(MORE_CODES), dtype=np.int8)
    return encode(net.model(test_vectors=vectors(([pattern(72, 53)], np.split(expected, [49, 98])))))


def accumulators_file() -> bytes:
    """Accumulators that leave the model, and others that codes are added to."""
    net = Net(name="accumulators", producer="make_vectors.py")
    x = net.input((1, 3), zero_point=1, name="x", scale=0.5)
    weights = net.constant((2, 3), codes(1, -2, 3, -4, 5, 100))
    kept = net.op(Table("Linear", requant=requant((1,), (0,), bias=ints(1000, -7))), [x, weights], (1, 2), dtype=1)
    passed = net.op(Table("Linear", requant=requant((1,), (0,))), [x, weights], (1, 2), dtype=1)
    given = requant((1 << 30, 3 << 28), (34, 38), addend=longs((1 << 33) + (5 << 34), (1 << 37) - (9 << 38)))
    options = Table("RequantizeSum", requant=given, b_multiplier=longs(1 << 33, -(1 << 40)))
    y = net.op(options, [passed, net.input((1, 2), name="b")], (1, 2), 5)
    net.output(y)
    net.output(kept, scales=np.array([0.25, 0.125], "<f4"))
    # x - 1 = (9, -21, 126): 9 + 42 + 378 = 429 and -36 - 105 + 12600 = 12459; (429 / 16 + 20 / 2 + 5.5) and
    # (12459 * 3 / 2^10 - 3 * 4 + 0.5 - 9), rounded down.
    codes_of_y, numbers = codes(42, 16), ints(1429, 12452)
    return encode(
        net.model(test_vectors=vectors(([codes(10, -20, 127), codes(20, 3)], [codes_of_y, numbers.view("i1")])))
    )


def squared_difference_file() -> bytes:
    """Both operands become halves in units of 2^-7, so that y is (a - 3 - b)^2 / 32, rounded, less 100."""
    net = Net(name="squared difference", producer="make_vectors.py")
    a, b = net.input((1, 5), zero_point=3, name="a"), net.input((1, 5), name="b")
    options = Table("SquaredDifference", a_multiplier=1 << 30, a_shift=31, b_multiplier=1 << 30, b_shift=31)
    options.fields.update(y_multiplier=1 << 30, y_shift=47, output_max=120)
    net.output(net.op(options, [a, b], (1, 5), -100))
    # The differences are 0, 4 (a tie), -12, 83, 252.
    given = [codes(3, 7, -10, 88, 127), codes(0, 0, -1, 2, -128)]
    return encode(net.model(test_vectors=vectors((given, [codes(-100, -99, -95, 115, 120)]))))


def layer_norm_file() -> bytes:
    """y is n * (20, -40, 10, 0) + (3, 3, 3, -50), rounded half up, where n is d / sqrt(sum of d^2 + 768)."""
    net = Net(name="layer norm", producer="make_vectors.py")
    x = net.input((3, 4), zero_point=9, name="x")
    multiplier, addend = ints(20 << 24, -40 << 24, 10 << 24, 0), longs(7 << 53, 7 << 53, 7 << 53, -99 << 53)
    options = Table("LayerNorm", epsilon=768 << 8, epsilon_bits=8, multiplier=multiplier, addend=addend, shift=54)
    net.output(net.op(options, [x], (3, 4), 3))
    # d is (4, 4, -4, -4), then 0, then (400, 400, -400, -400): n is 0.1387, 0 and 0.4997, and the same below 0.
    given = codes(10, 10, 8, 8, 7, 7, 7, 7, 100, 100, -100, -100)
    expected = codes(6, -3, 2, -50, 3, 3, 3, -50, 13, -17, -2, -50)
    return encode(net.model(test_vectors=vectors(([given], [expected]))))


def log_softmax_file() -> bytes:
    """A step of x is a factor of 2; y is in quarters of octaves, and in units of 1/16 as gemmlowp computes it."""
    net = Net(name="log softmax", producer="make_vectors.py")
    x = net.input((2, 4), zero_point=9, name="x")
    options = Table("LogSoftmax", exponential=np.array([1 << 31, 1 << 30], "<u4"), multiplier=4 << 40, shift=40)
    options.fields.update(log_multiplier=4 << 14, addend=255 << 39)
    net.output(net.op(options, [x], (2, 4), 127))
    options = Table("LogSoftmax", exponential=np.array([(1 << 31) - 1, 1 << 30], "<u4"), shift=5, form=1)
    options.fields.update(multiplier=round(2**31 * math.log(2)))
    net.output(net.op(options, [x], (2, 4), 127))
    # The sums are 3 and 2: 4 * log2(3) is 6.34, 16 * ln(3) is 17.58, 16 * ln(2) is 11.09.
    octaves, sixteenths = codes(121, 121, 117, 117, 123, 119, 119, -128), codes(109, 109, 98, 98, 116, 105, 105, -128)
    given = codes(5, 5, 4, 4, 5, 4, 4, -128)
    return encode(net.model(test_vectors=vectors(([given], [octaves, sixteenths]))))


GOOD: dict[str, Callable[[], bytes]] = {
    "format1_linear_3_to_2": linear_3_to_2,
    "format1_every_operator": every_operator,
    "format1_more_operators": more_operators,
    "format1_accumulators": accumulators_file,
    "format1_squared_difference": squared_difference_file,
    "format1_layer_norm": layer_norm_file,
    "format1_log_softmax": log_softmax_file,
    "format1_preprocessing": preprocessing_file,
}
