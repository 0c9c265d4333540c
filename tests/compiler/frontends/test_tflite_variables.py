"""Variables of .tflite files against TFLM: the bytes of every output of every run, states carried."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import engines
import numpy as np
import pytest
from places import SHARED, WITH_VARIABLES

import qrt
from qrt.compiler import Compiled, CompileError, compile

pytest.importorskip("tflite")

from variable_networks import ZERO_POINT, VariableFile, drawn, with_subgraph

Array = np.ndarray[Any, Any]
STEPS = 12
# Files that are drawn at random.
DRAWN = 60
ROW, WINDOW = (1, 1, 1, 3), (1, 4, 1, 3)
START = np.arange(-5, 7, dtype=np.int8).reshape(WINDOW)


def window_cut_first(initial: Array | None = None, rows: int = 1, **options: Any) -> bytes:
    """As version 1 of microWakeWord: the state without its oldest rows, and then new ones."""
    f = VariableFile(initial={} if initial is None else {"s": initial}, **options)
    if initial is not None:
        f.call_once()
    x, s = f.x((1, rows, 1, 3)), f.variable()
    kept = f.slice(f.read(s, WINDOW), (0, rows, 0, 0), (1, 4 - rows, 1, 3))
    whole = f.concat(kept, x, axis=1, shape=WINDOW)
    f.assign(s, whole)
    return f.to_bytes(f.add(whole, whole, WINDOW))


def window_joined_first(initial: Array | None = None, rows: int = 1, **options: Any) -> bytes:
    """As version 2: the state and new rows, of which the last are the next state."""
    f = VariableFile(initial={} if initial is None else {"s": initial}, **options)
    if initial is not None:
        f.call_once()
    x, s = f.x((1, rows, 1, 3)), f.variable()
    shape = (1, 4 + rows, 1, 3)
    whole = f.concat(f.read(s, WINDOW), x, axis=1, shape=shape)
    f.assign(s, f.slice(whole, (0, rows, 0, 0), WINDOW))
    return f.to_bytes(f.add(whole, whole, shape))


def two_windows() -> bytes:
    """A window of what is computed from another, along the last axis."""
    f = VariableFile(initial={"b": np.full((1, 5), 3, np.int8)})
    f.call_once()
    x, a, b = f.x((1, 2)), f.variable("a"), f.variable("b")
    first = f.concat(f.read(a, (1, 3)), x, axis=1, shape=(1, 5))
    f.assign(a, f.slice(first, (0, 2), (1, 3)))
    total = f.add(first, first, (1, 5))
    second = f.concat(f.slice(f.read(b, (1, 5)), (0, 2), (1, 3)), f.slice(total, (0, 1), (1, 2)), axis=1, shape=(1, 5))
    f.assign(b, second)
    return f.to_bytes(f.add(second, first, (1, 5)))


def read_assign_read() -> bytes:
    """What was read before ASSIGN_VARIABLE keeps its value after it."""
    f = VariableFile()
    x, s = f.x((1, 2)), f.variable()
    old = f.read(s, (1, 2))
    total = f.add(old, x, (1, 2))
    f.assign(s, total)
    new = f.read(s, (1, 2))
    return f.to_bytes(f.concat(old, new, f.add(old, new, (1, 2)), axis=1, shape=(1, 6)))


def read_is_output(initial: Array | None = None) -> bytes:
    f = VariableFile(initial={} if initial is None else {"s": initial})
    if initial is not None:
        f.call_once()
    x, s = f.x((1, 2)), f.variable()
    old = f.read(s, (1, 2))
    f.assign(s, x)
    return f.to_bytes(old)


def assigned_first() -> bytes:
    """The value before the run does not matter."""
    f = VariableFile()
    x, s = f.x((1, 2)), f.variable()
    f.assign(s, x)
    return f.to_bytes(f.add(f.read(s, (1, 2)), x, (1, 2)))


def assigned_twice() -> bytes:
    f = VariableFile()
    x, s = f.x((1, 2)), f.variable()
    old = f.read(s, (1, 2))
    f.assign(s, x)
    between = f.read(s, (1, 2))
    f.assign(s, f.add(old, x, (1, 2)))
    return f.to_bytes(f.concat(old, between, f.read(s, (1, 2)), axis=1, shape=(1, 6)))


def delay_line() -> bytes:
    """Each variable becomes what the one before it was."""
    f = VariableFile()
    x, names = f.x((1, 2)), "abc"
    handles = [f.variable(name) for name in names]
    old = [f.read(handle, (1, 2)) for handle in handles]
    for handle, value in zip(handles, [x, *old], strict=False):
        f.assign(handle, value)
    return f.to_bytes(f.concat(*old, axis=1, shape=(1, 6)))


def exchanged() -> bytes:
    """Two variables that exchange their values; a third becomes what one of them was."""
    f = VariableFile(initial={name: np.int8([[k, 2 * k]]) for k, name in enumerate("abc", 1)})
    f.call_once()
    x, handles = f.x((1, 2)), [f.variable(name) for name in "abc"]
    a, b, c = (f.read(handle, (1, 2)) for handle in handles)
    for handle, value in zip(handles, (b, a, a), strict=True):
        f.assign(handle, value)
    return f.to_bytes(f.concat(a, b, c, x, axis=1, shape=(1, 8)))


def one_value_in_two_variables() -> bytes:
    """Both are the same window."""
    f = VariableFile(initial={"a": START, "b": START[:, ::-1].copy()})
    f.call_once()
    x, a, b = f.x(ROW), f.variable("a"), f.variable("b")
    whole = f.concat(f.slice(f.read(a, WINDOW), (0, 1, 0, 0), (1, 3, 1, 3)), x, axis=1, shape=WINDOW)
    f.assign(a, whole)
    before = f.read(b, WINDOW)
    f.assign(b, whole)
    return f.to_bytes(f.add(whole, before, WINDOW), whole)


def window_that_skips() -> bytes:
    """The slice takes other rows than a push would."""
    f = VariableFile()
    x, s = f.x((1, 2, 1, 3)), f.variable()
    whole = f.concat(f.read(s, WINDOW), x, axis=1, shape=(1, 6, 1, 3))
    f.assign(s, f.slice(whole, (0, 1, 0, 0), WINDOW))
    return f.to_bytes(f.add(whole, whole, (1, 6, 1, 3)))


def window_in_front() -> bytes:
    """New rows come first."""
    f = VariableFile()
    x, s = f.x(ROW), f.variable()
    whole = f.concat(x, f.slice(f.read(s, WINDOW), (0, 0, 0, 0), (1, 3, 1, 3)), axis=1, shape=WINDOW)
    f.assign(s, whole)
    return f.to_bytes(f.add(whole, whole, WINDOW))


def window_and_its_past() -> bytes:
    """The state before the run is read by others than the window."""
    f = VariableFile()
    x, s = f.x(ROW), f.variable()
    old = f.read(s, WINDOW)
    whole = f.concat(f.slice(old, (0, 1, 0, 0), (1, 3, 1, 3)), x, axis=1, shape=WINDOW)
    f.assign(s, whole)
    return f.to_bytes(f.add(whole, old, WINDOW))


def window_is_output() -> bytes:
    f = VariableFile()
    x, s = f.x(ROW), f.variable()
    whole = f.concat(f.read(s, WINDOW), x, axis=1, shape=(1, 5, 1, 3))
    tail = f.slice(whole, (0, 1, 0, 0), WINDOW)
    f.assign(s, tail)
    return f.to_bytes(whole, tail)


def never_assigned() -> bytes:
    """A constant, by CALL_ONCE."""
    f = VariableFile(initial={"s": np.int8([[5, -6]])})
    f.call_once()
    x = f.x((1, 2))
    return f.to_bytes(f.add(f.read(f.variable(), (1, 2)), x, (1, 2)))


def two_never_assigned() -> bytes:
    """Operators on constants alone."""
    f = VariableFile(initial={"a": np.int8([[5, -6]]), "b": np.int8([[1, 120]])})
    f.call_once()
    x, a, b = f.x((1, 2)), f.variable("a"), f.variable("b")
    total = f.add(f.read(a, (1, 2)), f.read(b, (1, 2)), (1, 2))
    return f.to_bytes(f.add(total, x, (1, 2)))


def floats() -> bytes:
    """A variable of real numbers between DEQUANTIZE and QUANTIZE of other scales."""
    f = VariableFile()
    x, s = f.x((1, 8)), f.variable()
    real, codes = f.read(s, (1, 8), dtype="float32"), f.tensor((1, 8), scale=0.3, zero_point=11)
    f.file.operator("QUANTIZE", [real], [codes], "QuantizeOptions")
    total, back = f.add(codes, x, (1, 8)), f.tensor((1, 8), "float32")
    f.file.operator("DEQUANTIZE", [total], [back], "DequantizeOptions")
    f.assign(s, back)
    return f.to_bytes(total)


# Of TFLite's 16 bits the zero point is 0.
WIDE: dict[str, Any] = {"dtype": "int16", "zero_point": 0}
WIDE_START = START.astype(np.int16) * 100
# Files, with the number of states that push and that assign write.
FILES: dict[str, tuple[Callable[[], bytes], int, int]] = {
    "v1": (window_cut_first, 1, 0),
    "v1 with initial values": (lambda: window_cut_first(START), 1, 0),
    "v1, two rows": (lambda: window_cut_first(START, 2), 1, 0),
    "v2": (window_joined_first, 1, 0),
    "v2 with initial values": (lambda: window_joined_first(START), 1, 0),
    "v2, three rows": (lambda: window_joined_first(START, 3), 1, 0),
    "v2, more rows than the state has": (lambda: window_joined_first(START, 6), 1, 0),
    "v1, int16": (lambda: window_cut_first(**WIDE), 1, 0),
    "v2, int16, initial values": (lambda: window_joined_first(WIDE_START, 2, **WIDE), 1, 0),
    "two windows": (two_windows, 2, 0),
    "read, assign, read": (read_assign_read, 0, 1),
    "a variable is an output": (read_is_output, 0, 1),
    "an initial value is an output": (lambda: read_is_output(np.int8([[5, 6]])), 0, 1),
    "assigned first": (assigned_first, 0, 0),
    "assigned twice": (assigned_twice, 0, 1),
    "a delay line": (delay_line, 0, 3),
    "exchanged": (exchanged, 0, 3),
    "one value, two variables": (one_value_in_two_variables, 1, 1),
    "a window that skips": (window_that_skips, 0, 1),
    "a window that moves back": (window_in_front, 0, 1),
    "a window and its past": (window_and_its_past, 0, 1),
    "a window is an output": (window_is_output, 1, 0),
    "never assigned": (never_assigned, 0, 0),
    "two never assigned": (two_never_assigned, 0, 0),
    "floats": (floats, 0, 1),
}


def compiled(path: Path, content: bytes, **options: Any) -> Compiled:
    path.write_bytes(content)
    return compile(path, **options)


def samples(shape: tuple[int, ...], count: int, seed: int = 0) -> Array:
    """Noise, and walks with steps of a few codes."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(-128, 128, (count, *shape))
    walk = np.clip(np.cumsum(rng.normal(0, 20, (count, *shape)), axis=0), -128, 127)
    return np.where(np.arange(count).reshape(-1, *[1] * len(shape)) % 3, walk, noise).astype(np.int8)


