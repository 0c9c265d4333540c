"""The wake word example hears its phrase, as a stream and over a window, on this machine and on a device."""

from __future__ import annotations

import json
import runpy
import sys
import wave
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from command_line import qrt_in_process
from places import ROOT

import qrt

EXAMPLE = ROOT / "examples" / "wakeword"
SOUND = EXAMPLE / "hey_quartz.wav"


@pytest.fixture(scope="module")
def demo() -> SimpleNamespace:
    """demo.py, whose folder Python searches as it does when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE)
        return SimpleNamespace(**runpy.run_path(str(EXAMPLE / "demo.py")))


@pytest.fixture(scope="module")
def network() -> SimpleNamespace:
    """network.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE)
        return SimpleNamespace(**runpy.run_path(str(EXAMPLE / "network.py")))


@pytest.fixture(scope="module")
def samples(demo: SimpleNamespace) -> np.ndarray:
    sound: np.ndarray = demo.read(str(SOUND))
    return sound


def test_stream_and_window_compute_the_same_codes(
    demo: SimpleNamespace, network: SimpleNamespace, samples: np.ndarray, kernels: str
) -> None:
    heard = demo.on_host(samples)
    window = qrt.load(network.network(network.trained(), len(heard.frames)).compile(), kernels=kernels)
    assert np.array_equal(window.run(heard.frames[np.newaxis, :, np.newaxis])[0, :, 0, 0], heard.scores)


def test_result_is_good() -> None:
    result = json.loads((EXAMPLE / "result.json").read_text(encoding="utf-8"))
    assert result["int8"]["found"] >= 0.9
    assert abs(result["int8"]["found"] - result["float"]["found"]) <= 0.02
    assert result["int8"]["false_alarms_an_hour"] <= 40


def test_demo_hears_the_phrase(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(EXAMPLE)
    monkeypatch.setattr(sys, "argv", ["demo.py", str(SOUND)])
    runpy.run_path(str(EXAMPLE / "demo.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed.count("heard at") == printed.count("!") == 2


@pytest.mark.parametrize(
    ("channels", "samples", "message"),
    [(2, 1000, r"a\.wav is not 16 kHz, 16 bits, one channel; sox"), (1, 479, "is shorter than a window of 30 ms")],
)
def test_demo_refuses_other_sounds(
    channels: int, samples: int, message: str, demo: SimpleNamespace, tmp_path: Path
) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * channels * samples))
    with pytest.raises(SystemExit, match=message):
        demo.read(str(tmp_path / "a.wav"))


def test_device_computes_what_the_host_computes(demo: SimpleNamespace, samples: np.ndarray, tmp_path: Path) -> None:
    """Features, scores and detections of the firmware, on the whole sound."""
    for package in ("ziglang", "unicorn", "elftools", "capstone"):
        pytest.importorskip(package)
    (tmp_path / "wakeword.qfb").write_bytes(demo.stream())
    written = qrt_in_process("firmware", str(tmp_path / "wakeword.qfb"), "--target", "cortex-m4")
    assert written.exit_code == 0, written.stderr
    device, execution = demo.on_device(demo.program(tmp_path / "wakeword"), samples)
    host = demo.on_host(samples)
    assert np.array_equal(device.frames, host.frames)
    assert np.array_equal(device.scores, host.scores)
    assert device.detections == host.detections != []
    assert execution.stack < 1024
