"""Writes what follows from ``qrt.fbs`` and must not be written again by hand: ``make generate``.

The C reader's numbers and tables, its rules, which come from ``SPEC.md``, the rows of a kernel set, and the kernels'
parameters for Cython and for Python, which come from ``qrt_kernels.h``. ``generated.py`` is flatc's.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable
from pathlib import Path

from qrt.schema.operators import SIZES, Field, Operator, Schema, read, snake_case

FLATC_VERSION = "2.0.8"
# The first line of every file of C.
LICENSE = "/* SPDX-License-Identifier: Apache-2.0 */\n"
OPENING = "by schema/generate.py (make generate) from"
ACC = {"": "QRT_NO_ACC", "x": "QRT_ACC_OF_X", "product": "QRT_ACC_OF_PRODUCT"}


def _prefix(schema: Schema, table: str) -> str:
    """What the reader calls a table."""
    names = {operator.table: operator.name for operator in schema.operators.values()}
    return names.get(table, snake_case(table))


def _numbered(schema: Schema, fields: Iterable[Field]) -> list[tuple[str, Field | None]]:
    """The fields by their numbers; a union has a field in front of it that says which member it is (None)."""
    result: list[tuple[str, Field | None]] = []
    for field in fields:
        if field.type == "Options":
            result.append((f"{field.name}_type", None))
        result.append((field.name, field))
    return result


# -- the reader --


def kinds(schema: Schema) -> str:
    """qrt_kinds.h."""
    names = [f"    QRT_{name.upper()} = {operator.number}," for name, operator in schema.operators.items()]
    first, *others = (f"    QRT_{name.upper()}" for name in schema.rows[len(schema.operators) :])
    rows16 = [f"{first} = QRT_OPERATOR_KIND_END,", *(f"{name}," for name in others)]
    lines = [
        f"/* qrt_kinds.h: the numbers of the operators. Written {OPENING} qrt.fbs. */",
        "#ifndef QRT_KINDS_H",
        "#define QRT_KINDS_H",
        "",
        "enum qrt_operator_kind {",
        *names,
        "    QRT_OPERATOR_KIND_END,",
        "};",
        "",
        "/* The rows of a kernel set: those of the operators have their numbers, those of 16-bit arithmetic follow. */",
        "enum qrt_row16 {",
        *rows16,
        "    QRT_ROW_END,",
        "};",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def fields(schema: Schema) -> str:
    """qrt_fields.h."""
    lines = [
        f"/* qrt_fields.h: the numbers of the tables' fields. Written {OPENING} qrt.fbs. */",
        "#ifndef QRT_FIELDS_H",
        "#define QRT_FIELDS_H",
        "",
    ]
    for table, members in schema.tables.items():
        if members:
            names = [f"{_prefix(schema, table)}_{name}".upper() for name, _ in _numbered(schema, members)]
            lines += ["enum {", *(f"    {name}," for name in names), "};"]
    return "\n".join([*lines, "", "#endif"]) + "\n"


def _struct(schema: Schema, name: str) -> tuple[int, int]:
    """Size and alignment of a struct, whose members need no padding between them, but perhaps behind the last."""
    sizes = [1 if field.type in schema.enums else SIZES[field.type] for field in schema.structs[name]]
    alignment = max(sizes)
    return -(-sum(sizes) // alignment) * alignment, alignment


def _description(schema: Schema, field: Field | None) -> str:
    """A field as the macros of qrt_tables.h describe it."""
    if field is None:
        return "SCALAR(1)"
    required = int(field.required)
    if field.type == "string":
        return "TEXT"
    if "force_align" in field.attributes:
        return f"CODES({required})"
    if field.element in schema.structs:
        size, alignment = _struct(schema, field.element)
        return f"STRUCTURES({size}, {alignment}, {required})"
    if field.element:
        return f"VECTOR({SIZES.get(field.element, 4)}, {required})"
    if field.type in schema.structs:
        size, alignment = _struct(schema, field.type)
        return f"STRUCTURE({size}, {alignment}, {required})"
    if field.type == "bool" or field.type in schema.enums:
        return f"ENUMERATION({max(schema.enums.get(field.type, {'true': 1}).values())})"
    if field.type in SIZES:
        return f"SCALAR({SIZES[field.type]})"
    return "TABLE" if required else "{IN_TABLE, 4, 4, 0, 255}"


def _facts(operator: Operator) -> str:
    facts = {
        "least_inputs": operator.inputs[0],
        "most_inputs": operator.inputs[1],
        "elementwise": int(operator.elementwise),
        "keeps_numbers": int(operator.keeps_numbers),
        "in_place": int(operator.in_place),
        "over_input": int(operator.over_input),
        "accumulates": int(operator.accumulates),
        "has_weights": int(operator.channels is not None),
        "acc": ACC[operator.acc] if operator.acc else 0,
        "moves": int(operator.moves),
        "writes_state": int(operator.writes_state),
        "states": operator.states,
        "row16": f"QRT_{operator.row16.upper()}" if operator.int16 else 0,
    }
    for field in ("requant", "window", "output_min", "output_min16"):
        if operator.has(field):
            facts[field] = f"FIELD({operator.name.upper()}_{field.upper()})"
    return ", ".join(f".{name} = {value}" for name, value in facts.items() if value)


def tables(schema: Schema) -> str:
    """qrt_tables.c."""
    lines = [
        "/* qrt_tables.c: the fields of each table, and what is known of each operator.",
        f" * Written {OPENING} qrt.fbs. */",
        '#include "qrt_tables.h"',
        "",
        "/* clang-format off */",
    ]
    members = {operator.table for operator in schema.operators.values()}
    for table, its_fields in schema.tables.items():
        if its_fields:
            prefix = _prefix(schema, table)
            lines.append(f"static const qrt_field_type {prefix}_fields[] = {{")
            for name, field in _numbered(schema, its_fields):
                lines.append(f"    [{prefix.upper()}_{name.upper()}] = {_description(schema, field)},")
            lines.append("};")
    lines.append("")
    for table in schema.tables:
        if table not in members:
            prefix = _prefix(schema, table)
            lines.append(f"const qrt_table_type qrt_{prefix}_table = FIELDS({prefix}_fields);")
    lines += ["", "const qrt_table_type qrt_option_tables[QRT_OPERATOR_KIND_END] = {"]
    for name, operator in schema.operators.items():
        lines.append(f"    [QRT_{name.upper()}] = {f'FIELDS({name}_fields)' if operator.fields else '{NULL, 0}'},")
    lines += ["};", "", "const qrt_facts qrt_operator_facts[QRT_OPERATOR_KIND_END] = {"]
    lines += [f"    [QRT_{name.upper()}] = {{{_facts(operator)}}}," for name, operator in schema.operators.items()]
    lines += ["};", "", "const char *const qrt_operator_names[QRT_OPERATOR_KIND_END] = {"]
    lines += [f'    [QRT_{name.upper()}] = "{name}",' for name in schema.operators]
    return "\n".join([*lines, "};"]) + "\n"


def rules(specification: str) -> str:
    """qrt_rules.h, out of section 5 of the text of SPEC.md."""
    section = re.search(r"^## 5\. .*?(?=^## |\Z)", specification, re.MULTILINE | re.DOTALL)
    assert section is not None
    lines = [
        "/* qrt_rules.h: the validity rules. X(number, sentence) is the includer's to define.",
        f" * Written {OPENING} section 5 of SPEC.md. */",
        "/* clang-format off */",
    ]
    for number, paragraph in re.findall(r"^\*\*V(\d+)\*\* (.*?)\n\n", section.group(), re.MULTILINE | re.DOTALL):
        sentence = " ".join(paragraph.split())
        parts = textwrap.wrap(sentence, 110, drop_whitespace=False, break_on_hyphens=False)
        lines.append(f"X({number}, " + "\n  ".join(f'"{part}"' for part in parts) + ")")
    return "\n".join(lines) + "\n"


# -- the kernels --


def rows(schema: Schema) -> str:
    """qrt_kernel_rows.h."""
    lines = [
        "/* qrt_kernel_rows.h: X(row) for each row of a kernel set, in the order of their numbers.",
        f" * Written {OPENING} qrt.fbs. */",
        *(f"X({name})" for name in schema.rows),
    ]
    return "\n".join(lines) + "\n"


def _members(body: str) -> list[str]:
    """The members of a C struct as Cython declares them: one pointer a line, functions without Python."""
    result = []
    for member in (" ".join(part.split()).replace("struct ", "") for part in body.split(";")):
        pointers = re.fullmatch(r"((?:const )?\w+) (\*\w+(?:, \*\w+)+)", member)
        if pointers:
            result += [f"{pointers[1]} {name}" for name in pointers[2].split(", ")]
        elif member:
            result.append(f"{member} noexcept nogil" if "(*" in member else member)
    return result


def _without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def _typedefs(text: str) -> list[tuple[str, str, str]]:
    """Of each struct and union of a header's text: which of the two it is, its body, its name."""
    return re.findall(r"^typedef (struct|union) \w+ \{\n(.*?)^\} (\w+);", text, re.M | re.S)