def check_sequence(content: bytes, model: qrt.Model, steps: int) -> None:
    """The same bytes as TFLM in every step, and after a reset as TFLM that has just loaded the file."""
    for seed in (0, 1):
        tflm = engines.Tflm(content)
        model.reset()
        for x in samples(model.inputs[0].shape, steps, seed).astype(model.inputs[0].dtype):
            got = model.run(x)
            outputs = [got] if isinstance(got, np.ndarray) else got
            for ours, theirs in zip(outputs, tflm.run([x], len(outputs)), strict=True):
                codes = (theirs ^ 128).view(np.int8) if theirs.dtype == np.uint8 else theirs
                np.testing.assert_array_equal(ours.reshape(codes.shape), codes)


@pytest.mark.parametrize("name", FILES)
def test_variables_give_the_bytes_of_tflm(tmp_path: Path, name: str) -> None:
    make, pushed, assigned = FILES[name]
    content = make()
    result = compiled(tmp_path / "v.tflite", content)
    kinds = [op.kind for op in result.graph.ops]
    assert (kinds.count("push"), kinds.count("assign")) == (pushed, assigned)
    check_sequence(content, qrt.load(result.to_bytes()), STEPS)


def test_a_variable_has_a_container_and_a_name(tmp_path: Path) -> None:
    """TFLM's package has room for as many variables as there are names, so it cannot tell."""
    f = VariableFile()
    x, first, second, other = f.x((1, 2)), f.variable("s", "a"), f.variable("s", "a"), f.variable("s", "b")
    y = f.concat(f.read(second, (1, 2)), f.read(other, (1, 2)), axis=1, shape=(1, 4))
    f.assign(first, f.slice(y, (0, 2), (1, 2)))
    f.assign(other, x)
    model = qrt.load(compiled(tmp_path / "v.tflite", f.to_bytes(y)).to_bytes())
    got = [model.run(np.int8([[k, -k]])).tolist()[0] for k in (1, 2, 3)]
    assert got == [[ZERO_POINT] * 4, [ZERO_POINT] * 2 + [1, -1], [1, -1, 2, -2]]


