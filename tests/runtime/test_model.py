"""load() and Model: inputs in every form, edges, views, forks and threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import graphs
import numpy as np
import pytest
from processes import HANGS
from vectors.encode import encode
from vectors.models import reshapes

import qrt
from qrt import _executor
from qrt.compiler import GraphBuilder


def small_cnn(height: int = 6, width: int = 5, channels: int = 3) -> GraphBuilder:
    rng = np.random.default_rng(7)
    g = GraphBuilder("small_cnn")
    x = g.input("image", (1, height, width, channels), scale=0.05, zero_point=-3)
    y = g.conv2d(x, rng.normal(size=(8, 3, 3, channels)), rng.normal(size=8), scale=0.1, zero_point=4, padding=1)
    z = g.conv2d(y, rng.normal(size=(8, 1, 1, 8)), None, scale=0.2, zero_point=0, activation="relu")
    s = g.add(y, z, scale=0.25, zero_point=1)
    m = g.mean(s, scale=0.1, zero_point=0)
    flat = g.reshape(m, (1, 8))
    g.output(g.linear(flat, rng.normal(size=(4, 8)), rng.normal(size=4), scale=0.2, zero_point=5), labels=list("abcd"))
    return g


@pytest.fixture(scope="module")
def content() -> bytes:
    return small_cnn().compile()


@pytest.fixture
def model(content: bytes, kernels: str) -> qrt.Model:
    return qrt.load(content, kernels=kernels)


def codes(count: int | None = None, seed: int = 1) -> np.ndarray:
    shape = (6, 5, 3) if count is None else (count, 6, 5, 3)
    return np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)


def test_describes_its_edges(model: qrt.Model) -> None:
    (given,) = model.inputs
    assert (given.name, given.shape, given.dtype) == ("image", (1, 6, 5, 3), np.int8)
    assert (np.float32(given.scale), given.zero_point) == (np.float32(0.05), -3)
    assert model.outputs[0].labels == ("a", "b", "c", "d")
    assert model.name == "small_cnn"
    assert model.format_version == qrt.FORMAT_VERSION


def test_sample_batch_and_missing_batch_axis_agree(model: qrt.Model) -> None:
    batch = codes(5)
    together = model.run(batch)
    assert together.shape == (5, 4)
    assert len(np.unique(together, axis=0)) > 1
    for i in range(5):
        assert np.array_equal(model.run(batch[i : i + 1]), together[i : i + 1])
        assert np.array_equal(model.run(batch[i]), together[i])


def test_floats_are_quantized_by_the_files_rule(model: qrt.Model) -> None:
    info = model.inputs[0]
    real = np.random.default_rng(3).normal(size=(4, 6, 5, 3)).astype(np.float32) * 4
    expected = np.clip(np.rint(real / np.float32(0.05)) - 3, -128, 127).astype(np.int8)
    assert np.array_equal(info.quantize(real), expected)
    assert np.array_equal(model.run(real), model.run(expected))
    assert np.array_equal(model.run(real.astype(np.float64)), model.run(expected))


def test_reciprocal_rule_differs_on_ties() -> None:
    scale = np.float32(0.047)
    x = (np.arange(-128, 128, dtype=np.float32) + np.float32(0.5)) * scale
    by_rule = {}
    for rule in ("DIVIDE", "MULTIPLY_RECIPROCAL"):
        g = GraphBuilder("edge")
        g.output(g.clamp(g.input("x", (1, 256), scale=scale, zero_point=0, quantize_rule=rule)))
        by_rule[rule] = qrt.load(g.compile()).run(x)
    assert np.array_equal(by_rule["DIVIDE"], np.clip(np.rint(x / scale), -128, 127))
    reciprocal = np.float32(1) / scale
    assert np.array_equal(by_rule["MULTIPLY_RECIPROCAL"], np.clip(np.rint(x * reciprocal), -128, 127))
    assert not np.array_equal(*by_rule.values())


def test_dequantize(model: qrt.Model) -> None:
    x = codes(2)
    real = model.run(x, dequantize=True)
    assert real.dtype == np.float32
    assert np.array_equal(real, np.float32(0.2) * (model.run(x).astype(np.float32) - 5))


def test_infinities_saturate_and_nan_is_refused(model: qrt.Model) -> None:
    x = np.full((6, 5, 3), np.inf, dtype=np.float32)
    assert np.array_equal(model.run(x), model.run(np.full((6, 5, 3), 127, dtype=np.int8)))
    x[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="'image': contains NaN"):
        model.run(x)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 5, 6, 3), np.int8), r"'image': expected shape \(1, 6, 5, 3\) NHWC, got \(1, 5, 6, 3\)"),
        (np.zeros((0, 6, 5, 3), np.int8), "expected shape"),
        (np.zeros((6, 5, 3), np.int32), "expected int8 codes or floats, got dtype int32"),
        (np.zeros((6, 5, 3), np.uint8), "subtracting 128"),
        (np.zeros((6, 5, 3), object), "got dtype object"),
        ({"picture": np.zeros((6, 5, 3), np.int8)}, r"has inputs \['image'\], got \['picture'\]"),
    ],
)
def test_input_that_does_not_fit(model: qrt.Model, x: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.run(x)  # type: ignore[arg-type]


def two_inputs() -> bytes:
    g = GraphBuilder("sum")
    a = g.input("a", (1, 4), scale=0.5, zero_point=0)
    b = g.input("b", (1, 4), scale=0.25, zero_point=2)
    g.output(g.add(a, b, scale=0.5, zero_point=0))
    g.output(g.clamp(b, output_max=10))
    return g.compile()


def test_several_inputs_and_outputs(kernels: str) -> None:
    model = qrt.load(two_inputs(), kernels=kernels)
    a = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=np.int8)
    b = np.array([[4, 2, 12, 2], [2, 2, 2, 122]], dtype=np.int8)
    total, clamped = model.run(a, b)
    assert np.array_equal(total, [[2, 2, 8, 4], [5, 6, 7, 68]])
    assert np.array_equal(clamped, np.minimum(b, 10))
    for given in ({"b": b, "a": a}, [a, b]):
        again = model.run(given)
        assert np.array_equal(again[0], total)
        assert np.array_equal(again[1], clamped)
    with pytest.raises(ValueError, match=r"2 inputs \['a', 'b'\], got 1"):
        model.run(a)
    with pytest.raises(ValueError, match="batches differ"):
        model.run(a, b[:1])


def test_outputs_of_several_rows_are_joined() -> None:
    """Of a sample without its batch axis all rows come back, by the short way and by the long one."""
    g = GraphBuilder()
    g.output(g.reshape(g.input("x", (1, 4, 3), scale=1.0), (4, 3)))
    model = qrt.load(g.compile())
    x = np.arange(60, dtype=np.int8).reshape(5, 4, 3)
    assert np.array_equal(model.run(x), x.reshape(20, 3))
    for sample in (x[0], x[:1], x[0].astype(np.float32)):
        assert np.array_equal(model.run(sample), x[0])


class Named(np.ndarray):
    """An array with a type of its own."""


NOT_EXACT = {
    "floats": codes(1).astype(np.float32),
    "unsigned": codes(1).view(np.uint8),
    "strided": np.repeat(codes(1), 2, axis=3)[..., ::2],
    "another order": np.asfortranarray(codes(1)),
    "a batch": np.repeat(codes(1), 2, axis=0),
    "an axis too many": codes(1)[np.newaxis],
    "two axes too few": codes()[0],
    "another shape": codes(1).reshape(1, 5, 6, 3),
    "a list": codes(1).tolist(),
    "a subclass": codes(1).view(Named),
}


def test_codes_as_they_lie_in_memory_go_the_short_way(model: qrt.Model) -> None:
    x = codes(1)
    given, expected = x.copy(), model.run({"image": x})
    first, second = model._executor.run_exact((x,)), model._executor.run_exact((x,))
    lacking = model._executor.run_exact((x[0],))
    assert np.array_equal(first, expected)
    assert (first.shape, first.dtype) == (expected.shape, expected.dtype)
    assert not np.shares_memory(first, second)
    assert np.array_equal(lacking, expected[0])
    assert lacking.shape == (4,)
    assert np.array_equal(x, given)


@pytest.mark.parametrize("x", NOT_EXACT.values(), ids=NOT_EXACT)
def test_everything_else_goes_the_long_way(model: qrt.Model, x: object) -> None:
    assert model._executor.run_exact((x,)) is None
    assert model._executor.run_exact((codes(1), codes(1))) is None


@pytest.mark.parametrize("way", ["strided", "another order", "a list", "a subclass"])
def test_both_ways_give_the_same(model: qrt.Model, way: str) -> None:
    x = NOT_EXACT[way]
    if way == "a list":
        x = np.array(x, dtype=object).astype(np.int8)
    result = model.run(x)
    assert type(result) is np.ndarray
    assert np.array_equal(result, model.run(codes(1)))


def test_several_inputs_lack_their_batch_axis_together(kernels: str) -> None:
    executor = qrt.load(two_inputs(), kernels=kernels)._executor
    a, b = np.array([[1, 2, 3, 4]], np.int8), np.array([[4, 2, 12, 2]], np.int8)
    assert [y.tolist() for y in executor.run_exact((a, b))] == [[[2, 2, 8, 4]], [[4, 2, 10, 2]]]
    assert [y.tolist() for y in executor.run_exact((a[0], b[0]))] == [[2, 2, 8, 4], [4, 2, 10, 2]]
    assert executor.run_exact((a, b[0])) is None


def test_short_way_is_not_for_a_model_with_views_of_another_thread(model: qrt.Model) -> None:
    model.input_view()
    expected = model.fork().run(codes(1))
    assert np.array_equal(model._executor.run_exact((codes(1),)), expected)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(model._executor.run_exact, (codes(1),)).result() is None
    assert np.array_equal(model.run(codes(1)), expected)


def test_waiting_for_a_model_can_be_interrupted(content: bytes) -> None:
    # A signal between the release of the interpreter and the wait would be lost, so it is sent until it has been seen.
    code = """
