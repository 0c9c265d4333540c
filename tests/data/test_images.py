"""Images as inputs: every step of a preprocessing against numpy and Pillow, and files that cannot be used."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import input_info, pixels, write_image

import qrt
from qrt.data import DataError, Preprocess, open_dataset

Image = pytest.importorskip("PIL.Image")

Array = np.ndarray[Any, Any]


def sample(path: Path, info: qrt.TensorInfo, steps: str = "") -> Array:
    """The sample of one image."""
    preprocess = Preprocess.parse(f"image = {{ {steps} }}", "p.toml") if steps else None
    (found,) = open_dataset(path, [info], preprocess).read(0, 1)
    assert found.shape == (1, *info.shape[1:])
    return found[0]


def resized(array: Array, height: int, width: int, how: str = "BILINEAR") -> Array:
    return np.asarray(Image.fromarray(array).resize((width, height), getattr(Image.Resampling, how)))


def test_mobilenets_pipeline(tmp_path: Path) -> None:
    """Shorter side to 32, center 28x28, mean and standard deviation: as torchvision computes it."""
    array = pixels(50, 41)
    path = write_image(tmp_path / "x.png", array)
    steps = "resize = 32, crop = [28, 28], range = [0, 1], mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225]"
    # int(32 * 50 / 41) is 39; the window begins at round(5.5), which is 6, and at 2.
    cut = resized(array, 39, 32)[6:34, 2:30]
    mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
    expected = (cut.astype(np.float32) / np.float32(255) - mean) / std
    found = sample(path, input_info((1, 28, 28, 3), 0.02, -10), steps)
    assert found.dtype == np.float32
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"])
def test_filters(tmp_path: Path, name: str) -> None:
    array = pixels(20, 30)
    path = write_image(tmp_path / "x.png", array)
    found = sample(path, input_info((1, 9, 12, 3)), f'resize = [9, 12], filter = "{name}", range = [0, 255]')
    assert np.array_equal(found, resized(array, 9, 12, name.upper()))


def test_twice_as_large_by_the_nearest(tmp_path: Path) -> None:
    array = pixels(4, 5)
    path = write_image(tmp_path / "x.png", array)
    found = sample(path, input_info((1, 8, 10, 3)), 'resize = [8, 10], filter = "nearest", range = "codes"')
    assert found.dtype == np.int8
    assert np.array_equal(found, array.repeat(2, axis=0).repeat(2, axis=1).astype(np.int16) - 128)


@pytest.mark.parametrize("shape", [(40, 20), (20, 40), (30, 30)])
def test_fit(tmp_path: Path, shape: tuple[int, int]) -> None:
    array = pixels(*shape)
    path, info = write_image(tmp_path / "x.png", array), input_info((1, 16, 16, 3))
    covers = {(40, 20): (slice(8, 24), slice(0, 16)), (20, 40): (slice(0, 16), slice(8, 24))}
    size = {(40, 20): (32, 16), (20, 40): (16, 32), (30, 30): (16, 16)}[shape]
    cut = resized(array, *size)[covers.get(shape, (slice(None), slice(None)))]
    assert np.array_equal(sample(path, info, 'resize = [16, 16], fit = "cover", range = [0, 255]'), cut)
    inner = {(40, 20): (16, 8), (20, 40): (8, 16), (30, 30): (16, 16)}[shape]
    canvas = np.full((16, 16, 3), 114)
    top, left = (16 - inner[0]) // 2, (16 - inner[1]) // 2
    canvas[top : top + inner[0], left : left + inner[1]] = resized(array, *inner)
    found = sample(path, info, 'resize = [16, 16], fit = "contain", fill = 114, range = [0, 255]')
    assert np.array_equal(found, canvas)


def test_channels(tmp_path: Path) -> None:
    array = pixels(6, 7)
    path, info = write_image(tmp_path / "x.png", array), input_info((1, 6, 7, 3))
    assert np.array_equal(sample(path, info, 'channels = "BGR", range = [0, 255]'), array[:, :, ::-1])
    gray = sample(path, input_info((1, 6, 7, 1)), 'channels = "gray", range = [0, 255]')
    assert np.array_equal(gray[:, :, 0], np.asarray(Image.fromarray(array).convert("L")))
    # Gray images for three channels, and transparency, which is dropped.
    assert np.array_equal(
        sample(write_image(tmp_path / "gray.png", array[:, :, 0]), info, "range = [0, 255]"), array[:, :, [0, 0, 0]]
    )
    clear = np.concatenate([array, np.zeros((6, 7, 1), np.uint8)], axis=2)
    assert np.array_equal(sample(write_image(tmp_path / "clear.png", clear), info, "range = [0, 255]"), array)


@pytest.mark.parametrize("span", [(0, 1), (-1, 1), (0, 255), (-0.5, 0.5)])
def test_ranges(tmp_path: Path, span: tuple[float, float]) -> None:
    array = np.arange(256, dtype=np.uint8).reshape(16, 16)
    path = write_image(tmp_path / "x.png", array)
    found = sample(path, input_info((1, 16, 16, 1)), f"range = [{span[0]}, {span[1]}]")[:, :, 0]
    usual = {(0, 1): array / np.float32(255), (-1, 1): array / np.float32(127.5) - 1, (0, 255): array}
    expected = usual.get(span, array / np.float32(255) + np.float32(span[0]))
    assert np.array_equal(found, np.asarray(expected, np.float32))


@pytest.mark.parametrize(
    ("scale", "zero_point", "source", "span"),
    [
        (1 / 255, -128, "INT8", "0 to 1"),
        (2 / 255, -1, "INT8", "-1 to 1"),
        (1 / 127.5, 0, "INT8", "-1 to 1"),
        (1.0, -128, "INT8", "0 to 255"),
        (1 / 255, -128, "UINT8", "0 to 1"),
    ],
)
def test_what_the_input_makes_plain(tmp_path: Path, scale: float, zero_point: int, source: str, span: str) -> None:
    path = write_image(tmp_path / "x.png", pixels(6, 7))
    info = input_info((1, 6, 7, 3), scale, zero_point, source=source)
    assert open_dataset(path, [info]).assumed == f"bytes of images as {span}, the range of input x, channels as RGB"


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (
            input_info((1, 224, 224, 3)),
            "x.png: is 6x7 RGB, input x takes 224x224 RGB; state it in a file for --preprocess, for example: "
            'image = { resize = [224, 224], channels = "RGB", range = [0, 1] }',
        ),
        (input_info((1, 6, 7, 1)), "x.png: is 6x7 RGB, input x takes 6x7 gray; "),
        (
            input_info((1, 6, 7, 3), 0.018, -10),
            "x.png: nothing says what the bytes of images are for input x, whose codes cover -2.124 to 2.466; ",
        ),
        (input_info((1, 6, 7, 3), 1 / 128, 0, source="UINT8"), "x.png: nothing says what the bytes "),
        (input_info((1, 6, 7, 3), 0.0), "x.png: nothing says what the bytes of images are for input x; "),
        (input_info((1, 6, 7, 5)), "x.png: input x takes 5 channels, which images have not; give arrays"),
    ],
)
def test_what_it_leaves_open(tmp_path: Path, info: qrt.TensorInfo, reason: str) -> None:
    path = write_image(tmp_path / "x.png", pixels(6, 7))
    with pytest.raises(DataError) as caught:
        open_dataset(path, [info]).read(0, 1)
    assert str(caught.value).startswith(f"{tmp_path}/{reason}")


def test_the_example_in_an_error_is_a_preprocessing(tmp_path: Path) -> None:
    path = write_image(tmp_path / "x.png", pixels(60, 70))
    for info in (
        input_info((1, 8, 9, 3), 0.018, -10),
        input_info((1, 8, 9, 1), 1 / 128, 0, source="UINT8"),
        input_info((1, 8, 9)),
        input_info((1, 8, 9, 3)),
    ):
        with pytest.raises(DataError) as caught:
            open_dataset(path, [info]).read(0, 1)
        example = str(caught.value).partition("for example: ")[2]
        (found,) = open_dataset(path, [info], Preprocess.parse(example, "error")).read(0, 1)
        assert found.shape == info.shape


def test_rows_of_numbers_take_gray_images(tmp_path: Path) -> None:
    array = pixels(8, 8, 0)
    path = write_image(tmp_path / "x.png", array)
    found = sample(path, input_info((1, 64)))
    assert np.array_equal(found, array.reshape(64).astype(np.float32) / np.float32(255))


def png_header(width: int, height: int) -> bytes:
    """A PNG that states a size, with a single pixel."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\0\0\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["bomb", "large", "cut", "text", "empty", "missing rows", "16 bits"])
