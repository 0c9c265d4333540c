"""Operators split among threads: bit-exact, also after forks of models and of the process, and no thread leaks."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_programs import ENGINE, FLAGS, build_program, compiler, need_options
from cases import CASES, Case
from command_line import Cli
from graphs import Array, Window, conv2d, to_bytes
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernel_sets import ALL
from overlaps import KINDS, between_copies, drawn, placed, shapes, windows
from places import ROOT
from processes import HANGS
from sanitizers import ENVIRONMENT, SANITIZERS

import qrt
from qrt import _executor
from qrt.compiler import GraphBuilder
from qrt.compiler.plan.memory import distance

TASKS = Path("/proc/self/task")
THREADS = (2, 3, 5)


def forks_processes(test: Callable[[], None]) -> Callable[[], None]:
    """Marks a test whose forked processes start threads."""
    test = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")(test)
    reason = "ThreadSanitizer does not follow threads that a forked process starts"
    return pytest.mark.skipif("thread" in SANITIZERS, reason=reason)(test)


def outputs(executor: _executor.Executor, inputs: list[Array]) -> list[Array]:
    for view, codes in zip(executor.inputs, inputs, strict=True):
        view[...] = codes
    executor.invoke()
    return [view.copy() for view in executor.outputs]


def network(size: int, name: str = "wide") -> GraphBuilder:
    """Residual, with depthwise layers; every operator of it can be split, and outputs lie over inputs."""
    rng = np.random.default_rng(0)
    g = GraphBuilder(name)
    x = g.input("x", (1, size, size, 8), scale=0.1)
    for _ in range(2):
        wide = g.conv2d(x, rng.normal(size=(64, 3, 3, 8)), scale=0.5, padding=1, activation="relu")
        deep = g.dwconv2d(wide, rng.normal(size=(1, 3, 3, 64)), scale=0.5, padding=1)
        x = g.add(x, g.conv2d(deep, rng.normal(size=(8, 1, 1, 64)), scale=0.5), scale=0.5)
    g.output(g.max_pool2d(x, 2))
    return g


LARGE = network(96).compile()
SAMPLE = np.random.default_rng(1).integers(-128, 128, (1, 96, 96, 8), dtype=np.int8)
EXPECTED = qrt.load(LARGE).run(SAMPLE)


def test_large_and_small() -> None:
    small = network(8).compile()
    assert qrt.load(LARGE).threads == 1
    assert qrt.load(LARGE, threads=3).threads == 3
    assert qrt.load(small, threads=3).threads == 1
    assert _executor.Executor(_executor.Program(small, "portable"), 3, split_all=True).threads == 3


@pytest.mark.parametrize("kernels", sorted({"avxvnni", "avx512vnni", "amx"} & set(qrt.kernel_sets())))
def test_one_row_is_shared_by_channels(kernels: str) -> None:
    (case,) = [case for case in CASES if case.name == "linear 1 to 256"]
    program = _executor.Program(to_bytes(case.graph()), kernels)
    assert _executor.Executor(program, 3, split_all=True).threads == 1  # 2, 1 and 1 of 4 cache lines
    assert _executor.Executor(program, 2, split_all=True).threads == 2


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_same_bytes(case: Case) -> None:
    graph = case.graph()
    data, samples = to_bytes(graph), list(case.inputs(graph))
    for kernels in ALL:
        program = _executor.Program(data, kernels)
        whole = _executor.Executor(program)
        split = [_executor.Executor(program, threads, split_all=True) for threads in THREADS]
        for inputs in samples:
            expected = outputs(whole, inputs)
            for executor in split:
                for got, y in zip(outputs(executor, inputs), expected, strict=True):
                    np.testing.assert_array_equal(got, y, err_msg=kernels)


@settings(max_examples=100)
@example(kind="conv2d", shape=(2, 9, 6, 600), window=Window((1, 1)), seed=0)  # pointwise, in strips
@given(kind=st.sampled_from(KINDS), shape=shapes, window=windows, seed=st.integers(0, 2**32))
def test_same_bytes_over_the_input(kind: str, shape: tuple[int, ...], window: Window, seed: int) -> None:
    graph = between_copies(drawn(kind, shape, window, seed))
    apart = distance(graph.ops[1])
    assert apart is not None
    x = np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)
    for kernels in ALL:
        program = _executor.Program(placed(graph, apart), kernels)
        (expected,) = outputs(_executor.Executor(program), [x])
        for threads in THREADS:
            (got,) = outputs(_executor.Executor(program, threads, split_all=True), [x])
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("shape", [(2, 14, 13, 64), (1, 9, 30, 64), (1, 21, 8, 70)])
def test_tiles_over_the_input(shape: tuple[int, ...]) -> None:
    """Winograd's algorithm writes several rows at once."""
    graph = between_copies(conv2d(np.random.default_rng(0), shape, 64, Window(padding=(1, 1, 1, 1))))
    apart = distance(graph.ops[1])
    assert apart is not None
    content = placed(graph, apart)
    x = np.random.default_rng(1).integers(-128, 128, shape, dtype=np.int8)
    (expected,) = outputs(_executor.Executor(_executor.Program(content, "portable")), [x])
    for kernels in qrt.kernel_sets():
        program = _executor.Program(content, kernels)
        for threads in (1, *THREADS):
            (got,) = outputs(_executor.Executor(program, threads, split_all=True), [x])
            np.testing.assert_array_equal(got, expected, err_msg=kernels)


