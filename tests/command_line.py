"""Shared by the tests of the command line: running qrt, a small network, and the format of an error."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from click.testing import CliRunner, Result

from qrt.cli import verbs
from qrt.compiler import GraphBuilder

LABELS = ["cat", "dog", "owl", "bee"]
UNSET = ("FORCE_COLOR", "NO_COLOR", "QRT_KERNELS", "QRT_MAX_ARENA", "QRT_MAX_PACKED")
PLAIN = {"COLUMNS": "80", **dict.fromkeys(UNSET)}

Cli = Callable[..., Result]


def qrt_in_process(*args: str, **env: str) -> Result:
    """Runs qrt with arguments and variables of the environment, 80 columns wide; an unexpected error is raised."""
    result = CliRunner().invoke(verbs, args, env={**PLAIN, **env})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def residual() -> GraphBuilder:
    """A residual network with labels."""
    g = GraphBuilder("pets")
    image = g.input("image", (1, 4, 4, 2), scale=0.5, zero_point=-3)
    filters = (np.arange(8 * 9 * 2).reshape(8, 3, 3, 2) % 17 - 8).astype(np.int8)
    a = g.conv2d(image, filters, weights_scale=0.01, scale=0.25, padding=1, name="stem")
    points = (np.arange(64).reshape(8, 1, 1, 8) % 11 - 5).astype(np.int8)
    b = g.conv2d(a, points, np.arange(8, dtype=np.float32), weights_scale=0.02, scale=0.25, activation="relu", name="b")
    mean = g.mean(g.add(a, b, scale=0.5, name="sum"), scale=0.125, name="mean")
    matrix = (np.arange(32).reshape(4, 8) % 7 - 3).astype(np.int8)
    scores = g.linear(g.reshape(mean, (1, 8), name="flat"), matrix, weights_scale=0.05, scale=0.125, name="scores")
    g.output(scores, labels=LABELS)
    return g


def images(count: int) -> np.ndarray:
    """Codes for it."""
    return np.random.default_rng(5).integers(-128, 128, (count, 4, 4, 2), dtype=np.int8)


def text(lines: str) -> str:
    """An expected output without the line break after the opening quotes."""
    return lines.removeprefix("\n")


def assert_refused(result: Result, line: str) -> None:
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