import os, signal, sys, threading, time, qrt
executor = qrt.load(sys.stdin.buffer.read())._executor
gate, seen = threading.Lock(), []

def interrupted(number, frame):
    seen.append(number)
    if len(seen) == 1:
        raise KeyboardInterrupt

def interrupt():
    with gate:
        while not seen:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)

signal.signal(signal.SIGINT, interrupted)
sys.setswitchinterval(1e6)  # behind the gate, another thread has its turn only when this one waits
executor.__enter__()
with gate:
    threading.Thread(target=interrupt).start()
try:
    with executor:
        print("two have it")
except KeyboardInterrupt:
    executor.__exit__()
    with executor:
        print(True)
"""
    done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, timeout=HANGS, check=True)
    assert done.stdout == b"True\n"


def test_nchw_inputs() -> None:
    graph = small_cnn().graph
    graph.inputs[0].source_layout = "NCHW"
    from qrt.compiler import compile as qrt_compile

    model = qrt.load(qrt_compile(graph).to_bytes())
    assert model.inputs[0].source_layout == "NCHW"
    batch = codes(3)
    expected = model.run(batch)
    assert np.array_equal(model.run(batch.transpose(0, 3, 1, 2)), expected)
    assert np.array_equal(model.run(batch[0].transpose(2, 0, 1)), expected[0])
    with pytest.raises(ValueError, match=r"\(1, 6, 5, 3\) NHWC or \(1, 3, 6, 5\) NCHW, got"):
        model.run(np.zeros((1, 5, 3, 6), np.int8))


def test_shape_that_fits_both_layouts_needs_a_word() -> None:
    graph = small_cnn(3, 3, 3).graph
    graph.inputs[0].source_layout = "NCHW"
    from qrt.compiler import compile as qrt_compile

    model = qrt.load(qrt_compile(graph).to_bytes())
    x = np.random.default_rng(0).integers(-128, 128, (1, 3, 3, 3), dtype=np.int8)
    with pytest.raises(ValueError, match="can be NHWC or NCHW"):
        model.run(x)
    nhwc = model.run(x, layout="NHWC")
    assert np.array_equal(model.run(x.transpose(0, 3, 1, 2), layout="NCHW"), nhwc)
    with pytest.raises(ValueError, match="layout is"):
        model.run(x, layout="CHWN")


def test_zero_copy_path(model: qrt.Model) -> None:
    for seed in (1, 2):
        x = codes(1, seed)
        expected = model.fork().run(x)
        model.input_view(0)[...] = x
        model.invoke()
        assert np.array_equal(model.output_view(0), expected)
    assert np.shares_memory(model.output_view(), model.output_view())


def test_profile_times_what_run_runs(model: qrt.Model) -> None:
    expected = model.run(codes(3))
    seconds = model.profile(codes(3), repeats=4)
    assert np.array_equal(model.output_view(), expected[:1])
    assert seconds.shape == (4, 6)
    # conv2d, conv2d, add, mean, a reshape that stays where it is, linear
    assert np.isnan(seconds).tolist() == [[False, False, False, False, True, False]] * 4
    assert np.nanmin(seconds) >= 0 and np.nansum(seconds) > 0
    with pytest.raises(ValueError, match="repeats is at least 1, got 0"):
        model.profile(codes(), repeats=0)
    with pytest.raises(ValueError, match="input 'image': expected shape"):
        model.profile(codes()[:, :, :2])


def test_peaks_are_of_sets_with_instructions_of_their_own(kernels: str) -> None:
    peak = qrt.measure_peak(kernels)
    if kernels in ("reference", "portable"):
        assert peak is None
    else:
        # A loop that is not optimized away takes time: no core makes a million multiply-accumulates in a nanosecond.
        assert peak is not None and 0 < peak < 1e15
    with pytest.raises(ValueError, match="unknown kernel set 'gpu'"):
        qrt.measure_peak("gpu")


def test_reading_takes_time() -> None:
    for size in (1, 4096, 1 << 22):
        # Two loads of 64 bytes at 10 GHz.
        assert 1e8 < qrt.measure_reads(size) < 1.28e12


def test_forks_have_arenas_of_their_own(model: qrt.Model) -> None:
    other = model.fork()
    x, z = codes(1, 1), codes(1, 2)
    model.input_view()[...] = x
    other.input_view()[...] = z
    model.invoke()
    other.invoke()
    assert np.array_equal(model.output_view(), model.fork().run(x))
    assert np.array_equal(other.output_view(), model.fork().run(z))


def in_threads(count: int, work: object) -> list[BaseException]:
    errors: list[BaseException] = []

    def guarded(i: int) -> None:
        try:
            work(i)  # type: ignore[operator]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_threads_on_one_model_never_mix(content: bytes) -> None:
    model = qrt.load(content)
    inputs = [codes(8, seed) for seed in range(4)]
    expected = [model.run(x) for x in inputs]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(50):
            if not np.array_equal(model.run(inputs[i]), expected[i]):
                wrong.append(i)

    assert in_threads(4, work) == []
    assert wrong == []


def test_threads_on_forks(content: bytes) -> None:
    model = qrt.load(content)
    inputs = [codes(8, seed) for seed in range(4)]
    expected = [model.run(x) for x in inputs]
    wrong: list[int] = []

    def work(i: int) -> None:
        mine = model.fork()
        for _ in range(50):
            mine.input_view()[...] = inputs[i][:1]
            mine.invoke()
            if not np.array_equal(mine.output_view(), expected[i][:1]):
                wrong.append(i)

    assert in_threads(4, work) == []
    assert wrong == []


def test_views_belong_to_one_thread(content: bytes) -> None:
    model = qrt.load(content)
    model.input_view()[...] = codes(1)
    for attempt in (
        lambda _: model.run(codes(1)),
        lambda _: model.profile(codes(1)),
        lambda _: model.invoke(),
        lambda _: model.input_view(),
    ):
        (error,) = in_threads(1, attempt)
        assert isinstance(error, RuntimeError)
        assert "fork()" in str(error)


def test_views_of_a_thread_that_has_ended(content: bytes) -> None:
    model = qrt.load(content)
    idents: list[int] = []

    def errors_of(attempt: Callable[[int], object]) -> list[BaseException]:
        tasks: list[Path] = []

        def work(i: int) -> None:
            idents.append(threading.get_ident())
            tasks.append(Path(f"/proc/self/task/{threading.get_native_id()}"))
            attempt(i)

        errors = in_threads(1, work)
        # The system may keep a thread, and its number, for a while after it has been joined.
        while tasks[0].exists():
            time.sleep(0.001)
        return errors

    assert errors_of(lambda _: model.input_view()) == []
    same = 0
    for attempt in (lambda _: model.run(codes(1)), lambda _: model.invoke(), lambda _: model.output_view()) * 3:
        (error,) = errors_of(attempt)
        assert "the views of model 'small_cnn' belong to thread 'Thread-" in str(error)
        same += idents[-1] == idents[0]
    # What is tested: the system gives a new thread the number of the one that has ended.
    assert same > 0 or sys.platform != "linux"


def test_outputs_are_the_callers(model: qrt.Model) -> None:
    first = model.run(codes(1, 1))
    kept = first.copy()
    assert not np.array_equal(model.run(codes(1, 2)), kept)
    assert np.array_equal(first, kept)
    first[...] = 0
    assert np.array_equal(model.run(codes(1, 1)), kept)


def test_input_may_be_the_models_own_memory(model: qrt.Model) -> None:
    view = model.input_view()
    view[...] = codes(1)
    assert np.array_equal(model.run(view), model.fork().run(codes(1)))


def test_invoke_while_another_thread_runs(model: qrt.Model) -> None:
    expected = model.fork().run(codes(1))
    holds, gate, order = threading.Event(), threading.Lock(), []

    def hold() -> None:
        with model._executor:
            holds.set()
            with gate:
                order.append("another thread")

    holder, interval = threading.Thread(target=hold), sys.getswitchinterval()
    with gate:
        holder.start()
        holds.wait()
        with pytest.raises(RuntimeError) as refused:
            model.invoke()
        sys.setswitchinterval(1e6)  # behind the gate, another thread has its turn only when this one waits
    try:
        assert np.array_equal(model.run(codes(1)), expected)
        order.append("this one")
    finally:
        sys.setswitchinterval(interval)
        holder.join()
    assert str(refused.value) == "model 'small_cnn' is running in another thread; give each thread its own fork()"
    assert order == ["another thread", "this one"]
    model.invoke()


def test_kernel_sets_and_choice(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert qrt.kernel_sets()[0] == "reference"
    monkeypatch.delenv("QRT_KERNELS", raising=False)
    assert qrt.load(content).kernels == qrt.default_kernels() == qrt.kernel_sets()[-1]
    monkeypatch.setenv("QRT_KERNELS", "reference")
    assert qrt.load(content).kernels == qrt.default_kernels() == "reference"
    with pytest.raises(ValueError, match="unknown kernel set 'gpu'; this machine has reference, portable"):
        qrt.load(content, kernels="gpu")
    table = qrt.kernel_table()
    assert set(table["reference"].values()) == {"own"}
    assert set(table["portable"].values()) == {"own"}


def test_arena_above_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    default = 256 << 20
    monkeypatch.delenv("QRT_MAX_ARENA", raising=False)
    assert qrt.load(encode(reshapes(arena_size=default))).arena_size == default
    greedy = encode(reshapes(arena_size=default + 1))
    with pytest.raises(
        qrt.ModelError, match=rf"^states an arena of {default + 1} bytes, the limit is {default}; "
    ) as caught:
        qrt.load(greedy)
    assert caught.value.rule is None
    assert qrt.load(greedy, max_arena=default + 1).arena_size == default + 1
    with pytest.raises(qrt.ModelError, match=r"the limit is 1000;"):
        qrt.load(greedy, max_arena=1000)
    monkeypatch.setenv("QRT_MAX_ARENA", str(default + 1))
    assert qrt.load(greedy).arena_size == qrt.default_max_arena() == default + 1
    for wrong in ("many", "-1", "1e9"):
        monkeypatch.setenv("QRT_MAX_ARENA", wrong)
        with pytest.raises(ValueError, match="QRT_MAX_ARENA: expected a number of bytes"):
            qrt.load(greedy)


@pytest.mark.parametrize("kernels", qrt.kernel_sets())
def test_packed_weights_stay_within_their_limit(kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any limit the bytes are the same and the memory is what was allowed beside the operators' tables."""
    rng = np.random.default_rng(3)
    content = graphs.to_bytes(graphs.conv2d(rng, (1, 9, 10, 32), 48, graphs.Window(padding=(1, 1, 1, 1))))
    whole = qrt.load(content, kernels=kernels)
    x = rng.integers(-128, 128, whole.inputs[0].shape, dtype=np.int8)
    tables, all_packed = (_executor.Program(content, kernels, limit).prepared_size for limit in (0, 2**62))
    assert (all_packed > tables) == (kernels not in ("reference", "portable"))
    packed = all_packed - tables
    for limit in (0, 1000, packed // 2, max(packed - 1, 0), packed):
        assert _executor.Program(content, kernels, limit).prepared_size <= tables + limit
        assert np.array_equal(qrt.load(content, kernels=kernels, max_packed=limit).run(x), whole.run(x))
    assert whole.operator_kernels == (kernels,)
    slowest = "reference" if kernels == "reference" else "portable"
    assert qrt.load(content, kernels=kernels, max_packed=0).operator_kernels == (slowest,)
    monkeypatch.setenv("QRT_MAX_PACKED", "a lot")
    with pytest.raises(ValueError, match="QRT_MAX_PACKED: expected a number of bytes"):
        qrt.load(content, kernels=kernels)
    with pytest.raises(ValueError, match="max_packed is a number of bytes"):
        qrt.load(content, kernels=kernels, max_packed=-1)


def test_errors_of_loading(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.qfb"
    with pytest.raises(FileNotFoundError):
        qrt.load(path)
    path.write_bytes(b"this is no model at all, whatever its name may be")
    with pytest.raises(qrt.ModelError, match=r"model.qfb: not a .qfb file"):
        qrt.load(path)
    path.write_bytes(content[:-1])
    with pytest.raises(qrt.ModelError, match=r"model.qfb: is truncated: it has ") as caught:
        qrt.load(path)
    assert caught.value.rule is not None
    with pytest.raises(qrt.ModelError, match=r"^is empty; compile"):
        qrt.load(b"")


def test_what_a_model_is_loaded_from(content: bytes, tmp_path: Path) -> None:
    expected = qrt.load(content).run(codes())
    path = tmp_path / "model.qfb"
    path.write_bytes(content)
    for source in (path, str(path), bytearray(content), memoryview(content), np.frombuffer(content, np.int8)):
        assert np.array_equal(qrt.load(source).run(codes()), expected)


def test_a_model_keeps_bytes_of_its_own(content: bytes, tmp_path: Path) -> None:
    expected = qrt.load(content).run(codes())
    path, given = tmp_path / "model.qfb", bytearray(content)
    path.write_bytes(content)
    models = [qrt.load(path, "reference"), qrt.load(given, "reference")]
    path.write_bytes(bytes(len(content)))
    given[:] = bytes(len(content))
    for model in models:
        assert np.array_equal(model.run(codes()), expected)


def test_a_model_is_read_from_a_pipe(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    assert np.array_equal(qrt.load(path).run(codes()), qrt.load(content).run(codes()))
    writer.join()
