"""The schema is consistent: qrt.fbs, generated.py, the C reader, SPEC.md and its rules; the C is freestanding."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from c_programs import READER
from places import ROOT
from vectors import make_vectors

from qrt.schema import generate, generated

SCHEMA = ROOT / "schema"
STRICT = ["-std=c99", "-ffreestanding", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
COMPILERS = {
    "gcc": ["gcc"],
    "clang": ["clang"],
    "cortex-m4": ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb"],
}


def section(number: int) -> str:
    """A section of SPEC.md."""
    text = (SCHEMA / "SPEC.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {number}\. .*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group()


def rules_of_the_reader() -> list[tuple[int, str]]:
    """(number, sentence) of qrt_rules.h."""
    text = (SCHEMA / "qrt_rules.h").read_text(encoding="utf-8")
    entries = re.findall(r'^X\((\d+),((?:\s*"[^"]*")+)\)$', text, re.MULTILINE)
    assert len(entries) == text.count("\nX(")
    return [(int(number), "".join(re.findall(r'"([^"]*)"', literals))) for number, literals in entries]


def enumerations(header: str) -> dict[str, dict[str, int]]:
    """The enumerations of a C header, by tag or by first name: names and values."""
    text = re.sub(r"/\*.*?\*/", "", (SCHEMA / header).read_text(encoding="utf-8"), flags=re.DOTALL)
    result = {}
    for tag, body in re.findall(r"^enum (\w*) ?\{(.*?)\};", text, re.MULTILINE | re.DOTALL):
        value, members = -1, {}
        for name, given in re.findall(r"(\w+)(?: = (\d+))?", body):
            value = int(given) if given else value + 1
            members[name] = value
        result[tag or next(iter(members))] = members
    return result


@pytest.mark.parametrize("path", sorted(generate.files(ROOT)))
def test_generated_files_are_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == generate.files(ROOT)[path], "make generate"


def test_flatc_is_there_to_ask() -> None:
    if "schema/generated.py" not in generate.files(ROOT):
        pytest.skip(f"no flatc {generate.FLATC_VERSION}: nothing says whether schema/generated.py is up to date")


@pytest.mark.parametrize(
    ("enumeration", "prefix", "source"),
    [
        ("qrt_rounding", "QRT_", generated.Rounding),
        ("qrt_add_form", "QRT_", generated.AddForm),
        ("qrt_pool_rounding", "QRT_", generated.PoolRounding),
    ],
)
def test_enumerations_of_the_reader(enumeration: str, prefix: str, source: type) -> None:
    def plain(name: str) -> str:
        return name.removeprefix(prefix).replace("_", "").upper()

    expected = {plain(name): value for name, value in vars(source).items() if name.isupper() or name[0].isupper()}
    members = {plain(name): value for name, value in enumerations("qrt_model.h")[enumeration].items()}
    assert members == expected


def test_rules_are_numbered_in_order() -> None:
    rules = rules_of_the_reader()
    assert [number for number, _ in rules] == list(range(1, len(rules) + 1))
    assert len({sentence for _, sentence in rules}) == len(rules)


def test_rules_of_the_specification_are_those_of_the_reader() -> None:
    paragraphs = re.findall(r"^\*\*V(\d+)\*\* (.*?)\n\n", section(5), re.MULTILINE | re.DOTALL)
    assert [(int(number), " ".join(text.split())) for number, text in paragraphs] == rules_of_the_reader()


def test_every_rule_is_checked_somewhere() -> None:
    checks = "".join(path.read_text() for path in [*READER, SCHEMA / "qrt_check.h"])
    numbers = set(re.findall(r"\bRULE\((\d+),|\bRULE_AT\([^;]*?, (\d+),|qrt_broken\(&check, (\d+)\)", checks))
    assert {int("".join(found)) for found in numbers} == {number for number, _ in rules_of_the_reader()}


def test_worked_example_is_the_file() -> None:
    content = b""
    for address, dump in re.findall(r"^([0-9a-f]{4})  ((?:[0-9a-f]{2} ?)+)", section(6), re.MULTILINE):
        assert int(address, 16) == len(content)
        content += bytes.fromhex(dump)
    assert content == make_vectors.linear_3_to_2()


@pytest.mark.parametrize("name", COMPILERS)
def test_reader_compiles_freestanding(name: str, tmp_path: Path) -> None:
    compiler = COMPILERS[name]
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"no {compiler[0]}")
    nm = "arm-none-eabi-nm" if compiler[0].startswith("arm") else "nm"
    if shutil.which(nm) is None:
        pytest.skip(f"no {nm}")
    objects = []
    for source in READER:
        objects.append(tmp_path / f"{source.stem}.o")
        subprocess.run([*compiler, *STRICT, "-c", source, "-o", objects[-1]], check=True)
    symbols = subprocess.run([nm, *objects], capture_output=True, text=True, check=True).stdout
    undefined = set(re.findall(r" U (\w+)", symbols))
    defined = set(re.findall(r" [TRD] (\w+)", symbols))
    assert "qrt_model_open" in defined
    assert undefined - defined <= {"memcpy", "memset", "memmove", "memcmp"}
