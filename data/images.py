"""Image files as inputs of a network, by Pillow."""

from __future__ import annotations

import io
import threading
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from qrt.data import arrays
from qrt.data.arrays import Array
from qrt.data.dataset import Entry
from qrt.data.errors import DataError
from qrt.data.preprocess import CODES, ImageSteps
from qrt.edges import TensorInfo

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
MAGICS = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"GIF8", b"II*\0", b"MM\0*", b"P5", b"P6")
# Formats whose readers are Pillow's own code; others start programs.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
# Of an image that is resized.
MOST_PIXELS = 1 << 26
# Pillow's modes of bytes; others have more bits for each channel.
BYTES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
NOTHING = ImageSteps(None, None, "stretch", "bilinear", 0, None, None, (), ())
# What images are most often scaled to.
USUAL_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
# Filters of warnings are those of the whole process.
_filters = threading.Lock()


@dataclass(frozen=True)
class ImageFile:
    """Reads an image as a sample.

    Attributes
    ----------
    info : qrt.TensorInfo
        The input.
    steps : ImageSteps
        With `channels` and `range`.
    exact : bool
        Whether images must have the channels and the size of the input as they are.
    """

    info: TensorInfo
    steps: ImageSteps
    exact: bool

    def __call__(self, entry: Entry) -> Array:
        content = arrays.read_bytes(entry.path) if entry.content is None else entry.content
        image, where = _opened(content, entry.where), entry.where
        if self.exact and not _is_exact(image, self.info):
            got = f"is {image.height}x{image.width} {'gray' if image.mode == 'L' else image.mode}"
            wanted = f"input {self.info.name} takes {_wanted(self.info)}"
            raise DataError(f"{where}: {got}, {wanted}; {stating(self.info)}")
        gray = self.steps.channels == "gray"
        try:
            image = image.convert("L" if gray else "RGB")
        except Exception as error:  # Pillow's readers raise errors of many kinds on damaged files.
            raise DataError(f"{where}: damaged: {error or type(error).__name__}; write it again") from None
        image = _cropped(_resized(image, self.steps, where), self.steps.crop, where)
        pixels = np.asarray(image).reshape(image.height, image.width, -1)
        if self.steps.channels == "BGR":
            pixels = pixels[:, :, ::-1]
        if pixels.shape != image_shape(self.info, pixels.shape):
            got = f"is {image.height}x{image.width} after its preprocessing"
            wanted = f"input {self.info.name} takes {_wanted(self.info)}"
            raise DataError(f"{where}: {got}, {wanted}; {stating(self.info)}")
        return self._values(pixels).reshape(1, *self.info.shape[1:])

    def _values(self, pixels: Array) -> Array:
        """int8 codes or float32 of bytes."""
        steps = self.steps
        if not isinstance(steps.range, tuple):
            codes: Array = (pixels ^ np.uint8(128)).view(np.int8)
            return codes
        low, high = steps.range
        # Divided, as torchvision and Keras do.
        real: Array = pixels.astype(np.float32) / np.float32(255 / (high - low)) + np.float32(low)
        if steps.mean:
            real = real - np.array(steps.mean, np.float32)
        return real / np.array(steps.std, np.float32) if steps.std else real


def image_file(info: TensorInfo, steps: ImageSteps | None, where: str) -> tuple[ImageFile, str]:
    """A reader of images for an input, and what it assumes because nothing states it."""
    channels = info.shape[3] if len(info.shape) == 4 else 1
    if channels not in (1, 3):
        raise DataError(f"{where}: input {info.name} takes {channels} channels, which images have not; give arrays")
    found = steps or NOTHING
    stated = {None: channels, "gray": 1}.get(found.channels, 3)
    if stated != channels:
        reason = f'channels = "{found.channels}" gives {stated}, input {info.name} takes {channels}'
        raise DataError(f"{where}: {reason}; {stating(info)}")
    for key, numbers in (("mean", found.mean), ("std", found.std)):
        if len(numbers) not in (0, 1, channels):
            reason = f"{key} has {len(numbers)} numbers, input {info.name} takes {channels} channels"
            raise DataError(f"{where}: {reason}; give one number for each")
    if found.range == CODES and info.dtype != np.int8:
        raise DataError(f'{where}: range = "codes" is for int8 inputs, {info.name} is {info.dtype}; give two numbers')
    assumed = ""
    if found.range is None:
        meant = (0.0, 1.0) if found.mean or found.std else plain_range(info)
        if meant is None:
            covers = f", whose codes cover {_covered(info)}" if info.scale else ""
            reason = f"nothing says what the bytes of images are for input {info.name}{covers}"
            raise DataError(f"{where}: {reason}; {stating(info)}")
        if not found.mean and not found.std:
            assumed = f"bytes of images as {meant[0]:g} to {meant[1]:g}, the range of input {info.name}"
        found = replace(found, range=meant)
    if found.channels is None:
        found = replace(found, channels="gray" if channels == 1 else "RGB")
        if steps is None and channels == 3:
            assumed += ", channels as RGB"
    return ImageFile(info, found, steps is None), assumed


