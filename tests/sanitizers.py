"""The sanitizers that the extensions under test are built with, as `make test-asan` and `make test-tsan` do."""

from __future__ import annotations

import os
from pathlib import Path

from qrt import _executor, _prepared, _reference

# What code that a sanitizer instruments asks of the sanitizer's library, by name.
SYMBOLS = {"address": b"__asan_init", "undefined": b"__ubsan_handle_", "thread": b"__tsan_init"}


def of(extension: Path) -> set[str]:
    content = extension.read_bytes()
    return {name for name, symbol in SYMBOLS.items() if symbol in content}


EXTENSIONS = [Path(module.__file__) for module in (_executor, _prepared, _reference)]
# Of every extension.
SANITIZERS = set.intersection(*map(of, EXTENSIONS))

# Without what such a run puts into it: for programs that bring a sanitizer of their own, or none.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("LD_PRELOAD", "PYTHONPATH") and not name.endswith("SAN_OPTIONS")
}
