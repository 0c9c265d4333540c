"""What is shown on terminals of any width, and in a pipe: names shortened from the left, numbers whole."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pytest
from command_line import Cli, text

import qrt
from qrt.cli.compare import _table
from qrt.cli.console import named_rows, shortened
from qrt.compiler import GraphBuilder
from qrt.compiler.study.compare import Comparison, Layer

PREFIX = "MobilenetV1/MobilenetV1/Conv2d_"
NAMES = [f"{PREFIX}{i}_depthwise" for i in range(3)]


@pytest.fixture
def long_names(tmp_path: Path) -> Path:
    """A network whose layers have names that begin alike."""
    g = GraphBuilder("names")
    x = g.input("image", (1, 24, 24, 16), scale=0.5)
    for name in NAMES:
        weights = np.ones((1, 3, 3, 16), np.int8)
        x = g.dwconv2d(x, weights, weights_scale=0.01, scale=0.25, padding=1, name=name)
    g.output(x)
    path = tmp_path / "long.qfb"
    path.write_bytes(g.compile())
    return path


def on_terminal(columns: int, *args: str) -> str:
    """What qrt prints on a terminal of so many columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-c", "from qrt.cli import main; main()", *args]
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=subprocess.STDOUT, env={**environment, "TERM": "xterm"}
    )
    os.close(follower)
    parts = []
    with os.fdopen(leader, "rb", buffering=0) as stream:
        try:
            while part := stream.read(1 << 16):
                parts.append(part)
        except OSError:  # Linux's end of a terminal
            pass
    assert process.wait() == 0
    return re.sub(r"\x1b\[[\d;]*m", "", b"".join(parts).decode()).replace("\r\n", "\n")


def test_names_are_shortened_from_the_left() -> None:
    assert shortened("short", 5) == "short"
    assert shortened("Conv2d_7_depthwise", 12) == "…7_depthwise"
    assert shortened("first;second;third", 12) == "first"
    assert shortened("a/longer/first;second", 10) == "…ger/first"


def test_numbers_are_never_cut() -> None:
    rows = [["#", "bytes"], ["0", "1,234,567,890"]]
    assert list(named_rows(rows, ["name", "layer"], (), 5)) == ["#          bytes", "0  1,234,567,890"]
    assert list(named_rows(rows, ["name", "a/long/name/of/it"], (), 5, least=8))[1] == "0  1,234,567,890"
    assert list(named_rows(rows, ["name", "a/long/name/of/it"], (), 5, least=16))[1] == (
        "0  1,234,567,890  …long/name/of/it"
    )


@pytest.mark.parametrize("columns", [40, 80])
def test_inspect_on_a_terminal(long_names: Path, columns: int) -> None:
    shown = on_terminal(columns, "inspect", str(long_names), "--tensors")
    tensors = shown.partition("\nTensors\n")[2].partition("\nMemory plan\n")[0]
    for i in range(3):
        assert re.search(rf"  …\S*_{i}_depthwise$", tensors, re.MULTILINE)
    assert tensors.count(" 9,216  real = 0.") == 4
    for number in ("82,944", "9,216", "248,832"):
        assert number in shown


def test_profile_on_a_terminal(long_names: Path) -> None:
    shown = on_terminal(100, "profile", str(long_names), "--repeats", "3")
    assert all(re.search(rf"…\S*_{i}_depthwise$", shown, re.MULTILINE) for i in range(3))
    narrow = on_terminal(60, "profile", str(long_names), "--repeats", "3", "--order")
    assert len(re.findall(r"^[012]  dwconv2d .* 82,944 ", narrow, re.MULTILINE)) == 3


def test_a_pipe_cuts_nothing(cli: Cli, long_names: Path) -> None:
    for args in (("inspect", "--tensors"), ("profile", "--repeats", "3"), ("explain", "0", "--all")):
        verb, *rest = args
        shown = cli(verb, str(long_names), *rest, COLUMNS="20").stdout
        assert NAMES[0] in shown
        assert "…" not in shown
    path = long_names.rename(long_names.with_name(f"{'a' * 100}.qfb"))
    assert f"file          {path}\n" in cli("inspect", str(path)).stdout


def test_tables_of_numbers_are_whole_on_a_narrow_terminal(long_names: Path) -> None:
    channels = on_terminal(30, "explain", str(long_names), "0", "--all").partition("\nChannels\n")[2]
    assert "…" not in channels
    assert [line.split()[0] for line in channels.splitlines()[1:]] == [str(c) for c in range(16)]
    sets = on_terminal(30, "kernels")
    assert "…" not in sets
    assert all(re.search(rf"^{name}\b", sets, re.MULTILINE) for name in qrt.kernel_sets())


def test_comparisons_name_layers_at_the_end() -> None:
    numbers = {"scale": 0.5, "sqnr": 31.25, "cosine": 0.99, "max_error": 2.0, "mean_error": 0.5}
    counts = {"histogram": [0, 0, 0, 1, 6, 2, 1, 0, 0], "differing": 12_345, "size": 10}
    layers = [Layer(i, name, "dwconv2d", name, **numbers, **counts) for i, name in enumerate(NAMES)]  # type: ignore[arg-type]
    assert "\n".join(_table(Comparison(layers), 2, 80)) + "\n" == text("""
#  SQNR dB  max  mean LSB   cosine  0/1/2/more %  differ  layer
0     31.2  2.0      0.50  0.99000    60/30/10/0   12345  …V1/Conv2d_0_depthwise
1     31.2  2.0      0.50  0.99000    60/30/10/0   12345  …V1/Conv2d_1_depthwise
""")


def completed(*words: str) -> list[str]:
    """What bash is offered for the last word."""
    environment = {**os.environ, "_QRT_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(("qrt", *words))}
    command = [sys.executable, "-c", "from qrt.cli import main; main()"]
    environment |= {"COMP_CWORD": str(len(words))}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return [line.partition(",")[2] for line in found.splitlines() if line]


def test_a_shell_completes_verbs_options_and_layers(long_names: Path) -> None:
    assert completed("ins") == ["inspect"]
    assert completed("inspect", "--tens") == ["--tensors"]
    assert completed("explain", str(long_names), PREFIX) == NAMES
    assert completed("explain", "nothing.qfb", "Mob") == []