def test_variables_between_operators_drawn_at_random(tmp_path: Path) -> None:
    count = {"push": 0, "assign": 0}
    for seed in range(DRAWN):
        content = drawn(np.random.default_rng(seed))
        try:
            result = compiled(tmp_path / "v.tflite", content)
        except CompileError as error:  # a variable that no run changes, or every run changes to the same
            assert re.search("is a constant; remove|is assigned a constant", str(error)), (seed, str(error))
            continue
        for kind in count:
            count[kind] += sum(op.kind == kind for op in result.graph.ops)
        check_sequence(content, qrt.load(result.to_bytes()), 5)
    assert min(count.values()) >= DRAWN // 10


@pytest.mark.parametrize("skip", ["simplify", "schedule", "overlap", "to_nhwc"])
def test_optimizations_keep_the_order_of_readers(tmp_path: Path, skip: str) -> None:
    for name, (make, _, _) in FILES.items():
        content = make()
        model = qrt.load(compiled(tmp_path / f"{name}.tflite", content, skip=[skip]).to_bytes())
        check_sequence(content, model, 4)


def test_v1_and_v2_need_no_memory_but_the_window(tmp_path: Path) -> None:
    for make, bytes_ in ((window_cut_first, 12), (window_joined_first, 15)):
        graph = compiled(tmp_path / "v.tflite", make()).graph
        assert [tensor.nbytes for tensor in graph.tensors() if tensor.is_state] == [bytes_]
        assert sorted(op.kind for op in graph.ops) == ["add", "push"]


