"""Operators that take turns give the bytes of operators that run one after another; so do inputs that come by rows."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_bands import draw_bands, draw_images
from hypothesis import event, given, settings
from hypothesis import strategies as st
from kernel_sets import ALL, COMPARED
from places import MODELS

import qrt
from qrt.compiler import GraphBuilder, compile
from qrt.compiler import compile as compiled
from qrt.compiler.plan import layout
from qrt.compiler.plan.memory import plan

NAMES = {"ic_resnet8", "kws_dscnn", "vww_mobilenet", "person_detect", "mobilenet_v2_224"}
PUBLISHED = [path for path in MODELS if path.stem in NAMES]
TOGETHER = (1, 2, 3, 7, 0)


def codes(model: qrt.Model, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    ranges = [np.iinfo(info.dtype) for info in model.inputs]
    infos = zip(model.inputs, ranges, strict=True)
    return [rng.integers(r.min, r.max + 1, info.shape, dtype=info.dtype) for info, r in infos]


def as_list(outputs: Any) -> list[np.ndarray]:
    return outputs if isinstance(outputs, list) else [outputs]


def poison(model: qrt.Model, code: int) -> None:
    """Writes to all of the arena, and to what is beside it."""
    for view in (model.input_view(), model.output_view()):
        memory = view
        while isinstance(memory.base, np.ndarray):
            memory = memory.base
        memory.view(np.uint8)[...] = code


def same(content: bytes, expected: list[np.ndarray], inputs: list[np.ndarray], kernels: str, together: int) -> None:
    model = qrt.load(content, kernels=kernels, together=together)
    for code in (0x55, 0xAA):
        poison(model, code)
        for got, wanted in zip(as_list(model.run(*inputs)), expected, strict=True):
            assert np.array_equal(got, wanted), (kernels, together)
    if model.is_fed:
        for count in (1, 3, inputs[0].shape[1]):
            poison(model, 0x55)
            for got, wanted in zip(feed_all(model, inputs, count), expected, strict=True):
                assert np.array_equal(got, wanted), (kernels, together, count)


def feed_all(model: qrt.Model, inputs: list[np.ndarray], count: int) -> list[np.ndarray]:
    x, *others = inputs
    outputs = None
    for row in range(0, x.shape[1], count):
        assert outputs is None
        assert model.fed_rows == row
        outputs = model.feed(x[:, row : row + count], *others)
        others = []
    assert model.fed_rows == 0
    return as_list(outputs)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short search for positions."""
    monkeypatch.setattr(layout, "SEARCH_LIMIT", 100)


@settings(max_examples=150, deadline=None)
@pytest.mark.usefixtures("hasty")
@given(st.data())
def test_any_bands_of_drawn_networks(data: st.DataObject) -> None:
    g = draw_images(data)
    if g is None:
        return
    plain = compile(g)
    bands = draw_bands(data, plain.graph)
    content = replace(plain, plan=plan(plain.graph, bands=bands)).to_bytes()
    whole = qrt.load(plain.to_bytes(), kernels="portable")
    inputs = codes(whole)
    expected = as_list(whole.run(*inputs))
    event(f"{sum(len(band.paces) for band in bands)} operators in bands")
    for kernels in ALL:
        for together in TOGETHER:
            same(content, expected, inputs, kernels, together)


@pytest.mark.parametrize("feed", [False, True])
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_published_networks(path: Path, feed: bool) -> None:
    whole = qrt.load(compiled(path).to_bytes())
    inputs = codes(whole)
    expected = as_list(whole.run(*inputs))
    content = compiled(path, ram="least", feed=feed).to_bytes()
    model = qrt.load(content)
    assert model.is_fed == feed
    assert model.arena_size < whole.arena_size
    for kernels in COMPARED:
        if kernels != "portable" or path.stem != "mobilenet_v2_224":
            for together in (1, 8, 0):
                same(content, expected, inputs, kernels, together)


