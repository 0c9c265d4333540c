"""One layer of a .qfb file as a standalone Python program: numpy integers only, the same codes as the kernels."""

from __future__ import annotations

import base64
import textwrap
import zlib
from typing import Any

import numpy as np

from qrt.compiler.integers.channels import CHANNEL_AXIS
from qrt.compiler.ir import Op, Tensor
from qrt.compiler.study.program_kernels import KINDS, functions

HEAD = '''"""{kind} {name}, from {file}: {dtypes} in, {dtype} out, integers in between.

    python program.py {arguments} y.npy
"""

import sys

import numpy as np
'''
UNPACKED = """

def unpacked(text, dtype, shape):
    return np.frombuffer(zlib.decompress(base64.b85decode("".join(text.split()))), dtype).reshape(shape)
"""
TAIL = """

if __name__ == "__main__":
    if len(sys.argv) != {count}:
        sys.exit("usage: python program.py {arguments} y.npy")
    codes = [np.load(path, allow_pickle=False) for path in sys.argv[1:-1]]
    for given, name, shape, dtype in zip(codes, {names!r}, {shapes!r}, {dtypes!r}):
        if given.dtype != dtype or given.shape[1:] != shape[1:]:
            sys.exit(f"{{name}} is {{dtype}} of shape {{shape}}, got {{given.dtype}} {{given.shape}}")
    np.save(sys.argv[-1], layer(*codes))
"""


def program(op: Op, file: str) -> str:
    """The text of a Python program that computes one operator of a lowered graph.

    Parameters
    ----------
    op : Op
    file : str
        Name of the file that the program's docstring gives as its origin.
    """
    texts, numbers = functions(op), KINDS[op.kind][0](op)
    inputs = op.inputs[:1] if op.kind in CHANNEL_AXIS else op.inputs
    if op.output.is_state:
        inputs = [*inputs, op.output]
    names = {1: ["x"], 2: ["a", "b"]}.get(len(inputs)) or [f"x{k}" for k in range(len(inputs))]
    given = [(name, tensor) for name, tensor in zip(names, inputs, strict=True) if tensor.data is None]
    if len(given) < len(inputs):
        texts = [*texts, _with_constants(names, inputs)]
        numbers |= {f"{n}_codes": t.data for n, t in zip(names, inputs, strict=True) if t.data is not None}
    arguments = " ".join(f"{name}.npy" for name, _ in given)
    dtypes = [tensor.dtype for _, tensor in given]
    text = HEAD.format(
        kind=op.kind,
        name=_quoted(op.name),
        file=_quoted(file),
        arguments=arguments,
        dtypes=" and ".join(dict.fromkeys(dtypes)),
        dtype=op.output.dtype,
    )
    assignments = "".join(_assignment(name, value) for name, value in numbers.items())
    if "unpacked(" in assignments:
        text = text.replace("import sys\n", "import base64\nimport sys\nimport zlib\n", 1) + UNPACKED + "\n"
    text += "\n" + assignments
    text += "".join(f"\n{function}" for function in texts)
    called = [name for name, _ in given]
    shapes = [tensor.shape for _, tensor in given]
    return text + TAIL.format(count=len(given) + 2, arguments=arguments, names=called, shapes=shapes, dtypes=dtypes)


def _with_constants(names: list[str], inputs: list[Tensor]) -> str:
    """A function ``layer`` of the operands that are not constants."""
    free = [name for name, tensor in zip(names, inputs, strict=True) if tensor.data is None]
    passed = [name if tensor.data is None else f"{name}_codes" for name, tensor in zip(names, inputs, strict=True)]
    return f"\noperator = layer\n\n\ndef layer({', '.join(free)}):\n    return operator({', '.join(passed)})\n"


def _quoted(text: str) -> str:
    """Text from a file, escaped for a docstring."""
    return text.encode("unicode_escape").decode().replace('"', "'")


def _assignment(name: str, value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return f"{name} = {value!r}\n"
    if value.size <= 16:
        return f"{name} = np.array({value.tolist()}, np.{value.dtype})\n"
    packed = base64.b85encode(zlib.compress(np.ascontiguousarray(value).tobytes(), 9)).decode()
    lines = textwrap.wrap(packed, 112, break_on_hyphens=False)
    body = "".join(f'    r"{line}"\n' for line in lines)
    return f"{name} = unpacked(\n{body}    , np.{value.dtype}, {value.shape}\n)\n"
