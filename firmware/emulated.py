"""A model that runs on an emulated processor, with the interface of `qrt.Model`."""

from __future__ import annotations

import importlib.util
from typing import Any, NoReturn

import numpy as np

from qrt import Model
from qrt._executor import Program
from qrt.edges import Array, Codes
from qrt.firmware.build import build, run
from qrt.firmware.errors import DeviceError
from qrt.firmware.generate.network import generate
from qrt.firmware.targets import Target
from qrt.firmware.toolchain.compilers import find_compiler

# What reads, runs and times programs.
PACKAGES = {"unicorn": ("elftools", "unicorn", "capstone"), "qemu": ("elftools",)}


def require_packages(target: Target) -> None:
    """Raises DeviceError where packages for the target's emulator are missing, before any work is done."""
    missing = [name for name in PACKAGES[target.emulator] if importlib.util.find_spec(name) is None]
    if missing:
        raise DeviceError(f'running on {target.name} needs {", ".join(missing)}: pip install "qrt[device]"')


class EmulatedModel(Model):
    """A network that is compiled for a processor and runs on its emulator; `run`, `reset`, `state` are as for `Model`.

    Parameters
    ----------
    content : bytes
        A valid .qfb file.
    target : Target
    cc : str, optional
        The C compiler's command.
    optimize : str
        The compiler's level of optimization: ``"z"`` (smallest), ``"s"``, ``"2"`` or ``"3"``.

    Raises
    ------
    DeviceError
        There is no compiler or no emulator, or the compiler refuses. `run` raises it where the program fails.
    """

    def __init__(self, content: bytes, target: Target, cc: str | None = None, optimize: str = "s") -> None:
        require_packages(target)
        self._made_of = content, target, cc, optimize
        super().__init__(Program(content, "reference"), 1)
        self._layout_is_clear = False  # so that `run` always goes through `_execute`
        self.network = generate(content, target, "net")
        self.compiler = find_compiler(target, cc)
        self.image = build(self.network, self.compiler, optimize)

    def fork(self) -> EmulatedModel:
        """Another emulated processor with the same network, in its initial state."""
        return EmulatedModel(*self._made_of)

    def __reduce__(self) -> tuple[Any, ...]:
        return EmulatedModel, self._made_of, self.state

    @property
    def kernels(self) -> str:
        """The kernel set, and the processor."""
        return f"{self.network.target.kernels} on {self.network.target.name}"

    def _traced(self, *_: Any) -> NoReturn:
        raise DeviceError("a device keeps no tensors between layers; load the file with qrt.load to read them")

    def _execute(self, samples: tuple[Codes, ...], count: int) -> list[Array]:
        each = [[part.tobytes() for part in np.split(codes, count)] for codes in samples]
        with self._executor:
            outputs, execution = run(
                self.network, self.image, list(zip(*each, strict=True)), state=self._executor.state
            )
            self._executor.state = execution.reads[-1]
        return [
            np.concatenate([np.frombuffer(codes, info.dtype).reshape(info.shape) for codes in parts])
            for info, parts in zip(self.outputs, zip(*outputs, strict=True), strict=True)
        ]