@pytest.mark.parametrize("size", [7, 12, 96])
def test_same_bytes_of_a_network(size: int, kernels: str) -> None:
    program = _executor.Program(network(size).compile(), kernels)
    x = np.random.default_rng(size).integers(-128, 128, (1, size, size, 8), dtype=np.int8)
    if kernels == "reference" and size > 12:
        pytest.skip("the readable kernels take minutes for a large network")
    (expected,) = outputs(_executor.Executor(program), [x])
    for threads in THREADS:
        executor = _executor.Executor(program, threads, split_all=True)
        for _ in range(3):
            np.testing.assert_array_equal(outputs(executor, [x])[0], expected)


def test_times_of_shared_operators() -> None:
    """They begin where the operator before ends, and together are not above the whole, within which they lie."""
    model = qrt.load(LARGE, threads=2)
    assert set(model.operator_threads) == {2} and set(qrt.load(LARGE).operator_threads) == {1}
    start = time.perf_counter()
    times = model.profile(SAMPLE, repeats=20)
    assert times.shape == (20, len(model.operator_threads)) and times.min() > 0
    assert times.sum() <= time.perf_counter() - start
    np.testing.assert_array_equal(model.output_view(), EXPECTED)


def test_forked_models_have_threads_of_their_own() -> None:
    models = [qrt.load(LARGE, threads=2)]
    models += [models[0].fork() for _ in range(7)]
    assert {model.threads for model in models} == {2}
    results: dict[int, Any] = {}

    def run(i: int) -> None:
        results[i] = [models[i].run(SAMPLE) for _ in range(5)]

    users = [threading.Thread(target=run, args=(i,)) for i in range(len(models))]
    for user in users:
        user.start()
    for user in users:
        user.join()
    for i in range(len(models)):
        for got in results[i]:
            np.testing.assert_array_equal(got, EXPECTED)


