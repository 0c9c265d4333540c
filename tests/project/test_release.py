"""What a release is made by: the workflow, the settings of its wheels, and what the metadata says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# Runners of each system and processor that wheels are for.
RUNNERS = {"ubuntu-24.04", "ubuntu-24.04-arm", "macos-15-intel", "macos-15", "windows-2022", "windows-11-arm"}


def parsed(path: Path) -> Any:
    """A file of YAML, in which GitHub's key "on" is no truth value."""
    yaml = pytest.importorskip("yaml", reason="pyyaml is not installed")
    if not path.is_file():
        pytest.skip(f"{path.name} is not in a packed tree")
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


def settings() -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no TOML")
    read: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return read


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_jobs_are_whole(path: Path) -> None:
    jobs = parsed(path)["jobs"]
    for name, job in jobs.items():
        assert job["runs-on"] and job["steps"], name
        assert set(job.get("needs", [])) <= jobs.keys(), name
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), f"{name}: {step}"
            assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v1)", step["uses"]), step


def test_workflow_checks_and_builds_everywhere() -> None:
    workflow = parsed(ROOT / ".github" / "workflows" / "build.yml")
    jobs = workflow["jobs"]
    assert {"run": ".ci/run"} in jobs["check"]["steps"]
    assert set(jobs["wheels"]["strategy"]["matrix"]["runner"]) == RUNNERS
    assert [step for step in jobs["wheels"]["steps"] if re.search(r"cibuildwheel==\d", step.get("run", ""))]
    assert set(jobs["publish"]["needs"]) == jobs.keys() - {"publish"}
    assert jobs["publish"]["if"] == "startsWith(github.ref, 'refs/tags/v')" and workflow["on"]["push"]["tags"] == ["v*"]


def test_wheels_are_tried() -> None:
    tried = re.findall(r"\{project\}/(\S+)", settings()["tool"]["cibuildwheel"]["test-command"])
    assert tried and all((ROOT / path).exists() for path in tried)


def test_hooks_run_what_lint_runs() -> None:
    """Hooks are of this machine's environment, so that a version is stated once, in setup.py."""
    hooks = [hook for repo in parsed(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for hook in hooks:
        assert hook["language"] == "system"
        command = " ".join(hook["entry"].split()[:2] if hook["entry"].startswith("ruff") else hook["entry"].split()[:1])
        assert f"$(BIN)/{command}" in makefile, command


def test_version_is_stated_once() -> None:
    stated = re.findall(r'^ *version="([^"]+)"', (ROOT / "setup.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(stated) == 1
    assert f"## [{stated[0]}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for path in (ROOT / "runtime/__init__.py", ROOT / "pyproject.toml"):
        assert stated[0] not in path.read_text(encoding="utf-8")


def test_license_names_its_owner() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert re.search(r"^ +Copyright \d{4} The qrt authors$", text, re.MULTILINE) and "[yyyy]" not in text


def test_c_says_its_license() -> None:
    """C of qrt is copied into firmware, away from LICENSE."""
    for folder in ("schema", "runtime", "firmware"):
        for path in (ROOT / folder).rglob("*.[ch]"):
            if path.name not in ("_executor.c", "_prepared.c", "_reference.c"):
                head = path.read_text(encoding="utf-8").splitlines()[:2]
                assert any("SPDX-License-Identifier: Apache-2.0" in line for line in head), path.relative_to(ROOT)
