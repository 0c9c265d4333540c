"""Writes the photos of the example into folders of classes: python photos.py photos

They are those that the wheel of scikit-image ships, in the public domain or under CC0.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import skimage

CLASSES = {"person": ("astronaut", "camera"), "no person": ("chelsea", "coffee", "rocket", "motorcycle_left", "coins")}


def write_photos(folder: Path) -> None:
    shipped = Path(skimage.__file__).parent / "data"
    for name, photos in CLASSES.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for photo in photos:
            (source,) = shipped.glob(f"{photo}.[jp][pn]g")
            shutil.copy(source, folder / name)


if __name__ == "__main__":
    write_photos(Path(sys.argv[1]))