def in_child(work: Any) -> int:
    """The exit code of a forked process that does `work`; a child that hangs is ended by its alarm."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that forks and threads do not mix
        pid = os.fork()
    if pid == 0:
        signal.alarm(HANGS)
        try:
            os._exit(0 if work() else 1)
        except BaseException:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@forks_processes
def test_forked_process() -> None:
    model = qrt.load(LARGE, threads=3)
    unused = [qrt.load(LARGE, threads=2)]

    def same() -> bool:
        return np.array_equal(model.run(SAMPLE), EXPECTED) and np.array_equal(model.fork().run(SAMPLE), EXPECTED)

    def forget() -> bool:
        unused.clear()
        return True

    assert in_child(same) == 0
    assert in_child(lambda: in_child(same) == 0) == 0
    assert in_child(forget) == 0
    assert same()


@forks_processes
def test_forked_process_while_threads_work() -> None:
    model, stop = qrt.load(LARGE, threads=2), threading.Event()

    def run() -> None:
        while not stop.is_set():
            model.run(SAMPLE)

    user = threading.Thread(target=run)
    user.start()
    try:
        for _ in range(5):
            assert in_child(lambda: np.array_equal(model.fork().run(SAMPLE), EXPECTED)) == 0
    finally:
        stop.set()
        user.join()
    np.testing.assert_array_equal(model.run(SAMPLE), EXPECTED)


def tasks() -> set[str]:
    return {path.name for path in TASKS.iterdir()}


@pytest.mark.skipif(not TASKS.is_dir(), reason="this system does not list its threads")
def test_threads_end_with_the_model() -> None:
    before = tasks()
    models = [qrt.load(LARGE, threads=4) for _ in range(5)]
    started = tasks() - before
    assert len(started) == 5 * 3
    models[0].run(SAMPLE)
    cycle: list[Any] = [models.pop()]
    cycle.append(cycle)
    del models, cycle
    gc.collect()
    # The system may list a thread for a while after it has been joined.
    hangs = time.monotonic() + HANGS
    while started & tasks():
        assert time.monotonic() < hangs, "threads outlive their models"
        time.sleep(0.01)


def test_views_outlive_the_model() -> None:
    model = qrt.load(LARGE, threads=2)
    model.input_view(0)[...] = SAMPLE
    model.invoke()
    view = model.output_view(0)
    del model
    np.testing.assert_array_equal(view, EXPECTED)


@pytest.mark.parametrize("threads", [0, -1, 257, 2**40])
def test_number_of_threads(threads: int) -> None:
    with pytest.raises(ValueError, match=f"threads is 1 to 256, got {threads}"):
        qrt.load(LARGE, threads=threads)


@pytest.mark.parametrize("threads", [1.5, "2", None])
def test_kind_of_threads(threads: Any) -> None:
    with pytest.raises(TypeError):
        qrt.load(LARGE, threads=threads)


def test_refused_input_leaves_the_model_usable() -> None:
    model = qrt.load(LARGE, threads=2)
    with pytest.raises(ValueError, match="expected shape"):
        model.run(SAMPLE[:, :5])
    np.testing.assert_array_equal(model.run(SAMPLE), EXPECTED)


def test_command_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "large.qfb").write_bytes(LARGE)
    np.save(tmp_path / "x.npy", SAMPLE)
    assert cli("run", "large.qfb", "x.npy", "--threads", "2", "-o", "y.npy").exit_code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), EXPECTED)
    refused = cli("run", "large.qfb", "x.npy", "--threads", "0")
    assert refused.exit_code == 2
    assert "threads is 1 to 256, got 0" in refused.stderr


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_pools_under_sanitizers(sanitizer: str, shared: Path, tmp_path: Path) -> None:
    program, model = tmp_path / "run_pools", tmp_path / "network.qfb"
    host = [ROOT / f"runtime/host/{name}.c" for name in ("clock", "qrt_pool", "qrt_split")]
    flags = [f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"]
    need_options(*flags)
    build_program(shared, program, [compiler(), *flags, *FLAGS], [ROOT / "tests/threads/run_pools.c", *host, *ENGINE])
    model.write_bytes(network(12).compile())
    forking = "0" if sanitizer == "thread" else "1"
    ran = subprocess.run([program, model, "3", "50", forking], capture_output=True, text=True, env=ENVIRONMENT)
    assert ran.returncode == 0, ran.stdout + ran.stderr
