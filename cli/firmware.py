"""qrt firmware: writes a network as a C library for microcontrollers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qrt.cli.budget import Budget, Footprint, broken, budget_options, measure, over_budget
from qrt.cli.compile import vectors_for_device
from qrt.cli.console import console, facts, heading, print_json, printable, show
from qrt.cli.failure import Verb, open_content
from qrt.cli.files import replacing_folder
from qrt.cli.target import TARGET_HELP, cc_option, device_errors, kernels_text

if TYPE_CHECKING:
    from qrt.firmware.generate.network import Network

# What qrt firmware writes into each library; a folder without it is not replaced.
MARK = "Written by qrt firmware"


@click.command(cls=Verb)
@click.argument("path", metavar="MODEL.QFB", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder to write.  [default: MODEL, beside the file]"
)
@click.option("--target", "target_name", default="generic", show_default=True, metavar="CORE", help=TARGET_HELP)
@click.option("--name", help="What the C functions' names begin with.  [default: the folder's name]")
@click.option(
    "--board",
    metavar="BOARD",
    help="QEMU board of 'make check BOARD=...': microbit (M0), an385 (M3), an386 (M4), an500 (M7), an505 (M33), "
    "an547 (M55).  [default: the core's]",
)
@budget_options
@cc_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
def write_firmware(
    path: Path,
    output: Path | None,
    target_name: str,
    name: str | None,
    board: str | None,
    budget: Budget,
    cc: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Writes a network as C that you add to your firmware.

    The folder is a library for CMake, Make, Arduino, PlatformIO, Zephyr and ESP-IDF, and its README.md says how to call
    it. It holds the network's constants, one call for each operator, and the kernels that the network uses: no file to
    parse, no heap, no start-up. The outputs are the bytes of 'qrt run'.

    With --max-ram or --max-flash: exit code 1, and nothing is written, if the network needs more.

    \b
    Examples:
      qrt firmware model.qfb -o net/
      qrt firmware model.qfb -o net/ --target cortex-m4 --max-ram 64k --max-flash 256k
    """
    with device_errors():
        from qrt.firmware.generate.network import generate, identifier
        from qrt.firmware.projects.library import library_files
        from qrt.firmware.targets import target

        output = output or path.parent / path.stem
        model, content = open_content(path, kernels="reference")
        network = generate(content, target(target_name), identifier(output.resolve().name) if name is None else name)
        footprint = measure(network, budget, cc)
        problems = broken(network, budget, footprint)
        if problems:
            return over_budget(path, problems, as_json)
        vectors = vectors_for_device(model)
        files = library_files(network, vectors, board, output.resolve().name)
    with replacing_folder(output, MARK) as folder:
        for name_, text in files.items():
            (folder / name_).parent.mkdir(parents=True, exist_ok=True)
            (folder / name_).write_text(text, encoding="utf-8", newline="\n")
    if as_json:
        described: dict[str, Any] = {"name": network.name, "target": network.target.name}
        described |= {"kernels": network.target.kernels, "on_portable_kernels": network.others}
        print_json({"file": str(path), "output": str(output), **described, **asdict(footprint), "files": sorted(files)})
    elif not quiet:
        report(path, output, network, footprint, len(files))
    return 0


def report(path: Path, output: Path, network: Network, footprint: Footprint, count: int) -> None:
    click.echo(f"{path} -> {output}, {count} files for {network.target.title}")
    heading(console(), "Network")
    code, memory = footprint.code, footprint.memory
    held = f"{network.state_size:,} of state, activations" if network.state_size else "activations"
    rows = [
        ("kernels", kernels_text(network)),
        ("RAM", f"{memory:,} bytes: {held} and scratch memory, one {network.name}_memory; without the stack"),
        ("constants", f"{footprint.constants:,} bytes of flash"),
        ("code", f"{code:,} bytes of flash, by {footprint.compiler}" if code is not None else NO_CODE),
    ]
    show(console(), facts([(title, printable(text)) for title, text in rows]))
    click.echo(f"\nHow to call it: see {output / 'README.md'}")


NO_CODE = 'about 4,000 to 9,000 bytes of flash; for the exact size: pip install "qrt[device]"'
