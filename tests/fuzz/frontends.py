"""The targets of atheris: a reader of untrusted files may raise one kind of error, and no other.

    cd tests && python -m fuzz.frontends onnx [options of libFuzzer] [folder of files]

The reader of arrays (`npy`) is not a frontend of the compiler, but also reads untrusted files.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import random
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["qrt"]):
    from fuzz.readers import READERS

    from qrt.compiler import FRONTENDS

    for module in FRONTENDS.values():
        importlib.import_module(f"qrt.compiler.frontends.{module}")

# A file, the largest size and a seed give the file changed.
Mutator = Callable[[bytes, int, int], bytes]

STRANGE = (0, 1, -1, 2, 127, 128, 255, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))


# -- mutators: what lies behind a checksum, or in a tree, is changed there --


def other_value(value: Any, generator: random.Random) -> Any:
    """A value for the place of a number, a text or a list."""
    if isinstance(value, bool) or value is None:
        return generator.choice((True, False, None, 0, "x", []))
    if isinstance(value, int):
        return generator.choice((*STRANGE, value + generator.randrange(-9, 10)))
    if isinstance(value, float):
        return generator.choice((0.0, -value, value * 2, 1e308, float("nan"), float("inf"), 5e-324))
    if isinstance(value, list) and value:
        return generator.choice((value[:-1], value + value[-1:], value[::-1], [], value * 9))
    return generator.choice((0, "", [], {}, None, value))


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Each (container, key) of a tree of dicts and lists."""
    found = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in list(items):
            found.append((node, key))
            waiting.append(value)
    return found


def mutate_json(content: bytes, generator: random.Random) -> bytes:
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return content
    found = places(tree)
    for _ in range(generator.randrange(1, 4)):
        if not found:
            break
        node, key = generator.choice(found)
        other, other_key = generator.choice(found)
        with contextlib.suppress(KeyError, IndexError):
            if generator.random() < 0.6:
                node[key] = other_value(node[key], generator)
            elif generator.random() < 0.5:
                node[key] = json.loads(json.dumps(other[other_key]))
            elif isinstance(node, dict):
                del node[key]
    return json.dumps(tree).encode()


def mutate_zip(data: bytes, max_size: int, seed: int) -> bytes:
    """Changes one member and writes the archive again, with true checksums."""
    generator = random.Random(seed)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
        name = generator.choice([name for name in members if members[name]])
    except Exception:
        return bytes(atheris.Mutate(data, max_size))
    if generator.random() < 0.1:
        return bytes(atheris.Mutate(data, max_size))
    if name.endswith(".json"):
        members[name] = mutate_json(members[name], generator)
    elif generator.random() < 0.1:
        del members[name]
    else:
        members[name] = bytes(atheris.Mutate(members[name], len(members[name]) + 16))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue() if len(stream.getvalue()) <= max_size else data


def mutate_onnx(data: bytes, max_size: int, seed: int) -> bytes:
    """Changes fields of the message and its parts, or any bytes."""
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    generator = random.Random(seed)
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        return bytes(atheris.Mutate(data, max_size))
    if generator.random() < 0.1:
        return bytes(atheris.Mutate(data, max_size))
    for _ in range(generator.randrange(1, 4)):
        message: Any = model
        while True:
            fields = message.ListFields()
            if not fields:
                break
            descriptor, value = generator.choice(fields)
            repeated = hasattr(value, "__len__") and not isinstance(value, str | bytes) and len(value) > 0
            chosen = generator.choice(value) if repeated else value
            if hasattr(chosen, "ListFields") and generator.random() < 0.9:
                message = chosen
                continue
            with contextlib.suppress(ValueError, TypeError):
                mutate_field(message, descriptor.name, value, repeated, generator)
            break
    changed: bytes = model.SerializeToString()
    return changed if len(changed) <= max_size else data


def mutate_field(message: Any, name: str, value: Any, repeated: bool, generator: random.Random) -> None:
    if generator.random() < 0.1:
        message.ClearField(name)
    elif repeated:
        at = generator.randrange(len(value))
        choice = generator.randrange(3)
        if choice == 0:
            del value[at]
        elif choice == 1:
            value.append(value[at])
        elif not hasattr(value[at], "ListFields"):
            value[at] = generator.choice(value) if generator.random() < 0.5 else other_value(value[at], generator)
    elif isinstance(value, bytes):
        setattr(message, name, bytes(atheris.Mutate(value, len(value) + 8)))
    elif not hasattr(value, "ListFields"):
        setattr(message, name, other_value(value, generator))


MUTATORS: dict[str, Mutator] = {"onnx": mutate_onnx, "pt2": mutate_zip}


def main() -> None:
    name, *options = sys.argv[1:]
    read = READERS[name]
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"fuzzed.{name}"

        def one_input(data: bytes) -> None:
            path.write_bytes(data)
            read(path)

        hooks = {"custom_mutator": MUTATORS[name]} if name in MUTATORS else {}
        atheris.Setup([sys.argv[0], *options], one_input, **hooks)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
