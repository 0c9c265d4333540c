"""Types of the executor extension."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT_VERSION: int
SETS: tuple[str, ...]
ABSENT: dict[str, str]
OPERATORS: tuple[str, ...]

def kernel_owners(name: str) -> dict[str, str]: ...

class InvalidModel(Exception): ...

class Program:
    kernels: str
    header: tuple[str, str, int, int]
    def __init__(self, content: bytes, kernels: str) -> None: ...
    def inputs(self) -> list[dict[str, Any]]: ...
    def outputs(self) -> list[dict[str, Any]]: ...
    def test_vectors(self) -> list[tuple[list[NDArray[np.int8]], list[NDArray[np.int8]]]]: ...

class Executor:
    program: Program
    inputs: list[NDArray[np.int8]]
    outputs: list[NDArray[np.int8]]
    def __init__(self, program: Program) -> None: ...
    def invoke(self) -> None: ...
