"""qrt export: converts a .qfb file to a .tflite file, for Netron and for other engines."""

from __future__ import annotations

from pathlib import Path

import click

from qrt.cli.compile import refused
from qrt.cli.console import console, facts, heading, print_json, printable, show
from qrt.cli.failure import Failure, Verb, open_content
from qrt.cli.files import replacing
from qrt.cli.summary import short_name

ENGINES = {"tflm": "TFLM", "litert": "LiteRT's reference kernels"}


@click.command(cls=Verb)
@click.argument("source", metavar="MODEL.QFB", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File to write.  [default: MODEL.tflite, if there is none yet]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
def export_model(source: Path, output: Path | None, as_json: bool, quiet: bool) -> int:
    """Converts a .qfb file to a .tflite file.

    TFLite cannot express every rounding mode. Operators that TFLM or LiteRT may round differently are listed.
    Operators without a TFLite equivalent are not supported: all of them are reported, and nothing is written.

    \b
    Example:
      qrt export model.qfb -o model.tflite
    """
    from qrt.compiler import CompileError
    from qrt.compiler.backends.qfb.reader import read
    from qrt.compiler.backends.tflite.writer import to_tflite

    if output is None:
        # Often the network that the .qfb file was compiled from.
        output = source.parent / f"{source.stem}.tflite"
        if output.exists():
            raise Failure(f"{output}: exists already; name the file to write with -o")
    if output.suffix != ".tflite":
        raise Failure(f"{output}: can only export to .tflite; use this suffix")
    _, content = open_content(source, kernels="reference")
    try:
        exported = to_tflite(read(content))
    except CompileError as error:
        raise refused(source, error) from None
    except ImportError as error:
        raise Failure(f"{source}: {error}") from None
    with replacing(output) as stream:
        stream.write(exported.content)
    if as_json:
        sizes = {"source_size": len(content), "output_size": len(exported.content)}
        print_json({"source": str(source), "output": str(output), **sizes, "differing": exported.differing})
    elif not quiet:
        click.echo(f"{source} -> {output}, {len(exported.content):,} bytes")
        rows = []
        for engine, names in exported.differing.items():
            shown = ", ".join(short_name(name) for name in names)
            rows.append((ENGINES[engine], f"may differ in the last bit of {shown}" if names else "the same bytes"))
        heading(console(), "Engines")
        show(console(), facts([(engine, printable(text)) for engine, text in rows]))
    return 0
