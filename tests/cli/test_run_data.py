"""qrt run, compile and compare on images, recordings, folders, tables and standard input."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from command_line import PLAIN, Cli, assert_refused
from data_files import pixels, write_image, write_sound

import qrt
from qrt.cli import verbs
from qrt.compiler import GraphBuilder

pytest.importorskip("PIL")
COLORS = ("red", "green", "blue")


def network(path: str, labels: tuple[str, ...] = COLORS, scale: float = 1 / 255, zero_point: int = -128) -> None:
    """The mean of each channel of an 8x8 image."""
    g = GraphBuilder("colors")
    x = g.input("image", (1, 8, 8, 3), scale=scale, zero_point=zero_point)
    g.output(g.mean(x, scale=scale, zero_point=zero_point, name="mean"), labels=list(labels))
    Path(path).write_bytes(g.compile())


def color(channel: int, seed: int) -> np.ndarray:
    image = pixels(8, 8, seed=seed) // 2
    image[..., channel] += 100
    return image


@pytest.fixture
def colors(cli: Cli) -> Path:
    """A network, and two images of each of its classes, one of which is in the wrong folder."""
    network("colors.qfb")
    for channel, name in enumerate(COLORS):
        for seed in range(2):
            wrong = name == "blue" and seed == 1
            write_image(Path("photos", name, f"{seed}.png"), color(0 if wrong else channel, seed))
    return Path("colors.qfb")


def with_stdin(content: bytes, *arguments: str) -> Result:
    result = CliRunner().invoke(verbs, arguments, input=content, env=PLAIN)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


NOTE = "takes bytes of images as 0 to 1, the range of input image, channels as RGB; --preprocess can say otherwise"


def test_folder_of_classes(cli: Cli, colors: Path) -> None:
    result = cli("run", "colors.qfb", "photos", "--top", "1")
    lines = result.stdout.splitlines()
    assert lines[0] == "mean  6x1x1x3 codes, the largest of 3"
    files = ["blue/0.png", "blue/1.png", "green/0.png", "green/1.png", "red/0.png", "red/1.png"]
    assert [line.split()[0] for line in lines[1:-1]] == files
    assert [line.split()[1] for line in lines[1:-1]] == ["blue:", "red:", "green:", "green:", "red:", "red:"]
    assert lines[-1] == "accuracy 83.3 %, 5 of 6"
    assert result.stderr == f"qrt run: note: photos: {NOTE}\n"
    document = json.loads(cli("run", "colors.qfb", "photos", "--json", "-o", "y.npy").stdout)
    assert document["samples"] == files
    assert document["accuracy"] == 5 / 6
    written = np.load("y.npy")
    assert written.tolist() == document["outputs"][0]["values"]
    model = qrt.load("colors.qfb")
    assert np.array_equal(written[4], model.run(color(0, 0).astype(np.float32) / np.float32(255)))


def test_single_files_and_standard_input(cli: Cli, colors: Path) -> None:
    alone = cli("run", "colors.qfb", "photos/red/0.png")
    assert "accuracy" not in alone.stdout
    both = cli("run", "colors.qfb", "photos/red/0.png", "photos/blue/0.png", "--top", "1").stdout.splitlines()
    assert [line.split()[:2] for line in both[1:]] == [["photos/red/0.png", "red:"], ["photos/blue/0.png", "blue:"]]
    piped = with_stdin(Path("photos/red/0.png").read_bytes(), "run", "colors.qfb", "-")
    assert piped.stdout == alone.stdout
    assert piped.stderr == f"qrt run: note: standard input: {NOTE}\n"
    stream = io.BytesIO()
    np.savez(stream, image=np.stack([color(0, 0), color(2, 0)]) / np.float32(255), labels=np.array(["red", "green"]))
    arrays = with_stdin(stream.getvalue(), "run", "colors.qfb", "-")
    assert arrays.stdout.splitlines()[-1] == "accuracy 50.0 %, 1 of 2"
    assert arrays.stderr == ""
    assert_refused(with_stdin(b"", "run", "colors.qfb", "-"), "qrt run: standard input: neither .npy nor .npz; ")
    assert_refused(with_stdin(b"", "run", "colors.qfb", "-", "-"), "qrt run: standard input: is given more than once")


def test_labels_of_a_file(cli: Cli, colors: Path) -> None:
    Path("names.txt").write_text("green\nred\nblue\n")
    result = cli("run", "colors.qfb", "photos", "--labels", "names.txt")
    assert result.stdout.splitlines()[-1] == "accuracy 16.7 %, 1 of 6"
    Path("names.txt").write_text("rot\ngelb\nblau\n")
    result = cli("run", "colors.qfb", "photos", "--labels", "names.txt")
    assert "classes in the order of their names, none of which is a label of the network" in result.stderr
    Path("names.txt").write_text("red\n")
    reason = "has 1 labels, output mean has 3 entries; write one label on each line"
    assert_refused(cli("run", "colors.qfb", "photos", "--labels", "names.txt"), f"qrt run: names.txt: {reason}")


def test_table(cli: Cli, colors: Path) -> None:
    Path("list.csv").write_text("label,image\n0,photos/red/0.png\n2,photos/blue/0.png\n1,photos/red/1.png\n")
    assert cli("run", "colors.qfb", "list.csv").stdout.splitlines()[-1] == "accuracy 66.7 %, 2 of 3"
    Path("list.csv").write_text("label,image\n1,photos/red/0.png\n3,photos/blue/0.png\n")
    beyond = cli("run", "colors.qfb", "list.csv")
    assert "accuracy" not in beyond.stdout and beyond.exit_code == 0
    assert "sample 1 has label 3, the network has classes 0 to 2, so no accuracy is shown" in beyond.stderr


def test_preprocessing_is_stored_and_read(cli: Cli, colors: Path) -> None:
    """Compiled with the file, the network takes images of any size without it; --preprocess replaces it."""
    pytest.importorskip("onnx")
    from qdq import Net

    n = Net()
    y = n.op("GlobalAveragePool", n.input("x", (1, 3, 8, 8)))
    Path("net.onnx").write_bytes(n.model(y).SerializeToString())
    text = '[image]\nresize = [8, 8]\nrange = [-1, 1]  # as "tf"\n'
    Path("p.toml").write_text(text)
    assert cli("compile", "net.onnx", "-q", "--preprocess", "p.toml").exit_code == 0
    assert qrt.load("net.qfb").preprocessing == text
    assert json.loads(cli("inspect", "net.qfb", "--json").stdout)["preprocessing"] == text
    assert "preprocessing" in cli("inspect", "net.qfb").stdout
    write_image(Path("x.png"), pixels(20, 30))
    stored, given = cli("run", "net.qfb", "x.png"), cli("run", "net.qfb", "x.png", "--preprocess", "p.toml")
    assert (stored.exit_code, stored.stderr) == (0, "")
    assert stored.stdout == given.stdout
    Path("q.toml").write_text('[image]\nresize = [8, 8]\nchannels = "BGR"\nrange = [-1, 1]\n')
    assert cli("run", "net.qfb", "x.png", "--preprocess", "q.toml").stdout != stored.stdout
    compare = ("compare", "net.qfb", "--against", "net.onnx", "--json", "--inputs", "x.png")
    assert json.loads(cli(*compare).stdout)["first_differing"] is None
    # Without it, the file is the same but for the text.
    assert cli("compile", "net.onnx", "-q", "-o", "plain.qfb").exit_code == 0
    assert qrt.load("plain.qfb").preprocessing == ""
    assert len(Path("plain.qfb").read_bytes()) < len(Path("net.qfb").read_bytes())
    Path("p.toml").write_text("[image]\nsize = 3")
    assert_refused(
        cli("compile", "net.onnx", "-q", "--preprocess", "p.toml"), "qrt compile: p.toml: [image]: unknown key size; "
    )


def test_calibration_on_images(cli: Cli, colors: Path) -> None:
    """The file is that of the same samples as arrays in the layout of the source."""
    pytest.importorskip("onnxruntime")
    from qdq import Net

    n = Net(quantized=False)
    y = n.op("Conv", n.input("x", (1, 3, 6, 5)), n.weights((2, 3, 3, 3)))
    Path("float.onnx").write_bytes(n.model(y).SerializeToString())
    Path("p.toml").write_text("[image]\ncrop = [6, 5]\nrange = [-1, 1]\n")
    names = ["blue/0", "blue/1", "green/0", "green/1", "red/0", "red/1"]
    images = [color({"blue": 2, "green": 1, "red": 0}[name[:-2]], int(name[-1])) for name in names]
    images[1] = color(0, 1)
    # The window of 6x5 in 8x8 begins at 1 and at round(1.5), which is 2.
    x = np.stack(images)[:, 1:7, 2:7].astype(np.float32) / np.float32(127.5) - np.float32(1)
    np.save("x.npy", x.transpose(0, 3, 1, 2))
    for data, output in (("photos", "a.qfb"), ("x.npy", "b.qfb")):
        arguments = ("--calibrate", data, "--preprocess", "p.toml", "-o", output, "-q")
        result = cli("compile", "float.onnx", *arguments)
        assert result.exit_code == 0, result.output
    assert Path("a.qfb").read_bytes() == Path("b.qfb").read_bytes()


def test_recordings(cli: Cli) -> None:
    pytest.importorskip("soundfile")
    g = GraphBuilder("sound")
    x = g.input("x", (1, 7, 8), scale=0.1, zero_point=0)
    g.output(g.reshape(x, (1, 56), name="y"))
    Path("net.qfb").write_bytes(g.compile())
    write_sound(Path("x.wav"), (np.sin(np.arange(400) / 3) * 9000).astype(np.int16))
    Path("p.toml").write_text("[audio]\nrate = 16000\nwindow = 100\nhop = 50\nn_mels = 8\n")
    result = cli("run", "net.qfb", "x.wav", "--preprocess", "p.toml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("y  1x56 codes\n")
    assert_refused(cli("run", "net.qfb", "x.wav"), "qrt run: x.wav: nothing says what of recordings input x takes; ")


def wrong(kind: str) -> tuple[list[str], str]:
    """Arguments of qrt run, and the error."""
    if kind == "folder beside a file":
        return ["photos", "photos/red/0.png"], "photos: beside other files; give one folder or table, or several "
    if kind == "damaged":
        Path("photos/green/1.png").write_bytes(Path("photos/green/1.png").read_bytes()[:60])
        return ["photos"], "photos/green/1.png: "
    if kind == "another size":
        write_image(Path("photos/red/2.png"), pixels(9, 8))
        return ["photos"], "photos/red/2.png: is 9x8 RGB, input image takes 8x8 RGB; state it in a file for --preproc"
    if kind == "stream":
        network("colors.qfb")
        return ["photos", "--stream"], "colors.qfb: has no state, so --stream has no meaning"
    return ["nothing.png"], "nothing.png: no such file; check the path"


@pytest.mark.parametrize("kind", ["folder beside a file", "damaged", "another size", "stream", "missing"])
def test_what_cannot_be_run(cli: Cli, colors: Path, kind: str) -> None:
    arguments, reason = wrong(kind)
    result = cli("run", "colors.qfb", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith(f"qrt run: {reason}")


def test_emulated_processors_take_images_too(cli: Cli, colors: Path) -> None:
    pytest.importorskip("unicorn")
    pytest.importorskip("ziglang")
    here, there = (cli("run", "colors.qfb", "photos", *target) for target in ([], ["--target", "cortex-m4"]))
    assert here.stdout == there.stdout
