"""Runs the compiled digits network on real images and prints the predictions.

python examples/digits/demo.py model.qfb
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

import qrt

HERE = Path(__file__).parent
SHADES = " .:-=+*#%@"
SHOWN = 6
ROW = 24


def picture(image: np.ndarray) -> list[str]:
    """An 8x8 image as eight lines of characters, two per pixel."""
    return ["".join(SHADES[round(float(v) * (len(SHADES) - 1))] * 2 for v in line) for line in image]


def main() -> None:
    model = qrt.load(sys.argv[1])
    digits = np.load(HERE / "test_digits.npz")
    images, labels = digits["images"], digits["labels"]
    logits = model.run(images, dequantize=True)
    predictions = logits.argmax(axis=1)

    print("\nThe first images and their predictions:\n")
    rows = [picture(image[0]) for image in images[:SHOWN]]
    for lines in zip(*rows, strict=True):
        print("  " + "   ".join(lines))
    names = model.outputs[0].labels
    print("  " + "   ".join(f"{'-> ' + names[p]:<16}" for p in predictions[:SHOWN]))

    print(f"\nAll {len(images)} test images, prediction by prediction (label in brackets if different):\n")
    cells = [f"{names[p]}" if p == y else f"{names[p]}[{y}]" for p, y in zip(predictions, labels, strict=True)]
    for start in range(0, len(cells), ROW):
        print(f"  {start:4}  " + " ".join(f"{cell:<4}" for cell in cells[start : start + ROW]).rstrip())

    reference = json.loads((HERE / "float_result.json").read_text(encoding="utf-8"))
    agree = np.mean(predictions == np.array(reference["predictions"]))
    accuracy = np.mean(predictions == labels)
    print(f"\naccuracy: int8 {accuracy:.2%}, float {reference['accuracy']:.2%}; same prediction as float: {agree:.2%}")


if __name__ == "__main__":
    main()
