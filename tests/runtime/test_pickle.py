"""Pickles and copies of a model: what travels, what is chosen anew, what is refused."""

from __future__ import annotations

import base64
import copy
import pickle
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from banded import banded
from stateful import layered

import qrt
from qrt import _executor
from qrt.compiler import GraphBuilder

COPIES: dict[str, Callable[[qrt.Model], qrt.Model]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda model, protocol=protocol: pickle.loads(pickle.dumps(model, protocol))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
}
# Runs what it reads, a model and an array, and prints the kernel set and the outputs' bytes.
OTHER_PROCESS = """
import base64, pickle, sys
model, x = pickle.load(sys.stdin.buffer)
print(model.kernels, base64.b64encode(model.run(x).tobytes()).decode())
"""


def codes(count: int = 1) -> np.ndarray:
    return np.random.default_rng(count).integers(-128, 128, (count, 12, 11, 16), dtype=np.int8)


def in_another_process(model: qrt.Model, x: np.ndarray, **environment: str) -> tuple[str, bytes]:
    """The kernel set and the outputs of a model that is sent to another process."""
    command = [sys.executable, "-c", OTHER_PROCESS]
    sent = pickle.dumps((model, x))
    result = subprocess.run(command, input=sent, capture_output=True, env=environment, timeout=60, check=False)
    assert result.returncode == 0, result.stderr.decode()
    kernels, output = result.stdout.decode().split()
    return kernels, base64.b64decode(output)


@pytest.fixture(scope="module")
def content() -> bytes:
    rng = np.random.default_rng(7)
    g = GraphBuilder("small")
    x = g.input("image", (1, 12, 11, 16), scale=0.05, zero_point=-3)
    y = g.conv2d(x, rng.normal(size=(32, 3, 3, 16)), rng.normal(size=32), scale=0.1, zero_point=4, padding=1)
    g.output(g.mean(y, scale=0.1, zero_point=0))
    return g.compile()


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_gives_the_same_bytes(content: bytes, kernels: str, way: str) -> None:
    model = qrt.load(content, kernels=kernels, threads=2, max_packed=0)
    other = COPIES[way](model)
    assert other is not model
    assert (other.name, other.inputs, other.outputs) == (model.name, model.inputs, model.outputs)
    assert (other.kernels, other.threads) == (model.kernels, model.threads)
    assert other.operator_kernels == model.operator_kernels
    x = codes(3)
    assert np.array_equal(other.run(x), model.run(x))


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_continues_from_the_state(way: str) -> None:
    model = qrt.load(layered().compile())
    shape = model.inputs[0].shape
    x = np.random.default_rng(5).integers(-128, 128, (3, *shape[1:]), dtype=np.int8)
    model.run(x)
    state = model.state
    other = COPIES[way](model)
    assert other.state == state != model.fork().state
    expected = model.run(x)
    assert other.state == state
    assert np.array_equal(other.run(x), expected)
    assert other.state == model.state


def test_copies_and_forks_in_one_pickle_share_the_program(content: bytes) -> None:
    model = qrt.load(content)
    assert copy.deepcopy(model)._program is copy.copy(model)._program is model._program
    pair = pickle.dumps([model, model.fork()])
    assert len(pair) < len(content) * 1.5
    first, second = pickle.loads(pair)
    assert first._program is second._program
    assert copy.copy(model._program) is copy.deepcopy(model._program) is model._program


def test_the_content_travels_beside_the_pickle(content: bytes) -> None:
    """With protocol 5 the file's bytes can be sent without a copy; nobody can change them there."""
    buffers: list[pickle.PickleBuffer] = []
    model = qrt.load(content)
    sent = pickle.dumps(model, 5, buffer_callback=buffers.append)
    assert len(sent) < 1000
    (buffer,) = buffers
    assert buffer.raw().readonly
    assert bytes(buffer.raw()) == content
    assert np.array_equal(pickle.loads(sent, buffers=buffers).run(codes()), model.run(codes()))


def test_another_process_gives_the_same_bytes(content: bytes, kernels: str) -> None:
    model = qrt.load(content, kernels=kernels)
    x = codes(2)
    assert in_another_process(model, x, QRT_KERNELS="reference") == (kernels, model.run(x).tobytes())


