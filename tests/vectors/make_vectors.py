"""Generates the golden files: good ones that every later reader must open, and bad ones that violate one rule each.

Run ``python -m vectors.make_vectors`` in ``tests`` to write them. A committed good file never changes: a new
format version adds files. ``bad/vNN_what.qfb`` violates rule VNN of SPEC.md, section 5.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vectors.bad_models import BAD_MODELS
from vectors.band_models import BAD_BANDS, averaged, banded, fed
from vectors.encode import encode, longs, patch, root, seal
from vectors.good_models import GOOD, linear_3_to_2
from vectors.int4_models import BAD_INT4, int4
from vectors.int16_models import BAD_INT16, functions
from vectors.models import linear, log_softmax, reshapes
from vectors.recurrent_models import BAD_RECURRENT, recurrent
from vectors.state_models import BAD_STATES, states, wide

from qrt.schema import generated

HERE = Path(__file__).parent

# -- bad files: faults of the bytes, made in the worked example --


def entry(table: Any, field: int) -> int:
    """Byte position of a field's entry in the vtable of a table that generated.py reads.

    "Fields" -2 and -1 are the vtable's size and the table's.
    """
    position: int = table._tab.Pos
    distance: int = struct.unpack_from("<i", table._tab.Bytes, position)[0]
    return position - distance + 4 + 2 * field


def offset_to(table: Any, field: int) -> int:
    """Byte position of the offset that a field holds."""
    position: int = table._tab.Pos
    in_table: int = struct.unpack_from("<H", table._tab.Bytes, entry(table, field))[0]
    return position + in_table


def vector_of(table: Any, field: int) -> int:
    """Byte position of the count of the vector or text that a field leads to."""
    at = offset_to(table, field)
    distance: int = struct.unpack_from("<I", table._tab.Bytes, at)[0]
    return at + distance


def tiny(find: Callable[[Any], int], form: str, value: int) -> bytes:
    """The worked example, with another number at the position that `find` gives."""
    content = linear_3_to_2()
    return seal(patch(content, find(root(content)), form, value))


def requant_of(content: bytes) -> Any:
    options = generated.Linear()
    table = root(content).Operators(0).Options()
    options.Init(table.Bytes, table.Pos)
    return options.Requant()


def without_seal() -> bytes:
    content = linear_3_to_2()
    return patch(content, entry(root(content), 1), "<H", 0)


def with_other_crc() -> bytes:
    content = linear_3_to_2()
    at = root(content).Seal()._tab.Pos + 4
    return patch(content, at, "<I", struct.unpack_from("<I", content, at)[0] ^ 1)


def with_addend_at_4() -> bytes:
    """The addend's offset leads 4 bytes on, where its only entry, 1, looks like the count of a vector."""
    content = encode(linear(addend=longs(1)))
    at = offset_to(requant_of(content), 3)
    return seal(patch(content, at, "<I", struct.unpack_from("<I", content, at)[0] + 4))


def with_endless_addend() -> bytes:
    """A count whose eightfold is 8 in 32 bits."""
    content = encode(linear(addend=longs(1)))
    return seal(patch(content, vector_of(requant_of(content), 3), "<I", 0x20000001))


def with_short_table() -> bytes:
    """The table of Reshape, which has no fields, without even room for the distance to its vtable."""
    content = encode(reshapes())
    table = root(content).Operators(0).Options()
    at = table.Pos - struct.unpack_from("<i", content, table.Pos)[0] + 2
    return seal(patch(content, at, "<H", 2))


def with_odd_vtable() -> bytes:
    """Reshape's vtable once more, in a text and there at an odd byte."""
    content = encode(reshapes(name="\0\4\0\4\0"))
    table = root(content).Operators(0).Options()
    return seal(patch(content, table.Pos, "<i", table.Pos - (vector_of(root(content), 3) + 5)))


def with_exponentials_behind_an_empty_vector() -> bytes:
    """A table of no entries, behind which there is one that would do."""
    content, options = encode(log_softmax()), generated.LogSoftmax()
    table = root(content).Operators(0).Options()
    options.Init(table.Bytes, table.Pos)
    return seal(patch(content, vector_of(options, 0), "<I", 0))


