"""The TOML of a preprocessing: what has no meaning is refused in one line, with the file, the key and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from qrt.data import DataError, Preprocess

AUDIO = "[audio]\nrate = 16000\nwindow = 480\nhop = 160\nn_mels = 40\n"
WRONG = {
    "": "p.toml: states nothing; write [image] or [audio] and its keys below",
    "x": "p.toml: not TOML: ",
    "a = " + "[" * 10_000: "p.toml: not TOML",
    "image = 3": "p.toml: [image]: takes a table, got 3; write [name] on a line and its keys below",
    "[picture]": "p.toml: unknown key picture; the keys are image, audio",
    "[image]\nresiz = 3": "p.toml: [image]: unknown key resiz; did you mean resize?",
    "[image]\nresize = 'a'": "p.toml: [image]: resize takes [height, width] or one number, from 1 to 16384, got 'a'; "
    "for example resize = [224, 224]",
    "[image]\nresize = [1, true]": "p.toml: [image]: resize takes [height, width] or one number, from 1 to 16384, got ",
    "[image]\nresize = [1, 2, 3]": "p.toml: [image]: resize takes ",
    "[image]\nresize = 1e3": "p.toml: [image]: resize takes ",
    "[image]\ncrop = 0": "p.toml: [image]: crop takes ",
    "[image]\nfilter = 'cubic'": 'p.toml: [image]: filter takes "bilinear" or "nearest" or ',
    "[image]\nchannels = 'rgb'": 'p.toml: [image]: channels takes "RGB" or "BGR" or "gray", got \'rgb\'; for example ',
    "[image]\nrange = [0, nan]": 'p.toml: [image]: range takes two different numbers or "codes", got [0, nan]; ',
    "[image]\nrange = [1, 1]": "p.toml: [image]: range takes two different numbers ",
    "[image]\nmean = [1, 2]": "p.toml: [image]: mean takes a number, or one for each of 3 channels, got [1, 2]; ",
    "[image]\nmean = inf": "p.toml: [image]: mean takes a number, or [a number for each], got inf; ",
    "[image]\nstd = 0": "p.toml: [image]: std takes a number above 0, or [a number for each], got 0; ",
    "[image]\nrange = 'codes'\nmean = 1": 'p.toml: [image]: mean takes nothing beside range = "codes", which leaves ',
    "[image]\nfit = 'cover'": "p.toml: [image]: fit takes something only beside resize = [height, width], got 'cover'",
    "[image]\nfill = 256": "p.toml: [image]: fill takes a whole number from 0 to 255, got 256; for example fill = 0",
    "[audio]": "p.toml: [audio]: has no rate; for example rate = 16000",
    "[audio]\nrate = 16000": "p.toml: [audio]: has no window; for example window = 480",
    "[audio]\nrate = 16000\nfeatures = 'samples'\nhop = 3": 'p.toml: [audio]: hop has no meaning beside features = "s',
    f"{AUDIO}fft = 256": "p.toml: [audio]: fft takes at least the window's 480 samples, got 256; for example fft = 512",
    f"{AUDIO}fmax = 9000": "p.toml: [audio]: fmax takes a number from 1 to 8000, got 9000; for example fmax = 8000",
    f"{AUDIO}fmin = 500\nfmax = 400": "p.toml: [audio]: fmin takes less than fmax, 400, got 500; for example fmin = 20",
    f"{AUDIO}std = [1, 2]": "p.toml: [audio]: std takes a number, or one for each of 40 bands, got [1, 2]; ",
    f"{AUDIO}mel_first = 1": "p.toml: [audio]: mel_first takes true or false, got 1; for example mel_first = true",
    "[image]\n\x1b = 1": "p.toml: not TOML: ",
    '[image]\n"\\u001b[2J" = 1': "p.toml: [image]: unknown key \\x1b[2J; the keys are ",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_what_has_no_meaning(text: str) -> None:
    with pytest.raises(DataError) as caught:
        Preprocess.parse(text, "p.toml")
    message = str(caught.value)
    assert message.startswith(WRONG[text])
    assert message.isprintable()
    assert ";" in message


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(AUDIO)
    assert Preprocess.read(path) == Preprocess.parse(AUDIO, "")
    assert Preprocess.read(path).text == AUDIO
    path.write_bytes(b"[image]\n# caf\xe9")
    with pytest.raises(DataError, match="not UTF-8 text; write TOML"):
        Preprocess.read(path)
