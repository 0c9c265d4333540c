"""qrt run: runs a network on arrays and shows the outputs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import numpy as np

import qrt
from qrt.cli import arrays
from qrt.cli.arrays import Array
from qrt.cli.console import note, print_json, progressing
from qrt.cli.failure import Failure, Verb, open_content, open_model
from qrt.cli.results import Result
from qrt.cli.target import cc_option, device_errors, emulated, refuse_options, target_option


@click.command(cls=Verb)
@click.argument("path", metavar="MODEL.QFB", type=click.Path(path_type=Path))
@click.argument("input_paths", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the outputs to this .npy or .npz file.")
@click.option("--dequantize", is_flag=True, help="Output real values instead of int8 codes.")
@click.option("--top", type=click.IntRange(min=1), metavar="K", help="Show the K largest values of each sample.")
@click.option(
    "--kernels",
    metavar="SET",
    help="Kernel set to use, see 'qrt kernels'; all give the same bytes.  [default: the fastest]",
)
@click.option("--threads", type=int, metavar="N", help="Threads to split large operators among.  [default: 1]")
@target_option
@cc_option
@click.option("--layout", type=click.Choice(["NHWC", "NCHW"]), help="Layout of the images, if their shape fits both.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def run_model(
    path: Path,
    input_paths: tuple[Path, ...],
    output: Path | None,
    dequantize: bool,
    top: int | None,
    kernels: str | None,
    threads: int | None,
    target_name: str | None,
    cc: str | None,
    layout: str | None,
    as_json: bool,
) -> None:
    """Runs a network on arrays from .npy or .npz files.

    An array holds one sample or a batch, as floats or int8 codes; floats are quantized as the model file says.
    For a network with several inputs give one file for each, in order, or one .npz with arrays named like the inputs.

    \b
    Examples:
      qrt run model.qfb images.npz --top 3
      qrt run model.qfb input.npy --dequantize -o output.npy
      qrt run model.qfb input.npy --target cortex-m4
    """
    refuse_options(target_name, {"--kernels": kernels, "--threads": threads}, {"--cc": cc})
    model: qrt.Model
    if target_name is None:
        model = open_model(path, kernels, 1 if threads is None else threads)
    else:
        _, content = open_content(path, kernels="reference")
        model = emulated(content, target_name, cc)
    if output is not None:
        arrays.check_suffix(output, model.outputs)
        if os.path.realpath(output) in map(os.path.realpath, input_paths):
            raise Failure(f"{output}: is an input; name another file with -o")
    given = [item for input_path in input_paths for item in arrays.read(input_path)]
    chosen = arrays.choose(given, model.inputs, layout)
    for item in given:
        if item not in chosen:
            note(f"{item.path}: {item} is not an input; ignored")
    try:
        with device_errors():
            outputs = infer(model, [item.array for item in chosen], dequantize, layout)
    except ValueError as error:
        files = ", ".join(dict.fromkeys(str(item.path) for item in chosen))
        raise Failure(f"{path}: {error}; the data is {files}") from None
    if output is not None:
        arrays.save(output, model.outputs, outputs)
    results = [Result.of(info, value, top) for info, value in zip(model.outputs, outputs, strict=True)]
    if as_json:
        print_json({"file": str(path), "kernels": model.kernels, "outputs": [result.document() for result in results]})
        return
    for result in results:
        for line in result.lines(shutil.get_terminal_size().columns):
            click.echo(line)
    if output is not None:
        click.echo(f"wrote {output}")


def infer(model: qrt.Model, inputs: Sequence[Array], dequantize: bool, layout: str | None) -> list[Array]:
    """The outputs for one sample or, one after another with progress, for a batch."""
    pairs = list(zip(inputs, model.inputs, strict=True))
    lengths = {len(x) for x in inputs if x.ndim}
    batch = (
        len(lengths) == 1
        and all(x.ndim == len(info.shape) and arrays.fits(info, x, layout) for x, info in pairs)
        and all(info.shape[0] == 1 for info in model.inputs)
    )
    if not batch or max(lengths) < 2:
        return as_list(model.run(*inputs, dequantize=dequantize, layout=layout))
    return one_by_one(model, inputs, progressing(lengths.pop(), "samples"), dequantize, layout)


def one_by_one(
    model: qrt.Model,
    inputs: Sequence[Array],
    places: Iterable[int],
    dequantize: bool = False,
    layout: str | None = None,
) -> list[Array]:
    """The outputs for the samples at `places` of a batch."""
    pieces = [as_list(model.run(*(x[i : i + 1] for x in inputs), dequantize=dequantize, layout=layout)) for i in places]
    return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]


def as_list(outputs: Array | list[Array]) -> list[Array]:
    return outputs if isinstance(outputs, list) else [outputs]
