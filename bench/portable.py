"""Portable C against LiteRT's reference kernels, side by side in one run, one thread.

    python bench/portable.py [FOLDER]

FOLDER holds the published MLPerf Tiny files ic_resnet8.tflite and kws_dscnn.tflite (by default
shared/models beside the project). LiteRT runs those with BUILTIN_REF; qrt runs networks of the same shapes with the
portable set. A ratio above 1 says how many times quicker qrt is: the median over rounds, in each of
which both run in turn. Needs ai-edge-litert.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from networks import NETWORKS

import qrt

ROUNDS = 15
PUBLISHED = {"resnet8": "ic_resnet8.tflite", "ds_cnn": "kws_dscnn.tflite"}


def litert(path: Path) -> Callable[[], None]:
    interpreter = Interpreter(str(path), num_threads=1, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    edge = interpreter.get_input_details()[0]
    x = np.random.default_rng(0).integers(-128, 128, edge["shape"], dtype=np.int8)
    interpreter.set_tensor(edge["index"], x)
    invoke: Callable[[], None] = interpreter.invoke
    return invoke


def portable(content: bytes) -> Callable[[], None]:
    model = qrt.load(content, kernels="portable")
    x = np.random.default_rng(0).integers(-128, 128, model.inputs[0].shape, dtype=np.int8)

    def invoke() -> None:
        model.input_view()[...] = x
        model.invoke()

    return invoke


def seconds(work: Callable[[], None], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "shared" / "models"
    missing = [name for name in PUBLISHED.values() if not (folder / name).is_file()]
    if missing:
        sys.exit(f"{folder} lacks {', '.join(missing)}; give the folder that holds MLPerf Tiny's files")
    for name, build in NETWORKS.items():
        ours, theirs = portable(build().compile()), litert(folder / PUBLISHED[name])
        repeats = max(1, round(0.05 / seconds(theirs, 2)))
        rounds = [(seconds(theirs, repeats), seconds(ours, repeats)) for _ in range(ROUNDS)]
        ratio = statistics.median(a / b for a, b in rounds)
        print(
            f"{name:10} LiteRT BUILTIN_REF {statistics.median(a for a, _ in rounds) * 1e6:9.0f} us   "
            f"qrt portable {statistics.median(b for _, b in rounds) * 1e6:9.0f} us   ratio {ratio:.2f}"
        )


if __name__ == "__main__":
    main()
