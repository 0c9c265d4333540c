"""A float PyTorch program and calibration samples -> a quantized program, by PT2E (torchao) with `QrtQuantizer`.

Activations become int8, weights int8 per output channel, biases int32.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.frontends.float_network import Array, FloatNetwork, Samples, Seen, already_quantized, first_paragraph
from qrt.compiler.frontends.torch import pt2
from qrt.compiler.frontends.torch.graph import is_pt2e
from qrt.compiler.libraries import load

if TYPE_CHECKING:
    from torch.export import ExportedProgram


class TorchNetwork(FloatNetwork):
    """A float exported program.

    Parameters
    ----------
    path : str
        The file, or the name of the module, for messages.
    program : torch.export.ExportedProgram
    inputs : list of (name, shape)
    """

    library = "PyTorch"
    methods = ("minmax", "histogram")

    def __init__(self, path: str, program: ExportedProgram, inputs: list[tuple[str, tuple[int, ...]]]) -> None:
        with _quiet():
            load("torchao")
        self.path, self.program, self.inputs = path, program, inputs
        if is_pt2e(program.graph_module):
            raise already_quantized(path)
        self._module: Any = None

    def quantized(self, samples: Samples, method: str, seen: Seen, granularity: str) -> bytes:
        import torch

        stream = io.BytesIO()
        torch.export.save(self.quantized_program(samples, method, seen), stream)
        return stream.getvalue()

    def quantized_program(self, samples: Samples, method: str, seen: Seen) -> ExportedProgram:
        """The quantized program; parameters as for `quantized`."""
        import torch
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        from qrt.compiler.frontends.torch.quantizer import QrtQuantizer

        with _quiet(), torch.no_grad():
            prepared = prepare_pt2e(self._inference(), QrtQuantizer(ranges=method))
            for i in range(min(len(x) for x in samples.values())):
                prepared(*(torch.from_numpy(x[i]) for x in samples.values()))
                seen(i + 1)
            example = tuple(torch.zeros(shape) for _, shape in self.inputs)
            return torch.export.export(convert_pt2e(prepared), example)

    def run(self, inputs: Sequence[Array]) -> Array:
        import torch

        if self._module is None:
            self._module = self._inference()
        with torch.no_grad():
            outputs = self._module(*map(torch.from_numpy, inputs))
        return np.asarray(outputs[0] if isinstance(outputs, (tuple, list)) else outputs)

    def _inference(self) -> Any:
        """The program as a module of its own, with the normalizations and dropouts of inference."""
        from torchao.quantization.pt2e import move_exported_model_to_eval

        return move_exported_model_to_eval(self.program.module(check_guards=False))


def float_network(path: Path) -> TorchNetwork:
    # Read without PyTorch first: pickled weights are refused, and operators that are not supported.
    graph = pt2.to_graph(path, calibrating=True)
    if any(op.kind == "quantize" for op in graph.ops):
        raise already_quantized(path)
    torch = load("torch")
    with _quiet():
        program = torch.export.load(path)
    return TorchNetwork(os.fspath(path), program, [(edge.tensor.name, edge.tensor.shape) for edge in graph.inputs])


def quantize_module(
    module: Any, example_inputs: Sequence[Any], samples: Sequence[Any], method: str, seen: Seen
) -> ExportedProgram:
    """The quantized program of a module; parameters and errors as for `qrt.compiler.quantize_torch`."""
    torch = load("torch")
    inputs, name = tuple(example_inputs), type(module).__name__
    if len(samples) != len(inputs):
        raise ValueError(f"samples has {len(samples)} entries for {len(inputs)} example inputs; give one for each")
    try:
        program = module if isinstance(module, torch.export.ExportedProgram) else torch.export.export(module, inputs)
    except Exception as error:
        reason = f"torch.export cannot export it: {first_paragraph(error)}"
        raise CompileError([Problem(name, "module", reason)]) from None
    names = [str(given) for given in program.graph_signature.user_inputs]
    shapes = [tuple(x.shape) for x in inputs]
    network = TorchNetwork(name, program, list(zip(names, shapes, strict=True)))
    runs = {
        name: _in_runs(x, shape, index)
        for index, (name, x, shape) in enumerate(zip(names, samples, shapes, strict=True))
    }
    if len({len(x) for x in runs.values()}) != 1:
        raise ValueError("samples have different lengths; give the same number for every input")
    with network.quantizing(method):
        return network.quantized_program(runs, method, seen)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of PyTorch and torchao, which would stand among the messages of the caller."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _in_runs(x: Any, shape: tuple[int, ...], index: int) -> Array:
    """Samples along the first axis in runs of the example's batch; those that do not fill a run are left out."""
    values = x.detach().cpu().numpy()
    batch = shape[0] if shape else 1
    runs = len(values) // batch if values.shape[1:] == shape[1:] else 0
    if not np.issubdtype(values.dtype, np.floating) or not shape or runs == 0:
        wanted = ", ".join(map(str, ("n", *shape[1:])))
        raise ValueError(
            f"samples[{index}] is {values.dtype} {values.shape}; give floats ({wanted}), n at least {batch}"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"samples[{index}] contains NaN or infinity")
    return np.asarray(values[: runs * batch].reshape(runs, *shape), np.float32)
