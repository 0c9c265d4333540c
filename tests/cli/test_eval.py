"""qrt eval: its texts and JSON, and its refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import LABELS, Cli, assert_refused, images, text
from stateful import layered

import qrt
from qrt.cli import console
from qrt.compiler import GraphBuilder


@pytest.fixture
def eval_cli(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """qrt in an empty folder, with what it keeps for later runs in `cache`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cli


@pytest.fixture
def data(pets: Path) -> Path:
    """Ten samples of which the network says what they are, but for three."""
    x = images(10)
    labels = qrt.load(pets).run(x).argmax(axis=1)
    labels[[2, 5, 7]] = (labels[[2, 5, 7]] + 1) % 4
    path = pets.with_name("data.npz")
    np.savez(path, image=x, labels=labels)
    return path


def without_rate(printed: str) -> str:
    lines = printed.splitlines(keepends=True)
    assert lines[-1].endswith(" samples per second\n")
    return "".join(lines[:-2])


def test_text(eval_cli: Cli, pets: Path, data: Path, tmp_path: Path) -> None:
    shown = eval_cli("eval", "pets.qfb", "data.npz", "--top", "2")
    assert shown.stderr == ""
    assert without_rate(shown.stdout) == text("""
samples            10
accuracy           70.00%, 7 right
top-2 accuracy     100.00%
balanced accuracy  50.00%
macro F1           0.4118

Classes
class  samples  precision  recall      F1
cat          7     0.7000  1.0000  0.8235
dog          3          -  0.0000  0.0000
owl          0          -       -       -
bee          0          -       -       -

Confusion: rows are labels, columns answers
     cat  dog  owl  bee
cat    7    .    .    .
dog    3    .    .    .
owl    .    .    .    .
bee    .    .    .    .

First wrong samples
sample  label  answer
     2  dog    cat
     5  dog    cat
     7  dog    cat
""")
    assert not list((tmp_path / "cache").rglob("*.json"))


def test_json(eval_cli: Cli, pets: Path, data: Path) -> None:
    document = json.loads(eval_cli("eval", "pets.qfb", "data.npz", "--json").stdout)
    assert document["file"] == "pets.qfb"
    assert (document["metric"], document["samples"], document["accuracy"]) == ("accuracy", 10, 0.7)
    assert [one["name"] for one in document["classes"]] == LABELS
    assert np.trace(document["confusion"]) == 7
    assert sum(count for *_, count in document["confused"]) == 3
    assert [one["sample"] for one in document["wrong"]] == [2, 5, 7]
    again = json.loads(eval_cli("eval", "pets.qfb", "data.npz", "--json", "--threads", "1", "--no-resume").stdout)
    assert again == document
    again = json.loads(eval_cli("eval", "pets.qfb", "data.npz", "--json", "--kernels", "portable").stdout)
    assert again == document


def test_many_classes_show_the_worst(eval_cli: Cli) -> None:
    g = GraphBuilder("many")
    x = g.input("x", (1, 30), scale=0.1)
    g.output(g.relu(x))
    Path("many.qfb").write_bytes(g.compile())
    labels = np.arange(300) % 30
    x_codes = np.full((300, 30), -100, np.int8)
    x_codes[np.arange(300), np.where(labels == 7, 9, labels)] = 100
    np.savez("x.npz", x=x_codes, labels=labels)
    shown = eval_cli("eval", "many.qfb", "x.npz").stdout
    assert "\nClasses, the worst 20 of 30\n" in shown
    assert "\nConfused, 1 of 1 pairs\nlabel  answer  samples\n7      9            10\n" in shown
    assert "\nClasses\n" in eval_cli("eval", "many.qfb", "x.npz", "--all").stdout


def test_thresholds_of_one_output(eval_cli: Cli) -> None:
    g = GraphBuilder("one")
    x = g.input("x", (1, 1), scale=1 / 256, zero_point=-128)
    g.output(g.clamp(x))
    Path("one.qfb").write_bytes(g.compile())
    codes = np.linspace(-128, 127, 20).astype(np.int8).reshape(-1, 1)
    np.savez("x.npz", x=codes, labels=(codes.ravel() > 20).astype(int))
    shown = eval_cli("eval", "one.qfb", "x.npz").stdout
    assert "threshold          0.5\n" in shown
    assert "area under ROC     1.0000\n" in shown
    assert "\nThresholds\n" in shown
    assert " 1.0000 best\n" in shown


