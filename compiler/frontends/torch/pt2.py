"""PyTorch's exported programs (``torch.export.save``, .pt2) -> source graph, without PyTorch.

The file is a zip archive of a graph in JSON and raw weights. Nothing in it is unpickled or run: pickled weights are
rejected, and so are compressed members and sizes beyond the file's.
"""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from qrt.compiler.errors import CompileError, Problem, understanding
from qrt.compiler.frontends.importer import unquantized
from qrt.compiler.frontends.torch import unfinished
from qrt.compiler.frontends.torch.importer import DTYPES, Importer, Node, Refused
from qrt.compiler.frontends.torch.nodes import ATEN
from qrt.compiler.ir import Graph, Tensor
from qrt.compiler.untrusted import RATIO

NAMESPACES = ("torch.ops.aten.", "torch.ops.quantized_decomposed.", "torch.ops.torchao.")
# The major schema version that is supported; PyTorch increases it if older readers would misread a file.
SCHEMA_MAJOR = 8
# Names of the JSON's argument kinds whose values are plain, not tensors.
PLAIN = frozenset(
    {
        "as_int",
        "as_ints",
        "as_float",
        "as_floats",
        "as_bool",
        "as_bools",
        "as_string",
        "as_scalar_type",
        "as_memory_format",
        "as_layout",
        "as_device",
    }
)


def to_graph(source: str | os.PathLike[str] | bytes, match: str = "pytorch", *, calibrating: bool = False) -> Graph:
    """The source graph of an exported program that PT2E has quantized.

    Parameters
    ----------
    source : path or bytes
    match : {"pytorch", "fbgemm", "qnnpack", "x86", "onednn"}
        The engine to match bit for bit.
    calibrating : bool
        Whether a float program is what is wanted. Otherwise its problem is that it is float, not what its nodes are.

    Raises
    ------
    CompileError
        Not such a file, or unsupported operators; lists all of them.
    """
    where = "program" if isinstance(source, bytes) else os.fspath(source)
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    remedy = "save it again with torch.export.save"
    try:
        with understanding(where, remedy):
            reader = _Reader(content, Path(where).stem)
            if reason := unfinished.of_program(reader.targets, reader.module["graph"]["tensor_values"]):
                raise CompileError([Problem(where, "file", reason)])
            try:
                return reader.read(match)
            except CompileError as error:
                if len(error.problems) == 1 or calibrating or not unfinished.is_float(reader.targets):
                    raise
                reason = unquantized("is a float network", "FILE.pt2" if isinstance(source, bytes) else where)
                raise CompileError([Problem(where, "file", reason)]) from None
    except Damaged as error:
        raise CompileError([Problem(where, "file", f"{error}; {remedy}")]) from None


class Damaged(Exception):
    """The file is invalid; the text is the reason."""


