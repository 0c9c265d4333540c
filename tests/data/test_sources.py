"""Where samples and labels come from: arrays, folders, class folders, tables; their numbers, names and digests."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import input_info, pixels, write_image, write_sound

from qrt.data import DataError, Dataset, Preprocess, open_dataset

INFO = input_info((1, 6, 7, 3), layout="NCHW")
SHAPE = (5, 6, 7, 3)


def codes(count: int = 5) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(-128, 128, (count, *SHAPE[1:])).astype(np.int8)


def refused(make: Callable[[], Dataset]) -> str:
    with pytest.raises(DataError) as caught:
        dataset = make()
        dataset.read(0, dataset.count)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_arrays_of_every_type(tmp_path: Path) -> None:
    x = codes()
    path = tmp_path / "x.npy"
    real = INFO.dequantize(x)
    for array, expected in (
        (x, x),
        (x.transpose(0, 3, 1, 2), x),
        (real, real),
        (real.astype(np.float64), real),
        (real.astype(">f4"), real),
    ):
        np.save(path, array)
        dataset = open_dataset(path, [INFO])
        (found,) = dataset.read(1, 4)
        assert dataset.count == len(dataset) == 5
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected[1:4])
    np.save(path, x.view(np.uint8))
    (found,) = open_dataset(path, [input_info((1, 6, 7, 3), source="UINT8")]).read(0, 9)
    assert np.array_equal(found.astype(int), x.view(np.uint8).astype(int) - 128)


def test_several_inputs_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    infos = [INFO, input_info((1, 4), name="z")]
    z = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)
    np.savez(path, z=z, x=codes(), labels=np.array([0, 2, 1, 0, 2], np.uint8))
    dataset = open_dataset(path, infos, classes=("a", "b", "c"))
    x, found = dataset.read(2, 5)
    assert np.array_equal(x, codes()[2:])
    assert np.array_equal(found, z[2:])
    assert dataset.labels is not None
    assert dataset.labels.dtype == np.int64
    assert (dataset.labels.tolist(), dataset.classes, dataset.name(3)) == ([0, 2, 1, 0, 2], ("a", "b", "c"), "3")
    np.savez(path, z=z[:3], x=codes())
    assert refused(lambda: open_dataset(path, infos)) == (
        f"{path}: its arrays have different numbers of samples, x 5, z 3; give the same for every input"
    )


def test_runs_of_several_samples(tmp_path: Path) -> None:
    info = input_info((4, 6))
    x = np.arange(48, dtype=np.int8).reshape(8, 6)
    np.save(tmp_path / "x.npy", x)
    assert open_dataset(tmp_path / "x.npy", [info]).count == 8
    # Files of a run each.
    folder = tmp_path / "runs"
    folder.mkdir()
    for run in range(2):
        np.save(folder / f"{run}.npy", x[4 * run : 4 * run + 4])
    dataset = open_dataset(folder, [info])
    assert dataset.count == 8
    assert np.array_equal(dataset.read(3, 6)[0], x[3:6])
    # Inputs with first axes of different lengths: a sample is a run.
    np.savez(tmp_path / "two.npz", x=x, z=x[:2])
    dataset = open_dataset(tmp_path / "two.npz", [info, input_info((1, 6), name="z")])
    assert [part.shape for part in dataset.read(0, 2)] == [(2, 4, 6), (2, 1, 6)]


def test_folder_of_arrays(tmp_path: Path) -> None:
    x = codes()
    for index, sample in enumerate(x):
        np.save(tmp_path / f"{index}.npy", sample)
    (tmp_path / "notes.txt").write_text("not a sample")
    (tmp_path / ".hidden.npy").write_bytes(b"")
    dataset = open_dataset(tmp_path, [INFO])
    assert dataset.labels is None
    assert np.array_equal(dataset.read(1, 5)[0], x[1:])
    np.save(tmp_path / "2.npy", x[:2])
    assert refused(lambda: open_dataset(tmp_path, [INFO])) == (
        f"{tmp_path / '2.npy'}: holds 2 samples; give one in each file"
    )
    np.save(tmp_path / "2.npy", np.full(SHAPE[1:], np.nan))
    assert "2.npy: input x: sample 0 has NaN or infinity" in refused(lambda: open_dataset(tmp_path, [INFO]))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of images."""
    pytest.importorskip("PIL")
    for index, name in enumerate(("dog/b.png", "cat/x.png", "cat/deep/y.png", "dog/a.jpg")):
        write_image(tmp_path / "photos" / name, pixels(6, 7, seed=index))
    return tmp_path / "photos"