def test_folders_of_images_by_names_that_a_file_has(eval_cli: Cli) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    g = GraphBuilder("colors")
    x = g.input("x", (1, 2, 2, 3), scale=1 / 255, zero_point=-128)
    g.output(g.reshape(g.mean(x, scale=1 / 255, zero_point=-128), (1, 3)))
    Path("colors.qfb").write_bytes(g.compile())
    for name, color in [("red", (255, 0, 0)), ("blue", (0, 0, 255)), ("green", (0, 255, 0))]:
        Path("photos", name).mkdir(parents=True)
        for size in (2, 5):
            image.new("RGB", (size, size), color).save(f"photos/{name}/{size}.png")
    image.new("RGB", (2, 2), (255, 0, 0)).save("photos/green/wrong.png")
    Path("names.txt").write_text("red\ngreen\nblue\n", encoding="utf-8")
    Path("p.toml").write_text("[image]\nresize = [2, 2]\n", encoding="utf-8")
    shown = eval_cli("eval", "colors.qfb", "photos", "--labels", "names.txt", "--preprocess", "p.toml")
    assert "accuracy           85.71%, 6 right\n" in shown.stdout
    assert "\nsample  label  answer  file\n     4  green  red     green/wrong.png\n" in shown.stdout


def test_progress_says_the_rate(eval_cli: Cli, pets: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "PATIENCE", 0)
    shown = eval_cli("eval", "pets.qfb", "data.npz", "--threads", "1", FORCE_COLOR="1")
    assert "samples" in shown.stderr
    assert without_rate(shown.stdout).startswith("samples            10\n")


def test_a_later_run_continues(eval_cli: Cli, pets: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = eval_cli("eval", "pets.qfb", "data.npz", "--json")

    def press_ctrl_c(bar: console.Progress, done: int) -> None:
        if done:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(console.Progress, "done", press_ctrl_c)
        stopped = eval_cli("eval", "pets.qfb", "data.npz", "--threads", "1")
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    assert "note: stopped; the same command continues: 8 of 10 samples are done\n" in stopped.stderr
    assert len(list(Path("cache").rglob("*.json"))) == 1
    shown = eval_cli("eval", "pets.qfb", "data.npz", "--json")
    assert shown.stderr == "qrt eval: note: continues a run that was stopped: 8 of 10 samples are done\n"
    assert shown.stdout == whole.stdout
    assert not list(Path("cache").rglob("*.json"))


def test_refusals(eval_cli: Cli, pets: Path, data: Path) -> None:
    np.savez("bare.npz", image=images(2))
    np.savez("far.npz", image=images(2), labels=[0, 7])
    Path("state.qfb").write_bytes(layered().compile())
    Path("other.json").write_text("{}", encoding="utf-8")
    for arguments, line in [
        (["bare.npz"], "qrt eval: bare.npz: has no labels, which the metric accuracy needs; give an .npz with"),
        (
            ["far.npz"],
            "qrt eval: far.npz: sample 1 has label 7, the network has classes 0 to 3; number the labels from 0",
        ),
        (["none.npz"], "qrt eval: none.npz: no such file"),
        (["data.npz", "--metric", "binary"], "qrt eval: pets.qfb: output 'scores' has 4 entries; binary needs 1"),
        (["data.npz", "--reset-every", "2"], "qrt eval: pets.qfb: has no state to reset; leave out --reset-every"),
        (["data.npz", "--resume", "other.json"], "qrt eval: other.json: is not a partial evaluation"),
        (["data.npz", "--resume", "x.json", "--no-resume"], "qrt eval: --resume and --no-resume contradict each other"),
        (["data.npz", "--dask", "tcp://x:1", "--threads", "2"], "qrt eval: --threads is of this machine"),
    ]:
        assert_refused(eval_cli("eval", "pets.qfb", *arguments), line)
    assert_refused(
        eval_cli("eval", "state.qfb", "data.npz"),
        "qrt eval: state.qfb: has state, so samples are steps of sequences; say how many steps each has with",
    )
