"""Errors of every verb: files that are none, and errors as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Cli, assert_refused
from places import DIGITS

from qrt.cli import verbs

# Each verb that reads a .qfb file, with what else it needs; one that reads sources; one that needs both.
OF_A_MODEL = {
    "inspect": ["{}"],
    "check": ["{}"],
    "explain": ["{}", "0"],
    "profile": ["{}", "--repeats", "1"],
    "run": ["{}", "x.npy"],
    "export": ["{}", "-o", "y.tflite"],
    "firmware": ["{}", "-o", "net"],
    "compare": ["{}", "--against", "net.onnx", "--inputs", "x.npy"],
    "eval": ["{}", "x.npy"],
    "report": ["{}"],
}
OF_A_SOURCE = {
    "compile": ["{}"],
    "calibrate": ["compile", "{}", "--calibrate", "x.npy"],
    "compare": ["compare", "pets.qfb", "--against", "{}", "--inputs", "x.npy"],
    "explain": ["explain", "pets.qfb", "0", "--source", "{}"],
    "report": ["report", "pets.qfb", "--against", "{}"],
    "tune": ["tune", "{}", "--calibrate", "x.npy", "--evaluate", "x.npy"],
}


def filled(arguments: list[str], path: str) -> list[str]:
    return [argument.format(path) for argument in arguments]


@pytest.fixture
def files(cli: Cli, pets: Path) -> None:
    """Folders, empty files, and a model that was cut off, or goes on."""
    content = pets.read_bytes()
    for name in ("folder", "folder.qfb", "folder.onnx"):
        Path(name).mkdir()
    for name in ("empty.qfb", "empty.onnx", "empty.tflite", "empty.pt2"):
        Path(name).write_bytes(b"")
    for size in (20, 76, 700, len(content) - 1):
        Path(f"cut{size}.qfb").write_bytes(content[:size])
    Path("longer.qfb").write_bytes(content + b"12345")
    np.save("x.npy", np.zeros((1, 4, 4, 2), np.float32))


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("verb", OF_A_MODEL)
def test_what_is_no_model(cli: Cli, pets: Path, verb: str) -> None:
    size = pets.stat().st_size
    again = "copy it again, or compile it again"
    faults = {
        ".": "is a folder; give a file",
        "folder.qfb": "is a folder; give a file",
        "empty.qfb": "is empty; compile a model with 'qrt compile'",
        "cut20.qfb": f"is truncated: it has only 20 bytes; {again}",
        "cut700.qfb": f"is truncated: it has 700 bytes and states {size:,}; {again}",
        f"cut{size - 1}.qfb": f"is truncated: it has {size - 1:,} bytes and states {size:,}; {again}",
        "longer.qfb": f"goes on behind its end: it has {size + 5:,} bytes and states {size:,}; {again}",
    }
    for path, fault in faults.items():
        result = cli(verb, *filled(OF_A_MODEL[verb], path))
        assert_refused(result, f"qrt {verb}: {path}: {fault}\n")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("verb", OF_A_SOURCE)
def test_what_is_no_source(cli: Cli, verb: str) -> None:
    faults = {
        ".": "is a folder; give a file",
        "folder": "is a folder; give a file",
        "folder.onnx": "is a folder; give a file",
    }
    faults |= {f"empty.{suffix}": "is empty; write it again" for suffix in ("onnx", "tflite", "pt2")}
    for path, fault in faults.items():
        arguments = filled(OF_A_SOURCE[verb], path)
        if verb == "compile":
            arguments = ["compile", *arguments]
        assert_refused(cli(*arguments), f"qrt {arguments[0]}: {path}: {fault}\n")


@pytest.mark.usefixtures("files")
def test_every_error_is_json_with_json(cli: Cli) -> None:
    given = [[verb, *filled(arguments, "cut700.qfb")] for verb, arguments in OF_A_MODEL.items()]
    given += [["compile", "empty.onnx"], ["compile", "nothing.onnx"], ["kernels", "x"], ["run"], ["rnu"], ["--colour"]]
    given += [["run", "pets.qfb", "x.npy", "--top", "0"], ["inspect", "pets.qfb", "--target", "z80"]]
    for arguments in given:
        line, result = cli(*arguments), cli(*arguments, "--json")
        assert (result.exit_code, result.stderr) == (line.exit_code, "") == (2, "")
        error = json.loads(result.stdout)["error"]
        verb = arguments[0] if arguments[0] in verbs.commands else None
        assert error["verb"] == verb
        assert line.stderr.startswith(f"qrt{f' {verb}' if verb else ''}: {error['message']}")


@pytest.mark.usefixtures("files")
def test_json_of_errors_has_their_parts(cli: Cli) -> None:
    document = json.loads(cli("check", "cut700.qfb", "--json").stdout)
    assert (document["file"], document["valid"], document["rule"]) == ("cut700.qfb", False, 1)
    document = json.loads(cli("compile", "empty.onnx", "--json").stdout)
    assert (document["source"], len(document["problems"])) == ("empty.onnx", 1)
    source = str(DIGITS / "digits_resnet.onnx")
    result = cli("compile", source, "-o", "net.qfb", "--max-ram", "10", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, result.stderr, len(document["over_budget"])) == (1, "", 1)
    assert document["error"]["message"] == f"{source}: over budget: {document['over_budget'][0]}"


def test_a_verb_without_json_has_errors_on_stderr(cli: Cli) -> None:
    result = cli("run", "nothing.qfb", "x.npy", "--", "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("qrt run: ")
