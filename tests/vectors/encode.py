"""Encodes models of any content: uses qrt.fbs but no rules, so that malicious files can be written too."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import Any

import flatbuffers
import numpy as np

from qrt.schema import generated

STRUCTURES = {"seal": "Seal", "lifetime": "Lifetime", "window": "Window", "feed": "Pace"}
PACE = np.dtype("<i4,<i4,<i4,<u2,<u2,u1,V3")


class Table:
    """A table of qrt.fbs: its name, and its fields by name.

    A field is a number, a text, a numpy array (a vector), a `Table`, a list of tables or texts, or a tuple:
    the members of the structure that the field holds. A table or array that appears twice is written once.
    """

    def __init__(self, table_name: str, **fields: Any) -> None:
        self.table_name = table_name
        self.fields = fields

    def __getitem__(self, field: str) -> Any:
        return self.fields[field]

    def __setitem__(self, field: str, value: Any) -> None:
        self.fields[field] = value


class Builder(flatbuffers.Builder):
    """Writes a bool as the number that it is, so that it can be one that no bool is."""

    def PrependBoolSlot(self, *arguments: int) -> None:
        self.PrependUint8Slot(*arguments)


class Encoder:
    def __init__(self, data_alignment: int) -> None:
        self.builder = Builder(0)
        self.data_alignment = data_alignment
        self.written: dict[int, int] = {}

    def table(self, table: Table) -> int:
        if id(table) not in self.written:
            inline = (int, float, tuple)
            values = {f: v if isinstance(v, inline) else self.value(f, v) for f, v in table.fields.items()}
            getattr(generated, f"{table.table_name}Start")(self.builder)
            for field, value in values.items():
                if isinstance(value, tuple):
                    value = getattr(generated, f"Create{STRUCTURES[field]}")(self.builder, *value)
                camel = "".join(part[0].upper() + part[1:] for part in field.split("_"))
                getattr(generated, f"{table.table_name}Add{camel}")(self.builder, value)
            self.written[id(table)] = getattr(generated, f"{table.table_name}End")(self.builder)
        return self.written[id(table)]

    def value(self, field: str, value: Any) -> int:
        if isinstance(value, Table):
            return self.table(value)
        if isinstance(value, np.ndarray):
            if id(value) not in self.written:
                alignment = 4 if value.dtype == PACE else value.itemsize
                self.written[id(value)] = self.vector(value, self.data_alignment if field == "data" else alignment)
            return self.written[id(value)]
        if isinstance(value, list):
            offsets = [self.value(field, item) for item in value]
            self.builder.StartVector(4, len(offsets), 4)
            for offset in reversed(offsets):
                self.builder.PrependUOffsetTRelative(offset)
            return self.builder.EndVector()
        return self.builder.CreateString(value)

    def vector(self, array: np.ndarray, alignment: int) -> int:
        content = array.tobytes()
        self.builder.StartVector(array.itemsize, array.size, alignment)
        self.builder.head -= len(content)
        self.builder.Bytes[self.builder.head : self.builder.head + len(content)] = content
        return self.builder.EndVector()


def encode(model: Table, data_alignment: int = 16) -> bytes:
    """The file of a Model, sealed."""
    encoder = Encoder(data_alignment)
    encoder.builder.Finish(encoder.table(model), b"QRT1")
    return seal(bytes(encoder.builder.Output()))


def root(content: bytes) -> generated.Model:
    return generated.Model.GetRootAs(content)


def seal(content: bytes, size: int | None = None) -> bytes:
    """The same file with its size, or another, and its CRC-32 filled in."""
    at = root(content).Seal()._tab.Pos
    content = patch(content, at, "<II", len(content) if size is None else size, 0)
    return patch(content, at + 4, "<I", zlib.crc32(content))


def patch(content: bytes, at: int, form: str, *values: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(form, changed, at, *values)
    return bytes(changed)


# -- parts of models --


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype="<i4")


def longs(*values: int) -> np.ndarray:
    return np.array(values, dtype="<i8")


def codes(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int8)


def shorts(*values: int) -> np.ndarray:
    """int16 codes, as the bytes that they are in a file."""
    return np.array(values, dtype="<i2").view(np.int8)


def ushorts(*values: int) -> np.ndarray:
    return np.array(values, dtype="<u2")


def ubytes(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint8)


def edge(tensor: int, **fields: Any) -> Table:
    return Table("Edge", tensor=tensor, **fields)


def requant(multiplier: Iterable[int] = (1 << 30,), shift: Iterable[int] = (32,), **fields: Any) -> Table:
    return Table("Requant", multiplier=ints(*multiplier), shift=ubytes(*shift), **fields)


def window(
    filter: tuple[int, int] = (1, 1),
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> tuple[int, ...]:
    """A Window; padding is top, bottom, left, right."""
    return (*filter, *stride, *dilation, *padding)


def band(first: int, turns: int, *paces: tuple[int, ...], **fields: Any) -> Table:
    """A Band; a pace is lead, capacity, kept, rows, per, slide, and so is `feed`."""
    array = np.array([(*pace, b"") for pace in paces], PACE)
    return Table("Band", first=first, turns=turns, paces=array, **fields)


def vectors(*pairs: tuple[list[np.ndarray], list[np.ndarray]]) -> list[Table]:
    """Test vectors of (inputs, outputs)."""

    def side(arrays: list[np.ndarray]) -> list[Table]:
        return [Table("Codes", data=array) for array in arrays]

    return [Table("TestVector", inputs=side(inputs), outputs=side(outputs)) for inputs, outputs in pairs]
