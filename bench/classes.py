"""Classes of machines, by the widest instructions for int8 products: each has a table of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import qrt


@dataclass(frozen=True)
class MachineClass:
    """A class of CPUs.

    Attributes
    ----------
    name, title : str
        The word of the command line and of marks in the documents, and that of its table.
    processors : str
        Which CPUs are of this class.
    sets : tuple of str
        The fastest kernel set of such a machine is one of these.
    switches : mapping of str to str
        Environment variables that hold those engines to the class that have such a switch.
    """

    name: str
    title: str
    processors: str
    sets: tuple[str, ...]
    switches: Mapping[str, str] = field(default_factory=dict)


def _switches(onednn: str, pytorch: str, fbgemm: str) -> dict[str, str]:
    return {"ONEDNN_MAX_CPU_ISA": onednn, "ATEN_CPU_CAPABILITY": pytorch, "FBGEMM_ENABLE_INSTRUCTIONS": fbgemm}


CLASSES = (
    MachineClass("amx", "AMX", "Intel Xeon since 2023 (Sapphire Rapids and later)", ("amx",)),
    MachineClass(
        "avx512vnni",
        "AVX512-VNNI",
        "AMD since Zen 4, Intel Cascade Lake to Rocket Lake",
        ("avx512vnni",),
        _switches("AVX512_CORE_BF16", "avx512", "AVX512_VNNI"),
    ),
    MachineClass(
        "avxvnni",
        "AVX-VNNI",
        "Intel desktops and laptops since 2021 (Alder Lake and later)",
        ("avxvnni",),
        _switches("AVX2_VNNI", "avx2", "AVX2"),
    ),
    MachineClass(
        "avx2",
        "AVX2",
        "Intel Haswell to Comet Lake, AMD Zen to Zen 3",
        ("avx2",),
        _switches("AVX2", "avx2", "AVX2"),
    ),
    MachineClass("arm", "Arm", "64-bit Arm: Raspberry Pi, Apple, Graviton", ("neon", "neondot", "neoni8mm")),
)
NAMES = tuple(one.name for one in CLASSES)


def own_class() -> MachineClass | None:
    """The class of this machine; None if qrt has only portable kernels for it."""
    fastest = qrt.kernel_sets()[-1]
    return next((one for one in CLASSES if fastest in one.sets), None)


def lower_classes() -> list[MachineClass]:
    """The classes to which this machine can be held: it has all of their instructions."""
    own = own_class()
    return [one for one in CLASSES if one is not own and set(one.sets) & set(qrt.kernel_sets())] if own else []