@pytest.mark.parametrize(
    ("shape", "is_moved"),
    [((1, 12), True), ((1, 2, 6), False), ((4, 3), True), ((1, 1, 12, 1), True), ((2, 2, 3), False)],
)
def test_a_window_that_is_only_read_flat_has_no_copy(tmp_path: Path, shape: tuple[int, ...], is_moved: bool) -> None:
    f = VariableFile(initial={"s": START})
    f.call_once()
    x, s = f.x(ROW), f.variable()
    whole = f.concat(f.slice(f.read(s, WINDOW), (0, 1, 0, 0), (1, 3, 1, 3)), x, axis=1, shape=WINDOW)
    f.assign(s, whole)
    flat = f.tensor(shape)
    f.file.operator("RESHAPE", [whole, f.constant(shape)], [flat])
    content = f.to_bytes(f.add(flat, flat, shape))
    result = compiled(tmp_path / "v.tflite", content)
    (state,) = result.graph.states()
    assert (state.shape == shape) == is_moved
    check_sequence(content, qrt.load(result.to_bytes()), STEPS)


# What is refused


def two_shapes() -> bytes:
    f = VariableFile()
    x, s = f.x((1, 2)), f.variable()
    old = f.read(s, (1, 4))
    f.assign(s, x)
    return f.to_bytes(f.add(old, old, (1, 4)))