def test_hostile_images(tmp_path: Path, name: str) -> None:
    path = write_image(tmp_path / "x.png", pixels(60, 70))
    whole = path.read_bytes()
    contents = {
        "bomb": (png_header(60_000, 60_000), "states more than 89,478,485 pixels; make it smaller"),
        "large": (png_header(10_000, 10_000), "states more than 89,478,485 pixels; make it smaller"),
        "cut": (whole[: len(whole) // 2], "damaged: "),
        "text": (b"no image", "no image that can be read; write it again as PNG or JPEG"),
        "empty": (b"", "no image that can be read; write it again as PNG or JPEG"),
        "missing rows": (png_header(60, 70), "damaged: "),
    }
    if name == "16 bits":
        Image.fromarray(np.zeros((6, 7), np.uint16)).save(path)
        reason = "has pixels of mode I;16, not bytes; write it with 8 bits for each channel"
    else:
        content, reason = contents[name]
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        sample(path, input_info((1, 6, 7, 3)), "resize = [6, 7], range = [0, 1]")
    assert str(caught.value).startswith(f"{path}: {reason}")


def test_every_cut_jpeg_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    write_image(path, pixels(16, 16))
    whole, info = path.read_bytes(), input_info((1, 16, 16, 3))
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            sample(path, info)


def test_proportions_that_would_need_much_memory(tmp_path: Path) -> None:
    path = write_image(tmp_path / "x.png", np.zeros((1, 9000, 3), np.uint8))
    with pytest.raises(DataError, match="would be resized to 256x2304000; crop it"):
        sample(path, input_info((1, 224, 224, 3)), "resize = 256, crop = [224, 224], range = [0, 1]")
    with pytest.raises(DataError, match=r"is 1x9000, smaller than crop = \[224, 224\]; state a resize before it"):
        sample(path, input_info((1, 224, 224, 3)), "crop = [224, 224], range = [0, 1]")
