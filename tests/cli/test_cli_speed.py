"""The command line on speed: `qrt kernels`, `qrt profile`, and QRT_KERNELS in every verb."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Cli, assert_refused, images, text
from places import VECTORS

import qrt
from qrt import _executor
from qrt.cli import console, profile, verbs
from qrt.compiler import GraphBuilder

# ------------------------------------------------------------------------------------------------- qrt kernels


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with three kernel sets out of four, and two operators."""
    table = {
        "reference": {"conv2d": "own", "softmax": "own"},
        "portable": {"conv2d": "own", "softmax": "own"},
        "avx2": {"conv2d": "own", "softmax": "portable"},
    }
    monkeypatch.setattr(qrt, "kernel_sets", lambda: tuple(table))
    monkeypatch.setattr(qrt, "default_kernels", lambda: "avx2")
    monkeypatch.setattr(qrt, "absent_kernel_sets", lambda: {"amx": "this CPU has no AMX-INT8"})
    monkeypatch.setattr(qrt, "kernel_table", lambda: table)


@pytest.mark.usefixtures("machine")
def test_kernels_lists_sets_and_whose_functions_run(cli: Cli) -> None:
    assert cli("kernels").stdout == text("""
reference  here
portable   here
avx2       the default, the fastest here
amx        absent: this CPU has no AMX-INT8

Kernel used for each operator; reference and portable have their own for all
operator  avx2
conv2d    own
softmax   portable
""")
    assert "avx2       the default, named by QRT_KERNELS\n" in cli("kernels", QRT_KERNELS="avx2").stdout


def test_kernels_cuts_no_name_short(cli: Cli) -> None:
    """In a pipe, and in a terminal of 80 columns."""
    shown = cli("kernels").stdout
    assert "…" not in shown
    assert all(operator in shown for operator in qrt.kernel_table()["reference"])


