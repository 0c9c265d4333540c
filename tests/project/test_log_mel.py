"""The features of examples/wakeword: one arithmetic in Python, in C and in TensorFlow Lite Micro's audio frontend."""

from __future__ import annotations

import ctypes
import runpy
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from c_programs import compiler
from places import ROOT

EXAMPLE = ROOT / "examples" / "wakeword"
LOG_MEL = SimpleNamespace(**runpy.run_path(str(EXAMPLE / "log_mel.py")))

PROGRAM = """/* Frames, each with its codes, of the samples of the standard input. */
#include "log_mel.h"
#include <stdio.h>

int main(void) {
    static struct log_mel state;
    int16_t samples[LOG_MEL_STEP];
    uint16_t frame[LOG_MEL_BANDS];
    int8_t codes[LOG_MEL_BANDS];
    log_mel_reset(&state);
    while (fread(samples, sizeof samples, 1, stdin) == 1) {
        if (!log_mel_step(&state, samples, frame)) continue;
        log_mel_codes(frame, codes);
        fwrite(frame, sizeof frame, 1, stdout);
        fwrite(codes, sizeof codes, 1, stdout);
    }
    return 0;
}
"""


def signals() -> dict[str, np.ndarray]:
    """Two seconds of each kind of sound, with all that fixed point is afraid of."""
    rng = np.random.default_rng(0)
    count = 2 * LOG_MEL.RATE
    time = np.arange(count) / LOG_MEL.RATE
    sounds = {
        "silence": np.zeros(count),
        "one bit": rng.integers(-1, 2, count),
        "hiss": rng.normal(0, 3, count),
        "noise": rng.normal(0, 3000, count),
        "all samples": rng.integers(-32768, 32768, count),
        "extremes": rng.choice([-32768, 32767], count),
        "least": np.full(count, -32768),
        "greatest": np.full(count, 32767),
        "fastest": np.tile([32767, -32768], count // 2),
        "tone": 32767 * np.sin(2 * np.pi * 1000 * time),
        "square": 32767 * np.sign(np.sin(2 * np.pi * 440 * time)),
        "chirp": 30000 * np.sin(2 * np.pi * (50 + 1800 * time) * time),
        "bursts": rng.normal(0, 8000, count) * (np.sin(12 * time) > 0.5),
        "louder and louder": rng.normal(0, 1, count) * np.exp(5 * time),
        "clicks": 32767 * (rng.random(count) < 0.001),
    }
    return {name: np.clip(np.rint(sound), -32768, 32767).astype(np.int16) for name, sound in sounds.items()}


SIGNALS = signals()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """log_mel.c on this machine, which stops where behavior is undefined."""
    folder = tmp_path_factory.mktemp("log_mel")
    (folder / "log_mel_tables.h").write_text(LOG_MEL.header(), encoding="utf-8")
    (folder / "main.c").write_text(PROGRAM, encoding="utf-8")
    flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{EXAMPLE}", f"-I{folder}"]
    command = [compiler(), *flags, str(folder / "main.c"), str(EXAMPLE / "log_mel.c"), "-o", str(folder / "log_mel")]
    checked = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
    if subprocess.run([*command, *checked], capture_output=True, check=False).returncode != 0:
        subprocess.run(command, check=True)
    return folder / "log_mel"


@pytest.mark.parametrize("name", SIGNALS)
def test_c_computes_what_python_computes(name: str, program: Path) -> None:
    samples = SIGNALS[name]
    frames = LOG_MEL.LogMel().frames(samples)
    run = subprocess.run([program], input=samples.tobytes(), capture_output=True, check=True)
    records = np.frombuffer(run.stdout, np.dtype([("frame", "<u2", 40), ("codes", "i1", 40)]))
    assert len(frames) == 198
    assert np.array_equal(records["frame"], frames)
    assert np.array_equal(records["codes"], LOG_MEL.codes(frames))


@pytest.fixture
def weights_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """TFLM's weights where the C library, as glibc from 2.41 on, rounds log1pf correctly."""
    log1pf = ctypes.CDLL(None).log1pf
    log1pf.argtypes, log1pf.restype = [ctypes.c_float], ctypes.c_float
    ratio = np.float32(LOG_MEL.HIGHEST_HZ) / np.float32(700)
    if log1pf(ratio) == np.float32(np.log1p(float(ratio))):
        monkeypatch.setitem(vars(LOG_MEL.TABLES), "band_weights", LOG_MEL.TABLES._bands[1])


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.usefixtures("weights_of_this_machine")
def test_computes_what_tflm_computes(name: str) -> None:
    """pymicro-features is TFLM's C in a wheel, with microWakeWord's parameters."""
    frontend = pytest.importorskip("pymicro_features").MicroFrontend()
    audio, theirs = SIGNALS[name].tobytes(), []
    while len(audio) >= 2 * LOG_MEL.STEP:
        output = frontend.process_samples(audio[: 2 * LOG_MEL.STEP])
        audio = audio[2 * output.samples_read :]
        # It scales the integers by 10 / 256.
        theirs += [np.rint(np.array(output.features) * 25.6)] if output.features else []
    assert np.array_equal(LOG_MEL.LogMel().frames(SIGNALS[name]), theirs)


def test_pieces_of_any_length_give_the_same_frames() -> None:
    samples, whole = SIGNALS["bursts"], LOG_MEL.LogMel()
    cuts = np.sort(np.random.default_rng(1).integers(0, len(samples), 60))
    stream = LOG_MEL.LogMel()
    pieces = [stream.frames(piece) for piece in np.split(samples, cuts)]
    assert np.array_equal(np.concatenate(pieces), whole.frames(samples))


def test_codes_reach_from_end_to_end() -> None:
    frames = np.array([[0, 1, 2, 333, 665, 666, 40_000, 65_535]])
    assert LOG_MEL.codes(frames).tolist() == [[-128, -128, -127, 0, 127, 127, 127, 127]]
