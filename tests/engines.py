"""TFLM and LiteRT for tests that compare bytes; a test is skipped if its engine is not installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import Any

import flatbuffers
import numpy as np
import pytest
from packaging.version import Version

from qrt.compiler.engines import VERSIONS

Array = np.ndarray[Any, Any]
ARENA_SIZE = 20_000_000


def newer() -> Iterator[str]:
    """A line for each package that is newer than the version whose bytes the project states."""
    for package, stated in sorted({(one.package, one.version) for one in VERSIONS.values()}):
        try:
            installed = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
        if Version(Version(installed).public) > Version(stated):
            yield f"newer engine: {package} {installed}; docs/compile.md and all figures are of {stated}"


def version_table() -> str:
    """The packages whose bytes `--match` gives, for docs/compile.md."""
    rows = [f"| `{name}` | {one.what} | {one.package} {one.version} |" for name, one in VERSIONS.items()]
    return "\n".join(["| `--match` | computed by | version |", "|---|---|---|", *rows]) + "\n"


class Tflm:
    """TensorFlow Lite Micro's reference kernels with a model."""

    def __init__(self, content: bytes) -> None:
        runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
        self.interpreter = runtime.Interpreter.from_bytes(content, arena_size=ARENA_SIZE)

    def run(self, inputs: Sequence[Array], outputs: int = 1) -> list[Array]:
        for index, x in enumerate(inputs):
            self.interpreter.set_input(x, index)
        self.interpreter.invoke()
        return [self.interpreter.get_output(index) for index in range(outputs)]

    def reset(self) -> None:
        """Gives every variable its zero point."""
        self.interpreter.reset()


class Litert:
    """LiteRT with a model: its reference kernels, or its default ones, of which XNNPACK is most."""

    def __init__(self, content: bytes, *, reference: bool = True) -> None:
        module = pytest.importorskip("ai_edge_litert.interpreter")
        resolver = module.OpResolverType.BUILTIN_REF if reference else module.OpResolverType.AUTO
        self.interpreter = module.Interpreter(
            model_content=content, experimental_op_resolver_type=resolver, num_threads=1
        )
        self.interpreter.allocate_tensors()

    def run(self, inputs: Sequence[Array], outputs: int = 1) -> list[Array]:
        for details, x in zip(self.interpreter.get_input_details(), inputs, strict=True):
            self.interpreter.set_tensor(details["index"], x)
        self.interpreter.invoke()
        details = self.interpreter.get_output_details()
        assert len(details) == outputs
        return [self.interpreter.get_tensor(one["index"]) for one in details]


def repacked(content: bytes, change: Callable[[Any, Any], None]) -> bytes:
    """A .tflite file after `change`, which takes LiteRT's schema and the model as objects."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    change(schema, model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def exposed(content: bytes) -> tuple[bytes, list[str]]:
    """A .tflite file of which every int8 result is an output, and their names; the engines then show all."""
    names: list[str] = []

    def expose(schema: Any, model: Any) -> None:
        (subgraph,) = model.subgraphs
        results = [int(index) for op in subgraph.operators for index in op.outputs]
        subgraph.outputs = [index for index in results if subgraph.tensors[index].type == schema.TensorType.INT8]
        model.signatureDefs = []
        names.extend(subgraph.tensors[index].name.decode() for index in subgraph.outputs)

    return repacked(content, expose), names
