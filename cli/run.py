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
from qrt.data.arrays import choose, fits, read


@click.command(cls=Verb)
@click.argument("path", metavar="MODEL.QFB", type=click.Path(path_type=Path))
@click.argument("input_paths", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the outputs to this .npy or .npz file.")
@click.option("--dequantize", is_flag=True, help="Output real values instead of codes.")
@click.option("--top", type=click.IntRange(min=1), metavar="K", help="Show the K largest values of each sample.")
@click.option(
    "--kernels",
    metavar="SET",
    help="Kernel set to use, see 'qrt kernels'; all give the same bytes.  [default: the fastest]",
)
@click.option("--threads", type=int, metavar="N", help="Threads to split large operators among.  [default: 1]")
@target_option
@cc_option
@click.option("--stream", is_flag=True, help="The arrays are steps in time, for a network with state.")
@click.option(
    "--reset-every", type=click.IntRange(min=1), metavar="N", help="Reset the state before each N steps, with --stream."
)
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
    stream: bool,
    reset_every: int | None,
    layout: str | None,
    as_json: bool,
) -> None:
    """Runs a network on arrays from .npy or .npz files.

    An array holds one sample or a batch, as floats or int8 codes; floats are quantized as the model file says.
    For a network with several inputs give one file for each, in order, or one .npz with arrays named like the inputs.

    A network with state remembers the runs before. A batch is then a sequence: one step after another, from the initial
    state. --stream says that this is meant, and also takes arrays of shape (steps, *shape of the input).

    \b
    Examples:
      qrt run model.qfb images.npz --top 3
      qrt run model.qfb input.npy --dequantize -o output.npy
      qrt run model.qfb input.npy --target cortex-m4
      qrt run wakeword.qfb features.npy --stream
    """
    refuse_options(target_name, {"--kernels": kernels, "--threads": threads}, {"--cc": cc})
    model: qrt.Model
    if target_name is None:
        model = open_model(path, kernels, 1 if threads is None else threads)
    else:
        _, content = open_content(path, kernels="reference")
        model = emulated(content, target_name, cc)
    _check_stream(path, model, stream, reset_every)
    if output is not None:
        arrays.check_suffix(output, model.outputs)
        if os.path.realpath(output) in map(os.path.realpath, input_paths):
            raise Failure(f"{output}: is an input; name another file with -o")
    given = [item for input_path in input_paths for item in read(input_path)]
    chosen = choose(given, model.inputs, layout, stream)
    for item in given:
        if item not in chosen:
            note(f"{item.path}: {item} is not an input; ignored")
    try:
        with device_errors():
            if stream:
                outputs = run_steps(model, [item.array for item in chosen], reset_every, dequantize, layout)
            else:
                outputs = infer(model, [item.array for item in chosen], dequantize, layout)
    except ValueError as error:
        files = ", ".join(dict.fromkeys(str(item.path) for item in chosen))
        raise Failure(f"{path}: {error}; the data is {files}") from None
    if output is not None:
        arrays.save(output, model.outputs, outputs)
    results = [Result.of(info, value, top) for info, value in zip(model.outputs, outputs, strict=True)]
    if as_json:
        sequence = {"steps": len(results[0].samples), "reset_every": reset_every} if stream else {}
        described = [result.document() for result in results]
        print_json({"file": str(path), "kernels": model.kernels, **sequence, "outputs": described})
        return
    for result in results:
        for line in result.lines(shutil.get_terminal_size().columns):
            click.echo(line)
    if output is not None:
        click.echo(f"wrote {output}")


def _check_stream(path: Path, model: qrt.Model, stream: bool, reset_every: int | None) -> None:
    if stream and not model.state_size:
        raise Failure(
            f"{path}: has no state, so --stream has no meaning: each sample is computed by itself; leave it out"
        )
    if reset_every is not None and not stream:
        raise Failure("--reset-every needs --stream")


def infer(model: qrt.Model, inputs: Sequence[Array], dequantize: bool, layout: str | None) -> list[Array]:
    """The outputs for one sample or, one after another with progress, for a batch."""
    pairs = list(zip(inputs, model.inputs, strict=True))
    for x, info in pairs:
        if model.state_size and x.ndim == len(info.shape) + 1 and x.shape[1:] == info.shape:
            raise ValueError(f"input {info.name!r}: got {x.shape}, which are {len(x)} steps; add --stream")
    lengths = {len(x) for x in inputs if x.ndim}
    batch = (
        len(lengths) == 1
        and all(x.ndim == len(info.shape) and fits(info, x, layout) for x, info in pairs)
        and all(info.shape[0] == 1 for info in model.inputs)
    )
    if not batch or max(lengths) < 2:
        return as_list(model.run(*inputs, dequantize=dequantize, layout=layout))
    if model.state_size:
        note(f"the network has state: the {max(lengths)} samples run as steps of one sequence; --stream says so")
    return one_by_one(model, inputs, progressing(lengths.pop(), "samples"), dequantize, layout)


def run_steps(
    model: qrt.Model, inputs: Sequence[Array], reset_every: int | None, dequantize: bool, layout: str | None
) -> list[Array]:
    """The outputs of the steps of a sequence, one after another along the first axis.

    That is an axis of its own for an output whose batch axis is longer than 1.
    """
    sequences = [steps_of(x, info) for x, info in zip(inputs, model.inputs, strict=True)]
    counts = {len(sequence) for sequence in sequences}
    if len(counts) != 1:
        raise ValueError(f"the inputs have different numbers of steps, {[len(sequence) for sequence in sequences]}")
    pieces = []
    for step in progressing(counts.pop(), "steps"):
        if reset_every is not None and step % reset_every == 0:
            model.reset()
        pieces.append(as_list(model.run(*(x[step] for x in sequences), dequantize=dequantize, layout=layout)))
    if not pieces:
        raise ValueError("the arrays have no steps")
    join = [np.concatenate if info.shape[0] == 1 else np.stack for info in model.outputs]
    return [joined(parts) for joined, parts in zip(join, zip(*pieces, strict=True), strict=True)]


def steps_of(x: Array, info: qrt.TensorInfo) -> Array:
    """The array with one run's input for each index of its first axis; whether their rows fit is for the run to say."""
    if x.ndim > len(info.shape):
        if x.shape[1] != info.shape[0]:
            raise ValueError(f"input {info.name!r}: expected shape (steps, {str(info.shape)[1:]}, got {x.shape}")
        return x
    if x.ndim == len(info.shape) and info.shape[0] == 1:
        return x[:, np.newaxis]
    return x[np.newaxis]


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