def two_scales() -> bytes:
    f = VariableFile()
    x, s = f.x((1, 2)), f.variable()
    old = f.read(s, (1, 2), scale=0.25)
    f.assign(s, x)
    return f.to_bytes(f.add(old, old, (1, 2)))


def without_handle() -> bytes:
    f = VariableFile()
    x, s = f.x((1, 2)), f.tensor((), "resource")
    y = f.add(f.read(s, (1, 2)), x, (1, 2))
    f.assign(s, x)
    return f.to_bytes(y)


def only_read() -> bytes:
    f = VariableFile()
    x = f.x((1, 2))
    return f.to_bytes(f.add(f.read(f.variable(), (1, 2)), x, (1, 2)))


def assigned_a_constant() -> bytes:
    f = VariableFile()
    x, s = f.x((1, 2)), f.variable()
    y = f.add(f.read(s, (1, 2)), x, (1, 2))
    f.assign(s, f.constant([[1, 2]], "int8"))
    return f.to_bytes(y)


def initialized_late() -> bytes:
    f = VariableFile(initial={"s": np.int8([[5, 6]])})
    x, s = f.x((1, 2)), f.variable()
    y = f.add(f.read(s, (1, 2)), x, (1, 2))
    f.call_once()
    f.assign(s, x)
    return f.to_bytes(y)


def initialized_with(value: Array) -> bytes:
    return read_is_output(value)


def initialized_by_operators() -> bytes:
    f, other = VariableFile(), VariableFile()
    f.call_once()
    x, s = f.x((1, 2)), f.variable()
    y = f.add(f.read(s, (1, 2)), x, (1, 2))
    f.assign(s, x)
    one = other.constant([[1, 2]], "int8")
    other.assign(other.variable(), other.add(one, one, (1, 2)))
    return with_subgraph(f.to_bytes(y), other.to_bytes())


def of_absent_subgraph() -> bytes:
    f = VariableFile()
    f.call_once(3)
    x, s = f.x((1, 2)), f.variable()
    y = f.add(f.read(s, (1, 2)), x, (1, 2))
    f.assign(s, x)
    return f.to_bytes(y)


def of_16_bits(zero_point: int) -> bytes:
    f = VariableFile()
    x, s = f.x((1, 2)), f.variable()
    back, wide = f.tensor((1, 2)), f.tensor((1, 2), "int16", zero_point=zero_point)
    f.file.operator("QUANTIZE", [f.read(s, (1, 2), dtype="int16", zero_point=zero_point)], [back], "QuantizeOptions")
    f.file.operator("QUANTIZE", [x], [wide], "QuantizeOptions")
    f.assign(s, wide)
    return f.to_bytes(f.add(back, x, (1, 2)))