def network(first_rows: int = 12) -> GraphBuilder:
    rng = np.random.default_rng(1)
    g = GraphBuilder("net")
    x = g.input("image", (1, first_rows, 6, 2), scale=0.1, zero_point=3)
    a = g.conv2d(x, rng.normal(size=(8, 3, 3, 2)), scale=0.1, padding=1)
    b = g.conv2d(a, rng.normal(size=(8, 3, 3, 8)), scale=0.1, padding=1)
    c = g.dwconv2d(g.add(a, b, scale=0.1), rng.normal(size=(1, 3, 3, 8)), scale=0.1, stride=2)
    g.output(g.mean(c, scale=0.05))
    return g


@pytest.fixture(scope="module")
def fed() -> bytes:
    return compiled(network(), ram="least", feed=True).to_bytes()


@pytest.fixture(params=[0, 1, 2])
def model(request: pytest.FixtureRequest, fed: bytes) -> qrt.Model:
    return qrt.load(fed, together=request.param)


def test_rows_are_what_run_accepts(model: qrt.Model) -> None:
    real = np.random.default_rng(2).normal(size=model.inputs[0].shape)
    expected = model.run(real, dequantize=True)
    assert model.feed(real[:, :5]) is None
    assert np.array_equal(model.feed(real[:, 5:], dequantize=True), expected)
    lacking = model.run(real[0])
    assert model.feed(real[0, :11].astype(np.float32)) is None
    assert np.array_equal(model.feed(real[0, 11:]), lacking)


def test_a_list_is_rows(model: qrt.Model) -> None:
    x = codes(model)[0]
    assert model.feed(x[0, :2].astype(float).tolist()) is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((13, 6, 2), np.int8), "12 of 12 rows are missing, got 13"),
        (np.zeros((0, 6, 2), np.int8), r"expected rows of shape \(n, 6, 2\), got \(0, 6, 2\)"),
        (np.zeros((2, 5, 2), np.int8), r"expected rows of shape \(n, 6, 2\), got \(2, 5, 2\)"),
        (np.zeros((2, 2, 6, 2), np.int8), "expected rows of shape"),
        (np.zeros((6, 2), np.int8), "expected rows of shape"),
        (np.zeros((1, 6, 2), np.int32), "expected int8 codes or floats, got dtype int32"),
        (np.full((1, 6, 2), np.nan), "NaN"),
    ],
)
def test_wrong_rows_change_nothing(model: qrt.Model, rows: np.ndarray, message: str) -> None:
    x = codes(model)[0]
    expected = model.run(x)
    with pytest.raises(ValueError, match=message):
        model.feed(rows)
    assert model.fed_rows == 0
    model.feed(x[0, :4])
    with pytest.raises(ValueError, match=message.replace("12 of", "8 of")):
        model.feed(rows)
    assert np.array_equal(model.feed(x[:, 4:]), expected)


def test_a_network_of_one_input_is_given_no_other(model: qrt.Model) -> None:
    x = codes(model)[0]
    with pytest.raises(ValueError, match="model 'net' has no input but 'image'; got 1 more"):
        model.feed(x[:, :4], x)
    assert model.fed_rows == 0


def test_reset_drops_rows(model: qrt.Model) -> None:
    x = codes(model)[0]
    expected = model.run(x)
    model.feed(codes(model, 5)[0][:, :7])
    assert model.fed_rows == 7
    model.reset()
    assert np.array_equal(feed_all(model, [x], 4)[0], expected)


@pytest.mark.parametrize(
    "use", [lambda m: m.run(*codes(m)), lambda m: m.invoke(), lambda m: m.profile(*codes(m)), lambda m: m.state]
)
def test_nothing_runs_between_rows(model: qrt.Model, use: Callable[[qrt.Model], Any]) -> None:
    x = codes(model)[0]
    expected = model.run(x)
    model.feed(x[:, :7])
    with pytest.raises(RuntimeError, match=r"was fed 7 of 12 rows; feed the others, or reset\(\)"):
        use(model)
    assert np.array_equal(model.feed(x[:, 7:]), expected)


def test_a_fork_has_rows_of_its_own(model: qrt.Model) -> None:
    x = codes(model)[0]
    expected = model.run(x)
    model.feed(x[:, :7])
    fork = model.fork()
    assert fork.fed_rows == 0
    assert np.array_equal(feed_all(fork, [x], 1)[0], expected)
    assert np.array_equal(model.feed(x[:, 7:]), expected)


