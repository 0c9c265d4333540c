"""qrt tune: the ways to quantize a float network, measured on samples that calibration has not seen."""

from __future__ import annotations

import json
import operator
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Cli, assert_refused
from float_tflite import SHAPE, float_tflite

import qrt
from qrt.cli.calibration import Reference, samples_for
from qrt.cli.samples import Samples
from qrt.cli.trials import Task, Trial, Way, tried, unseen
from qrt.compiler.calibration import float_network
from qrt.evaluation.spread import on_processes

pytest.importorskip("onnxruntime")
onnx_models = pytest.importorskip("onnx_models")
INPUT = (1, 3, 6, 6)


def data(name: str, count: int, seed: int, *, labels: bool = True, batch: int = 1) -> Path:
    """Samples in name.npz, labelled as the float network answers."""
    x = np.random.default_rng(seed).normal(size=(count, *INPUT[1:])).astype(np.float32)
    network = float_network("net.onnx")
    answers = np.concatenate([network.run([x[i : i + batch]]) for i in range(0, count, batch)]).argmax(1)
    np.savez(name, x=x, **({"labels": answers} if labels else {}))
    return Path(f"{name}.npz")


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """net.onnx; one channel is a hundred times as large as the others, so that int8 alone is not good."""
    monkeypatch.chdir(tmp_path)
    n = onnx_models.Net(INPUT)
    x = n.node("Relu", n.conv("x", 6, 3, pads=[1, 1, 1, 1]))
    gains = n.constant(np.array([100, 1, 1, 1, 1, 1], np.float32).reshape(6, 1, 1))
    x = n.conv(n.node("Div", n.node("Mul", x, gains), gains), 6, 6)
    y = n.gemm(n.node("Flatten", n.node("GlobalAveragePool", x)), 5, 6)
    Path("net.onnx").write_bytes(n.model(y).SerializeToString())
    return Path("net.onnx")


def tuned(cli: Cli, *options: str) -> dict[str, Any]:
    options = ("net.onnx", "--calibrate", "train.npz", "--evaluate", "val.npz", *options)
    result = cli("tune", *options, "--jobs", "1", "--json")
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_the_best_is_what_its_command_makes(cli: Cli, network: Path) -> None:
    data("train", 8, 1)
    data("val", 30, 2)
    document = tuned(cli, "-o", "best.qfb")
    rows, best = document["trials"], document["trials"][document["best"]]
    tried = {(row["method"], row["samples"], row["granularity"]) for row in rows}
    methods, granularities = ("minmax", "entropy", "percentile"), ("per_channel", "per_tensor")
    assert tried == {(m, n, g) for m in methods for n in (8, 2) for g in granularities}
    assert {row["bias"] for row in rows} == {"int32", "float"}
    assert best["accuracy"] == max(row["accuracy"] for row in rows)
    assert best["int16"][0] == "node_Mul2"
    assert max(row["accuracy"] for row in rows if not row["int16"]) < best["accuracy"]
    content = Path("best.qfb").read_bytes()
    assert (len(content), document["float_accuracy"]) == (best["file_size"], 1.0)
    made = cli(*document["command"][1:], "--json")
    assert made.exit_code == 0, made.stderr
    assert Path("best.qfb").read_bytes() == content
    said = json.loads(made.stdout)
    assert said["accuracy"]["qrt"] == pytest.approx(best["accuracy"])
    assert said["accuracy_samples"] == {"path": "val.npz", "count": 30, "calibration": False}
    model, held = qrt.load("best.qfb"), np.load("val.npz")
    right = model.run(held["x"], layout="NCHW").argmax(1) == held["labels"]
    assert right.mean() == pytest.approx(best["accuracy"])