def with_cut_name() -> bytes:
    """A text that ends within a character, whose rest stands behind it."""
    content = encode(reshapes(name="caf\u00e9"))
    return seal(patch(content, vector_of(root(content), 3), "<I", 4))


BAD_BYTES: dict[str, Callable[[], bytes]] = {
    "v01_root_past_the_end": lambda: patch(linear_3_to_2(), 0, "<I", 560),
    "v01_offset_not_aligned": lambda: tiny(lambda m: offset_to(m, 5), "<I", 122),
    "v01_offset_wraps": lambda: tiny(lambda m: offset_to(m, 3), "<I", 0xFFFFFFF0),
    "v02_vtable_before_the_file": lambda: tiny(lambda m: m.Tensors(0)._tab.Pos, "<i", 0x7FFFFFFE),
    "v02_vtable_past_the_end": lambda: tiny(lambda m: m.Tensors(0)._tab.Pos, "<i", -0x80000000),
    "v02_vtable_at_an_odd_byte": lambda: tiny(lambda m: m.Tensors(0)._tab.Pos, "<i", 0x11),
    "v02_vtable_whole_at_an_odd_byte": with_odd_vtable,
    "v02_vtable_size_odd": lambda: tiny(lambda m: entry(m.Tensors(0), -2), "<H", 21),
    "v02_vtable_size_2": lambda: tiny(lambda m: entry(m.Tensors(0), -2), "<H", 2),
    "v02_vtable_too_long": lambda: tiny(lambda m: entry(m.Tensors(0), -2), "<H", 0xFFFE),
    "v03_table_past_the_end": lambda: tiny(lambda m: entry(m.Tensors(0), -1), "<H", 0xFFFF),
    "v03_table_of_2_bytes": with_short_table,
    "v03_field_outside_the_table": lambda: tiny(lambda m: entry(m.Tensors(2), 0), "<H", 0xFFFC),
    "v03_field_not_aligned": lambda: tiny(lambda m: entry(m, 8), "<H", 5),
    "v03_field_over_the_distance": lambda: tiny(lambda m: entry(m.Tensors(0), 3), "<H", 3),
    "v04_vector_past_the_end": lambda: tiny(lambda m: vector_of(m.Tensors(0), 1), "<I", 0xFFFFFFFF),
    "v04_vector_size_wraps": with_endless_addend,
    "v04_text_past_the_end": lambda: tiny(lambda m: vector_of(m, 3), "<I", 100),
    "v04_data_not_aligned_to_16": lambda: encode(linear(), data_alignment=4),
    "v04_addend_not_aligned_to_8": with_addend_at_4,
    "v05_no_seal": without_seal,
    "v06_size": lambda: seal(linear_3_to_2(), size=544),
    "v06_bytes_after_the_end": lambda: seal(linear_3_to_2() + bytes(16), size=560),
    "v07_crc": with_other_crc,
    "v10_cut_within_a_character": with_cut_name,
    "v67_no_entries": with_exponentials_behind_an_empty_vector,
}

BAD: dict[str, Callable[[], bytes]] = {
    **BAD_BYTES,
    **{
        name: lambda make=make: encode(make())
        for name, make in {**BAD_MODELS, **BAD_STATES, **BAD_INT16, **BAD_RECURRENT, **BAD_INT4, **BAD_BANDS}.items()
    },
}
GOOD_FILES = {
    **GOOD,
    "format1_states": states,
    "format1_int16": wide,
    "format1_int16_functions": functions,
    "format1_recurrent": recurrent,
    "format1_int4": int4,
    "format1_bands": banded,
    "format1_bands_fed": fed,
    "format1_bands_average": averaged,
}


def main() -> None:
    for folder, makers in (("good", GOOD_FILES), ("bad", BAD)):
        (HERE / folder).mkdir(exist_ok=True)
        for name, make in makers.items():
            (HERE / folder / f"{name}.qfb").write_bytes(make())


if __name__ == "__main__":
    main()
