"""State: carried from run to run, reset, saved and restored, of each fork its own; and int16 at the edges."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from stateful import FIRST_WINDOW, LENGTH, SHAPE, Remembering, expected, layered, moved16, remembering, steps

import qrt
from qrt import _executor
from qrt.compiler import GraphBuilder

CONTENT = remembering().compile()
Array = np.ndarray


def equal(got: Any, wanted: list[Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(got, wanted, strict=True))


def test_runs_carry_state(kernels: str) -> None:
    model, network = qrt.load(CONTENT, kernels), Remembering()
    for x in steps(30):
        assert equal(model.run(x[np.newaxis]), network.run(x[np.newaxis]))


def test_a_batch_is_a_sequence_in_time(kernels: str) -> None:
    model, sequence = qrt.load(CONTENT, kernels), steps(30)
    assert equal(model.run(sequence[:12]), [y[:12] for y in expected(sequence)])
    assert equal(model.run(sequence[12:]), [y[12:] for y in expected(sequence)])


def test_every_way_to_run_is_a_step() -> None:
    """Floats, a sample without batch axis, a dict, views."""
    model, network = qrt.load(CONTENT), Remembering()
    for number, x in enumerate(steps(20)):
        wanted = network.run(x[np.newaxis])
        match number % 4:
            case 0:
                got = model.run(((x.astype(np.float32) - 3) * np.float32(0.5))[np.newaxis])
            case 1:
                got = [y[np.newaxis] if y.ndim == 3 else y for y in model.run(x)]
            case 2:
                got = model.run({"x": x[np.newaxis].astype(np.int8)})
            case _:
                model.input_view()[...] = x
                model.invoke()
                got = [model.output_view(i).copy() for i in range(3)]
        assert [y.reshape(w.shape).tolist() for y, w in zip(got, wanted, strict=True)] == [w.tolist() for w in wanted]


def test_reset_restores_the_initial_values(kernels: str) -> None:
    model, sequence = qrt.load(CONTENT, kernels), steps(9)
    initial = model.state
    first = model.run(sequence)
    assert model.state != initial
    model.reset()
    assert model.state == initial
    assert equal(model.run(sequence), first)


def test_state_is_saved_and_restored(kernels: str) -> None:
    model, sequence = qrt.load(CONTENT, kernels), steps(20)
    wanted = expected(sequence)
    model.run(sequence[:8])
    saved = model.state
    assert len(saved) == model.state_size
    model.run(steps(5, seed=1))
    for target in (model, model.fork(), qrt.load(CONTENT, "reference")):
        target.state = saved
        assert target.state == saved
        assert equal(target.run(sequence[8:]), [y[8:] for y in wanted])


@pytest.mark.parametrize("content", [bytearray, memoryview, lambda b: np.frombuffer(b, np.uint8)])
def test_state_is_any_bytes(content: Any) -> None:
    model = qrt.load(CONTENT)
    model.run(steps(3))
    saved = model.state
    model.reset()
    model.state = content(saved)
    assert model.state == saved


@pytest.mark.parametrize("content", [b"", bytes(1), bytes(1000)])
def test_state_of_another_length_is_refused(content: bytes) -> None:
    model = qrt.load(CONTENT)
    with pytest.raises(ValueError, match=f"the state of model 'remembering' has {model.state_size} bytes, got "):
        model.state = content


@pytest.mark.parametrize("content", [5, "state", None, [1, 2]])
def test_state_that_is_no_bytes_is_refused(content: Any) -> None:
    model = qrt.load(CONTENT)
    with pytest.raises(TypeError):
        model.state = content


def test_arbitrary_states_are_safe(kernels: str) -> None:
    """Every byte is a code: a state that nobody saved gives what the reference gives."""
    rng = np.random.default_rng(0)
    model, reference = qrt.load(CONTENT, kernels), qrt.load(CONTENT, "reference")
    for _ in range(20):
        model.state = reference.state = rng.bytes(model.state_size)
        assert equal(model.run(steps(2)), reference.run(steps(2)))
        assert model.state == reference.state


def test_a_network_without_state() -> None:
    g = GraphBuilder("plain")
    x = g.input("x", (1, 4), scale=0.5)
    g.output(g.clamp(x, output_min=-5, output_max=5))
    model = qrt.load(g.compile())
    assert (model.state_size, model.state) == (0, b"")
    model.state = b""
    model.reset()
    with pytest.raises(ValueError, match="has 0 bytes, got 1"):
        model.state = b"x"
    assert model.run(np.int8([[1, 9, -9, 0]])).tolist() == [[1, 5, -5, 0]]


def test_a_fork_begins_with_the_initial_state() -> None:
    model, sequence = qrt.load(CONTENT), steps(10)
    model.run(sequence)
    state = model.state
    fork = model.fork()
    assert equal(fork.run(sequence), expected(sequence))
    fork.reset()
    assert model.state == state


def test_profile_and_refused_inputs_leave_the_state() -> None:
    model = qrt.load(CONTENT)
    model.run(steps(4))
    state = model.state
    model.profile(steps(1), repeats=3)
    assert model.state == state
    for wrong in (np.zeros((1, 2), np.int8), np.zeros(SHAPE, np.int64), np.full(SHAPE, np.nan, np.float32)):
        with pytest.raises(ValueError, match="input 'x'"):
            model.run(wrong)
    assert model.state == state


def test_an_interrupted_batch_leaves_the_state() -> None:
    model = qrt.load(CONTENT, "reference")
    model.run(steps(4))
    state = model.state
    many = np.resize(steps(100), (300_000, *SHAPE[1:]))
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            model.run(many)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert model.state == state


def test_a_batch_of_one_thread_is_never_mixed_with_anothers() -> None:
    """Threads share a model: each batch is one sequence without steps of others in between."""
    model = qrt.load(CONTENT)
    sequences = [np.full((LENGTH * 20, *SHAPE[1:]), code, np.int8) for code in (-50, 0, 50, 90)]

    def windows(sequence: Array) -> bool:
        got = model.run(sequence)[0]
        return bool((got[LENGTH:] == sequence[0, 0, 0, 0]).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(windows, sequences * 5))


def test_reset_and_state_between_runs_of_other_threads() -> None:
    model, stop = qrt.load(CONTENT), threading.Event()
    valid = [model.state]
    for x in steps(3):
        model.run(x[np.newaxis])
        valid.append(model.state)

    def torture() -> None:
        while not stop.is_set():
            model.reset()
            model.run(steps(3))

    thread = threading.Thread(target=torture)
    thread.start()
    try:
        assert {model.state for _ in range(2000)} <= {valid[0], valid[3]}
    finally:
        stop.set()
        thread.join()


def test_the_state_belongs_to_the_thread_that_has_the_views() -> None:
    model = qrt.load(CONTENT)
    model.input_view()
    errors = []

    def other() -> None:
        for use in (model.reset, lambda: model.state, lambda: setattr(model, "state", bytes(model.state_size))):
            try:
                use()
            except RuntimeError as error:
                errors.append(str(error))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert len(errors) == 3
    assert all("fork()" in error for error in errors)


@pytest.mark.parametrize("threads", [2, 3])
def test_split_operators_carry_state(kernels: str, threads: int) -> None:
    program = _executor.Program(layered().compile(), kernels)
    whole, split = _executor.Executor(program), _executor.Executor(program, threads, True)
    rng = np.random.default_rng(0)
    for _ in range(50):
        x = rng.integers(-128, 128, (1, 1, 1, 8), np.int8)
        assert equal(split.run((x,), 1), whole.run((x,), 1))
    assert split.state == whole.state


def test_a_window_of_convolutions_is_that_of_the_whole_sequence(kernels: str) -> None:
    """Two layers of valid convolutions, computed over all steps at once by a network without state."""
    rng = np.random.default_rng(3)
    count = 12
    g = GraphBuilder("whole")
    x = g.input("x", (1, count, 1, 8), scale=0.1)
    for length, channels in ((3, 16), (5, 8)):
        weights = rng.normal(size=(channels, length, 1, x.shape[3]))
        x = g.conv2d(x, weights, bias=rng.normal(size=channels), scale=0.2, activation="relu")
    g.output(x)
    sequence = np.random.default_rng(1).integers(-128, 128, (count, 1, 1, 8), np.int8)
    whole = qrt.load(g.compile(), kernels).run(sequence.reshape(1, count, 1, 8))
    streamed = qrt.load(layered().compile(), kernels).run(sequence)
    assert np.array_equal(streamed[2 + 4 :, 0, 0], whole[0, :, 0])


def test_vectors_that_continue_travel_in_the_file(kernels: str) -> None:
    sequence = steps(6)
    outputs = expected(sequence)
    pairs = [([x[np.newaxis]], [y[i : i + 1] for y in outputs]) for i, x in enumerate(sequence)]
    vectors = [qrt.TestVector(*pair, continues=i > 0) for i, pair in enumerate(pairs)] + [(*pairs[0], False), pairs[0]]
    model = qrt.load(remembering_file(vectors), kernels)
    assert [vector.continues for vector in model.test_vectors] == [False, *[True] * 5, False, False]
    for inputs, wanted, continues in model.test_vectors:
        if not continues:
            model.reset()
        assert equal(model.run(*inputs), wanted)


def remembering_file(vectors: list[Any]) -> bytes:
    from qrt.compiler import compile

    return compile(remembering()).to_bytes(vectors)


# ------------------------------------------------------------------------------------------------ int16


def test_int16_codes_move_through_states(kernels: str) -> None:
    g, window = moved16()
    model = qrt.load(g.compile(), kernels)
    assert window.initial is not None
    assert (model.inputs[0].dtype, model.inputs[0].zero_point, model.outputs[0].dtype) == (np.int16, -1000, np.int16)
    rows = window.initial
    for x in np.random.default_rng(0).integers(-32768, 32768, (10, 1, 2, 3), np.int16):
        rows = np.concatenate([rows, x], 1)[:, 2:]
        got = model.run(x)
        assert got.dtype == np.int16
        assert np.array_equal(got, rows)


def test_int16_codes_are_taken_however_they_lie() -> None:
    model = qrt.load(moved16()[0].compile())
    x = np.random.default_rng(0).integers(-32768, 32768, (1, 2, 3), np.int16)
    unaligned = np.frombuffer(b"." + x.tobytes(), np.int16, offset=1).reshape(x.shape)
    for given in (
        x,
        x.astype(">i2"),
        np.asfortranarray(x),
        unaligned,
        x[:, ::-1][:, ::-1],
        np.stack([x, x], -1)[..., 0],
    ):
        model.reset()
        assert np.array_equal(model.run(given)[:, 3:], x)


def test_floats_become_int16_codes() -> None:
    """SPEC.md, section 3: rounded half to even, the zero point added, clamped to the range of int16."""
    model = qrt.load(moved16()[0].compile())
    codes = np.int16([[-32768, 32767, 0], [-1000, 5, -5]])
    real = (codes.astype(np.float32) + 1000) * np.float32(0.25)
    assert np.array_equal(model.codes(real)[0][0], codes)
    assert model.codes(np.float32([[1e9, -1e9, 0.125], [0.375, -0.125, np.inf]]))[0][0].tolist() == [
        [32767, -32768, -1000],
        [-998, -1000, 32767],
    ]
    assert np.array_equal(model.run(real, dequantize=True)[3:], real)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint16, np.int32, bool])
def test_codes_of_another_type_are_refused(dtype: Any) -> None:
    model = qrt.load(moved16()[0].compile())
    with pytest.raises(ValueError, match=f"expected int16 codes or floats, got dtype {np.dtype(dtype)}"):
        model.run(np.zeros((1, 2, 3), dtype))
    with pytest.raises(ValueError, match="expected int8 codes or floats, got dtype int16"):
        qrt.load(CONTENT).run(np.zeros(SHAPE, np.int16))


def test_first_window_is_what_it_says() -> None:
    model = qrt.load(CONTENT)
    x = np.zeros(SHAPE, np.int8)
    assert np.array_equal(model.run(x)[0][:, : LENGTH - 2], FIRST_WINDOW[:, 2:])
