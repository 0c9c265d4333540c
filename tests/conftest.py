"""Shared by all tests: hypothesis' profile, fixtures, and a summary of what ran and what did not."""

from __future__ import annotations

import os
from pathlib import Path

import engines
import kernel_sets
import not_run
import pytest
from command_line import Cli, qrt_in_process, residual
from hypothesis import HealthCheck, settings
from sanitizers import SANITIZERS

import qrt

# Nothing fails because the machine is busy: neither a case that takes long nor the drawing of one.
settings.register_profile(
    "qrt", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("qrt")


def listed(variable: str) -> list[str]:
    """The names in an environment variable."""
    return [name for name in os.environ.get(variable, "").split(",") if name]


REQUIRED = listed("QRT_REQUIRE")
# PyTorch reads it when it is imported. Each CPU has a process of the tests already; threads of one that wait for each
# other take the time of the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", params=qrt.kernel_sets())
def kernels(request: pytest.FixtureRequest) -> str:
    """Each kernel set of this machine in turn."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test run have in common."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs qrt in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return qrt_in_process


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A residual network with labels, without test vectors."""
    path = tmp_path / "pets.qfb"
    path.write_bytes(residual().compile())
    return path


def pytest_sessionstart(session: pytest.Session) -> None:
    absent = qrt.absent_kernel_sets()
    missing = [f"{name} ({absent.get(name, 'unknown')})" for name in REQUIRED if name not in qrt.kernel_sets()]
    if missing:
        raise pytest.UsageError(f"QRT_REQUIRE names kernel sets that this machine lacks: {', '.join(missing)}")
    # Extensions of another build, found first, would pass everything.
    unsanitized = [name for name in listed("QRT_SANITIZERS") if name not in SANITIZERS]
    if unsanitized:
        raise pytest.UsageError(f"{qrt.__file__} is not built with the sanitizers {', '.join(unsanitized)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    write = terminalreporter.write_line
    write(f"kernel sets tested: {', '.join(kernel_sets.ALL)}")
    for name, reason in qrt.absent_kernel_sets().items():
        write(f"kernel set not tested: {name}: {reason}")
    if SANITIZERS:
        write(f"sanitizers of the extensions: {', '.join(sorted(SANITIZERS))}")
    for line in engines.newer():
        write(line)
    for line in not_run.lines(terminalreporter.stats.get("skipped", [])):
        write(line)