def declarations(schema: Schema, header: str) -> str:
    """qrt_kernels.pxd, out of the text of qrt_kernels.h."""
    lines = [
        f"# qrt_kernels.h for Cython. Written {OPENING} that header, which says what the fields mean.",
        "",
        "from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t",
        "",
        'cdef extern from "qrt_kernels.h" nogil:',
        "    enum:",
        *(f"        {name}" for name in re.findall(r"^#define (QRT_\w+) \d+$", header, re.MULTILINE)),
    ]
    text = _without_comments(header)
    listed = "".join(f"    qrt_kernel {name};\n" for name in schema.rows)
    text = re.sub(r"^#define X\(name\) qrt_kernel name;\n#include .*\n#undef X\n", listed, text, flags=re.MULTILINE)
    for kind, body, name in _typedefs(text):
        lines += ["", f"    ctypedef {kind} {name}:", *(f"        {member}" for member in _members(body))]
    functions = re.findall(r"^(?:static inline )?((?:const )?\w+ \*?\w+\([^)]*\))(?:;| \{)", text, re.MULTILINE)
    return "\n".join([*lines, "", *(f"    {function}" for function in functions)]) + "\n"


def _laid_out(body: str, constants: dict[str, int]) -> list[tuple[str, str, int]]:
    """The name, type and length (1: no array) of each member of a C struct."""
    result = []
    for declaration in (" ".join(part.split()) for part in body.split(";")):
        kind, declarators = re.findall(r"^((?:const )?\w+) (.*)", declaration)[0] if declaration else ("", "")
        for star, name, length in re.findall(r"(\*?)(\w+)(?:\[(\w+)\])?", declarators):
            result.append((name, f"{kind} {star}".strip(), constants[length] if length else 1))
    return result


