"""What the two roundings cost and bring: instructions on microcontrollers, and how near codes are to the exact values.

    python -m bench.device.rounding

prints the tables of docs/device.md, section "Rounding: what it costs". Inputs are random codes and, for networks of
images, parts of the photos in shared/inputs beside the project.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

import qrt
from bench.networks import PUBLISHED
from bench.recipes import Array
from qrt.cli.device_profile import profile_on_device
from qrt.compiler import compile
from qrt.compiler.integers.channels import Requant
from qrt.compiler.ir import Graph, Op
from qrt.compiler.study.evaluate import FUNCTIONS
from qrt.compiler.study.layers import exposed_file

NETWORKS = ("ic_resnet8", "kws_dscnn", "vww_mobilenet", "sww")
TARGETS = ("cortex-m4", "cortex-m55", "cortex-m3", "cortex-m0")
# DOUBLE and SINGLE.
ENGINES = ("tflm", "xnnpack")
PHOTOS = ("dog", "person", "no_person")
RANDOM = 100
CROPS = 100
# A code is the nearest up to this error: multipliers have 31 bits.
TINY = 1e-6


@dataclass
class Nearest:
    """How many codes are the nearest to the exact value; of those that no clamp decides."""

    codes: int = 0
    nearest: int = 0

    @property
    def percent(self) -> str:
        return f"{100 * self.nearest / self.codes:.2f} %" if self.codes else "-"


def exact(op: Op, given: list[Array], requant: Requant | None) -> Array | None:
    """The real value of each code of an operator, in codes, from the codes of its inputs; None for other operators."""
    real = (tensor for tensor in op.inputs if tensor.data is None)
    unbiased = [codes.astype(np.float64) - tensor.zero_point for codes, tensor in zip(given, real, strict=True)]
    if op.kind == "add":
        a, b = (x * float(tensor.scale) for x, tensor in zip(unbiased, op.inputs, strict=True))
        return np.asarray((a + b) / float(op.output.scale) + op.output.zero_point)
    if requant is None or op.kind not in ("conv2d", "dwconv2d", "linear"):
        return None
    weights = op.inputs[1].data
    assert weights is not None
    sums = FUNCTIONS[op.kind](op, unbiased[0], weights.astype(np.float64))
    if requant.bias is not None:
        sums = sums + requant.bias
    return np.asarray(sums * np.ldexp(requant.multiplier.astype(np.float64), -requant.shift.astype(int))) + (
        op.output.zero_point
    )


def count_nearest(graph: Graph, requants: list[Requant | None], samples: list[Array]) -> Nearest:
    """Runs the network and counts over the outputs of its layers and adds; `requants` have multipliers of 31 bits."""
    model, found = qrt.load(exposed_file(graph)), Nearest()
    for sample in samples:
        outputs = model.run(sample, layout="NHWC", as_list=True)
        codes = dict(zip((op.output for op in graph.ops), outputs, strict=True))
        codes[graph.inputs[0].tensor] = sample
        for op, factors in zip(graph.ops, requants, strict=True):
            real = exact(op, [codes[tensor] for tensor in op.inputs if tensor.data is None], factors)
            if real is None:
                continue
            requant = op.attrs.get("requant")
            low = requant.output_min if requant else op.attrs["output_min"]
            high = requant.output_max if requant else op.attrs["output_max"]
            inside = (real > low) & (real < high)
            error = np.abs(real - codes[op.output])[inside]
            found.codes += error.size
            found.nearest += int((error <= 0.5 + TINY).sum())
    return found


def photos(shape: tuple[int, ...]) -> list[Array]:
    """Parts of photos as codes of this shape [1, height, width, channels]; none where there are no photos."""
    rng, crops = np.random.default_rng(6), []
    files = [PUBLISHED.parent / "inputs" / f"{name}.npy" for name in PHOTOS]
    pictures = [np.load(path) for path in files if path.is_file()]
    if shape[-1] != 3 or not pictures:  # no image
        return []
    for at in range(CROPS):
        picture = pictures[at % len(pictures)]
        if picture.shape[1] == 3:
            picture = picture.transpose(0, 2, 3, 1)
        height, width = picture.shape[1:3]
        step = int(rng.integers(1, min(height // shape[1], width // shape[2]) + 1))
        top = int(rng.integers(0, height - shape[1] * step + 1))
        left = int(rng.integers(0, width - shape[2] * step + 1))
        part = picture[:, top : top + shape[1] * step, left : left + shape[2] * step]
        small = part.reshape(1, shape[1], step, shape[2], step, -1).astype(np.float64).mean(axis=(2, 4))
        codes = np.broadcast_to(small, shape) if small.shape[3] == 1 else small
        crops.append(np.clip(np.rint(codes), -128, 127).astype(np.int8))
    return crops


def instructions(path: Path, content: bytes, target: str) -> int:
    host = qrt.load(content)
    sample = np.random.default_rng(5).integers(-128, 128, host.inputs[0].shape, dtype=np.int8)
    found = profile_on_device(path, content, host, target, None, "s", "random", [sample], "NHWC", 0)
    if found.differing:
        raise click.ClickException(f"{path}, {target}: the outputs differ from those of this machine")
    return found.instructions


def cost_cell(path: Path, contents: list[bytes], target: str) -> str:
    double, single = (instructions(path, content, target) for content in contents)
    return f"{double / 1e6:.3f} / {single / 1e6:.3f}, {100 * (single / double - 1):+.1f} %"


def accuracy_rows(name: str, graphs: list[Graph], contents: list[bytes]) -> list[str]:
    shape = graphs[0].inputs[0].tensor.shape
    rng = np.random.default_rng(7)
    kinds = {
        "random": [rng.integers(-128, 128, shape, dtype=np.int8) for _ in range(RANDOM)],
        "photos": photos(tuple(shape)),
    }
    requants = [op.attrs.get("requant") for op in graphs[0].ops]
    models = [qrt.load(content) for content in contents]
    rows = []
    for kind, samples in kinds.items():
        if not samples:
            continue
        shares = [count_nearest(graph, requants, samples).percent for graph in graphs]
        outputs = [np.array([np.asarray(model.run(x, layout="NHWC")).reshape(-1) for x in samples]) for model in models]
        same = f"{100 * float((outputs[0] == outputs[1]).mean()):.1f} %"
        classes = "-"
        if outputs[0].shape[1] > 1:
            agree = int((outputs[0].argmax(axis=1) == outputs[1].argmax(axis=1)).sum())
            classes = f"{agree} of {len(samples)}"
        rows.append(f"| {name} | {kind} | {shares[0]} | {shares[1]} | {same} | {classes} |")
    return rows


@click.command()
def main() -> None:
    costs, accuracies = [], []
    for name in NETWORKS:
        path = PUBLISHED / f"{name}.tflite"
        if not path.is_file():
            click.echo(f"{path} is missing; {name} is left out", err=True)
            continue
        built = [compile(path, match=engine) for engine in ENGINES]
        contents = [compiled.to_bytes() for compiled in built]
        accuracies += accuracy_rows(name, [compiled.graph for compiled in built], contents)
        costs.append(f"| {name} | {' | '.join(cost_cell(path, contents, target) for target in TARGETS)} |")
    click.echo(f"| network | {' | '.join(TARGETS)} |\n|---{'|--:' * len(TARGETS)}|")
    click.echo("\n".join(costs))
    click.echo("\n| network | inputs | nearest, DOUBLE | nearest, SINGLE | same output codes | same class |")
    click.echo("|---|---|--:|--:|--:|--:|")
    click.echo("\n".join(accuracies))


if __name__ == "__main__":
    main()
