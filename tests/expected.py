"""Files with inputs and the outputs that every device must have for them: those of the reference."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from cases import DEVICE_CASES, Case
from graphs import Array, run, to_bytes
from places import DIGITS, MODELS, SHARED

import qrt
from qrt.compiler import compile

DEVICE_MODELS = ("digits", *(path.stem for path in MODELS))
# Too slow on an emulated processor to be run there more than once or twice.
LARGE = ("mobilenet_v2_224",)


@dataclass(frozen=True)
class Sample:
    """The bytes of all inputs, one after another, and of all outputs."""

    inputs: bytes
    outputs: bytes


@dataclass(frozen=True, eq=False)
class Expected:
    """A file; the sizes in bytes of each of its inputs and outputs; and its samples."""

    name: str
    file: bytes
    input_sizes: tuple[int, ...]
    output_sizes: tuple[int, ...]
    samples: tuple[Sample, ...]


def expect(name: str, file: bytes, inputs: Iterable[Sequence[Array]]) -> Expected:
    """Runs the reference, from the initial state each time."""
    reference = qrt.load(file, kernels="reference")
    samples = []
    for each in inputs:
        reference.reset()
        outputs = run(reference, each)
        samples.append(Sample(b"".join(x.tobytes() for x in each), b"".join(y.tobytes() for y in outputs)))
    return Expected(
        name,
        file,
        tuple(reference.input_view(i).nbytes for i in range(len(reference.inputs))),
        tuple(reference.output_view(i).nbytes for i in range(len(reference.outputs))),
        tuple(samples),
    )


def of_reference(cases: Iterable[Case]) -> tuple[Expected, ...]:
    """Cases with all their inputs."""
    graphs = [(case, case.graph()) for case in cases]
    return tuple(expect(case.name, to_bytes(graph), case.inputs(graph)) for case, graph in graphs)


@functools.cache
def every_case() -> tuple[Expected, ...]:
    """Every case of devices."""
    return of_reference(DEVICE_CASES)


@functools.cache
def model(name: str) -> Expected:
    """The digits network or a published one, with random codes, the lowest codes, and inputs of its own."""
    if name == "digits":
        file = compile(DIGITS / "digits_resnet.onnx").to_bytes()
    else:
        if any(importlib.util.find_spec(module) is None for module in ("tflite", "flatbuffers")):
            pytest.skip("the TFLite frontend's packages are not installed")
        file = compile(SHARED / "models" / f"{name}.tflite").to_bytes()
    loaded = qrt.load(file, kernels="portable")
    shapes = [info.shape for info in loaded.inputs]
    rng = np.random.default_rng(0)
    inputs = [[rng.integers(-128, 128, shape, np.int8) for shape in shapes]]
    if name not in LARGE:
        inputs += [[np.full(shape, -128, np.int8) for shape in shapes]]
        inputs += [list(loaded.codes(x)) for x in own_inputs(name)]
    return expect(name, file, inputs)


def own_inputs(name: str) -> list[Array]:
    """What a model is made for, where there are such inputs."""
    if name == "digits":
        return [image[None] for image in np.load(DIGITS / "test_digits.npz")["images"][:3]]
    folder = SHARED / "inputs"
    files = {"person_detect": ("person.npy", "no_person.npy"), "ad_autoencoder": ("ad_normal_id01.npy",)}
    found = [np.load(folder / file) for file in files.get(name, ()) if (folder / file).exists()]
    # Of a spectrogram five rows are one input.
    return [x[:5].reshape(1, -1) for x in found] if name == "ad_autoencoder" else found