def _operator_params(schema: Schema, union: str) -> dict[str, str]:
    """The parameters' struct of each operator, out of the union of them: the member that has the operator's name, or
    whose comment names it; of other elementwise operators the one for their number of inputs."""
    found = re.findall(r"^    (\w+) (\w+);(?: +/\*(.*)\*/)?$", union, re.MULTILINE)
    own = {name: struct for struct, name, _ in found}
    named = {word: struct for struct, _, comment in found for word in re.findall(r"\w+", comment)}
    shared = {1: own["unary"], 2: own["binary"]}
    return {
        name: own.get(name) or named.get(name) or shared[operator.inputs[0]]
        for name, operator in schema.operators.items()
    }


def params(schema: Schema, header: str) -> str:
    """params.py, out of the text of qrt_kernels.h."""
    constants = {name: int(value) for name, value in re.findall(r"^#define (QRT_\w+) (\d+)$", header, re.MULTILINE)}
    lines = [
        f'"""The kernels\' parameters as C has them. Written {OPENING} qrt_kernels.h."""',
        "",
        "# Name, type and length (1: no array) of each member of a struct, in order.",
        "STRUCTS: dict[str, tuple[tuple[str, str, int], ...]] = {",
    ]
    for kind, body, struct in _typedefs(_without_comments(header)):
        if kind == "struct" and "(*" not in body and "#" not in body:
            members = [f'("{name}", "{of}", {length}),' for name, of, length in _laid_out(body, constants)]
            if len(members) == 1:
                lines.append(f'    "{struct}": ({members[0]}),')
            else:
                lines += [f'    "{struct}": (', *(f"        {member}" for member in members), "    ),"]
    union = next(body for kind, body, _ in _typedefs(header) if kind == "union")
    lines += ["}", "", "# The struct of each operator.", "PARAMS: dict[str, str] = {"]
    lines += [f'    "{name}": "{struct}",' for name, struct in _operator_params(schema, union).items()]
    return "\n".join([*lines, "}"]) + "\n"


# -- all of it --


def flatc(fbs: Path) -> str | None:
    """generated.py; None where there is no flatc of the right version."""
    if shutil.which("flatc") is None:
        return None
    version = subprocess.run(["flatc", "--version"], capture_output=True, text=True, check=True).stdout
    if FLATC_VERSION not in version:
        return None
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["flatc", "--python", "--gen-onefile", "-o", folder, fbs], check=True)
        return Path(folder, f"{fbs.stem}_generated.py").read_text(encoding="utf-8")


def files(root: Path) -> dict[str, str]:
    """The text of each file that is generated, by its path under `root`; without generated.py where flatc is not."""
    schema = read(root / "schema/qrt.fbs")
    header = (root / "runtime/kernels/qrt_kernels.h").read_text(encoding="utf-8")
    specification = (root / "schema/SPEC.md").read_text(encoding="utf-8")
    made = {
        "schema/qrt_rules.h": rules(specification),
        "schema/qrt_kinds.h": kinds(schema),
        "schema/qrt_fields.h": fields(schema),
        "schema/qrt_tables.c": tables(schema),
        "runtime/kernels/qrt_kernel_rows.h": rows(schema),
        "runtime/kernels/qrt_kernels.pxd": declarations(schema, header),
        "runtime/params.py": params(schema, header),
    }
    generated = flatc(root / "schema/qrt.fbs")
    made = {path: LICENSE + text if path.endswith((".c", ".h")) else text for path, text in made.items()}
    return made if generated is None else {**made, "schema/generated.py": generated}


def main() -> None:
    root = Path(__file__).resolve().parents[1]
    made = files(root)
    for path, text in made.items():
        (root / path).write_text(text, encoding="utf-8")
    if "schema/generated.py" not in made:
        sys.exit(f"schema/generated.py is not written: this needs flatc {FLATC_VERSION}")


if __name__ == "__main__":
    main()
