"""The validator: golden files, limits, damaged files, and a fuzz of the C reader and kernels under sanitizers."""

from __future__ import annotations

import ctypes
import random
import re
import struct
import subprocess
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_programs import ENGINE, FLAGS, READER, SANITIZED, build_program, compiler, need_options
from c_reader import ERR_ALIGNMENT, ERR_INVALID, ERR_NOT_QFB, ERR_VERSION, OK, Opened, Reader
from fuzz import corpus
from places import ROOT, VECTORS
from processes import HANGS
from sanitizers import ENVIRONMENT
from vectors import band_models, good_models, int16_models, make_vectors, models, recurrent_models, state_models
from vectors.encode import Table, edge, encode, ints, longs, patch, requant, root
from vectors.models import chain, single

import qrt
from qrt.schema.operators import ANY_INPUTS, OPERATORS, SCHEMA

GOOD = sorted((VECTORS / "good").glob("*.qfb"))
BAD = sorted((VECTORS / "bad").glob("*.qfb"))


@pytest.fixture(scope="module")
def reader(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    path = tmp_path_factory.mktemp("reader") / "reader.so"
    return Reader(build_program(shared, path, [compiler(), "-shared", "-fPIC", *FLAGS], READER))


@pytest.fixture(scope="module")
def tiny() -> bytes:
    return make_vectors.linear_3_to_2()


# -- golden files --


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_file_opens(reader: Reader, path: Path) -> None:
    assert reader.open(path.read_bytes()) == Opened(OK, 0, "file", 0)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_file_computes_what_it_says(path: Path, kernels: str) -> None:
    model = qrt.load(path, kernels=kernels)
    assert model.test_vectors
    for inputs, expected, continues in model.test_vectors:
        if not continues:
            model.reset()
        outputs = model.run(*inputs, layout="NHWC")
        for output, codes in zip(outputs if len(expected) > 1 else [outputs], expected, strict=True):
            assert np.array_equal(output, codes)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_file_breaks_its_rule(reader: Reader, path: Path) -> None:
    opened = reader.open(path.read_bytes())
    assert (opened.status, opened.rule) == (ERR_INVALID, int(path.stem[1:3]))


def test_every_rule_has_a_bad_file() -> None:
    rules = re.findall(r"^X\((\d+),", (ROOT / "schema/qrt_rules.h").read_text(), re.MULTILINE)
    assert len(rules) > 50
    assert {f"v{int(rule):02d}" for rule in rules} == {path.stem[:3] for path in BAD}


@pytest.mark.parametrize("folder", ["good", "bad"])
def test_committed_files_are_what_the_script_makes(folder: str) -> None:
    made = {name: make() for name, make in (make_vectors.GOOD_FILES if folder == "good" else make_vectors.BAD).items()}
    committed = {path.stem: path.read_bytes() for path in (GOOD if folder == "good" else BAD)}
    assert made.keys() == committed.keys()
    assert [name for name in made if made[name] != committed[name]] == []


# -- what qrt.fbs says of fields, for every table --


def schema_fields() -> Iterator[tuple[str, str, str, bool]]:
    """(table, field, type, required) of each field."""
    for table, fields in SCHEMA.tables.items():
        yield from ((table, field.name, field.type, field.required) for field in fields)


def beyond() -> dict[str, int]:
    """The first value that an enumeration, or bool, does not have."""
    return {"bool": 2, **{name: max(values.values()) + 1 for name, values in SCHEMA.enums.items()}}


def tables(value: object) -> Iterator[Table]:
    """A table and all below it."""
    if isinstance(value, Table):
        yield value
    below = value.fields.values() if isinstance(value, Table) else value if isinstance(value, list) else ()
    for part in below:
        yield from tables(part)


def golden_tables() -> Iterator[tuple[Table, Table]]:
    """(model, table) of each table of the good files, not encoded."""
    with pytest.MonkeyPatch.context() as patches:
        for module in (good_models, state_models, int16_models, recurrent_models, band_models):
            patches.setattr(module, "encode", lambda model: model)
        golden: list[Table] = [make() for make in make_vectors.GOOD_FILES.values()]  # type: ignore[misc]
    for model in golden:
        yield from ((model, table) for table in tables(model))


def without_a_field() -> Iterator[tuple[str, bytes]]:
    """For each field that a table must have, a good file in which one such table lacks it."""
    missing = {(table, field) for table, field, _, required in schema_fields() if required} - {("Model", "seal")}
    for model, table in golden_tables():
        for field in [field for field in table.fields if (table.table_name, field) in missing]:
            missing.remove((table.table_name, field))
            kept = table.fields.pop(field)
            yield f"{table.table_name} without {field}", encode(model)
            table[field] = kept
    assert not missing


def beyond_an_enumeration() -> Iterator[tuple[str, bytes]]:
    """For each field of an enumeration, a good file in which one such field is beyond it."""
    wrong = beyond()
    missing = {(table, field): wrong[kind] for table, field, kind, _ in schema_fields() if kind in wrong}
    for model, table in golden_tables():
        for name, field in [place for place in missing if place[0] == table.table_name]:
            kept = table.fields.get(field)
            table[field] = missing.pop((name, field))
            yield f"{name} with {field} {table[field]}", encode(model)
            if kept is None:
                del table.fields[field]
            else:
                table[field] = kept
    assert not missing


def test_every_required_field_is_asked_for(reader: Reader) -> None:
    broken = {name: reader.open(content).rule for name, content in without_a_field()}
    assert len(broken) > 30
    assert {name: rule for name, rule in broken.items() if rule != 5} == {}


def test_no_enumeration_is_left(reader: Reader) -> None:
    broken = {name: reader.open(content).rule for name, content in beyond_an_enumeration()}
    assert len(broken) >= 10
    assert {name: rule for name, rule in broken.items() if rule != 9} == {}


# -- what qrt.fbs says of operators, for each of them --


def golden_operators() -> dict[str, tuple[Table, Table]]:
    """(model, operator) of each kind: of the good files, or of one such operator where they have none yet."""
    found: dict[str, tuple[Table, Table]] = {}
    for model, table in golden_tables():
        if table.table_name == "Operator":
            found.setdefault(table["options"].table_name, (model, table))
    for kind in OPERATORS.values():
        if kind.table not in found and kind.elementwise:
            options = Table(kind.table, **({"requant": requant()} if kind.has("requant") else {}))
            model = single(options, *[(4,)] * (kind.inputs[0] + 1))
            found[kind.table] = (model, model["operators"][0])
    assert found.keys() == {kind.table for kind in OPERATORS.values()}
    return found


def alone(model: Table, operator: Table, **fields: Any) -> Table:
    """The operator in a model of its own; `fields` are its output's."""
    net = models.Net()
    tensors = [model["tensors"][i] for i in operator["inputs"]]
    given = [(t["shape"], t.fields.get("zero_point", 0), t.fields.get("data")) for t in tensors]
    inputs = [net.input(s, z) if data is None else net.tensor(s, z, data=data) for s, z, data in given]
    y = model["tensors"][operator["output"]]
    numbers = {"zero_point": y.fields.get("zero_point", 0), **fields}
    if "initial" in y.fields:
        numbers["initial"] = y["initial"]
    net.output(net.update(operator["options"], inputs, net.tensor(y["shape"], **numbers)))
    return net.model()


@pytest.mark.parametrize("kind", [kind.table for kind in OPERATORS.values() if kind.inputs != ANY_INPUTS])
def test_every_operator_has_its_number_of_inputs(reader: Reader, kind: str) -> None:
    model, operator = golden_operators()[kind]
    assert reader.rule(model) == 0
    for inputs in (operator["inputs"][:-1], np.append(operator["inputs"], operator["inputs"][-1:])):
        operator["inputs"] = inputs
        assert reader.rule(model) == 23


@pytest.mark.parametrize("kind", [kind.table for kind in OPERATORS.values() if kind.keeps_numbers])
def test_every_operator_that_keeps_the_numbers_is_held_to_it(reader: Reader, kind: str) -> None:
    model, operator = golden_operators()[kind]
    zero_point = model["tensors"][operator["output"]].fields.get("zero_point", 0)
    assert reader.rule(alone(model, operator)) == 0
    assert reader.rule(alone(model, operator, zero_point=zero_point + 1)) == 40


# -- what is reported --


@pytest.mark.parametrize(
    ("name", "place", "index"),
    [
        ("v04_vector_past_the_end", "file", 0x218),
        ("v10_above_10ffff", "file", None),
        ("v15_data_too_short", "tensor", 1),
        ("v18_input_twice", "input", 1),
        ("v19_too_few_labels", "output", 0),
        ("v21_other_size", "test vector", 0),
        ("v25_reads_what_comes_later", "operator", 1),
        ("v27_overlap_in_part", "tensor", 1),
        ("v47_bias", "operator", 0),
    ],
)
def test_place_of_the_fault(reader: Reader, name: str, place: str, index: int | None) -> None:
    opened = reader.open(make_vectors.BAD[name]())
    assert opened.place == place
    assert index is None or opened.index == index


def test_what_is_no_qfb(reader: Reader, tiny: bytes) -> None:
    for content in (b"", b"QRT1", tiny[:7], b"\x08\0\0\0TFL3" + bytes(64), tiny.replace(b"QRT1", b"QRT2")):
        assert reader.open(content) == Opened(ERR_NOT_QFB, 0, "file", 0)


def test_newer_version_is_told_apart_once_the_file_is_whole(reader: Reader) -> None:
    model = models.linear()
    model["format_version"] = 2
    content = encode(model)
    assert reader.open(content) == Opened(ERR_VERSION, 0, "file", 0)
    assert reader.open(content[:-1] + b"\xff").rule == 7


def test_pointer_must_be_aligned(reader: Reader, tiny: bytes) -> None:
    assert [reader.open(tiny, shift).status for shift in (0, 1, 4, 8)] == [OK] + [ERR_ALIGNMENT] * 3


def test_rule_text(reader: Reader) -> None:
    reader.library.qrt_rule_text.restype = ctypes.c_char_p
    assert reader.library.qrt_rule_text(8) == b"format_version is at least 1."
    assert reader.library.qrt_rule_text(0) == reader.library.qrt_rule_text(1000) == b""


@pytest.mark.parametrize("name", ["qrt_crc32", "qrt_crc32_quick"])
def test_crc32_is_zlibs(shared: Path, tmp_path: Path, name: str) -> None:
    sources = [*READER, ROOT / "runtime/host/crc32.c"]
    library = build_program(shared, tmp_path / "crc32.so", [compiler(), "-shared", "-fPIC", *FLAGS], sources)
    crc32 = ctypes.CDLL(str(library))[name]
    crc32.argtypes, crc32.restype = (ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t), ctypes.c_uint32
    content = np.random.default_rng(0).bytes(5003)
    address = np.frombuffer(content, np.uint8).ctypes.data
    for size in (*range(200), 255, 256, 257, 4999, 5000):
        for start in (0, 1, 0xDEADBEEF, 0xFFFFFFFF):
            for first in range(4):
                assert crc32(start, address + first, size) == zlib.crc32(content[first : first + size], start)


# -- the rules refuse nothing that they need not refuse --

LARGEST = (1 << 31) - 1


@pytest.mark.parametrize(
    "model",
    [
        single(Table("Reshape"), (1, 1, 1, 1, 1, 1), (1,)),
        chain(size=LARGEST),
        models.linear(bias=ints(LARGEST - 3 * 128, -LARGEST + 3 * 128)),
        models.linear(bias=ints(LARGEST - 3 * 128 - 255, 0), shift=(31,), rounding=1),
        models.linear(bias=ints(1 << 29, 0), shift=(30,), rounding=1),
        models.linear(addend=longs((1 << 63) - 1 - (3 * 128 << 30))),
        models.linear(addend=longs(-(1 << 63) + 1), multiplier=(0,)),
        models.linear(multiplier=(LARGEST,), shift=(62,)),
        models.requantize(zero_point=-128, shift=(55,)),
        models.mean(x=(1, 4096, 4095, 1), y=(1, 1, 1, 1)),
        models.add(shift=56, zero_point=64),
        models.add(a_multiplier=LARGEST, b_multiplier=LARGEST, shift=62),
        models.tflite_add(a_multiplier=LARGEST, y_shift=62),
        models.softmax(largest=2**32 - 1, numerator=(1 << 62) - 1, shift=62),
        models.squared_difference(a_multiplier=1 << 30, b_multiplier=LARGEST, b_shift=32, y_multiplier=LARGEST),
        models.layer_norm(
            multiplier=(-(1 << 31),) * 3,
            addend=((1 << 62) - 1, 1 - (1 << 62), 0),
            shift=62,
            epsilon_bits=44,
            epsilon=(1 << 63) - 1 - (27 << 58),
        ),
        models.log_softmax(log_multiplier=LARGEST, multiplier=(1 << 54) - 1, addend=(1 << 31) + (1 << 8) - 1, shift=62),
        models.log_softmax_tflite(multiplier=LARGEST, shift=1, channels=4095),
        models.pool((1, 2048, 2048, 1), (1, 1, 1, 1), filter=(2048, 2048)),
        models.pool(y=(1, 3, 3, 2), padding=(1, 1, 1, 1)),
        models.conv(weights=(3, 1, 1, 2), y=(1, 9, 9, 3), padding=(2, 3, 5, 0)),
        models.reshapes(outputs=[edge(1)] * 256),
        models.reshapes(name="\0 é 日本 \U0010ffff", tensors__0__scale=1e-45),
        models.reshapes(2, tensors__2__arena_offset=0),
        models.reshapes(3, tensors__1__arena_offset=0, tensors__2__arena_offset=0, tensors__3__arena_offset=0),
    ],
)
def test_models_at_the_limits_are_valid(reader: Reader, model: Table) -> None:
    assert reader.rule(model) == 0


def test_model_without_operators_is_valid(reader: Reader) -> None:
    assert reader.rule(chain()) == 0


def test_a_constant_has_no_lifetime(reader: Reader) -> None:
    """Nor what a reader would find at the beginning of the file if it looked for one there."""
    net = models.Net()
    weights, x = net.constant((4, 4)), net.input((1, 4))
    y = net.op(Table("Linear", requant=requant()), [x, weights], (1, 4))
    for _ in range(200):
        y = net.op(Table("Add"), [y, x], (1, 4))
    net.output(y)
    assert reader.rule(net.model()) == 0


@pytest.mark.parametrize(
    ("kind", "in_place"),
    [
        (Table("Add"), True),
        (Table("Mul", requant=requant()), True),
        (Table("Concat", axis=1), False),
    ],
)
def test_second_input_may_be_overwritten_too(reader: Reader, kind: Table, in_place: bool) -> None:
    model = single(kind, (1, 16), (1, 16), (1, 32) if kind.table_name == "Concat" else (1, 16))
    model["tensors"][2]["arena_offset"] = model["tensors"][1]["arena_offset"]
    assert reader.rule(model) == (0 if in_place else 27)


@pytest.mark.parametrize(("count", "rule"), [(256, 0), (257, 11)])
def test_number_of_inputs(reader: Reader, count: int, rule: int) -> None:
    net = models.Net()
    for _ in range(count):
        net.input((1,))
    net.output(0)
    assert reader.rule(net.model()) == rule


@pytest.mark.parametrize(("count", "rule"), [(32768, 0), (32769, 66)])
def test_length_of_a_normalized_row(reader: Reader, count: int, rule: int) -> None:
    assert reader.rule(models.layer_norm((count,), (count,), range(count), range(count))) == rule


def named_at_length() -> Table:
    """An output named 256 times, whose labels have 2^20 bytes with their lengths, and 2^10 more."""
    model = chain(size=1024)
    model["outputs"][0]["labels"] = ["x" * 1021] * 1024
    model["outputs"] = model["outputs"] * 256
    return model


def of_the_same_weights() -> Table:
    """Linears whose weights are read 4097 times, 2^16 bytes each."""
    net = models.Net()
    x = net.input((1, 256))
    weights = net.constant((256, 256))
    for _ in range(4097):
        x = net.op(Table("Linear", requant=requant()), [x, weights], (1, 256))
    net.output(x)
    return net.model()


def of_the_same_features() -> Table:
    """svdfs whose feature weights are read 1025 times, 2^18 bytes each."""
    net = models.Net()
    x = net.input((1, 256))
    weights, time = net.constant((1024, 256)), net.constant((1024, 1))
    for _ in range(1025):
        options = Table("Svdf", feature=requant(), requant=requant())
        y = net.op(options, [x, weights, time, net.state((1, 1024), 0)], (1, 1024))
    net.output(y)
    return net.model()


def of_many_operators() -> Table:
    model = chain("Reshape")
    model["operators"] = model["operators"] * 8193
    return model


@pytest.mark.parametrize(
    ("make", "rule"),
    [(of_many_operators, 11), (named_at_length, 12), (of_the_same_weights, 12), (of_the_same_features, 12)],
)
def test_a_small_file_is_not_much_work(reader: Reader, make: Callable[[], Table], rule: int) -> None:
    assert reader.rule(make()) == rule


def test_many_tensors_in_good_time(reader: Reader) -> None:
    """The largest graph: 8191 operators, whose tensors are compared pair by pair."""
    assert reader.rule(chain(*["Reshape"] * 8191, size=1)) == 0
    assert reader.rule(chain(*["Reshape"] * 8192, size=1)) == 11


# -- damaged files --


def test_no_truncation_is_valid(reader: Reader, tiny: bytes) -> None:
    assert [n for n in range(len(tiny)) if reader.open(tiny[:n]).status == OK] == []


def test_no_flipped_bit_is_valid(reader: Reader, tiny: bytes) -> None:
    for position in range(len(tiny)):
        for bit in range(8):
            damaged = patch(tiny, position, "B", tiny[position] ^ 1 << bit)
            assert reader.open(damaged).status != OK, (position, bit)


def sealed_again(content: bytes, original: bytes) -> bytes:
    """`content` with a true seal where `original`, of the same size, has its own."""
    at = root(original).Seal()._tab.Pos
    content = patch(content, at, "<II", len(content), 0)
    return patch(content, at + 4, "<I", zlib.crc32(content))


def mutations(original: bytes, count: int) -> Iterator[bytes]:
    """Sealed files with one to three numbers of random width replaced, often by an extreme or a near value."""
    generator = random.Random(1)
    for _ in range(count):
        content = bytearray(original)
        for _ in range(generator.choice((1, 1, 1, 2, 3))):
            form = generator.choice("BHI")
            width = struct.calcsize(form)
            at = generator.randrange(8, len(original) - width) // width * width
            (old,) = struct.unpack_from(f"<{form}", content, at)
            top = 256**width - 1
            near = (old + generator.randrange(-8, 9)) & top
            new = generator.choice((0, 1, top, top >> 1, (top >> 1) + 1, near, near, generator.randrange(top)))
            struct.pack_into(f"<{form}", content, at, new)
        yield sealed_again(bytes(content), original)


def every_flip(original: bytes) -> Iterator[bytes]:
    for position in range(8, len(original)):
        for bit in range(8):
            yield sealed_again(patch(original, position, "B", original[position] ^ 1 << bit), original)


@pytest.fixture(scope="module", params=[[], ["-m32"]], ids=["as the machine", "32 bits"])
def open_files(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[list[bytes]], list[tuple[int, int]]]:
    """Runs fuzz/open_files.c, built with sanitizers, on files: (status, rule) of each."""
    options = [*SANITIZED, *request.param]
    need_options(*options)
    fuzz = [ROOT / "tests/fuzz" / name for name in ("open_files.c", "run_file.c")]
    own = {path: [f"-DMAX_SECONDS={HANGS}"] for path in fuzz}
    program = tmp_path_factory.mktemp("open_files") / "open_files"
    build_program(shared, program, [compiler(), *options, *FLAGS], [*ENGINE, *fuzz], own)

    def run(files: list[bytes]) -> list[tuple[int, int]]:
        stream = b"".join(struct.pack("<I", len(file)) + file for file in files)
        done = subprocess.run([program], input=stream, capture_output=True, timeout=HANGS, env=ENVIRONMENT)
        lines = done.stdout.decode().splitlines()
        assert done.returncode == 0, f"file {len(lines)}: {done.stderr.decode()}"
        return [(int(status), int(rule)) for status, rule in map(str.split, lines)]

    return run


def test_hostile_files_under_sanitizers(open_files: Callable[[list[bytes]], list[tuple[int, int]]]) -> None:
    mutants = [mutant for path in GOOD for mutant in mutations(path.read_bytes(), 300)]
    files = [path.read_bytes() for path in GOOD + BAD]
    files += [*every_flip(make_vectors.linear_3_to_2()), *mutants]
    results = open_files(files)
    assert len(results) == len(files)
    assert results[: len(GOOD)] == [(OK, 0)] * len(GOOD)
    assert [rule for _, rule in results[len(GOOD) : len(GOOD) + len(BAD)]] == [int(path.stem[1:3]) for path in BAD]
    # Mutations that only ever broke the first rules, or none, would show nothing.
    counts = Counter(rule for _, rule in results[len(GOOD) + len(BAD) :])
    assert counts[0] > 300
    assert len(counts) > 30


def test_corpus_of_the_fuzzers_under_sanitizers(open_files: Callable[[list[bytes]], list[tuple[int, int]]]) -> None:
    files = corpus.read("model")
    results = open_files(files)
    assert len(results) == len(files)
    statuses = Counter(status for status, _ in results)
    assert statuses[OK] > 50
    assert statuses[ERR_INVALID] > 50
