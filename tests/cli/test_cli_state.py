"""The command line on networks with state: sequences of steps, test vectors that continue, memory plans, formulas."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Cli, assert_refused
from places import SHARED
from stateful import Remembering, expected, layered, moved16, remembering, steps

import qrt
from qrt.cli.compile import STEPS, random_vectors
from qrt.compiler import compile

Array = np.ndarray


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """`stateful.remembering`, with three test vectors: a sequence of two, and one that begins anew."""
    sequence = steps(3)
    network = Remembering()
    vectors = [([x[np.newaxis]], network.run(x[np.newaxis]), i > 0) for i, x in enumerate(sequence[:2])]
    vectors.append(([sequence[2:]], Remembering().run(sequence[2:]), False))
    file = tmp_path / "remembering.qfb"
    file.write_bytes(compile(remembering()).to_bytes(vectors))
    return file


def saved(name: str) -> list[Array]:
    with np.load(name) as archive:
        return [archive[key] for key in ("window", "peak", "before")]


def test_stream_carries_state(cli: Cli, path: Path) -> None:
    sequence = steps(6)
    np.save("steps.npy", sequence)
    np.save("inputs.npy", sequence[:, np.newaxis])
    np.save("one.npy", sequence[0])
    for given in ("steps.npy", "inputs.npy"):
        result = cli("run", path.name, given, "--stream", "-o", "y.npz")
        assert (result.exit_code, result.stderr) == (0, "")
        assert all(np.array_equal(got, wanted) for got, wanted in zip(saved("y.npz"), expected(sequence), strict=True))
    assert cli("run", path.name, "one.npy", "--stream").exit_code == 0


def test_reset_every(cli: Cli, path: Path) -> None:
    sequence = steps(7)
    np.save("steps.npy", sequence)
    document = json.loads(cli("run", path.name, "steps.npy", "--stream", "--reset-every", "3", "--json").stdout)
    assert (document["steps"], document["reset_every"]) == (7, 3)
    wanted = [expected(sequence[at : at + 3]) for at in (0, 3, 6)]
    for output, parts in zip(document["outputs"], zip(*wanted, strict=True), strict=True):
        assert output["values"] == np.concatenate(parts).tolist()


def test_a_batch_is_a_sequence_and_that_is_said(cli: Cli, path: Path) -> None:
    np.save("steps.npy", steps(4))
    result = cli("run", path.name, "steps.npy", "-o", "y.npz")
    assert result.stderr == (
        "qrt run: note: the network has state: the 4 samples run as steps of one sequence; --stream says so\n"
    )
    assert all(np.array_equal(got, wanted) for got, wanted in zip(saved("y.npz"), expected(steps(4)), strict=True))


def test_stream_without_state_is_refused(cli: Cli, pets: Path) -> None:
    np.save("x.npy", np.zeros((2, 4, 4, 2), np.int8))
    line = "qrt run: pets.qfb: has no state, so --stream has no meaning"
    assert_refused(cli("run", "pets.qfb", "x.npy", "--stream"), line)
    assert_refused(cli("run", "pets.qfb", "x.npy", "--reset-every", "2"), "qrt run: --reset-every needs --stream")
    line = "qrt compare: pets.qfb: has no state to reset; leave out --reset-every"
    options = ("--against", "pets.onnx", "--inputs", "x.npy", "--reset-every", "2")
    assert_refused(cli("compare", "pets.qfb", *options), line)


@pytest.mark.parametrize("shape", [(3, 1, 4), (0, 2, 1, 4), (2, 2, 2, 1, 4)])
def test_steps_of_another_shape_are_refused(cli: Cli, path: Path, shape: tuple[int, ...]) -> None:
    np.save("x.npy", np.zeros(shape, np.int8))
    result = cli("run", path.name, "x.npy", "--stream")
    assert_refused(result, f"qrt run: {path.name}: ")


def test_int16_codes_stream(cli: Cli) -> None:
    Path("moved.qfb").write_bytes(moved16()[0].compile())
    sequence = np.random.default_rng(0).integers(-32768, 32768, (3, 2, 3), np.int16)
    np.save("x.npy", sequence)
    result = cli("run", "moved.qfb", "x.npy", "--stream", "-o", "y.npy")
    assert result.stdout.startswith("x_pushed  3x5x3 int16 codes\n")
    assert np.array_equal(np.load("y.npy")[2, 1:], sequence[1:].reshape(4, 3))


def test_check_runs_vectors_that_continue(cli: Cli, path: Path) -> None:
    result = cli("check", path.name)
    assert result.exit_code == 0
    assert result.stdout.count("3 of 3 test vectors agree") == len(qrt.kernel_sets())
    # The same vectors as if each began anew: the second does not.
    vectors = [(inputs, outputs) for inputs, outputs, _ in qrt.load(path).test_vectors]
    path.write_bytes(compile(remembering()).to_bytes(vectors))
    result = cli("check", path.name)
    assert result.exit_code == 1
    assert "2 of 3 test vectors agree" in result.stdout


def test_random_vectors_are_sequences() -> None:
    for make in (remembering, layered, lambda: moved16()[0]):
        model = qrt.load(compile(make()).to_bytes())
        vectors = random_vectors(model, STEPS + 2)
        assert [vector.continues for vector in vectors] == [i % STEPS > 0 for i in range(STEPS + 2)]
        again = qrt.load(compile(make()).to_bytes(vectors)).test_vectors
        assert all(
            np.array_equal(a, b) for x, y in zip(again, vectors, strict=True) for a, b in zip(x[1], y[1], strict=True)
        )


def test_inspect_shows_states(cli: Cli, path: Path) -> None:
    shown = cli("inspect", path.name, "--tensors", COLUMNS="120").stdout
    assert "\nstate         64 bytes of the arena, 3 tensors, survive from run to run\n" in shown
    assert "state, initially bytes from -9 to 18" in shown
    assert "state, initially -128" in shown
    plan = shown.partition("Memory plan\n")[2].splitlines()
    assert all("│A" in row for row in plan[1:-1])
    assert plan[-1].endswith("▚ state")
    document = json.loads(cli("inspect", path.name, "--json").stdout)
    assert document["state_size"] == 64
    assert [tensor["initial"] for tensor in document["tensors"] if tensor["initial"]] == [
        [-9, 18],
        [-128, -128],
        [3, 3],
    ]


def test_explain_push_and_assign(cli: Cli, path: Path) -> None:
    document = json.loads(cli("explain", path.name, "window", "--json").stdout)
    assert (document["numbers"]["axis"], document["numbers"]["old_rows"], document["numbers"]["new_rows"]) == (1, 5, 2)
    assert "the last old_rows of them move to the start of y" in document["formulas"][0]
    assert "y is a state" in cli("explain", path.name, "new peak").stdout


def test_compare_steps_through_a_sequence_beside_the_engine(cli: Cli) -> None:
    """Codes of every layer and of TFLite Micro's outputs, from the initial state every 20 steps."""
    pytest.importorskip("tflite_micro")
    source = SHARED / "models" / "mww_v2_hey_jarvis.tflite"
    if not source.exists():
        pytest.skip("needs mww_v2_hey_jarvis.tflite")
    assert cli("compile", str(source), "-o", "m.qfb").exit_code == 0
    np.save("x.npy", np.random.default_rng(0).integers(-128, 128, (50, 3, 40), np.int8))
    options = ("--against", str(source), "--inputs", "x.npy", "--reset-every", "20")
    document = json.loads(cli("compare", "m.qfb", *options, "--json").stdout)
    assert document["engine_differing"] == 0
    assert {layer["differing"] for layer in document["layers"]} == {0}
    assert "the same outputs, with states carried over 50 steps" in " ".join(
        cli("compare", "m.qfb", *options).stdout.split()
    )
