"""The command line of the benchmark of microcontrollers: python -m bench.device --help."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench.device.chart import draw
from bench.device.networks import NAMES, plan
from bench.device.report import show, write_tables
from bench.device.run import Settings, run, steps
from bench.progress import progress
from qrt.firmware.errors import DeviceError
from qrt.firmware.targets import target as target_named

BUILD = Path(__file__).resolve().parents[2] / "build" / "bench-device"
TARGETS = ("cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55", "riscv32")
ENGINES = ("qrt", "bakenn")
LEVELS = ("z", "s", "2", "3")


def _one_of(known: tuple[str, ...]) -> Any:
    """A callback that splits a list and refuses names that are not known."""

    def callback(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
        names = tuple(name.strip() for name in value.split(",") if name.strip())
        for name in names:
            if name not in known:
                raise click.BadParameter(f"no {name!r}; choose from {', '.join(known)}")
        return names

    return callback


def _listed(
    option: str, known: tuple[str, ...], default: tuple[str, ...], what: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        option,
        callback=_one_of(known),
        default=",".join(default),
        show_default=True,
        metavar="NAME,NAME",
        help=what,
    )


@click.command()
@_listed("--networks", NAMES, NAMES, "Networks.")
@_listed("--targets", TARGETS, TARGETS, "Processors.")
@_listed("--engines", ENGINES, ENGINES, "Whose code.")
@_listed("--optimize", LEVELS, ("3",), "The compilers' levels of optimization; the fastest counts.")
@click.option(
    "--cc",
    "compilers",
    multiple=True,
    metavar="COMMAND",
    help="C compiler; may be repeated, the fastest counts.  [default: zig cc, and arm-none-eabi-gcc if installed]",
)
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path), default=BUILD / "results.json", help="File for all figures."
)
@click.option(
    "--charts", type=click.Path(path_type=Path), default=BUILD, help="Folder for a bar chart of each processor."
)
@click.option("--write-tables", "write", is_flag=True, help="Put the tables into README.md and docs/benchmark.md.")
def main(
    networks: tuple[str, ...],
    targets: tuple[str, ...],
    engines: tuple[str, ...],
    optimize: tuple[str, ...],
    compilers: tuple[str, ...],
    json_path: Path,
    charts: Path,
    write: bool,
) -> None:
    """Measures what int8 networks take on microcontrollers: instructions, flash and RAM, on emulated processors.

    The networks are five published ones of shared/models beside the project, the network of examples/digits, and a
    MobileNetV2 with random weights. qrt runs them as generated C and with its interpreter, on the kernels of the
    processor and on portable ones. BakeNN compiles the same networks, as qrt exports them, without a softmax at the
    end, to C with its own kernels and to C with CMSIS-NN. All are compiled by the same compilers at the same levels;
    for each the fastest result counts. Outputs are compared with those of this machine, byte for byte. TFLM + CMSIS-NN
    is not run: its figures are recorded.

    \b
    python -m bench.device                                     everything
    python -m bench.device --targets cortex-m4 --engines qrt   qrt on one processor
    python -m bench.device --networks kws_dscnn,sww --optimize s,3
    python -m bench.device --write-tables

    Results also go to build/bench-device. Exits with 1 if outputs differ.
    """
    settings = Settings([target_named(name) for name in targets], engines, compilers, optimize)
    folder = BUILD / "networks"
    folder.mkdir(parents=True, exist_ok=True)
    makers, skipped = plan(networks, folder)
    try:
        with progress(sys.stderr, steps(settings, len(makers))) as (say, done):
            document = run(settings, makers, skipped, say, done)
    except DeviceError as error:
        raise click.ClickException(str(error)) from None
    json_path.parent.mkdir(parents=True, exist_ok=True)
    json_path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    show(document)
    click.echo(f"\n{json_path}")
    _draw(document, charts)
    if write:
        write_tables(document)
        click.echo("wrote the tables into README.md and docs/benchmark.md")
    if document["disagreements"]:
        raise click.ClickException(f"{len(document['disagreements'])} have other bytes than qrt on this machine")


def _draw(document: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for path in draw(document, folder):
            click.echo(path)
    except ImportError:
        click.echo('no charts: matplotlib is not installed: pip install "qrt[bench]"')


if __name__ == "__main__":
    main(prog_name="python -m bench.device")
