"""Many generated networks in one program, for the host or a device, and their runs."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from expected import Expected
from places import ROOT
from sanitizers import ENVIRONMENT

from qrt.firmware.emulators import Call, Command, Read, Settings, Write, execute
from qrt.firmware.generate.network import Network, generate
from qrt.firmware.generate.sources import HEADERS
from qrt.firmware.targets import TARGETS, Target
from qrt.firmware.toolchain.compilers import Compiler, link
from qrt.firmware.toolchain.image import Image

RUNNER = ROOT / "tests" / "firmware" / "run_networks.c"
# Characters of one file of C. Few large files compile faster than many small ones.
PART = 1_500_000
# Around the block, as in run_networks.c.
GUARD = 64
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]


def networks_of(files: Sequence[bytes], target: Target = TARGETS["generic"]) -> list[Network]:
    """The files as C: networks n0, n1, ..."""
    return [generate(file, target, f"n{i}") for i, file in enumerate(files)]


def write_sources(networks: Sequence[Network], folder: Path) -> list[Path]:
    """Writes all sources into a folder, those that several networks have once; the files to compile."""
    texts: dict[str, str] = {}
    for network in networks:
        for path, text in network.sources.items():
            assert texts.setdefault(path, text) == text, path
    names = [network.name for network in networks]
    texts["networks.h"] = "".join(f'#include "{name}.h"\n' for name in names)
    texts["networks.h"] += f"#define NETWORKS {' '.join(map(_row, networks))}\n"
    texts["networks.h"] += f"#define HOW_THEY_RUN {' '.join(map(_ways, networks))}\n"
    kernels = [path for path in texts if "/" in path and path.endswith(".c")]
    parts = _parts(networks)
    texts.update({f"part_{i}.c": text for i, text in enumerate(parts)})
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return [*(folder / f"part_{i}.c" for i in range(len(parts))), *(folder / path for path in kernels), RUNNER]


def _row(network: Network) -> str:
    """How run_networks.c lists a network."""
    name, fed = network.name, network.fed is not None
    run, feed = ("NULL", f"{name}_take") if fed else (f"{name}_step", "NULL")
    reset = f"{name}_begin" if network.resets else "NULL"
    return f"X({name}, {name.upper()}, {run}, {feed}, {reset}, {network.row_size})"


def _ways(network: Network) -> str:
    """The functions of a network that others do not have."""
    way = "RUN" if network.fed is None else "FEED"
    return f"{way}({network.name})" + (f" RESET({network.name})" if network.resets else "")


def _parts(networks: Sequence[Network]) -> list[str]:
    """Files that include several networks each, whose constants would else have the same names."""
    parts: list[str] = []
    room = 0
    for network in networks:
        text = network.sources[f"{network.name}.c"]
        if room < len(text):
            parts.append("".join(f'#include "{header}"\n' for header in HEADERS[network.target.kernels]))
            room = PART
        room -= len(text)
        constants = re.findall(r"^static const .*?(\w+)(?:\[\d+\])? = \{$", text, re.MULTILINE)
        parts[-1] += "".join(f"#define {name} {network.name}_{name}\n" for name in constants)
        parts[-1] += f'#include "{network.name}.c"\n'
        parts[-1] += "".join(f"#undef {name}\n" for name in constants)
    return parts


def _request(number: int, expected: Expected) -> bytes:
    """What run_networks.c takes."""
    counts = (len(expected.samples), len(expected.input_sizes), len(expected.output_sizes))
    words = (number, *counts, *expected.input_sizes, *expected.output_sizes)
    return struct.pack(f"<{len(words)}I", *words) + b"".join(sample.inputs for sample in expected.samples)


def _outputs(expected: Expected) -> bytes:
    return b"".join(sample.outputs for sample in expected.samples)


def host_program(
    networks: Sequence[Network], folder: Path, compiler: str, options: Sequence[str], kernels: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Builds folder/run_networks for this machine; what the compiler said of it.

    Parameters
    ----------
    networks : sequence of Network
    folder : Path
    compiler : str
    options : sequence of str
    kernels : Path, optional
        A library that has the kernels already.
    """
    sources = write_sources(networks, folder)
    if kernels is not None:
        sources = [path for path in sources if path.parent.name != "portable"] + [kernels]
    command = [compiler, *STRICT, *options, "-DPROGRAM", f"-I{folder}", *map(str, sources)]
    command += ["-o", str(folder / "run_networks")]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)


def differ_on_host(program: Path, cases: Sequence[Expected]) -> list[str]:
    """The names of the cases whose outputs are not those that are expected."""
    requests = [_request(i, case) for i, case in enumerate(cases)]
    stream = b"".join(struct.pack("<I", len(request)) + request for request in requests)
    done = subprocess.run([program], input=stream, capture_output=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr.decode()
    wrong, at = [], 0
    for case in cases:
        wanted = _outputs(case)
        if done.stdout[at : at + len(wanted)] != wanted:
            wrong.append(case.name)
        at += len(wanted)
    assert at == len(done.stdout)
    return wrong


def device_image(
    networks: Sequence[Network],
    folder: Path,
    target: Target,
    compiler: Compiler,
    options: Sequence[str] = ("-Oz",),
) -> Image:
    """The networks as a program for a device."""
    roots = ["run_network", *(name for network in networks for name in network.functions)]
    return link(target, compiler, write_sources(networks, folder), [folder], roots, options)


def differ_on_device(
    image: Image, target: Target, networks: Sequence[Network], cases: Sequence[Expected], aligned: bool = True
) -> list[str]:
    """The names of the cases whose outputs are not those that are expected, or that write beside their block."""
    requests = [_request(i, case) for i, case in enumerate(cases)]
    start = -(-image.free // 16) * 16
    # A multiple of 8, but not of 16: a block needs no more.
    workspace = start + -(-max(map(len, requests)) // 16) * 16 + 8
    outputs = workspace + -(-(max(network.memory_size for network in networks) + 2 * GUARD) // 16) * 16
    end = outputs + max(len(_outputs(case)) for case in cases)
    commands: list[Command] = []
    for request, case in zip(requests, cases, strict=True):
        commands.append(Write(start, request))
        commands.append(Call("run_network", (start, workspace, outputs)))
        commands.append(Read(outputs, len(_outputs(case))))
    settings = Settings(memory=end - image.free, aligned=aligned)
    found = execute(image, target, commands, settings)
    rows = zip(cases, found.returned, found.reads, strict=True)
    return [f"{case.name}: {wrong}" for case, wrong, codes in rows if wrong != 0 or codes != _outputs(case)]


def stack_of(image: Image, target: Target, network: Network) -> int:
    """Bytes of stack that a run uses."""
    settings = Settings(memory=network.memory_size + 64)
    return execute(image, target, [Call(f"{network.name}_run", (-(-image.free // 16) * 16,))], settings).stack
