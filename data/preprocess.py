"""How images and recordings become inputs of a network: what `--preprocess` and .qfb files state, as TOML."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from qrt.data import arrays
from qrt.data.errors import DataError
from qrt.data.toml_table import Table, parse_toml

# Pixels of a side.
LONGEST = 16384
FILTERS = ("bilinear", "nearest", "bicubic", "lanczos", "box", "hamming")
FITS = ("stretch", "cover", "contain")
CHANNELS = ("RGB", "BGR", "gray")
CODES = "codes"

# Samples of a recording, and of a window.
LONGEST_RECORDING, LONGEST_WINDOW = 1 << 25, 1 << 16
FEATURES = ("log-mel", "samples")


@dataclass(frozen=True)
class ImageSteps:
    """The table [image]; the steps in their order.

    Attributes
    ----------
    channels : {None, "RGB", "BGR", "gray"}
        Default: RGB for three channels, gray for one.
    resize : int, (int, int) or None
        The shorter side, the other in proportion, rounded down; or height and width.
    fit : {"stretch", "cover", "contain"}
        To height and width: without regard to the proportions; in proportion, so that the image covers them, the rest
        cut off on both sides; in proportion, so that they contain it, filled up on both sides.
    filter : str
        Pillow's, as it is where images become smaller: over all pixels of the window.
    fill : int
        Byte of what "contain" fills up, 0 to 255.
    crop : (int, int) or None
        Height and width, from the center.
    range : (float, float), "codes" or None
        What the bytes 0 and 255 become; or bytes are the codes of a uint8 source, 128 above the int8 codes here.
    mean, std : tuple of float
        Subtracted from these, and then divided by; one for all channels or one for each.
    """

    channels: str | None
    resize: int | tuple[int, int] | None
    fit: str
    filter: str
    fill: int
    crop: tuple[int, int] | None
    range: tuple[float, float] | str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class SoundSteps:
    """The table [audio].

    Attributes
    ----------
    rate : int
        Samples per second; files of another rate are refused.
    length : int or None
        Samples that a recording is cut to, or filled up to by zeros at its end; None: as the file has them.
    features : {"log-mel", "samples"}
        Log-mel spectrum; or the samples themselves, from -1 to 1.
    window, hop, fft : int
        Samples of a window and from one to the next; length of the Fourier transform, filled up by zeros.
    shape : {"hann", "hann-symmetric", "hamming", "ones"}
        Of the window.
    pad : {"none", "zeros", "reflect"}
        Half a window on both sides, so that window t has its middle at t * hop.
    power : {1, 2}
        Of the magnitudes.
    n_mels, fmin, fmax : int, float, float
        Number of bands, lowest and highest frequency in Hz.
    mel : {"slaney", "htk"}
        Scale of the bands.
    triangles : {"hertz", "mel"}
        Where the sides of the bands are straight: over Hz as in librosa and torchaudio, over mel as in TensorFlow.
    norm : {"none", "slaney"}
        "slaney": a band is divided by half its width in Hz.
    log : {"natural", "log10", "decibel"}
        Of the band's energy plus `log_offset`; decibel is 10 * log10.
    mean, std : tuple of float
        Subtracted, and then divided by; one for all bands or one for each.
    mel_first : bool
        Whether the input is [bands, windows] instead of [windows, bands].
    """

    rate: int
    length: int | None
    features: str
    window: int
    hop: int
    fft: int
    shape: str
    pad: str
    power: int
    n_mels: int
    fmin: float
    fmax: float
    mel: str
    triangles: str
    norm: str
    log: str
    log_offset: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mel_first: bool


@dataclass(frozen=True)
class Preprocess:
    """A preprocessing.

    Attributes
    ----------
    text : str
        The TOML that states it.
    image : ImageSteps or None
    audio : SoundSteps or None
    """

    text: str
    image: ImageSteps | None = None
    audio: SoundSteps | None = None

    @staticmethod
    def parse(text: str, where: str) -> Preprocess:
        """What `text` states; `where` is what errors call it.

        Raises
        ------
        DataError
            Not TOML, or a key or a value that has no meaning.
        """
        document = Table(parse_toml(text, where), where)
        image, audio = document.sub("image"), document.sub("audio")
        document.refuse_unknown()
        if image is None and audio is None:
            raise DataError(f"{where}: states nothing; write [image] or [audio] and its keys below")
        return Preprocess(
            text,
            None if image is None else _image(Table(image, f"{where}: [image]")),
            None if audio is None else _audio(Table(audio, f"{where}: [audio]")),
        )

    @staticmethod
    def read(path: str | os.PathLike[str]) -> Preprocess:
        """What a TOML file states. Raises DataError, and OSError for a file that cannot be read."""
        try:
            text = arrays.read_bytes(Path(path)).decode()
        except UnicodeDecodeError:
            raise DataError(f"{path}: not UTF-8 text; write TOML") from None
        return Preprocess.parse(text, str(path))


def _image(table: Table) -> ImageSteps:
    crop = table.size("crop", LONGEST, "[224, 224]")
    found = ImageSteps(
        channels=table.choice("channels", CHANNELS),
        resize=table.size("resize", LONGEST, "[224, 224]"),
        fit=table.choice("fit", FITS) or FITS[0],
        filter=table.choice("filter", FILTERS) or FILTERS[0],
        fill=table.integer("fill", 0, 255, 0) or 0,
        crop=(crop, crop) if isinstance(crop, int) else crop,
        range=table.pair("range", CODES),
        mean=table.numbers("mean", "[0.485, 0.456, 0.406]", zero=True),
        std=table.numbers("std", "[0.229, 0.224, 0.225]", zero=False),
    )
    table.refuse_unknown()
    for key in ("mean", "std"):
        if len(getattr(found, key)) not in (0, 1, 3):
            raise table.refuse(key, "a number, or one for each of 3 channels", "[0.5, 0.5, 0.5]")
        if getattr(found, key) and found.range == CODES:
            raise table.refuse(key, 'nothing beside range = "codes", which leaves bytes as they are', "0 without it")
    if found.fit != FITS[0] and not isinstance(found.resize, tuple):
        raise table.refuse("fit", "something only beside resize = [height, width]", '"stretch"')
    return found


def _audio(table: Table) -> SoundSteps:
    rate = table.integer("rate", 1000, 384_000, 16_000)
    if rate is None:
        raise table.missing("rate", "16000")
    features = table.choice("features", FEATURES) or FEATURES[0]
    length = table.integer("length", 1, LONGEST_RECORDING, rate)
    window = table.integer("window", 2, LONGEST_WINDOW, 480)
    hop = table.integer("hop", 1, LONGEST_WINDOW, 160)
    fft = table.integer("fft", 2, LONGEST_WINDOW, 512)
    n_mels = table.integer("n_mels", 1, 1024, 40)
    for key, value, example in (("window", window, "480"), ("hop", hop, "160"), ("n_mels", n_mels, "40")):
        if value is None and features == FEATURES[0]:
            raise table.missing(key, example)
    window, hop = window or 2, hop or 1
    offset = table.number("log_offset", 0, 1e6, 1e-6)
    fmax = table.number("fmax", 1, rate / 2, rate / 2)
    found = SoundSteps(
        rate=rate,
        length=length,
        features=features,
        window=window,
        hop=hop,
        fft=fft or 1 << (window - 1).bit_length(),
        shape=table.choice("shape", ("hann", "hann-symmetric", "hamming", "ones")) or "hann",
        pad=table.choice("pad", ("none", "zeros", "reflect")) or "none",
        power=table.integer("power", 1, 2, 2) or 2,
        n_mels=n_mels or 1,
        fmin=table.number("fmin", 0, rate / 2, 20) or 0.0,
        fmax=rate / 2 if fmax is None else fmax,
        mel=table.choice("mel", ("slaney", "htk")) or "slaney",
        triangles=table.choice("triangles", ("hertz", "mel")) or "hertz",
        norm=table.choice("norm", ("none", "slaney")) or "none",
        log=table.choice("log", ("natural", "log10", "decibel")) or "natural",
        log_offset=1e-6 if offset is None else offset,
        mean=table.numbers("mean", "0", zero=True),
        std=table.numbers("std", "1", zero=False),
        mel_first=table.switch("mel_first"),
    )
    table.refuse_unknown()
    _check_audio(table, found)
    return found


def _check_audio(table: Table, found: SoundSteps) -> None:
    """Refuses keys that contradict each other or have no meaning beside `features`."""
    if found.fft < found.window:
        raise table.refuse(
            "fft", f"at least the window's {found.window} samples", str(1 << (found.window - 1).bit_length())
        )
    if found.fmin >= found.fmax:
        raise table.refuse("fmin", f"less than fmax, {found.fmax:g}", "20")
    for key in ("mean", "std"):
        if found.features == FEATURES[0] and len(getattr(found, key)) not in (0, 1, found.n_mels):
            raise table.refuse(key, f"a number, or one for each of {found.n_mels} bands", "0")
    if found.features != FEATURES[0]:
        table.refuse_all_but(("rate", "length", "features", "mel_first"), f'features = "{found.features}"')
