"""Runs main.c with the digits network on an emulated Cortex-M4, and prints what it shows.

python examples/firmware/demo.py digits/    # the folder that `qrt firmware` wrote
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from qrt.firmware.emulators import Call, Execution, Read, Settings, Write, execute
from qrt.firmware.targets import target
from qrt.firmware.toolchain.compilers import find_compiler, link
from qrt.firmware.toolchain.image import Image

HERE = Path(__file__).parent
CORE = target("cortex-m4")
DISPLAY_SIZE = 160
SHOWN = 6


def program(library: Path) -> Image:
    """The firmware: main.c and the network."""
    sources = [HERE / "main.c", *sorted(library.glob("src/**/*.c"))]
    return link(CORE, find_compiler(CORE), sources, [library / "src"], roots=["on_picture"])


def classify(firmware: Image, pictures: np.ndarray, count: bool = False) -> tuple[list[str], Execution]:
    """What the display shows for each picture; on_picture's results, instructions and stack are in the execution."""
    camera, display = (firmware.address(name) for name in ("camera", "display"))
    commands = [
        command
        for picture in pictures
        for command in (Write(camera, picture.tobytes()), Call("on_picture"), Read(display, DISPLAY_SIZE))
    ]
    execution = execute(firmware, CORE, commands, Settings(count=count))
    return [text.split(b"\0")[0].decode() for text in execution.reads], execution


def main() -> None:
    digits = np.load(HERE.parent / "digits" / "test_digits.npz")
    pictures, labels = np.rint(digits["images"] * 255).astype(np.uint8), digits["labels"]
    firmware = program(Path(sys.argv[1]))
    shown, execution = classify(firmware, pictures[:SHOWN], count=True)

    print(f"\nWhat the firmware shows on the emulated {CORE.title}:\n")
    for lines in zip(*(text.splitlines() for text in shown), strict=True):
        print("  " + "   ".join(f"{line:<16}" for line in lines).rstrip())

    instructions = execution.calls[0][0].instructions
    print("\nThe whole firmware, network included:\n")
    print(f"flash         {firmware.flash:,} bytes: code {firmware.code:,}, constants {firmware.constants:,}")
    print(f"RAM           {firmware.data + firmware.bss + execution.stack:,} bytes, with {execution.stack} of stack")
    print(f"instructions  {instructions:,} for a picture")

    predictions = np.array(classify(firmware, pictures)[1].returned)
    print(f"\naccuracy on all {len(labels)} test pictures: {np.mean(predictions == labels):.2%}")


if __name__ == "__main__":
    main()