def test_kernels_of_a_machine_without_fast_ones(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {name: owners for name, owners in qrt.kernel_table().items() if name in ("reference", "portable")}
    monkeypatch.setattr(qrt, "kernel_table", lambda: table)
    assert cli("kernels").stdout.endswith("operator; reference and portable have their own for all\n")


def test_kernels_prints_one_json_document(cli: Cli) -> None:
    assert json.loads(cli("kernels", "--json", QRT_KERNELS="portable").stdout) == {
        "sets": list(qrt.kernel_sets()),
        "default": "portable",
        "reason": "named by QRT_KERNELS",
        "absent": qrt.absent_kernel_sets(),
        "table": qrt.kernel_table(),
    }
    document = json.loads(cli("kernels", "--json", QRT_KERNELS="").stdout)
    assert (document["default"], document["reason"]) == (qrt.kernel_sets()[-1], "the fastest here")


ARGUMENTS = {
    "compile": ["m.onnx"],
    "run": ["pets.qfb", "x.npy"],
    "compare": ["pets.qfb", "--against", "m.onnx", "--inputs", "x.npy"],
    "eval": ["pets.qfb", "x.npz"],
    "explain": ["pets.qfb", "0"],
    "kernels": [],
    "tune": ["m.onnx", "--calibrate", "x.npz", "--evaluate", "y.npz"],
}


@pytest.mark.parametrize("verb", verbs.commands)
def test_a_wrong_qrt_kernels_is_one_line(cli: Cli, pets: Path, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ARGUMENTS.get(verb, ["pets.qfb"])
    here = f"this machine has {', '.join(qrt.kernel_sets())}\n"
    refused = cli(verb, *arguments, QRT_KERNELS="gpu")
    assert_refused(refused, f"qrt {verb}: QRT_KERNELS: unknown kernel set 'gpu'; {here}")
    monkeypatch.setitem(_executor.ABSENT, "gpu", "this machine is blind")
    refused = cli(verb, *arguments, QRT_KERNELS="gpu")
    assert_refused(refused, f"qrt {verb}: QRT_KERNELS: no kernel set 'gpu' here: this machine is blind; {here}")
    assert cli(verb, "--help", QRT_KERNELS="gpu").exit_code == 0


def test_the_option_goes_before_qrt_kernels(cli: Cli, pets: Path) -> None:
    np.save("x.npy", images(1))
    shown = cli("run", "pets.qfb", "x.npy", "--kernels", "portable", "--json", QRT_KERNELS="gpu")
    assert json.loads(shown.stdout)["kernels"] == "portable"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QRT_KERNELS", "gpu")
        assert qrt.load(pets, kernels="portable").kernels == "portable"
        with pytest.raises(ValueError, match=r"^QRT_KERNELS: unknown kernel set 'gpu'; this machine has"):
            qrt.load(pets)


# ------------------------------------------------------------------------------------------------- qrt profile


# Of the operators of pets.qfb: what two runs of each take. The reshape stays where it is.
MICROSECONDS = [[4.0, 2.0, 1.5, 1.0, np.nan, 0.5], [6.0, 2.0, 0.5, 1.0, np.nan, 0.5]]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times that are the same in every run."""
    monkeypatch.setattr(qrt.Model, "profile", lambda *args, repeats, layout: 1e-6 * np.array(MICROSECONDS)[:repeats])
    monkeypatch.setattr(profile, "time_run", lambda *args: 12.5e-6)
    monkeypatch.setattr(qrt, "measure_peak", lambda kernels, threads: 4e9)
    monkeypatch.setattr(qrt, "measure_reads", lambda size: 1e9)


@pytest.mark.usefixtures("clock")
def test_profile_shows_operators_the_slowest_first(cli: Cli, pets: Path) -> None:
    shown = cli("profile", "pets.qfb", "--kernels", "portable", "--repeats", "2").stdout
    assert shown == text("""
file       pets.qfb
kernels    portable, peak 4.0 GMAC/s on one core
input      random codes
runs       2; times are medians
operators  9.50 us for 3,360 MACs, 0.4 GMAC/s, 8.8 % of peak
limits     1.51 us, 15.9 % of the time; bytes limit 4 of 5 operators
Model.run  12.50 us; fastest run 3.50 us more than the operators
by kind    conv2d 73.7 %, add 10.5 %, mean 10.5 %, linear 5.3 %

Operators, slowest first
#  operator    us   share   MACs  GMAC/s      of limit  kernels   name
0  conv2d    5.00  52.6 %  2,304     0.5  11.5 % MACs   portable  stem
1  conv2d    2.00  21.1 %  1,024     0.5  17.9 % bytes  portable  b
2  add       1.00  10.5 %                 38.4 % bytes  portable  sum
3  mean      1.00  10.5 %                 14.1 % bytes  portable  mean
5  linear    0.50   5.3 %     32     0.1   9.8 % bytes  portable  scores
4  reshape      -                                                 flat
""")


@pytest.mark.usefixtures("clock")
def test_profile_takes_an_encoding_of_a_set(cli: Cli, pets: Path) -> None:
    for name in _executor.ENCODINGS:
        document = json.loads(cli("profile", "pets.qfb", "--kernels", name, "--repeats", "2", "--json").stdout)
        assert document["kernels"] == name
        assert {op["kernels"] for op in document["operators"]} <= {name, *qrt.kernel_sets()}
        assert "avxvnni     the default, named by QRT_KERNELS\n" in cli("kernels", QRT_KERNELS=name).stdout


@pytest.mark.usefixtures("clock")
def test_profile_shows_operators_in_order(cli: Cli, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "time_run", lambda *args: 9e-6)
    monkeypatch.setattr(qrt, "measure_peak", lambda kernels, threads: None)
    shown = cli("profile", "pets.qfb", "--kernels", "reference", "--repeats", "2", "--order").stdout
    assert shown == text("""
file       pets.qfb
kernels    reference
input      random codes
runs       2; times are medians
operators  9.50 us for 3,360 MACs, 0.4 GMAC/s
limits     1.24 us, 13.1 % of the time; bytes limit 5 of 5 operators
Model.run  9.00 us; fastest run no longer than the operators
by kind    conv2d 73.7 %, add 10.5 %, mean 10.5 %, linear 5.3 %

Operators, in order
#  operator    us   share   MACs  GMAC/s      of limit  kernels    name
0  conv2d    5.00  52.6 %  2,304     0.5   6.2 % bytes  reference  stem
1  conv2d    2.00  21.1 %  1,024     0.5  17.9 % bytes  reference  b
2  add       1.00  10.5 %                 38.4 % bytes  reference  sum
3  mean      1.00  10.5 %                 14.1 % bytes  reference  mean
4  reshape      -                                                  flat
5  linear    0.50   5.3 %     32     0.1   9.8 % bytes  reference  scores
""")


@pytest.mark.usefixtures("clock")
def test_profile_prints_one_json_document(cli: Cli, pets: Path) -> None:
    shown = cli("profile", "pets.qfb", "--kernels", "portable", "--repeats", "2", "--json")
    document = json.loads(shown.stdout)
    operators = document.pop("operators")
    assert document == {
        "file": "pets.qfb",
        "kernels": "portable",
        "threads": 1,
        "input": "random codes",
        "repeats": 2,
        "peak": 4e9,
        "seconds": pytest.approx(9.5e-6),
        "fastest": pytest.approx(9e-6),
        "run_seconds": 12.5e-6,
        "run_fastest": 12.5e-6,
        "overhead_seconds": pytest.approx(3.5e-6),
        "macs": 3360,
    }
    assert [op["index"] for op in operators] == list(range(6))
    assert operators[0] == {
        "index": 0,
        "kind": "conv2d",
        "name": "stem",
        "kernels": "portable",
        "threads": 1,
        "seconds": pytest.approx(5e-6),
        "fastest": pytest.approx(4e-6),
        "share": pytest.approx(5 / 9.5),
        "macs": 2304,
        "rate": pytest.approx(2304 / 5e-6),
        "peak_share": pytest.approx(2304 / 5e-6 / 4e9),
        # Of the input, 8 filters of 3x3x2, a factor, and the output.
        "bytes": 32 + 8 * 18 + 5 + 128,
        "read_rate": 1e9,
        "limit_seconds": pytest.approx(2304 / 4e9),
        "limit": "MACs",
    }
    unmeasured = ("threads", "seconds", "fastest", "share", "rate", "peak_share", "limit_seconds", "limit")
    assert {key: operators[4][key] for key in unmeasured} == {
        "threads": 0,
        "seconds": None,
        "fastest": None,
        "share": 0.0,
        "rate": None,
        "peak_share": None,
        "limit_seconds": None,
        "limit": None,
    }


def test_profile_times_every_kernel_set(cli: Cli, pets: Path, kernels: str) -> None:
    document = json.loads(cli("profile", "pets.qfb", "--kernels", kernels, "--repeats", "3", "--json").stdout)
    table = qrt.kernel_table()[kernels]
    assert document["kernels"] == kernels
    assert (document["peak"] is None) == (kernels in ("reference", "portable"))
    for op in document["operators"]:
        assert op["kernels"] == (kernels if table[op["kind"]] == "own" else table[op["kind"]])
        assert op["seconds"] is None if op["kind"] == "reshape" else op["seconds"] >= op["fastest"] >= 0
    assert document["seconds"] == pytest.approx(sum(op["seconds"] or 0 for op in document["operators"]))


@pytest.fixture
def wide() -> Path:
    """A network whose convolutions are worth two threads, and whose mean stays on one."""
    g = GraphBuilder("wide")
    x = g.input("x", (1, 96, 96, 16), scale=0.1)
    for name in ("first", "second"):
        x = g.conv2d(x, np.ones((16, 3, 3, 16)), scale=5.0, padding=1, name=name)
    g.output(g.mean(x, scale=0.1, name="mean"))
    path = Path("wide.qfb")
    path.write_bytes(g.compile())
    return path


def test_profile_on_threads(cli: Cli, wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["profile", str(wide), "--kernels", "avx2" if "avx2" in qrt.kernel_sets() else "portable"]
    model = qrt.load(wide, kernels=arguments[-1], threads=2)
    assert model.threads == 2 and model.operator_threads == (2, 2, 1)
    measured = []

    def measure_peak(kernels: str, threads: int) -> float:
        measured.append(threads)
        return 1e12

    monkeypatch.setattr(qrt, "measure_peak", measure_peak)
    document = json.loads(cli(*arguments, "--threads", "2", "--repeats", "3", "--json").stdout)
    assert measured == [2, 2]
    assert document["threads"] == 2
    assert [op["threads"] for op in document["operators"]] == [2, 2, 1]
    assert all(op["seconds"] >= op["fastest"] > 0 for op in document["operators"])
    shown = cli(*arguments, "--threads", "2", "--repeats", "3", "--order")
    assert "peak 1,000.0 GMAC/s on 2 threads at once\n" in shown.stdout
    head, *rows = shown.stdout.split("Operators, in order\n")[1].splitlines()
    column = head.index("threads") + len("threads")
    assert [row[:column].split()[-1] for row in rows] == ["2", "2", "1"]
    assert shown.stderr == ""


def test_profile_says_where_threads_are_of_no_use(cli: Cli, pets: Path) -> None:
    shown = cli("profile", "pets.qfb", "--threads", "4", "--repeats", "1", "--json")
    assert "pets.qfb: no operator is large enough for more than 1 of 4 threads" in shown.stderr
    assert json.loads(shown.stdout)["threads"] == 1


@pytest.mark.parametrize("count", [1, 2])
def test_peak_of_threads_is_measured(kernels: str, count: int) -> None:
    peak = qrt.measure_peak(kernels, count)
    assert peak is None if kernels in ("reference", "portable") else peak is not None and peak > 1e9


def test_profile_runs_on_what_it_is_given(cli: Cli, pets: Path) -> None:
    np.save("one.npy", images(1)[0])
    np.save("three.npy", images(3) * 0.5)
    for name, told in [("one.npy", "one.npy"), ("three.npy", "the first sample of three.npy")]:
        shown = json.loads(cli("profile", "pets.qfb", "--input", name, "--repeats", "1", "--json").stdout)
        assert shown["input"] == told
    path = VECTORS / "good" / "format1_every_operator.qfb"
    assert json.loads(cli("profile", str(path), "--json").stdout)["input"] == "the first test vector"


def test_profile_shows_progress_when_it_takes_long(cli: Cli, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "PATIENCE", 0)
    monkeypatch.setattr(profile, "TURN", 0)
    shown = cli("profile", "pets.qfb", "--repeats", "5", "--json", FORCE_COLOR="1")
    assert json.loads(shown.stdout)["repeats"] == 5
    assert "runs" in shown.stderr


def test_profile_refuses_wrong_input(cli: Cli, pets: Path) -> None:
    np.save("wide.npy", np.zeros((3, 3), np.int8))
    for args, line in [
        (["--input", "wide.npy"], "pets.qfb: input 'image': expected shape (1, 4, 4, 2) NHWC, got (3, 3)"),
        (["--input", "none.npy"], "none.npy: no such file; "),
        (["--kernels", "gpu"], "unknown kernel set 'gpu'; this machine has reference, "),
        (["--threads", "0"], "threads is 1 to 256, got 0"),
        (["--repeats", "0"], "invalid value for '--repeats': 0 is not in the range x>=1"),
    ]:
        assert_refused(cli("profile", "pets.qfb", *args), f"qrt profile: {line}")
