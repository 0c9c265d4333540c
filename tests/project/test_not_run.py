"""The summary of tests that were not run."""

from __future__ import annotations

import not_run
import pytest
from packaging.requirements import Requirement

ABSENT = "could not import 'tflite.Model': No module named 'tflite'"


def skipped(name: str, reason: str) -> pytest.TestReport:
    where = ("tests/test_a.py", 1, f"Skipped: {reason}")
    return pytest.TestReport(name, ("tests/test_a.py", 1, name), {}, "skipped", where, "call")


def skipped_file(name: str, reason: str) -> pytest.CollectReport:
    return pytest.CollectReport(name, "skipped", (name, 1, f"Skipped: {reason}"), [])


def test_one_line_for_each_reason() -> None:
    reports = [
        skipped("test_a", "no flatc"),
        *(skipped(f"test_b[{i}]", ABSENT) for i in range(3)),
        skipped_file("tests/test_c.py", ABSENT),
        skipped_file("tests/test_b.py", ABSENT),
        skipped_file("tests/test_d.py", "could not import 'sklearn.datasets': No module named 'sklearn'"),
    ]
    assert list(not_run.lines(reports)) == [
        "not run: 3 tests and all of tests/test_b.py, tests/test_c.py: tflite is not installed (pip install tflite)",
        "not run: 1 test: no flatc",
        "not run: all of tests/test_d.py: scikit-learn is not installed (pip install scikit-learn)",
    ]


def test_a_module_that_its_package_lacks_is_named_as_it_is() -> None:
    reason = "could not import 'torchao.testing.x': No module named 'torchao.testing.x'"
    assert list(not_run.lines([skipped("test_a", reason)])) == [f"not run: 1 test: {reason}"]


def test_a_package_that_is_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    marker = 'platform_machine == "abacus"'
    requirement = Requirement(f'tflite>=2; ({marker}) and extra == "test"')
    monkeypatch.setattr(not_run.metadata, "requires", lambda name: [str(requirement)])
    assert not_run.absent("tflite") == "tflite has no wheel for this machine and Python"