def test_a_default_kernel_set_is_chosen_anew(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    x = codes(2)
    fastest = qrt.kernel_sets()[-1]
    monkeypatch.setenv("QRT_KERNELS", "portable")
    model = qrt.load(content)
    assert model.kernels == "portable"
    assert in_another_process(model, x) == (fastest, model.run(x).tobytes())
    assert in_another_process(model, x, QRT_KERNELS="reference") == ("reference", model.run(x).tobytes())


def test_a_kernel_set_that_is_not_here_is_refused(content: bytes) -> None:
    sent = pickle.dumps(qrt.load(content, kernels="portable")).replace(b"portable", b"portably")
    with pytest.raises(ValueError, match=r"unknown kernel set 'portably'; this machine has reference, portable"):
        pickle.loads(sent)


def test_limits_hold_where_a_pickle_arrives(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, allowed = pickle.dumps(qrt.load(content)), pickle.dumps(qrt.load(content, max_arena=1 << 20))
    monkeypatch.setenv("QRT_MAX_ARENA", "100")
    with pytest.raises(qrt.ModelError, match=r"the limit is 100; if you trust the file, set QRT_MAX_ARENA="):
        pickle.loads(sent)
    assert np.array_equal(pickle.loads(allowed).run(codes()), qrt.load(content, max_arena=1 << 20).run(codes()))
    monkeypatch.setenv("QRT_MAX_PACKED", "few")
    with pytest.raises(ValueError, match="QRT_MAX_PACKED: expected a number of bytes"):
        pickle.loads(sent)


def test_turns_travel_only_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    content = banded(fed=True)
    model = qrt.load(content)
    asked = [pickle.dumps(qrt.load(content, together=together)) for together in (0, 1, 3)]
    assert [pickle.loads(sent).together for sent in asked] == [0, 1, 3]
    sent = pickle.dumps(model)
    assert pickle.loads(sent).together == 0
    monkeypatch.setenv("QRT_MAX_ARENA", str(model.arena_size + model._program.plan_aside(1)[1]))
    assert pickle.loads(sent).together == 1


@pytest.mark.parametrize("way", COPIES)
def test_rows_that_are_fed_do_not_travel(way: str) -> None:
    model = qrt.load(banded(fed=True))
    rows = np.zeros((1, *model.inputs[0].shape[2:]), np.int8)
    model.feed(rows, *(np.zeros(info.shape, info.dtype) for info in model.inputs[1:]))
    with pytest.raises(RuntimeError, match=r"was fed 1 of \d+ rows; feed the others, or reset\(\)"):
        COPIES[way](model)


@pytest.mark.parametrize("at", [0, 8, 100, -1])
def test_a_changed_content_is_refused(content: bytes, at: int) -> None:
    """As `load` refuses it, with its error and the rule."""
    changed = bytearray(content)
    changed[at] ^= 0x55
    sent = pickle.dumps(qrt.load(content))
    assert content in sent
    with pytest.raises(qrt.ModelError) as expected:
        qrt.load(bytes(changed))
    with pytest.raises(qrt.ModelError) as caught:
        pickle.loads(sent.replace(content, bytes(changed)))
    assert (str(caught.value), caught.value.rule) == (str(expected.value), expected.value.rule)


def test_hostile_arguments_are_refused(content: bytes) -> None:
    rebuild, (program, *_), _ = qrt.load(content).__reduce__()
    for threads, together in ((0, None), (257, None), (1, -1), (1, 32768), (2, 1)):
        with pytest.raises(ValueError, match=r"threads|together"):
            rebuild(program, threads, together, None)
    for source in (np.zeros(4, np.int32), np.zeros((2, 2), np.uint8), np.zeros(10, np.uint8)[::2]):
        with pytest.raises(ValueError):
            _executor.Program(source)
    with pytest.raises(qrt.ModelError, match=r"is empty"):
        _executor.Program(np.zeros(0, np.uint8))
    with pytest.raises(ValueError, match="max_packed is a number of bytes, got -1"):
        _executor.Program(content, None, -1)


def test_a_state_of_another_length_is_refused() -> None:
    model = qrt.load(layered().compile())
    for state in (b"", model.state + b"\0"):
        with pytest.raises(ValueError, match=f"has {model.state_size} bytes, got {len(state)}"):
            qrt.load(layered().compile()).__setstate__(state)


def test_errors_travel_too(content: bytes) -> None:
    with pytest.raises(qrt.ModelError) as caught:
        qrt.load(content[:-1])
    other = pickle.loads(pickle.dumps(caught.value))
    assert (type(other), str(other), other.rule) == (qrt.ModelError, str(caught.value), caught.value.rule)
