"""Removes each check of the validator in turn and shows which test fails: mutation testing of schema/*.c.

    python tests/fuzz/mutate_validator.py [--json] [FILE ...]

A mutant lacks one check: a term of a RULE, a call by TRY or by a final return, a term of a condition under which a
helper returns 0, a requirement in a table of fields, or a fact of an operator. It is compiled in a copy of the tree and
tested with the files that tests open, then with all of tests/schema/test_validator.py. Prints a line for each mutant.
Exit code 1 if a mutant survives that UNNOTICED does not explain, or if an explanation has no mutant.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/schema")]

from c_programs import compiler  # noqa: E402
from test_validator import (  # noqa: E402
    BAD,
    ERR_INVALID,
    GOOD,
    OK,
    Reader,
    beyond_an_enumeration,
    without_a_field,
)

SOURCES = (
    "qrt_structure.c",
    "qrt_graph.c",
    "qrt_operators.c",
    "qrt_operators16.c",
    "qrt_operators_moves.c",
    "qrt_operators_recurrent.c",
    "qrt_operators_rows.c",
    "qrt_sums.c",
    "qrt_tables.c",
    "qrt_bands.c",
    "qrt_turns.c",
    "qrt_overlaps.c",
)
# What C leaves undefined ends the mutant.
FLAGS = ("-std=c99", "-fPIC", "-w", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
SECONDS = 20  # of CPU time for the files, which take a moment; a mutant may loop

# (function, check): why the check stays although no test can notice its absence.
UNNOTICED: dict[tuple[str, str], str] = {}


@dataclass(frozen=True)
class Mutant:
    """A check and what stands in its place."""

    file: str
    line: int
    function: str
    check: str
    start: int
    end: int
    instead: str


@dataclass(frozen=True)
class Outcome:
    """Which test noticed; "" when none did."""

    file: str
    line: int
    function: str
    check: str
    noticed_by: str


def closing(text: str, opening: int) -> int:
    """Where the parenthesis at `opening` is closed."""
    depth = 0
    for at in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return at
    raise AssertionError("a parenthesis is not closed")


def split(text: str, start: int, end: int, operator: str) -> Iterator[tuple[int, int]]:
    """The parts of text[start:end] between operators that no parenthesis encloses."""
    depth, begin, at = 0, start, start
    while at < end:
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0 and text.startswith(operator, at):
            yield begin, at
            begin = at = at + len(operator)
        else:
            at += 1
    yield begin, end


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def places(text: str) -> Iterator[tuple[int, int, str]]:
    """What to take out of a source file, and what to put there."""
    for found in re.finditer(r"^(?!#).*?\b(RULE|RULE_AT|TRY)\(", text, re.MULTILINE):
        yield from of_macro(text, found.group(1), found.end() - 1)
    for found in re.finditer(r"\bRULE\(", text):  # a second one on a line: in a loop, or behind a condition
        if re.match(r"^(?!#).+\bRULE\($", text[text.rfind("\n", 0, found.start()) + 1 : found.end()]):
            yield from of_macro(text, "RULE", found.end() - 1)
    for found in re.finditer(r"\breturn ((?:qrt_)?check_\w+\(|qrt_spend\()", text):
        yield found.start(1), closing(text, found.end() - 1) + 1, "QRT_OK"
    for found in re.finditer(r"\bif (\()[^;{]*\) return 0;", text):
        end = closing(text, found.start(1))
        for start, stop in split(text, found.start(1) + 1, end, "||"):
            yield *trimmed(text, start, stop), "0"
    for pattern, instead in (
        (r"ENUMERATION\(\d+\)", "SCALAR(1)"),
        (r"\bVECTOR\((\d), 1\)", r"VECTOR(\1, 0)"),
        (r"\bCODES\(1\)", "CODES(0)"),
        (r"(?<=\] = )TABLE\b", "{IN_TABLE, 4, 4, 0, 255}"),
        (r"STRUCTURE\((\d+), (\d), 1\)", r"STRUCTURE(\1, \2, 0)"),
        (r"(?<=\] = )TEXT\b", "{IN_PLACE, 4, 4, 0, 255}"),
        (r"\.least_inputs = (\d), \.most_inputs = \1\b", ".least_inputs = 1, .most_inputs = 256"),
        (r"\.keeps_numbers = 1", ".keeps_numbers = 0"),
        (r"\.acc = QRT_ACC_OF_\w+", ".acc = QRT_NO_ACC"),
    ):
        for found in re.finditer(pattern, text):
            yield found.start(), found.end(), found.expand(instead)


def of_macro(text: str, name: str, opening: int) -> Iterator[tuple[int, int, str]]:
    end = closing(text, opening)
    if name == "TRY":
        yield opening + 1, end, "QRT_OK"
        return
    start, stop = list(split(text, opening + 1, end, ","))[-1]
    for term in split(text, start, stop, "&&"):
        yield *trimmed(text, *term), "1"


def mutants(file: str) -> list[Mutant]:
    text = (ROOT / "schema" / file).read_text(encoding="utf-8")
    found = []
    for start, end, instead in sorted(set(places(text))):
        if start == end or text[text.rfind("\n", 0, start) + 1] == "#" or text[text.rfind("\n", 0, end) - 1] == "\\":
            continue
        function = re.findall(r"^[a-z].*?(\w+)[(\[]", text[:end], re.MULTILINE)[-1]
        check = " ".join(text[start:end].split())
        found.append(Mutant(file, text.count("\n", 0, start) + 1, function, check, start, end, instead))
    return found


class Tree:
    """A copy of the project in which mutants are made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = list(quick_files())
        for name in ("schema", "tests", "runtime"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        self.objects = {file.name: self.compiled(file, "") for file in sorted((folder / "schema").glob("*.c"))}

    def compiled(self, source: Path, suffix: str) -> Path:
        made = self.folder / f"{source.stem}{suffix}.o"
        subprocess.run([compiler(), *FLAGS, "-c", source, "-o", made], check=True)
        return made

    def outcome(self, mutant: Mutant, number: int) -> Outcome:
        source = self.folder / "schema" / mutant.file
        original = source.read_text(encoding="utf-8")
        source.write_text(original[: mutant.start] + mutant.instead + original[mutant.end :], encoding="utf-8")
        objects = {**self.objects, mutant.file: self.compiled(source, "_mutant")}
        library = self.folder / f"mutant{number}.so"
        subprocess.run([compiler(), "-shared", *objects.values(), "-o", library], check=True)
        noticed = noticing_file(library, self.files) or self.tests()
        library.unlink()
        source.write_text(original, encoding="utf-8")
        return Outcome(mutant.file, mutant.line, mutant.function, mutant.check, noticed)

    def tests(self) -> str:
        # Without what reads no source of this tree, or takes long.
        rest = ["-k", "not computes and not sanitizers", "tests/schema/test_validator.py"]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *rest]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        if done.returncode == 0:
            return ""
        if done.returncode < 0:
            return f"a test, by {signal.Signals(-done.returncode).name}"
        failed = re.search(r"^FAILED .*?::(\S+)", done.stdout, re.MULTILINE)
        assert failed is not None, done.stdout + done.stderr
        return failed.group(1)


