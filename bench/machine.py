"""The environment of a run: CPU, relevant CPU flags, versions of all engines, date."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import qrt

FLAGS = (
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512bw",
    "avx512vl",
    "avx512_vnni",
    "amx_tile",
    "amx_int8",
    "asimd",
    "asimddp",
    "i8mm",
)
PACKAGES = ("qrt", "ai-edge-litert", "onnxruntime", "openvino", "torch", "tract", "numpy")


def describe() -> dict[str, Any]:
    """The machine and the software versions, as plain data."""
    fields = _cpuinfo()
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "cpu": _cpu_name(fields),
        "architecture": platform.machine(),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "kernel_sets": list(qrt.kernel_sets()),
        "absent_kernel_sets": qrt.absent_kernel_sets(),
    }


def _cpuinfo() -> dict[str, str]:
    """The first processor's fields of /proc/cpuinfo; empty if there is no such file."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    first = path.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _cpu_name(fields: dict[str, str]) -> str:
    name = fields.get("model name") or platform.processor() or platform.machine()
    short = name.replace("(R)", "").replace("(TM)", "").split("@")[0]
    words = " ".join(short.split())
    # Some machines hide the Xeon's name; family and model still identify it. Linux has only numbers of an Arm core.
    for kind, number in (("cpu family", "model"), ("CPU implementer", "CPU part")):
        if kind in fields and number in fields and not any(c.isdigit() for c in words.replace("aarch64", "")):
            return f"{words}, {kind.split()[1]} {fields[kind]} {number.split()[-1]} {fields[number]}"
    return words


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