def test_folders_of_images_are_samples_as_a_file_states(cli: Cli, network: Path) -> None:
    """The file that is written keeps the preprocessing, and the command makes the same file."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(1)
    for name, count in (("train", 8), ("val", 4)):
        for i in range(count):
            folder = Path(name, str(i % 5))
            folder.mkdir(parents=True, exist_ok=True)
            image.fromarray(rng.integers(0, 256, (9, 7, 3), np.uint8)).save(folder / f"{i}.png")
    Path("images.toml").write_text("image = { resize = [6, 6], range = [-1, 1] }\n")
    options = ("net.onnx", "--calibrate", "train", "--evaluate", "val", "-o", "best.qfb")
    assert_refused(cli("tune", *options), "qrt tune: train: nothing says what the bytes of images are for input x; ")
    result = cli("tune", *options, "--preprocess", "images.toml", "--jobs", "1", "--json")
    assert result.exit_code == 0, result.stderr
    content, document = Path("best.qfb").read_bytes(), json.loads(result.stdout)
    assert qrt.load(content).preprocessing == Path("images.toml").read_text()
    assert document["evaluated"] == {"path": "val", "count": 4}
    assert cli(*document["command"][1:]).exit_code == 0
    assert Path("best.qfb").read_bytes() == content


def test_on_a_cluster(cli: Cli) -> None:
    """The file and the samples travel, and the numbers are those of one process."""
    distributed = pytest.importorskip("distributed")
    pytest.importorskip("litert_quantizer")
    Path("net.tflite").write_bytes(float_tflite())
    for name, seed in (("train", 1), ("val", 2)):
        np.save(name, np.random.default_rng(seed).normal(size=(4, *SHAPE[1:])).astype(np.float32))
    options = ("tune", "net.tflite", "--calibrate", "train.npy", "--evaluate", "val.npy", "--json")
    found = [cli(*options, "--jobs", "1")]
    cluster = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**cluster) as running:
        found.append(cli(*options, "--dask", running.scheduler_address))
    alone, together = (json.loads(result.stdout) for result in found)
    for row in (*alone["trials"], *together["trials"]):
        assert row.pop("time") > 0 and row["accuracy"] is None
    assert alone == together


def test_processes_give_the_same(network: Path) -> None:
    """A task travels by its content; what is shared by all calls is sent once."""
    assert sorted(on_processes(operator.add, 10, [1, 2, 3], 2)) == [11, 12, 13]
    data("train", 4, 1)
    float_net = float_network(network)
    samples = samples_for(float_net, Path("train.npz"))
    task = Task(network, network.read_bytes(), samples, Reference.of(float_net, samples), None)
    way = Way("minmax", 4, "per_channel")
    copied = pickle.loads(pickle.dumps(task))
    network.unlink()
    for one, other in zip(tried(task, way), tried(copied, way), strict=True):
        assert isinstance(one, Trial) and one == other


def test_samples_that_calibration_has_seen(cli: Cli, network: Path) -> None:
    train = np.load(data("train", 8, 1))
    options = ("tune", "net.onnx", "--calibrate", "train.npz", "--evaluate")
    refused = cli(*options, "train.npz")
    assert_refused(refused, "qrt tune: train.npz: calibration has seen all of its 8 samples; give others")
    new = np.load(data("new", 6, 2))
    np.savez("both.npz", **{k: np.concatenate([train[k][2:5], new[k]]) for k in ("x", "labels")})
    result = cli(*options, "both.npz", "--jobs", "1")
    assert "both.npz: 3 of 9 samples are in train.npz too, and left out" in result.stderr
    assert result.stdout.startswith("Measured on 6 samples of both.npz, which calibration has not seen; accuracy of ")
    (best,) = (line for line in result.stdout.splitlines() if line.startswith("*"))
    assert best.split()[1] in ("minmax", "entropy", "percentile")
    assert result.stdout.splitlines()[-1].startswith("qrt compile net.onnx --calibrate train.npz --evaluate both.npz ")


def test_samples_in_batches_are_told_apart() -> None:
    x = np.arange(10, dtype=np.float32).reshape(5, 2, 1)
    whole = Samples([x], np.arange(9), 9, 2, Path("a"))
    rest = unseen(whole, Samples([x[1:3]], None, 4, 2, Path("b")))
    assert rest.count == 5
    assert rest.labels is not None and rest.labels.tolist() == [0, 1, 6, 7, 8]
    assert rest.inputs[0].ravel()[:5].tolist() == [0, 1, 6, 7, 8]
    assert unseen(whole, whole).count == 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["tflite", "pt2"])
def test_other_kinds_of_files(cli: Cli, kind: str) -> None:
    """As far as their quantizers allow: the methods that they have, weights per channel."""
    if kind == "tflite":
        pytest.importorskip("litert_quantizer")
        Path("net.tflite").write_bytes(float_tflite())
        shape, methods = SHAPE[1:], {"minmax"}
    else:
        torch = pytest.importorskip("torch")
        pytest.importorskip("torchao")
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(64, 3))
        torch.export.save(torch.export.export(net.eval(), (torch.zeros(1, 3, 6, 6),)), "net.pt2")
        shape, methods = (3, 6, 6), {"minmax", "histogram"}
    for name, seed in (("train", 1), ("val", 2)):
        np.save(name, np.random.default_rng(seed).normal(size=(4, *shape)).astype(np.float32))
    options = ("--calibrate", "train.npy", "--evaluate", "val.npy", "--jobs", "1", "--json")
    result = cli("tune", f"net.{kind}", *options)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert {row["method"] for row in document["trials"]} == methods
    assert {row["granularity"] for row in document["trials"]} == {"per_channel"}
    refused = cli("compile", f"net.{kind}", "--calibrate", "train.npy", "--per-tensor")
    assert "cannot be quantized per tensor; " in refused.stderr


def test_what_cannot_be_tuned(cli: Cli, network: Path) -> None:
    data("train", 4, 1)
    data("val", 4, 2)
    options = ("--calibrate", "train.npz", "--evaluate", "val.npz")
    refused = cli("tune", "net.onnx", *options, "-o", "best.tflite")
    assert_refused(refused, "qrt tune: best.tflite: can only write .qfb")
    Path("net.h5").write_bytes(b"HDF")
    refused = cli("tune", "net.h5", *options)
    assert_refused(refused, "qrt tune: net.h5: cannot be calibrated; give .onnx or .tflite or .pt2")
    refused = cli("tune", "net.onnx", *options, "--match", "tflm", "--jobs", "1")
    assert refused.stderr.startswith("qrt tune: net.onnx: cannot match 'tflm'") and refused.exit_code == 2


def test_compile_says_which_samples_its_accuracy_is_on(cli: Cli, network: Path) -> None:
    data("train", 8, 1)
    data("val", 6, 2)
    seen = cli("compile", "net.onnx", "--calibrate", "train.npz")
    assert "the accuracy is on the calibration samples; give others with --evaluate DATA" in seen.stderr
    assert "on 8 samples, those of the calibration" in seen.stdout
    other = cli("compile", "net.onnx", "--calibrate", "train.npz", "--samples", "5", "--evaluate", "val.npz")
    assert other.stderr == ""
    assert "on 5 samples of train.npz, minmax" in other.stdout and "on 6 samples, of val.npz" in other.stdout
    data("plain", 6, 2, labels=False)
    refused = cli("compile", "net.onnx", "--calibrate", "train.npz", "--evaluate", "plain.npz")
    assert_refused(refused, "qrt compile: plain.npz: contains no labels")
    refused = cli("compile", "net.onnx", "--evaluate", "val.npz")
    assert "give --calibrate too" in refused.stderr


@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile"])
def test_a_static_batch(cli: Cli, method: str) -> None:
    """The last run of a network of four samples is filled up."""
    n = onnx_models.Net((4, *INPUT[1:]))
    y = n.gemm(n.node("Flatten", n.node("GlobalAveragePool", n.conv("x", 4, 3))), 5, 4)
    Path("net.onnx").write_bytes(n.model(y).SerializeToString())
    data("train", 8, 1, batch=4)
    np.savez("short.npz", **{k: v[:6] for k, v in np.load("train.npz").items()})
    result = cli("compile", "net.onnx", "--calibrate", "short.npz", "--calibration", method)
    assert result.exit_code == 0, result.stderr
    assert f"on 6 samples of short.npz, {method}" in result.stdout
