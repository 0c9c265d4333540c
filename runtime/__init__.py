"""qrt: runs int8 neural networks from .qfb files with integer arithmetic only.

>>> import qrt                                                  # doctest: +SKIP
>>> model = qrt.load("model.qfb")                               # doctest: +SKIP
>>> model.run(x, dequantize=True)                               # doctest: +SKIP
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from qrt._executor import FORMAT_VERSION, default_kernels
from qrt.edges import TensorInfo, TestVector
from qrt.errors import ModelError
from qrt.limits import default_max_arena, default_max_packed
from qrt.machine import absent_kernel_sets, kernel_sets, kernel_table, measure_peak, measure_reads
from qrt.model import Model, load

if TYPE_CHECKING:
    from qrt.evaluation import evaluate

__version__ = version("qrt")

__all__ = [
    "FORMAT_VERSION",
    "Model",
    "ModelError",
    "TensorInfo",
    "TestVector",
    "__version__",
    "absent_kernel_sets",
    "default_kernels",
    "default_max_arena",
    "default_max_packed",
    "evaluate",
    "kernel_sets",
    "kernel_table",
    "load",
    "measure_peak",
    "measure_reads",
]


def __getattr__(name: str) -> Any:
    """`evaluate`, imported when it is asked for: few programs need it, and what it imports takes time."""
    if name != "evaluate":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from qrt.evaluation import evaluate

    return evaluate