def test_class_folders(photos: Path) -> None:
    dataset = open_dataset(photos, [INFO])
    names = [dataset.name(index) for index in range(4)]
    assert names == ["cat/deep/y.png", "cat/x.png", "dog/a.jpg", "dog/b.png"]
    assert dataset.labels is not None
    assert (dataset.labels.tolist(), dataset.classes) == ([0, 0, 1, 1], ("cat", "dog"))
    named = open_dataset(photos, [INFO], classes=("owl", "dog", "cat"))
    assert named.labels is not None
    assert (named.labels.tolist(), named.classes) == ([2, 2, 1, 1], ("owl", "dog", "cat"))
    # Other names for the same classes, in the same order.
    other = open_dataset(photos, [INFO], classes=("Katze", "Hund"))
    assert (other.labels is not None and other.labels.tolist(), other.classes) == ([0, 0, 1, 1], ("cat", "dog"))
    assert refused(lambda: open_dataset(photos, [INFO], classes=("cat", "dogs"))) == (
        f"{photos}: class dog is none of the network's labels; did you mean dogs?"
    )


def test_classes_that_are_numbers(photos: Path) -> None:
    (photos / "cat").rename(photos / "0")
    (photos / "dog").rename(photos / "1")
    assert open_dataset(photos, [INFO]).classes == ("0", "1")
    (photos / "1").rename(photos / "7")
    assert "its classes are numbers, but not those from 0 to 1" in refused(lambda: open_dataset(photos, [INFO]))
    labels = open_dataset(photos, [INFO], classes=[str(k) for k in range(10)]).labels
    assert labels is not None
    assert labels.tolist() == [0, 0, 7, 7]


def test_folders_that_are_unclear(photos: Path) -> None:
    write_image(photos / "beside.png", pixels(6, 7))
    assert refused(lambda: open_dataset(photos, [INFO])).startswith(f"{photos}: contains beside.png beside folders of ")
    (photos / "beside.png").unlink()
    np.save(photos / "cat/z.npy", codes(1)[0])
    assert refused(lambda: open_dataset(photos, [INFO])).startswith(f"{photos}: contains images (cat/deep/y.png) and ")
    (photos / "cat/z.npy").unlink()
    assert refused(lambda: open_dataset(photos, [INFO, INFO])).startswith(f"{photos}: has samples for one input; the ")
    empty = photos / "none"
    empty.mkdir()
    assert refused(lambda: open_dataset(empty, [INFO])).startswith(f"{empty}: contains no samples (.npy, .png")


def write_table(path: Path, columns: dict[str, list[Any]]) -> Path:
    if path.suffix == ".csv":
        rows = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
        path.write_text("\n".join(rows), encoding="utf-8-sig")
    else:
        pyarrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables(photos: Path, suffix: str) -> None:
    path = photos / f"list{suffix}"
    files = ["dog/b.png", "cat/x.png", "dog/a.jpg"]
    for column, labels, numbers, classes in (
        ("label", ["dog", "cat", "dog"], [1, 0, 1], ("cat", "dog")),
        ("Class", [3, 1, 2], [3, 1, 2], None),
    ):
        dataset = open_dataset(write_table(path, {"id": [7, 8, 9], "File": files, column: labels}), [INFO])
        assert dataset.labels is not None
        assert (dataset.labels.tolist(), dataset.classes, dataset.name(1)) == (numbers, classes, "cat/x.png")
        assert np.array_equal(dataset.read(1, 2)[0], open_dataset(photos / "cat/x.png", [INFO]).read(0, 1)[0])
    assert open_dataset(write_table(path, {"path": files}), [INFO]).labels is None


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_that_cannot_be_used(photos: Path, suffix: str) -> None:
    path = photos / f"list{suffix}"
    rows = ("line 2", "line 3") if suffix == ".csv" else ("row 0", "row 1")
    for columns, reason in (
        ({"picture": ["cat/x.png"]}, "has no column path or file or filename or image; its columns are "),
        ({"path": ["cat/x.png", "cat/z.png"]}, f"{rows[1]}: cat/z.png: no such file; paths are relative to {photos}"),
        ({"path": ["cat/x.png", "cat"]}, f"{rows[1]}: cat: neither an image nor a recording nor .npy; leave "),
        ({"path": ["cat/x.png", "y" * 5000 + ".png"]}, f"{rows[1]}: yyy"),
        ({"path": ["cat/x.png"], "label": [" "]}, f"{rows[0]}: cat/x.png: label is ' '; give a number or a name"),
        ({"path": []}, "has no rows; give one for each sample"),
    ):
        assert refused(lambda: open_dataset(write_table(path, columns), [INFO])).startswith(f"{path}: {reason}")  # noqa: B023
    path.write_bytes(b'path\n"cat\xff')
    assert refused(lambda: open_dataset(path, [INFO])).startswith(f"{path}: n")
    path.write_bytes(b"")
    assert refused(lambda: open_dataset(path, [INFO])).startswith(f"{path}: ")