class _Reader:
    """One file: its archive, and its values by name."""

    def __init__(self, content: bytes, name: str) -> None:
        try:
            self.archive = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, OverflowError, RuntimeError) as error:
            raise Damaged(f"is not a zip archive ({error})") from None
        self.members = {info.filename: info for info in self.archive.infolist()}
        self.size = len(content)
        # Bytes of all weights so far: several may be read from one member.
        self.taken = 0
        self.values: dict[str, Any] = {}
        self.importer = Importer(name)
        models = [path for path in self.members if path.endswith("/models/model.json") and path.count("/") == 2]
        if len(models) != 1:
            raise Damaged("is a zip archive, but was not written by torch.export.save")
        self.root = models[0].split("/")[0]
        document = self._json("models/model.json")
        major = document["schema_version"]["major"]
        if major != SCHEMA_MAJOR:
            raise Damaged(f"has version {major} of PyTorch's format; only {SCHEMA_MAJOR} is supported")
        self.module: dict[str, Any] = document["graph_module"]
        self.targets = [str(node["target"]) for node in self.module["graph"]["nodes"]]

    def _member(self, path: str) -> bytes:
        info = self.members.get(f"{self.root}/{path}")
        if info is None:
            raise Damaged(f"its member {path} is missing")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > self.size:
            raise Damaged(f"its member {path} is compressed, unlike in files of PyTorch")
        try:
            return self.archive.read(info)
        except (zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
            raise Damaged(f"its member {path} is damaged ({error})") from None

    def _json(self, path: str) -> Any:
        try:
            return json.loads(self._member(path))
        except ValueError as error:
            raise Damaged(f"its member {path} is not JSON ({error})") from None

    def read(self, match: str) -> Graph:
        module = self.module
        self._inputs(module)
        for node in module["graph"]["nodes"]:
            self._node(node)
        outputs = []
        for spec in module["signature"]["output_specs"]:
            kind, held = next(iter(spec.items()))
            name = held["arg"].get("as_tensor", {}).get("name") if kind == "user_output" else None
            if name is None:
                reason = f"is a {kind} that is not a tensor; let forward return tensors only"
                self.importer.problems.append(Problem(str(held.get("arg")), "output", reason))
                continue
            outputs.append(self.values[name])
        return self.importer.finish(outputs, match)

    # Inputs and weights

    def _inputs(self, module: dict[str, Any]) -> None:
        shapes = module["graph"]["tensor_values"]
        weights = self._json("data/weights/model_weights_config.json")["config"]
        constants = self._json("data/constants/model_constants_config.json")["config"]
        for spec in module["signature"]["input_specs"]:
            kind, held = next(iter(spec.items()))
            if kind == "user_input":
                self._input(held["arg"], shapes)
                continue
            names = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}
            if kind not in names:
                self.importer.problems.append(Problem(kind, "input", "is of an unsupported kind"))
                continue
            name, key = held["arg"]["name"], held[names[kind]]
            entry, folder = (weights[key], "weights") if key in weights else (constants[key], "constants")
            array = self._array(entry, folder, key)
            self.values[name] = Tensor(self.importer.unique(key), array.shape, str(array.dtype), None, array)

    def _input(self, argument: dict[str, Any], shapes: dict[str, Any]) -> None:
        if "as_tensor" not in argument:
            reason = "is not a tensor; export a module whose forward takes tensors only"
            self.importer.problems.append(Problem(json.dumps(argument), "input", reason))
            return
        name = argument["as_tensor"]["name"]
        sizes = [size.get("as_int") for size in shapes[name]["sizes"]]
        if sizes and sizes[0] is None:
            sizes[0] = 1
        dtype = DTYPES.get(shapes[name]["dtype"], "")
        if dtype not in ("float32", "int8", "uint8", "int16") or not sizes or None in sizes:
            reason = f"has dtype {dtype or 'unknown'} and sizes {sizes}; export with float32 and fixed sizes"
            self.importer.problems.append(Problem(name, "input", reason))
            self.values[name] = Refused()
            return
        self.values[name] = self.importer.add_input(name, tuple(sizes), dtype)

    def _array(self, entry: dict[str, Any], folder: str, key: str) -> np.ndarray:
        """A weight; its strides are checked to stay inside of its bytes."""
        if entry.get("use_pickle"):
            raise Damaged(f"its weight {key} is pickled, which is never loaded; save plain tensors")
        path = str(entry["path_name"])
        meta = entry["tensor_meta"]
        dtype = DTYPES.get(meta["dtype"])
        if dtype is None:
            raise Damaged(f"its weight {key} has an unsupported element type")
        data = np.frombuffer(self._member(f"data/{folder}/{path}"), np.dtype(dtype).newbyteorder("<"))
        sizes, strides = ([int(n["as_int"]) for n in meta[part]] for part in ("sizes", "strides"))
        offset = int(meta["storage_offset"]["as_int"])
        count = math.prod(sizes)
        last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        if min([offset, *sizes, *strides]) < 0 or len(sizes) > 8 or count > len(data) or (count and last >= len(data)):
            raise Damaged(f"its weight {key} reaches beyond its bytes")
        self.taken += count * data.itemsize
        if self.taken > RATIO * self.size:
            raise Damaged(f"its weights, from {key} on, are more than {RATIO} times as large as the file")
        bytes_apart = [stride * data.itemsize for stride in strides]
        view = np.lib.stride_tricks.as_strided(data[offset:], sizes, bytes_apart, writeable=False)
        return np.ascontiguousarray(view).astype(dtype, copy=False)

    # Nodes

    def _node(self, node: dict[str, Any]) -> None:
        target = str(node["target"])
        name, kwargs = str(node["name"] or target), {}
        for argument in node["inputs"]:
            key = "input" if argument["name"] == "self" else str(argument["name"])
            kwargs[key] = self._argument(argument["arg"])
        outputs = [held["name"] for output in node["outputs"] for held in self._written(output)]
        for space in NAMESPACES:
            if target.startswith(space):
                short = target.removeprefix(space).split(".")[0]
                break
        else:
            short = target
        result = self.importer.translate(
            ATEN, Node(outputs[0] if len(outputs) == 1 else name, short, (), kwargs, target)
        )
        results = result if isinstance(result, list) else [result]
        reason = "" if isinstance(result, Refused) else f"reads a result of {name} that is not supported"
        results += [Refused(reason)] * (len(outputs) - len(results))
        self.values.update(zip(outputs, results, strict=False))

    @staticmethod
    def _written(output: dict[str, Any]) -> list[dict[str, Any]]:
        kind, held = next(iter(output.items()))
        if kind in ("as_tensor", "as_sym_int"):
            return [held if "name" in held else {"name": held.get("as_name", "")}]
        return list(held) if kind == "as_tensors" else []

    def _argument(self, argument: dict[str, Any]) -> Any:
        kind, held = next(iter(argument.items()))
        if kind in PLAIN:
            return held
        if kind == "as_none":
            return None
        if kind == "as_tensor":
            return self.values[held["name"]]
        if kind in ("as_tensors", "as_optional_tensors"):
            names = [(one.get("as_tensor", one) if isinstance(one, dict) else {}).get("name") for one in held]
            return [None if name is None else self.values[name] for name in names]
        if kind == "as_sym_int":
            return self.values[held["as_name"]] if "as_name" in held else held["as_int"]
        if kind == "as_sym_ints":
            return [self._argument({"as_sym_int": one}) for one in held]
        raise Damaged(f"has an argument of unknown kind {kind}")