def test_whole_inputs_are_not_fed() -> None:
    model = qrt.load(compiled(network(), ram="least").to_bytes())
    assert not model.is_fed
    with pytest.raises(ValueError, match="takes its input as a whole; compile it with --feed"):
        model.feed(np.zeros((1, 6, 2), np.int8))


def test_one_thread_at_a_time(model: qrt.Model) -> None:
    model._executor.try_lock()
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="is running in another thread"):
        pool.submit(model.feed, codes(model)[0][:, :1]).result()
    model._executor.__exit__()
    model.input_view()
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="belong to thread"):
        pool.submit(model.feed, codes(model)[0][:, :1]).result()
    assert model.fed_rows == 0


@pytest.mark.parametrize("together", [0, 1, 2])
def test_other_inputs_come_with_the_first_rows(together: int) -> None:
    g = network()
    image = g.graph.ops[-1].output
    y = g.input("other", (1, 1, 1, 8), scale=0.1)
    g.graph.outputs.clear()
    g.output(g.add(image, y, scale=0.1))
    model = qrt.load(compiled(g, ram="least", feed=True).to_bytes(), together=together)
    x, other = codes(model)
    expected = model.run(x, other)
    with pytest.raises(ValueError, match=r"inputs \['other'\] belong to the first rows"):
        model.feed(x[:, :4])
    with pytest.raises(ValueError, match=r"expected shape \(1, 1, 1, 8\), got \(2, 1, 1, 8\)"):
        model.feed(x[:, :4], np.zeros((2, 1, 1, 8), np.int8))
    model.feed(x[:, :4], other)
    with pytest.raises(ValueError, match="and to no others"):
        model.feed(x[:, 4:], other)
    assert np.array_equal(model.feed(x[:, 4:]), expected)
    assert np.array_equal(feed_all(model, [x, other], 5)[0], expected)


def test_views_are_whole(model: qrt.Model) -> None:
    x = codes(model)[0]
    expected = model.run(x)
    for _ in range(2):
        model.input_view()[...] = x
        model.invoke()
        assert np.array_equal(model.output_view(), expected)


def test_samples_run_one_after_another(model: qrt.Model) -> None:
    x = np.concatenate([codes(model, seed)[0] for seed in range(3)])
    assert np.array_equal(model.run(x), np.concatenate([model.run(sample) for sample in x[:, np.newaxis]]))


def test_profiles_time_each_operator(model: qrt.Model) -> None:
    times = model.profile(*codes(model), repeats=3)
    assert times.shape == (3, model._program.operator_count)
    assert np.isfinite(times).all()
    assert (times.max(axis=0) > 0).all()


def test_threads_run_layer_by_layer(fed: bytes) -> None:
    from qrt import _executor

    program = _executor.Program(fed, "portable")
    executor = _executor.Executor(program, 2, split_all=True)
    assert executor.threads == 2
    x = codes(qrt.load(fed))[0]
    assert np.array_equal(executor.run((x,), 1)[0], qrt.load(fed, together=1).run(x))
    with pytest.raises(ValueError, match="2 threads run all turns together; load with together=0, or one thread"):
        qrt.load(fed, threads=2, together=1)


def test_memory_decides_how_many_turns_run_at_once(fed: bytes) -> None:
    arena, whole = qrt.load(fed).arena_size, 12 * 6 * 2
    model = qrt.load(fed, max_arena=arena + 192)
    assert model.together == 1
    assert qrt.load(fed).together == 0
    with pytest.raises(qrt.ModelError, match=rf"an arena of {arena} bytes and 192 beside it, the limit is {arena}"):
        qrt.load(fed, max_arena=arena)
    with pytest.raises(qrt.ModelError, match="beside it"):
        qrt.load(fed, max_arena=arena + 192, together=0)
    assert whole <= 192


@pytest.mark.parametrize("together", [-1, 32768])
def test_together_has_a_range(fed: bytes, together: int) -> None:
    with pytest.raises(ValueError, match=f"together is 0 to 32767, got {together}"):
        qrt.load(fed, together=together)
