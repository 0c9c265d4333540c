"""Tests that were not run: one line for each reason, with the number of tests."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib import metadata

import pytest
from packaging.requirements import Requirement

# Packages that are not named as the module is.
PACKAGES = {"sklearn": "scikit-learn"}


def lines(reports: Iterable[pytest.TestReport | pytest.CollectReport]) -> Iterator[str]:
    """A line for each reason of skipped tests, the most frequent first; a file that was skipped whole is named."""
    tests: dict[str, int] = defaultdict(int)
    files: dict[str, list[str]] = defaultdict(list)
    for report in reports:
        reason = reason_of(report)
        if isinstance(report, pytest.CollectReport):
            files[reason].append(report.nodeid)
        else:
            tests[reason] += 1
    for reason in sorted({*tests, *files}, key=lambda reason: (-tests[reason], reason)):
        parts = [f"all of {', '.join(sorted(files[reason]))}"] if files[reason] else []
        if count := tests[reason]:
            parts.insert(0, f"{count} test{'s' if count > 1 else ''}")
        yield f"not run: {' and '.join(parts)}: {reason}"


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    missing = re.search(r"could not import '.*': No module named '(\w+)'$", text)
    return absent(missing[1]) if missing else text.removeprefix("Skipped: ")


def absent(module: str) -> str:
    """Why a library is not there: nobody has installed it, or qrt's extras do not ask for it on this machine."""
    package = PACKAGES.get(module, module.replace("_", "-"))
    environments = [{"extra": extra} for extra in metadata.metadata("qrt").get_all("Provides-Extra") or []]
    markers = [each.marker for each in map(Requirement, metadata.requires("qrt") or []) if each.name == package]
    if markers and not any(marker is None or any(map(marker.evaluate, environments)) for marker in markers):
        return f"{package} has no wheel for this machine and Python"
    return f"{package} is not installed (pip install {package})"
