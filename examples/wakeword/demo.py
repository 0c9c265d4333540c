"""Listens to a .wav file for the phrase, on this machine and on an emulated Cortex-M4.

python examples/wakeword/demo.py sound.wav              # 16 kHz, 16 bits, one channel
python examples/wakeword/demo.py sound.wav wakeword/    # also the folder that `qrt firmware` wrote, on the device
"""

from __future__ import annotations

import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import detector
import log_mel
import numpy as np
from network import stream

import qrt
from qrt.firmware.emulators import Call, Execution, Read, Settings, Write, execute
from qrt.firmware.targets import target
from qrt.firmware.toolchain.compilers import find_compiler, link
from qrt.firmware.toolchain.image import Image

HERE = Path(__file__).parent
CORE = target("cortex-m4")
SHADES = " .:-=+*#%@"
# Frames in a line: a second.
LINE = 100


@dataclass
class Heard:
    """What comes of a sound, frame by frame."""

    frames: np.ndarray
    scores: np.ndarray
    detections: list[int]


def read(path: str) -> np.ndarray:
    """The samples of a .wav file."""
    if not Path(path).is_file():
        sys.exit(f"{path}: no such file")
    with wave.open(path, "rb") as file:
        if (file.getframerate(), file.getsampwidth(), file.getnchannels()) != (log_mel.RATE, 2, 1):
            sys.exit(
                f"{path} is not 16 kHz, 16 bits, one channel; sox {path} -r 16000 -b 16 -c 1 other.wav makes it so"
            )
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    if len(samples) < log_mel.WINDOW:
        sys.exit(f"{path} is shorter than a window of {1000 * log_mel.WINDOW // log_mel.RATE} ms")
    return samples


def on_host(samples: np.ndarray) -> Heard:
    """By Python's features and qrt on this machine."""
    frames = log_mel.codes(log_mel.LogMel().frames(samples))
    model = qrt.load(stream())
    # A sequence in time: each run continues where the last one ended.
    scores = model.run(frames[:, np.newaxis, np.newaxis])[:, 0, 0, 0]
    return Heard(frames, scores, detector.detections(scores))


def program(library: Path) -> Image:
    """The firmware: main.c, the features and the network."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("log_mel_tables.h", log_mel.header()), ("detector.h", detector.header())):
            Path(folder, name).write_text(text, encoding="utf-8")
        sources = [HERE / "main.c", HERE / "log_mel.c", *sorted(library.glob("src/**/*.c"))]
        folders = [library / "src", HERE, Path(folder)]
        return link(CORE, find_compiler(CORE), sources, folders, roots=["on_start", "on_sound"])


def on_device(firmware: Image, samples: np.ndarray, count: bool = False) -> tuple[Heard, Execution]:
    """By the firmware on an emulated core; what the processor did is in the execution."""
    microphone, frame, score = (firmware.address(name) for name in ("microphone", "frame", "score"))
    steps = np.split(samples, range(log_mel.STEP, len(samples), log_mel.STEP))
    commands: list[Write | Call | Read] = [Call("on_start")]
    for step in steps:
        if len(step) == log_mel.STEP:
            commands += [
                Write(microphone, step.tobytes()),
                Call("on_sound"),
                Read(frame, log_mel.BANDS),
                Read(score, 1),
            ]
    execution = execute(firmware, CORE, commands, Settings(count=count))
    # Until the first window is full there is no frame.
    first = log_mel.WINDOW // log_mel.STEP - 1
    frames, scores = (
        np.array([np.frombuffer(read, np.int8) for read in execution.reads[i::2]][first:]) for i in (0, 1)
    )
    returned = execution.returned[1 + first :]
    return Heard(frames, scores[:, 0], [frame for frame, hears in enumerate(returned) if hears]), execution


def show(heard: Heard) -> None:
    """A line a second, a character a frame: how probable the phrase is, and ! where it is detected."""
    shades = [SHADES[(int(score) + 128) * len(SHADES) // 256] for score in heard.scores]
    for frame in heard.detections:
        shades[frame] = "!"
    for start in range(0, len(shades), LINE):
        print(f"  {start / LINE:4.0f} s |{''.join(shades[start : start + LINE]):<{LINE}}|")
    for frame in heard.detections:
        print(f"  heard at {(frame * log_mel.STEP + log_mel.WINDOW) / log_mel.RATE:.2f} s")


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python demo.py sound.wav [folder that qrt firmware wrote]")
    samples = read(sys.argv[1])
    host = on_host(samples)
    show(host)
    if len(sys.argv) < 3:
        return
    if not Path(sys.argv[2], "src", "wakeword.h").is_file():
        sys.exit(f"{sys.argv[2]}: not a folder that qrt firmware wrote with -o wakeword or --name wakeword")
    firmware = program(Path(sys.argv[2]))
    device, _ = on_device(firmware, samples)
    same = np.array_equal(device.frames, host.frames) and np.array_equal(device.scores, host.scores)
    print(f"\nOn the emulated {CORE.title}, {len(device.frames)} frames and scores: {'the same' if same else 'OTHERS'}")
    _, counted = on_device(firmware, samples[: log_mel.RATE // 10], count=True)
    instructions = sum(segment.instructions for segment in counted.calls[-1])
    print(f"flash         {firmware.flash:,} bytes: code {firmware.code:,}, constants {firmware.constants:,}")
    print(f"RAM           {firmware.data + firmware.bss + counted.stack:,} bytes, with {counted.stack} of stack")
    print(f"instructions  {instructions:,} for 10 ms of sound")


if __name__ == "__main__":
    main()
