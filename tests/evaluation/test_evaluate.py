"""qrt.evaluate: what it measures of networks, its errors, and that it continues where it was stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import LABELS, images, residual
from logged_samples import logged, reads, samples_read
from places import ROOT
from stateful import layered

import qrt
from qrt.compiler import GraphBuilder
from qrt.data import DataError, Dataset
from qrt.evaluation import Evaluation, EvaluationError, evaluate

RNG = np.random.default_rng(22)


@pytest.fixture(scope="module")
def network() -> qrt.Model:
    return qrt.load(residual().compile())


def linear(
    outputs: int, inputs: int = 4, batch: int = 1, labels: tuple[str, ...] = (), zero_point: int = 0
) -> qrt.Model:
    g = GraphBuilder("linear")
    x = g.input("x", (batch, inputs), scale=0.1)
    weights = np.random.default_rng(3).normal(size=(outputs, inputs))
    g.output(g.linear(x, weights, scale=1 / 256 if outputs == 1 else 0.1, zero_point=zero_point), labels=labels)
    return qrt.load(g.compile())


def same(found: Evaluation, other: Evaluation) -> bool:
    return json.dumps({**found.as_dict(), "data": ""}) == json.dumps({**other.as_dict(), "data": ""})


def test_accuracy_is_that_of_the_outputs(network: qrt.Model) -> None:
    x = images(3000)
    labels = RNG.integers(0, 4, 3000)
    found = evaluate(network, x, labels, top=2)
    order = np.argsort(-network.run(x).astype(int), axis=1, kind="stable")
    assert found.accuracy == np.mean(order[:, 0] == labels)
    assert found.top == {1: found.accuracy, 2: np.mean((order[:, :2] == labels[:, np.newaxis]).any(axis=1))}
    assert [one.name for one in found.classes] == LABELS
    assert found.wrong[0].sample == np.flatnonzero(order[:, 0] != labels)[0]
    for threads in (1, 3):
        assert same(found, evaluate(network, x, labels, top=2, threads=threads))
    text = repr(found)
    assert text.startswith("<qrt.Evaluation of 'pets': samples 3,000, accuracy ")
    assert "<td>3,000</td>" in found._repr_html_()


def test_floats_and_the_sources_layout(network: qrt.Model) -> None:
    x, labels = images(50), RNG.integers(0, 4, 50)
    real = network.inputs[0].dequantize(x)
    assert same(evaluate(network, x, labels), evaluate(network, {"image": real.astype(np.float64)}, labels))
    turned = evaluate(network, real.transpose(0, 3, 1, 2), labels, layout="NCHW")
    assert same(turned, evaluate(network, x, labels))


def test_files(network: qrt.Model, tmp_path: Path) -> None:
    x, labels = images(40), RNG.integers(0, 4, 40)
    np.savez(tmp_path / "data.npz", image=x, labels=labels)
    (tmp_path / "pets.qfb").write_bytes(residual().compile())
    found = qrt.evaluate(tmp_path / "pets.qfb", tmp_path / "data.npz")
    assert same(found, evaluate(network, x, labels))


def test_a_last_run_that_is_not_full(network: qrt.Model) -> None:
    model, one = linear(3, batch=4), linear(3)
    x = RNG.integers(-128, 128, (70, 4), np.int8)
    labels = RNG.integers(0, 3, 70)
    expected = np.mean(one.run(x).argmax(axis=1) == labels)
    assert evaluate(model, x, labels).accuracy == expected


def test_one_output_is_binary() -> None:
    model = linear(1, zero_point=-128)
    x = RNG.normal(size=(500, 4)).astype(np.float32)
    labels = RNG.integers(0, 2, 500)
    found = evaluate(model, x, labels)
    assert (found.metric, found.threshold) == ("binary", 0.5)
    for threshold in (np.nan, np.inf):
        with pytest.raises(EvaluationError, match=r"a threshold is a finite number, got (nan|inf)"):
            evaluate(model, x, labels, threshold=threshold)
    assert found.accuracy == np.mean((model.run(x, dequantize=True).ravel() >= 0.5) == labels)
    assert found.curve is not None
    assert evaluate(model, x, labels, threshold=0.25).threshold == 0.25
    # An output that can be negative is compared with 0.
    assert evaluate(linear(1), x, labels).threshold == 0


def test_an_output_that_is_the_number_of_the_class() -> None:
    g = GraphBuilder("largest")
    g.output(g.arg_max(g.input("x", (1, 5), scale=0.1)))
    x = RNG.integers(-128, 128, (100, 5), np.int8)
    labels = x.argmax(axis=1)
    labels[3] = (labels[3] + 1) % 5
    found = evaluate(qrt.load(g.compile()), x, labels)
    assert (found.metric, found.accuracy, [one.sample for one in found.wrong]) == ("accuracy", 0.99, [3])


def test_an_output_like_the_input_is_a_reconstruction() -> None:
    model = linear(4)
    x = RNG.normal(size=(200, 4)).astype(np.float32)
    found = evaluate(model, x)
    assert (found.metric, found.accuracy, found.curve) == ("reconstruction", None, None)
    errors = np.square(x - model.run(x, dequantize=True).astype(np.float64)).mean(axis=1)
    assert found.mse == pytest.approx(errors.mean(), rel=1e-12)
    labels = (errors > np.median(errors)).astype(int)
    labelled = evaluate(model, x, labels)
    assert labelled.curve is not None
    assert labelled.curve.auc == 1
    assert evaluate(model, x, labels, metric="accuracy").accuracy is not None
    assert evaluate(model, x, labels * 3).metric == "accuracy"


def test_steps_of_a_network_with_state() -> None:
    model = qrt.load(layered().compile())
    x = RNG.normal(size=(60, 1, 1, 8)).astype(np.float32)
    labels = RNG.integers(0, 8, 60)
    with pytest.raises(EvaluationError, match=r"has state, so samples are steps.*reset_every"):
        evaluate(model, x, labels)
    answers = []
    for step in range(60):
        if step % 20 == 0:
            model.reset()
        answers.append(model.run(x[step : step + 1]).reshape(-1).argmax())
    assert evaluate(model, x, labels, metric="accuracy", reset_every=20).accuracy == np.mean(answers == labels)
    with pytest.raises(EvaluationError, match="has no state to reset"):
        evaluate(linear(3), np.zeros((1, 4), np.int8), [0], reset_every=2)


def test_names_of_classes_say_which_output_they_are(network: qrt.Model, tmp_path: Path) -> None:
    x, labels = images(30), RNG.integers(0, 4, 30)
    found = evaluate(network, x, labels)
    order = ("bee", "cat", "dog", "owl")
    numbers = np.array([order.index(LABELS[label]) for label in labels])
    np.savez(tmp_path / "x.npz", image=x, labels=np.array(LABELS)[labels])
    assert same(evaluate(network, tmp_path / "x.npz"), found)
    held = Dataset("x", 30, numbers, order, "", "", logged(30, (4, 4, 2), 4, tmp_path / "log").source)
    assert [one.support for one in evaluate(network, held).classes] == [one.support for one in found.classes]
    held = Dataset("x", 30, numbers, ("bee", "cat", "dog", "elk"), "", "", held.source)
    with pytest.raises(DataError, match=r"x: has a class 'elk', .* its classes are cat, dog, owl, bee; "):
        evaluate(network, held)
    with_numbers = Dataset("x", 30, numbers % 3, ("1", "0", "3"), "", "", held.source)
    supports = [one.support for one in evaluate(network, with_numbers).classes]
    assert supports == np.bincount(np.array([1, 0, 3])[numbers % 3], minlength=4).tolist()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "the arrays: has no labels, which the metric accuracy needs; pass labels"),
        ([0, 1], r"labels are int64 \(2,\) for 3 samples; give one integer for each sample"),
        ([0.0, 1.0, 2.0], r"labels are float64 \(3,\)"),
        ([0, 4, 5], "the arrays: sample 1 has label 4, the network has classes 0 to 3; number the labels from 0"),
        ([0, 0, -1], "the arrays: sample 2 has label -1"),
    ],
)
def test_labels_that_do_not_fit(network: qrt.Model, labels: list[int] | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate(network, images(3), labels)


def test_metrics_that_do_not_fit(network: qrt.Model) -> None:
    x, labels = images(3), [0, 1, 2]
    with pytest.raises(EvaluationError, match="'scores' has 4 entries; binary needs 1"):
        evaluate(network, x, labels, metric="binary")
    with pytest.raises(EvaluationError, match="a reconstruction needs equal shapes"):
        evaluate(network, x, labels, metric="reconstruction")
    with pytest.raises(EvaluationError, match="1 entry; accuracy of classes needs several"):
        evaluate(linear(1), x.reshape(-1, 4)[:3], labels, metric="accuracy")
    with pytest.raises(EvaluationError, match="a threshold belongs to the metric binary"):
        evaluate(network, x, labels, threshold=0.5)
    with pytest.raises(ValueError, match=r"threads is 1 to 1,024, .* got 1,000,000"):
        evaluate(network, x, labels, threads=1_000_000)
    with pytest.raises(ValueError, match="metric is accuracy, binary, reconstruction, got 'auc'"):
        evaluate(network, x, labels, metric="auc")
    pixels = GraphBuilder("pixels")
    pixels.output(pixels.relu(pixels.input("x", (1, 2, 2, 3), scale=1)))
    with pytest.raises(EvaluationError, match="is 2x2x3 for each sample; only one row for each"):
        evaluate(qrt.load(pixels.compile()), np.zeros((1, 2, 2, 3), np.int8), [0], metric="accuracy")


def test_normal_samples_are_known_by_name(tmp_path: Path) -> None:
    model = linear(4)
    source = logged(90, (4,), 2, tmp_path / "log").source
    labels = np.arange(90) % 3
    found = evaluate(
        model, Dataset("x", 90, labels, ("broken", "good", "scratched"), "", "", source), metric="reconstruction"
    )
    assert found.curve is not None
    assert found.curve.negatives == 30
    with pytest.raises(DataError, match="x: has classes a, b, c, of which none is known to be normal"):
        evaluate(model, Dataset("x", 90, labels, ("a", "b", "c"), "", "", source), metric="reconstruction")


# ------------------------------------------------------------------------------------------------- continuing

CHILD = """
import sys
from pathlib import Path
from command_line import residual
from logged_samples import logged
import qrt
from qrt.evaluation import evaluate, partial
partial.INTERVAL, partial.PATIENCE = 0.0, 0
log, file = map(Path, sys.argv[1:])
evaluate(qrt.load(residual().compile()), logged(640, (4, 4, 2), 4, log, 0.005), resume=file, threads=2)
"""


def test_a_killed_evaluation_continues(network: qrt.Model, tmp_path: Path) -> None:
    expected = evaluate(network, logged(640, (4, 4, 2), 4, tmp_path / "whole"))
    assert samples_read(tmp_path / "whole") == list(range(640))
    log, file = tmp_path / "log", tmp_path / "partial.json"
    child = subprocess.Popen([sys.executable, "-c", CHILD, log, file], cwd=ROOT / "tests")
    while child.poll() is None and len(reads(log)) < 10:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    done = json.loads(file.read_text(encoding="utf-8"))["done"]
    kept = [sample for start, stop in done for sample in range(start, stop)]
    assert 0 < len(kept) < 640
    log.unlink()
    first: list[tuple[int, int]] = []
    found = evaluate(
        network, logged(640, (4, 4, 2), 4, log), resume=file, progress=lambda *counts: first.append(counts)
    )
    assert first[0] == (len(kept), 640)
    assert same(found, expected)
    assert samples_read(log) == sorted(set(range(640)) - set(kept))
    assert not file.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "log"}


def test_an_interrupted_evaluation_keeps_what_is_done(network: qrt.Model, tmp_path: Path) -> None:
    def stop(done: int, count: int) -> None:
        stopped.append(done)
        if done:
            raise KeyboardInterrupt

    stopped: list[int] = []
    data = logged(640, (4, 4, 2), 4, tmp_path / "log")
    with pytest.raises(KeyboardInterrupt):
        evaluate(network, data, resume=tmp_path, progress=stop)
    (file,) = tmp_path.glob("evaluation-*.json")
    assert json.loads(file.read_text(encoding="utf-8"))["tally"]["samples"] == stopped[-1]
    assert same(evaluate(network, data, resume=tmp_path), evaluate(network, data))
    assert not file.exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"top": 2}, "its measure was Classes"),
        ({"labels": 1}, "the data has changed since"),
        ({"model": 1}, "the model has changed since"),
        ({"text": "{}"}, "is not a partial evaluation of this version of qrt"),
        ({"text": "\x00"}, "is not a partial evaluation of this version of qrt"),
    ],
)
def test_a_file_of_another_evaluation_is_refused(
    network: qrt.Model, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    x, labels, file = images(100), RNG.integers(0, 4, 100), tmp_path / "partial.json"

    def stop(done: int, count: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(network, x, labels, resume=file, progress=stop)
    if "labels" in change:
        labels = labels[::-1]
    if "text" in change:
        file.write_text(str(change["text"]), encoding="utf-8")
    before = file.read_bytes()
    other = residual()
    other.graph.name = "pots"
    model = qrt.load(other.compile()) if "model" in change else network
    with pytest.raises(DataError, match=rf"partial\.json: .*{reason}.*; delete it, or name another file"):
        evaluate(model, x, labels, top=2 if "top" in change else 5, resume=file)
    assert file.read_bytes() == before


def test_a_file_that_cannot_be_written_is_refused_before_the_work(network: qrt.Model, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        evaluate(network, logged(640, (4, 4, 2), 4, tmp_path / "log"), resume=tmp_path / "none" / "x.json")
    assert not reads(tmp_path / "log")
