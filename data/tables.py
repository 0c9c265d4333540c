"""Tables of files and labels: .csv and .parquet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qrt.data import arrays
from qrt.data.dataset import Entry
from qrt.data.errors import DataError
from qrt.data.folders import kind_of

SUFFIXES = (".csv", ".parquet")
PATH_COLUMNS = ("path", "file", "filename", "image")
LABEL_COLUMNS = ("label", "class")


def scan_table(path: Path) -> list[Entry]:
    """The files that the rows of a table name, relative to its folder, and their labels if it has any.

    Labels that are all whole numbers are numbers, otherwise names.
    """
    columns, rows = _csv(path) if path.suffix.lower() == ".csv" else _parquet(path)
    file, label = _column(columns, PATH_COLUMNS), _column(columns, LABEL_COLUMNS)
    if file is None:
        found = ", ".join(columns) or "none"
        raise DataError(f"{path}: has no column {' or '.join(PATH_COLUMNS)}; its columns are {found}")
    entries = [_entry(path, where, row, file, label) for where, row in rows]
    if not entries:
        raise DataError(f"{path}: has no rows; give one for each sample")
    if label is not None and all(_is_number(entry.label) for entry in entries):
        return [Entry(e.path, e.name, e.where, int(e.label)) for e in entries if e.label is not None]
    return entries


def _is_number(label: object) -> bool:
    return isinstance(label, str) and re.fullmatch("-?[0-9]{1,9}", label) is not None


def _column(columns: Sequence[str], names: Sequence[str]) -> int | None:
    lower = [column.strip().lower() for column in columns]
    return next((lower.index(name) for name in names if name in lower), None)


def _entry(path: Path, where: str, row: Sequence[Any], file: int, label: int | None) -> Entry:
    """The file and the label of a row."""
    if len(row) <= max(file, label or 0):
        raise DataError(f"{path}: {where}: has {len(row)} columns; give the file and the label in each row")
    name, text = row[file], None if label is None else row[label]
    if not isinstance(name, str) or not name or "\0" in name:
        raise DataError(f"{path}: {where}: names no file; give a path relative to {path.parent}")
    place = path.parent / name
    if kind_of(place) is None:
        raise DataError(f"{path}: {where}: {name}: neither an image nor a recording nor .npy; leave the row out")
    try:
        is_file = place.is_file()
    except OSError:  # a name that is too long
        is_file = False
    if not is_file:
        raise DataError(f"{path}: {where}: {name}: no such file; paths are relative to {path.parent}")
    if label is not None and (text is None or isinstance(text, float) or not str(text).strip()):
        raise DataError(f"{path}: {where}: {name}: label is {text!r}; give a number or a name")
    return Entry(place, name, f"{path}: {where}: {name}", None if text is None else str(text).strip())


def _csv(path: Path) -> tuple[list[str], Iterator[tuple[str, list[str]]]]:
    try:
        text = arrays.read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text; write it as CSV with commas") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)

    def rows() -> Iterator[tuple[str, list[str]]]:
        try:
            for row in reader:
                if row:
                    yield f"line {reader.line_num}", row
        except csv.Error as error:
            raise DataError(f"{path}: line {reader.line_num}: {error}; write it as CSV with commas") from None

    lines = rows()
    return next(lines, ("", []))[1], lines


def _parquet(path: Path) -> tuple[list[str], Iterator[tuple[str, list[Any]]]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise DataError(f'{path}: .parquet is read by pyarrow; install it with: pip install "qrt[data]"') from None
    try:
        file = ParquetFile(io.BytesIO(arrays.read_bytes(path)))
        columns = list(file.schema_arrow.names)
        wanted = [k for k in (_column(columns, PATH_COLUMNS), _column(columns, LABEL_COLUMNS)) if k is not None]
        # By index: of columns of one name, `read` gives all.
        table = file.read([columns[k] for k in wanted])
        values = [table.column(table.column_names.index(columns[k])).to_pylist() for k in wanted]
    except (ArrowException, OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else "cannot be read"
        raise DataError(f"{path}: no Parquet: {reason}; write it again") from None
    rows = (list(row) for row in zip(*values, strict=True))
    return [columns[k] for k in wanted], ((f"row {index}", row) for index, row in enumerate(rows))
