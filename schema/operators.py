"""What ``qrt.fbs`` says, as data: its tables, and what is known of each operator.

Every part of the project that has to know an operator's name, inputs or fields reads them here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

# Bytes of a scalar.
SIZES = {
    "bool": 1, "byte": 1, "ubyte": 1, "short": 2, "ushort": 2, "int": 4, "uint": 4, "float": 4, "long": 8, "ulong": 8,
}  # fmt: skip
ANY_INPUTS = (1, 256)
# The fields of the range of an output's codes; the last two are that of an int16 output.
RANGE = frozenset({"output_min", "output_max", "output_min16", "output_max16"})


@dataclass(frozen=True)
class Field:
    """A field of a table or struct.

    Attributes
    ----------
    name : str
    type : str
        As in qrt.fbs: ``"int"``, ``"[int]"``, or the name of an enumeration, struct or table.
    default : str
        As in qrt.fbs; "" where it states none.
    attributes : dict of str to str
        ``required`` and the like.
    """

    name: str
    type: str
    default: str
    attributes: dict[str, str]

    @property
    def required(self) -> bool:
        return "required" in self.attributes

    @property
    def element(self) -> str:
        """The type of a vector's elements; "" of what is no vector."""
        return self.type[1:-1] if self.type.startswith("[") else ""


@dataclass(frozen=True)
class Operator:
    """An operator of SPEC.md.

    Attributes
    ----------
    number : int
        Of its member of the union ``Options``.
    name, table : str
        The operator's, and that of the table of its options.
    fields : tuple of Field
        Of that table.
    inputs : tuple of int
        The least and the largest number of them.
    channels : int or None
        The axis of output channels of its second input, the weights; None where it has none.
    elementwise, keeps_numbers, in_place, over_input, accumulates : bool
        As qrt.fbs describes these attributes.
    acc : str
        The accumulator of an elementwise operator with a requant, ``"x"`` or ``"product"``; else "".
    moves, int16, only16, writes_state : bool
        As qrt.fbs describes these attributes; `only16` where int16 is "only".
    states : int
        How many of its inputs, the last ones, are states.
    """

    number: int
    name: str
    table: str
    fields: tuple[Field, ...]
    inputs: tuple[int, int]
    channels: int | None
    elementwise: bool
    keeps_numbers: bool
    in_place: bool
    over_input: bool
    accumulates: bool
    acc: str
    moves: bool
    int16: bool
    only16: bool
    writes_state: bool
    states: int

    def has(self, field: str) -> bool:
        return any(field == known.name for known in self.fields)

    @property
    def row16(self) -> str:
        """The name of the row of its 16-bit arithmetic."""
        return self.name if self.only16 else f"{self.name}16"

    @property
    def clamps(self) -> bool:
        """Whether its options have an output_min and an output_max."""
        return self.has("requant") or self.has("output_min")


@dataclass(frozen=True)
class Schema:
    """A whole qrt.fbs, by name, each in its order."""

    enums: dict[str, dict[str, int]]
    structs: dict[str, tuple[Field, ...]]
    tables: dict[str, tuple[Field, ...]]
    operators: dict[str, Operator]

    @property
    def rows(self) -> list[str]:
        """Names of a kernel set's rows: the operators', by number, and behind them those of 16-bit arithmetic."""
        twofold = [operator for operator in self.operators.values() if operator.int16 and not operator.only16]
        return [*self.operators, *(operator.row16 for operator in twofold)]


def snake_case(name: str) -> str:
    """``AveragePool2D`` -> ``average_pool2d``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name).lower()


def camel_case(name: str) -> str:
    """``output_min`` -> ``OutputMin``: what flatc calls a field."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _attributes(text: str) -> dict[str, str]:
    pairs = (part.partition(":") for part in text.strip("() ").split(",") if part.strip("() "))
    return {key.strip(): value.strip().strip('"') for key, _, value in pairs}


def _fields(body: str) -> tuple[Field, ...]:
    found = re.findall(r"(\w+):([\w\[\]]+)(?: = (\S+?))?(?: \(([^)]*)\))?;", body)
    return tuple(Field(name, kind, default, _attributes(more)) for name, kind, default, more in found)


def _operator(number: int, table: str, fields: tuple[Field, ...], facts: dict[str, str]) -> Operator:
    count = int(facts.get("inputs", "1"))
    return Operator(
        number=number,
        name=facts.get("name", snake_case(table)),
        table=table,
        fields=fields,
        inputs=ANY_INPUTS if "any_inputs" in facts else (count, count),
        channels=int(facts["channels"]) if "channels" in facts else None,
        elementwise="elementwise" in facts,
        keeps_numbers="keeps_numbers" in facts,
        in_place="in_place" in facts or "elementwise" in facts,
        over_input="over_input" in facts,
        accumulates="accumulates" in facts,
        acc=facts.get("acc", ""),
        moves="moves" in facts,
        int16="int16" in facts,
        only16=facts.get("int16") == "only",
        writes_state="writes_state" in facts,
        states=int(facts.get("states", "0")),
    )


def read(path: Path) -> Schema:
    """A qrt.fbs."""
    text = re.sub(r"//.*", "", path.read_text(encoding="utf-8"))
    blocks = re.findall(r"^(enum|struct|table|union) (\w+)(?: : \w+)?(?: \(([^)]*)\))? \{(.*?)\}", text, re.M | re.S)
    found: dict[str, dict[str, str]] = {kind: {} for kind in ("enum", "struct", "table", "union")}
    facts = {}
    for kind, name, attributes, body in blocks:
        found[kind][name] = body
        facts[name] = _attributes(attributes)
    enums = {
        name: {member: int(value) for member, value in re.findall(r"(\w+) = (\d+)", body)}
        for name, body in found["enum"].items()
    }
    tables = {name: _fields(body) for name, body in found["table"].items()}
    members = re.findall(r"\w+", found["union"]["Options"])
    operators = [_operator(number, name, tables[name], facts[name]) for number, name in enumerate(members, start=1)]
    structs = {name: _fields(body) for name, body in found["struct"].items()}
    return Schema(enums, structs, tables, {operator.name: operator for operator in operators})


SCHEMA = read(Path(__file__).with_name("qrt.fbs"))
# In the order of the union Options.
OPERATORS = SCHEMA.operators
BY_NUMBER = {operator.number: operator for operator in OPERATORS.values()}
