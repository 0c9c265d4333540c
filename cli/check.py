"""qrt check: validates a file and its results on every kernel set of this machine, or on an emulated processor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

import qrt
from qrt.cli.compile import vectors_for_device
from qrt.cli.console import print_json, printable
from qrt.cli.failure import Failure, Verb, read_content
from qrt.cli.target import cc_option, device_errors, emulated, refuse_options, target_option
from qrt.edges import TestVector

DIFFERENT = 1


@dataclass(frozen=True)
class Difference:
    """The first wrong element of a test vector."""

    vector: int
    output: int
    name: str
    index: tuple[int, ...]
    expected: int
    got: int

    def __str__(self) -> str:
        return (
            f"test vector {self.vector}, output {self.output} ({printable(self.name)}), index {list(self.index)}: "
            f"expected {self.expected}, got {self.got}"
        )


@click.command(cls=Verb)
@click.argument("path", metavar="MODEL.QFB", type=click.Path(path_type=Path))
@target_option
@cc_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def check_model(path: Path, target_name: str | None, cc: str | None, as_json: bool) -> int:
    """Validates a file and its results.

    Checks every validity rule of the format. Then runs the test vectors embedded in the file (by 'qrt compile
    --test-vectors N') on every kernel set of this machine, and compares each element of the outputs. With --target it
    runs them as C on that emulated processor instead, or random inputs if the file has no test vectors. Vectors of a
    network with state may be steps of a sequence: each starts from the state that the one before it left, or anew.

    Exit code: 0 everything agrees; 1 a result differs; 2 the file is not valid.

    \b
    Examples:
      qrt check model.qfb
      qrt check model.qfb --target cortex-m4
    """
    refuse_options(target_name, {}, {"--cc": cc})
    content = read_content(path)
    try:
        model = qrt.load(content)
    except qrt.ModelError as error:
        raise Failure(f"{path}: {error}", file=str(path), valid=False, rule=error.rule) from None
    vectors: Sequence[TestVector] = model.test_vectors
    if target_name is None:
        models = [qrt.load(content, kernels) for kernels in qrt.kernel_sets()]
    else:
        models = [emulated(content, target_name, cc)]
        vectors = vectors_for_device(model)
    with device_errors():
        differences = {each.kernels: run_vectors(each, vectors) for each in models}
    if as_json:
        print_json(document(path, model, differences, len(vectors)))
    else:
        report(path, model, differences, len(vectors))
    return DIFFERENT if any(differences.values()) else 0


def run_vectors(model: qrt.Model, vectors: Sequence[TestVector]) -> list[Difference]:
    """The first difference of each test vector that has one."""
    differences = []
    for number, (inputs, expected, continues) in enumerate(vectors):
        if not continues:
            model.reset()
        results = model.run(*inputs, layout="NHWC", as_list=True)
        for output, info in enumerate(model.outputs):
            got = results[output]
            wrong = np.argwhere(got != expected[output])
            if len(wrong):
                place = tuple(int(i) for i in wrong[0])
                wanted, found = int(expected[output][place]), int(got[place])
                differences.append(Difference(number, output, info.name, place, wanted, found))
                break
    return differences


def report(path: Path, model: qrt.Model, differences: dict[str, list[Difference]], vectors: int) -> None:
    click.echo(f"{path}: valid, format version {model.format_version}")
    if vectors > 0 and not model.test_vectors:
        click.echo(f"contains no test vectors; {vectors} random inputs are compared with this machine")
    if vectors == 0:
        click.echo("contains no test vectors, so no results were compared; 'qrt compile --test-vectors 4' embeds some")
        return
    width = max(len(name) for name in differences)
    for name, found in differences.items():
        click.echo(f"  {name:<{width}}  {vectors - len(found)} of {vectors} test vectors agree")
        if found:
            click.echo(f"  {'':<{width}}  first difference: {found[0]}")


def document(path: Path, model: qrt.Model, differences: dict[str, list[Difference]], vectors: int) -> dict[str, Any]:
    return {
        "file": str(path),
        "valid": True,
        "format_version": model.format_version,
        "test_vectors": vectors,
        "kernels": [
            {"name": name, "agree": not found, "differences": [asdict(difference) for difference in found]}
            for name, found in differences.items()
        ],
    }
