"""The versions of the engines: stated once, installed for tests, and a line where an installed one is newer."""

from __future__ import annotations

from importlib import metadata

import engines
import pytest
from packaging.requirements import Requirement

from qrt.compiler import ENGINES
from qrt.compiler.engines import VERSIONS

INSTALLED = {"tflite-micro": "0.dev20261101000000", "onnxruntime": "1.32.0", "torch": "2.13.0+cpu"}


def version(package: str) -> str:
    if package not in INSTALLED:
        raise metadata.PackageNotFoundError(package)
    return INSTALLED[package]


def test_every_engine_has_a_version() -> None:
    assert {name for names in ENGINES.values() for name in names} == set(VERSIONS)


def test_what_setup_pins_is_the_stated_version() -> None:
    """An engine of which setup.py wants one version is wanted in the stated one."""
    stated = {one.package: one.version for one in VERSIONS.values()}
    pins = {
        (wanted.name, part.version)
        for wanted in map(Requirement, metadata.requires("qrt") or [])
        for part in wanted.specifier
        if wanted.name in stated and part.operator == "=="
    }
    assert pins <= set(stated.items())
    assert {"tflite-micro", "torch"} <= {name for name, _ in pins}


def test_a_newer_engine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", version)
    assert list(engines.newer()) == [
        "newer engine: tflite-micro 0.dev20261101000000; docs/compile.md and all figures are of 0.dev20261023182759"
    ]