def without_input() -> bytes:
    f = VariableFile()
    s = f.variable()
    old = f.read(s, (1, 2))
    total = f.add(old, f.constant([[1, 2]], "int8"), (1, 2))
    f.assign(s, total)
    return f.to_bytes(total)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "two shapes": (two_shapes, r"s \(variable\): is used as int8 \[1, 4\] and int8 \[1, 2\]; give it one"),
    "two scales": (two_scales, r"s \(variable\): has another scale or zero point in '.*' than in '.*'; use the same"),
    "no handle": (without_handle, r"\(READ_VARIABLE\): its variable has no VAR_HANDLE before it; convert"),
    "never assigned": (only_read, r"s \(variable\): is read and never assigned; assign it"),
    "a constant": (assigned_a_constant, r"s \(variable\): is assigned a constant in every run; make it the initial"),
    "initialized late": (initialized_late, r"\(CALL_ONCE\): gives variables their initial values after they are used"),
    "initial shape": (
        lambda: initialized_with(np.zeros((1, 3), np.int8)),
        r"s \(variable\): has an initial value of type int8 \[1, 3\], and is read as int8 \[1, 2\]",
    ),
    "initial type": (
        lambda: initialized_with(np.zeros((1, 2), np.int16)),
        r"s \(variable\): has an initial value of type int16 \[1, 2\], and is read as int8",
    ),
    "computed": (initialized_by_operators, r"\(CALL_ONCE\): computes initial values with ADD; only constants"),
    "no subgraph": (of_absent_subgraph, r"\(CALL_ONCE\): calls subgraph 3 of 1; convert"),
    "int16": (lambda: of_16_bits(-3), r"s \(variable\): has no initial value, and TFLM makes one of the low byte"),
    "no input": (without_input, r"1 .*inputs are supported|has no input other than states|has 0 inputs"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_variables_that_are_refused(tmp_path: Path, name: str) -> None:
    make, reason = REFUSED[name]
    with pytest.raises(CompileError, match=reason):
        compiled(tmp_path / "v.tflite", make())


# States that are inputs and outputs


def test_codes_that_are_given_back(tmp_path: Path) -> None:
    f = VariableFile()
    x, h = f.x((1, 4)), f.x((1, 4))
    total = f.add(x, h, (1, 4))
    content = f.to_bytes(f.add(total, total, (1, 4)), total)
    model = qrt.load(compiled(tmp_path / "v.tflite", content, state={"1": "1"}).to_bytes())
    tflm, held = engines.Tflm(content), np.full((1, 4), ZERO_POINT, np.int8)
    for given in samples((1, 4), STEPS):
        theirs, held = tflm.run([given, held], 2)
        np.testing.assert_array_equal(model.run(given), theirs)


def test_real_values_that_are_given_back(tmp_path: Path) -> None:
    """The input's scale is not the output's, so QUANTIZE at the input computes other codes."""
    f = VariableFile()
    f.inputs += [f.tensor((1, 64), "float32"), f.tensor((1, 64), "float32")]
    x, h, total = f.tensor((1, 64)), f.tensor((1, 64), scale=0.3, zero_point=11), f.tensor((1, 64), scale=0.71)
    for real, codes in zip(f.inputs, (x, h), strict=True):
        f.file.operator("QUANTIZE", [real], [codes], "QuantizeOptions")
    f.file.operator("ADD", [x, h], [total], "AddOptions")
    back, y = f.tensor((1, 64), "float32"), f.add(total, x, (1, 64))
    f.file.operator("DEQUANTIZE", [total], [back], "DequantizeOptions")
    content = f.to_bytes(y, back)
    model = qrt.load(compiled(tmp_path / "v.tflite", content, match="litert", state={"1": "1"}).to_bytes())
    litert, held = engines.Litert(content), np.zeros((1, 64), np.float32)
    for given in np.random.default_rng(0).normal(0, 20, (STEPS, 1, 64)).astype(np.float32):
        theirs, held = litert.run([given, held], 2)
        np.testing.assert_array_equal(model.run(given), theirs)


# Published files


@pytest.mark.parametrize("name", WITH_VARIABLES)
def test_wake_words_give_the_bytes_of_tflm(name: str) -> None:
    path = SHARED / "models" / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not on this machine")
    result = compile(path)
    assert not [op for op in result.graph.ops if op.kind == "assign"]
    check_sequence(path.read_bytes(), qrt.load(result.to_bytes()), 200)


@pytest.mark.parametrize("name", WITH_VARIABLES)
def test_wake_words_give_the_bytes_of_litert(name: str) -> None:
    path = SHARED / "models" / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not on this machine")
    model, litert = qrt.load(compile(path, match="litert").to_bytes()), engines.Litert(path.read_bytes())
    for x in samples(model.inputs[0].shape, 100):
        (theirs,) = litert.run([x])
        np.testing.assert_array_equal(model.run(x), (theirs ^ 128).view(np.int8))