def quick_files() -> Iterator[tuple[str, bytes, int]]:
    """(test, file, rule that it breaks): what opens in a moment."""
    for path in BAD:
        yield f"test_bad_file_breaks_its_rule[{path.stem}]", path.read_bytes(), int(path.stem[1:3])
    for name, content in without_a_field():
        yield f"test_every_required_field_is_asked_for: {name}", content, 5
    for name, content in beyond_an_enumeration():
        yield f"test_no_enumeration_is_left: {name}", content, 9
    for path in GOOD:
        yield f"test_good_file_opens[{path.stem}]", path.read_bytes(), 0


def first_wrong(reader: Reader, files: list[tuple[str, bytes, int]]) -> str:
    for test, content, rule in files:
        opened = reader.open(content)
        if (opened.status, opened.rule) != (ERR_INVALID if rule else OK, rule):
            return test
    return ""


def noticing_file(library: Path, files: list[tuple[str, bytes, int]]) -> str:
    """The test of the first file that a mutant judges otherwise, asked in a process of its own, which it may end."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        os.write(writable, first_wrong(Reader(library), files).encode())
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as stream:
        wrong = stream.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"one of those files, by {signal.Signals(os.WTERMSIG(status)).name}"
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description="Drops each check of the validator in turn.")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    parser.add_argument("files", nargs="*", metavar="FILE", help="of schema/; all of them where none is named")
    options = parser.parse_args()
    as_json = options.json
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        tree = Tree(Path(folder))
        every = [mutant for file in options.files or SOURCES for mutant in mutants(file)]
        for number, mutant in enumerate(every):
            outcome = tree.outcome(mutant, number)
            outcomes.append(outcome)
            reason = UNNOTICED.get((outcome.function, outcome.check), "")
            if not as_json:
                place = f"{number + 1}/{len(every)} {outcome.file}:{outcome.line} {outcome.function}"
                how = outcome.noticed_by or (f"unnoticed: {reason}" if reason else "UNNOTICED")
                print(f"{place}: {outcome.check}: {how}", flush=True)
    unnoticed = {(outcome.function, outcome.check) for outcome in outcomes if not outcome.noticed_by}
    if as_json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    else:
        print(f"{len(outcomes)} checks, {len(unnoticed)} unnoticed")
    for wrong, what in ((unnoticed - UNNOTICED.keys(), "lives"), (UNNOTICED.keys() - unnoticed, "explained, but dies")):
        for function, check in sorted(wrong):
            print(f"{what}: {function}: {check}", file=sys.stderr)
    sys.exit(unnoticed != UNNOTICED.keys())


if __name__ == "__main__":
    main()
