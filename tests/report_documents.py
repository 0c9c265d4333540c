"""What a page is made of, from the verbs themselves, for the tests of the page."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from command_line import LABELS, images, qrt_in_process, residual

import qrt
from qrt.compiler import compile
from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.study.explain import explain
from qrt.report.packing import FOLLOWING

Document = dict[str, Any]


def said(*args: str | Path) -> Any:
    """What a verb prints with --json."""
    result = qrt_in_process(*map(str, args), "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def file_document(path: Path) -> Document:
    """What needs only the file."""
    graph = read(path.read_bytes())
    layers = [explain(graph, index).as_dict() for index in range(len(graph.ops))]
    return {
        "qrt": "0",
        "model": said("inspect", path),
        "layers": layers,
        "checks": said("check", path),
        "profile": said("profile", path, "--repeats", "3"),
    }


NUMBERS = {"x_scale": 0.1, "y_scale": 0.2, "y_zero_point": 3}


def drawn_channels(draw: random.Random, count: int) -> list[Document]:
    """Channels of a layer that keeps float biases, with `NUMBERS`, as unlike each other as can be."""
    rows = []
    for channel in range(count):
        row = {"channel": channel, "multiplier": draw.randrange(2**30, 2**31), "shift": draw.randrange(35, 45)}
        row |= {"addend": draw.randrange(-(2**50), 2**50), "all_zero": False}
        row |= {"acc_min": -draw.randrange(10**6), "acc_max": draw.randrange(10**6)}
        for name in ("real_multiplier", "w_scale", "bias_float", "bias", "bias_error", "bias_error_codes"):
            row[name] = FOLLOWING[name].value(row, channel, NUMBERS)
        rows.append(row)
    return rows


def counted(counts: list[list[int]]) -> Document:
    """An evaluation with a confusion matrix, as `qrt eval --json` prints it."""
    matrix = np.array(counts)
    right, support, predicted = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
    pairs = [(a, b) for a in range(len(matrix)) for b in range(len(matrix)) if a != b and matrix[a, b]]
    rows = zip(LABELS, support.tolist(), predicted.tolist(), right.tolist(), strict=True)
    return {
        "metric": "accuracy",
        "model": "pets",
        "data": "test.npz",
        "samples": int(matrix.sum()),
        "accuracy": float(right.sum() / matrix.sum()),
        "top": {"1": float(right.sum() / matrix.sum()), "2": 1.0},
        "classes": [
            {"name": name, "support": s, "predicted": p, "right": r, "precision": r / p, "recall": r / s, "f1": None}
            for name, s, p, r in rows
        ],
        "confused": [[a, b, int(matrix[a, b])] for a, b in pairs],
        "confusion": counts,
        "wrong": [{"sample": 4, "name": "a.png", "label": 1, "predicted": 2}],
        "curve": None,
    }


def curve(points: int) -> Document:
    """Thresholds of a curve, as `qrt eval --json` prints them."""
    rows = [
        {
            "threshold": 100 - i,
            "true_positives": 10 * i,
            "false_positives": i * i // points,
            "true_positive_rate": i / points,
            "false_positive_rate": (i / points) ** 2,
            "precision": 1 / (1 + i / points),
        }
        for i in range(1, points + 1)
    ]
    found = {"positives": 10 * points, "negatives": points, "auc": 0.75, "average_precision": 0.5}
    return {**found, "best": rows[points // 2], "points": rows}


def pets_document(folder: Path) -> Document:
    """Every part of a page, of a small residual network; what takes an emulator or much data is made up."""
    path = folder / "pets.qfb"
    compiled = compile(residual())
    codes = images(1)
    path.write_bytes(compiled.to_bytes([([codes], [qrt.load(compiled.to_bytes()).run(codes)])]))
    document = file_document(path)
    operators = document["model"]["operators"]
    costs = [{"instructions": 1000 * (i + 1), "cycles": 1500 * (i + 1)} for i in range(len(operators))]
    document["device"] = {
        **{"target": "cortex-m4", "compiler": "cc 1", "optimize": "s", "kernels": "dsp", "flash_wait_states": 0},
        **{"instructions": 15000, "cycles": 22500, "code": 3000, "constants": 900, "flash": 3900},
        **{"memory": 400, "stack": 200, "ram": 600, "differing_bytes": 0},
        **{"limits": {"ram": 512, "flash": 8192}, "over_budget": ["RAM 600 is above 512"]},
        "operators": [
            {**_layer(op), **cost, "share": 0.2, "constants": 10, "kernels": "dsp"}
            for op, cost in zip(operators, costs, strict=True)
        ],
    }
    document["compare"] = {
        **{"source": "pets.onnx", "samples": 3, "missing": [], "engine_differing": None, "biases": []},
        **{"first_differing": operators[1]["name"], "accuracy": {"qrt": 0.75, "float": 0.8}},
        "layers": [
            {
                **_layer(op),
                **{"sqnr": None if i == 0 else 50.0 - 7 * i, "cosine": 0.99, "max_error": 1.5, "mean_error": 0.25},
                **{"histogram": [0, 0, 1, 20, 80, 20, 2, 0, 0], "differing": i, "size": 123},
            }
            for i, op in enumerate(operators)
        ],
    }
    document["evaluation"] = {**counted([[9, 1, 0, 0], [0, 8, 2, 0], [0, 0, 10, 0], [1, 0, 0, 9]]), "curve": curve(20)}
    document["compile"] = {
        **{"source": "pets.onnx", "source_size": 9999, "match": "onnxruntime", "seconds": 0.5, "accuracy": {}},
        "notes": [["simplify", "dropped 1 operator without effect"]],
        "removals": [{"op": operators[0]["name"], "kind": "conv2d", "channels": [3, 5], "count": 8}],
        "rescues": [{"op": operators[1]["name"], "channel": 2}],
        **{"deviations": [], "int16_steps": [], "row_by_row": None},
    }
    document["missing"] = [["float biases", "the source has none"]]
    return document


def _layer(op: Document) -> Document:
    return {key: op[key] for key in ("index", "name", "kind", "macs")}