def test_rows_of_a_csv_that_are_cut(photos: Path) -> None:
    path = photos / "list.csv"
    path.write_text('path,label\ncat/x.png,cat\ncat/x.png\n"cat')
    assert refused(lambda: open_dataset(path, [INFO])) == (
        f"{path}: line 3: has 1 columns; give the file and the label in each row"
    )
    path.write_text('path,label\ncat/x.png,cat\n"cat')
    assert refused(lambda: open_dataset(path, [INFO])).startswith(f"{path}: line 3: ")


def test_labels_of_a_table_that_are_numbers(photos: Path) -> None:
    """A label never stands for another number than it says."""
    columns: dict[str, list[Any]] = {"path": ["cat/x.png", "dog/b.png"], "label": [-1, 1]}
    dataset = open_dataset(write_table(photos / "list.csv", columns), [INFO])
    assert dataset.labels is not None and dataset.labels.tolist() == [-1, 1]
    table = write_table(photos / "list.csv", columns | {"label": ["3.0", "5.0"]})
    assert "its classes are numbers, but not those from 0 to 1" in refused(lambda: open_dataset(table, [INFO]))
    table = write_table(photos / "list.csv", columns | {"label": ["0.0", "1.0"]})
    dataset = open_dataset(table, [INFO])
    assert dataset.labels is not None and dataset.labels.tolist() == [0, 1]


def test_columns_of_one_name(photos: Path) -> None:
    """The first of each name is read, as of a .csv."""
    pyarrow = pytest.importorskip("pyarrow")
    files = pyarrow.array(["cat/x.png", "dog/b.png"])
    columns = [files, pyarrow.array([3, 5]), files]
    table = pyarrow.Table.from_arrays(columns, names=["path", "label", "path"])
    pytest.importorskip("pyarrow.parquet").write_table(table, photos / "list.parquet")
    dataset = open_dataset(photos / "list.parquet", [INFO])
    assert dataset.labels is not None and dataset.labels.tolist() == [3, 5]


def test_errors_of_a_table_name_its_row(photos: Path) -> None:
    path = write_table(photos / "list.csv", {"path": ["cat/x.png", "dog/b.png"]})
    (photos / "dog/b.png").write_bytes(b"no image")
    dataset = open_dataset(path, [INFO])
    with pytest.raises(DataError, match=r"list\.csv: line 3: dog/b\.png: no image that can be read"):
        dataset.read(0, 2)


def test_recordings_of_classes(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    for name in ("yes/a.wav", "no/b.wav", "no/c.wav"):
        write_sound(tmp_path / name, np.arange(100, dtype=np.int16) * len(name))
    steps = Preprocess.parse("audio = { rate = 16000, features = 'samples' }", "p.toml")
    dataset = open_dataset(tmp_path, [input_info((1, 100))], steps)
    assert dataset.labels is not None
    assert (dataset.labels.tolist(), dataset.classes) == ([0, 0, 1], ("no", "yes"))
    assert dataset.read(0, 3)[0].shape == (3, 100)


def test_what_the_digest_tells(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    steps = Preprocess.parse("image = { range = [0, 1] }", "p.toml")

    def arrays(first: int, **options: Any) -> str:
        x = codes()
        x[0, 0, 0, 0] = first
        np.savez(path, x=x)
        return open_dataset(path, [INFO], **options).digest

    digests = [arrays(1), arrays(2), arrays(1, layout="NHWC"), arrays(1, preprocess=steps), arrays(1, classes=("a",))]
    digests += [open_dataset(photos, [INFO], p).digest for p in (None, steps)]
    assert len(set(digests)) == len(digests)
    assert arrays(1) == digests[0]
    assert open_dataset(photos, [INFO]).digest == digests[-2]
    write_image(photos / "dog/b.png", pixels(6, 7, seed=9))
    assert open_dataset(photos, [INFO]).digest != digests[-2]


def test_pickled(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, x=codes(1000), labels=np.arange(1000))
    for source in (path, photos):
        dataset = open_dataset(source, [INFO])
        content = pickle.dumps(dataset)
        twin = pickle.loads(content)
        assert np.array_equal(twin.read(1, 3)[0], dataset.read(1, 3)[0])
        assert np.array_equal(twin.labels, dataset.labels)
        assert (twin.count, twin.classes, twin.digest) == (dataset.count, dataset.classes, dataset.digest)
        # The arrays stay in the file.
        assert len(content) < 20_000
    content = pickle.dumps(open_dataset(path, [INFO]))
    np.savez(path, x=codes(2))
    with pytest.raises(DataError, match="has changed since it was opened; open it again"):
        pickle.loads(content).read(0, 1)
