"""Tries an installed qrt on golden files, with every kernel set and threads: ``python try_wheel.py FOLDER``.

Takes no package but those of qrt, since it is run for each wheel on each system.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import qrt
from qrt.cli.check import run_vectors

THREADS = (1, 2)


def main(folder: Path) -> int:
    """Runs the test vectors of all files of a folder; 1 if an output differs or there is nothing to compare."""
    count, wrong = 0, []
    for path, kernels, threads in itertools.product(sorted(folder.glob("*.qfb")), qrt.kernel_sets(), THREADS):
        model = qrt.load(path, kernels, threads=threads)
        count += len(model.test_vectors)
        wrong += [
            f"{path.name}, {kernels}, {threads} threads: {each}" for each in run_vectors(model, model.test_vectors)
        ]
    print(f"qrt {qrt.__version__}: {count} runs, with {', '.join(qrt.kernel_sets())}")
    print("\n".join(wrong) or "all agree")
    # The command line, too, must start on every system.
    version = subprocess.run([sys.executable, "-c", "from qrt.cli import main; main()", "--version"], check=False)
    return int(bool(wrong) or count == 0 or version.returncode != 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