def image_shape(info: TensorInfo, found: tuple[int, ...]) -> tuple[int, ...] | None:
    """Height, width and channels that an input takes; of rows of numbers, as of an image of that many bytes."""
    shape = info.shape[1:]
    if len(shape) == 3:
        return shape
    if len(shape) == 2 and shape[0] != 1:
        return (*shape, 1)
    return found if found[2] == 1 and found[0] * found[1] == np.prod(shape) else None


def plain_range(info: TensorInfo) -> tuple[float, float] | None:
    """The range that the codes of an input cover, if it is a usual one; None for uint8, whose codes may be bytes."""
    if not info.scale or info.dtype != np.int8:
        return None
    low, high = ((code - info.zero_point) * info.scale for code in (-128, 127))
    usual = ((0.0, 1.0), (0.0, 255.0)) if info.source_dtype == "UINT8" else USUAL_RANGES
    for first, last in usual:
        close = abs(high - low - (last - first)) <= (last - first) / 100
        if close and abs(low - first) <= info.scale and (info.source_dtype != "UINT8" or info.zero_point == -128):
            return first, last
    return None


def stating(info: TensorInfo) -> str:
    """The remedy: the preprocessing that an input may need."""
    shape = info.shape[1:3] if len(info.shape) in (3, 4) else None
    size = f"resize = [{shape[0]}, {shape[1]}], " if shape else ""
    channels = "gray" if len(info.shape) < 4 or info.shape[3] == 1 else "RGB"
    plain = plain_range(info)
    if plain is not None:
        meaning = f"range = [{plain[0]:g}, {plain[1]:g}]"
    elif info.source_dtype == "UINT8":
        meaning = 'range = "codes"'
    else:
        meaning = "range = [0, 1], mean = 0.5, std = 0.25"
    example = f'image = {{ {size}channels = "{channels}", {meaning} }}'
    return f"state it in a file for --preprocess, for example: {example}"


def _covered(info: TensorInfo) -> str:
    low, high = ((code - info.zero_point) * info.scale for code in (-128, 127))
    return f"{low:.4g} to {high:.4g}"


def _wanted(info: TensorInfo) -> str:
    shape = info.shape[1:]
    if len(shape) == 3:
        return f"{shape[0]}x{shape[1]} {'gray' if shape[2] == 1 else 'RGB'}"
    return f"{'x'.join(map(str, shape))} gray"


def _is_exact(image: Image.Image, info: TensorInfo) -> bool:
    channels = {"1": 1, "L": 1, "P": 3, "RGB": 3, "YCbCr": 3}.get(image.mode, 0)
    found = (image.height, image.width, channels)
    return image_shape(info, found) == found


def _opened(content: bytes, where: str) -> Image.Image:
    """An image of which the header has been read."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError(f'{where}: images are read by Pillow; install it with: pip install "qrt[data]"') from None
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise DataError(f"{where}: states more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller") from None
        except Exception:  # as above
            raise DataError(f"{where}: no image that can be read; write it again as PNG or JPEG") from None
    if image.mode not in BYTES:
        raise DataError(f"{where}: has pixels of mode {image.mode}, not bytes; write it with 8 bits for each channel")
    return image


def _resized(image: Image.Image, steps: ImageSteps, where: str) -> Image.Image:
    from PIL import Image

    if steps.resize is None:
        return image
    wide, high = image.size
    if isinstance(steps.resize, int):
        short, long = sorted(image.size)
        other = steps.resize * long // short
        size = (steps.resize, other) if wide <= high else (other, steps.resize)
    else:
        size = _fitted(wide, high, steps.resize, steps.fit)
    if size[0] * size[1] > MOST_PIXELS:
        raise DataError(f"{where}: would be resized to {size[1]}x{size[0]}; crop it to usual proportions")
    if size != image.size:
        image = image.resize(size, Image.Resampling[steps.filter.upper()])
    if steps.fit == "contain" and isinstance(steps.resize, tuple):
        canvas = Image.new(image.mode, steps.resize[::-1], (steps.fill,) * len(image.getbands()))
        canvas.paste(image, ((canvas.width - image.width) // 2, (canvas.height - image.height) // 2))
        return canvas
    return _cropped(image, steps.resize, where) if steps.fit == "cover" else image


def _fitted(wide: int, high: int, target: tuple[int, int], fit: str) -> tuple[int, int]:
    """Width and height that an image is resized to."""
    height, width = target
    if fit == "stretch":
        return width, height
    # Whether the widths, rather than the heights, become equal.
    by_width = (width * high >= height * wide) == (fit == "cover")
    if by_width:
        return width, max(1, high * width // wide)
    return max(1, wide * height // high), height


def _cropped(image: Image.Image, size: object, where: str) -> Image.Image:
    """The center of an image."""
    if not isinstance(size, tuple):
        return image
    height, width = size
    if height > image.height or width > image.width:
        reason = f"is {image.height}x{image.width}, smaller than crop = [{height}, {width}]"
        raise DataError(f"{where}: {reason}; state a resize before it")
    # Rounded as torchvision does.
    top, left = round((image.height - height) / 2), round((image.width - width) / 2)
    return image.crop((left, top, left + width, top + height))
