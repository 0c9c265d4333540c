"""qrt run: runs a network on arrays and shows the outputs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import qrt
from qrt.cli import arrays
from qrt.cli.arrays import Array
from qrt.cli.console import note, percent, print_json, progressing
from qrt.cli.failure import Failure, Verb, open_content, open_model
from qrt.cli.given import given_arrays, given_samples, read_stdin
from qrt.cli.results import Result
from qrt.cli.stated import labelled, layout_option, preprocess_option, preprocessing
from qrt.cli.target import cc_option, device_errors, emulated, refuse_options, target_option
from qrt.data import DataError, Dataset
from qrt.data.arrays import Given, choose, fits
from qrt.data.dataset import LABEL_NAMES
from qrt.data.opening import numbered_labels


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
@layout_option
@preprocess_option
@click.option(
    "--labels",
    "labels_path",
    type=click.Path(path_type=Path),
    help="Text file with the names of the outputs, one on each line.  [default: those in the model file]",
)
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
    preprocess: Path | None,
    labels_path: Path | None,
    as_json: bool,
) -> None:
    """Runs a network on arrays, images or recordings.

    INPUT is an .npy or .npz file; images or .wav files; a folder of .npy files, images or recordings, or of folders of
    them for each class; a .csv or .parquet with columns path and label; or - for standard input. If there are labels,
    the accuracy is shown. How images and recordings become the input is stated in a TOML file: see docs/data.md.

    An array holds one sample or a batch, as floats or int8 codes; floats are quantized as the model file says.
    For a network with several inputs give one file for each, in order, or one .npz with arrays named like the inputs.

    A network with state remembers the runs before. A batch is then a sequence: one step after another, from the initial
    state. --stream says that this is meant, and also takes arrays of shape (steps, *shape of the input).

    \b
    Examples:
      qrt run model.qfb images.npz --top 3
      qrt run model.qfb photo.jpg --preprocess photo.toml
      qrt run model.qfb photos/ --labels names.txt --json
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
    infos, stated = labelled(model.outputs, labels_path), preprocessing(preprocess, model, path)
    piped = read_stdin(input_paths)
    given = given_arrays(input_paths, piped)
    try:
        with device_errors():
            if given is None:
                if stream:
                    raise Failure("--stream takes arrays, whose steps have an order; give an .npy or .npz")
                dataset = given_samples(input_paths, piped, model.inputs, stated, layout, infos[0].labels)
                outputs, labels = run_samples(model, dataset, dequantize), dataset.labels
                names = [dataset.name(index) for index in range(dataset.count)]
            else:
                outputs, labels, names = _run_arrays(model, given, infos, stream, reset_every, dequantize, layout)
    except DataError:
        raise
    except ValueError as error:
        files = ", ".join(map(str, input_paths))
        raise Failure(f"{path}: {error}; the data is {files}") from None
    if output is not None:
        arrays.save(output, model.outputs, outputs)
    results = [Result.of(info, value, top, names) for info, value in zip(infos, outputs, strict=True)]
    right = None if labels is None else results[0].right(labels)
    if as_json:
        more: dict[str, Any] = {"steps": len(results[0].samples), "reset_every": reset_every} if stream else {}
        more |= {"samples": names} if names else {}
        more |= {"accuracy": right / len(results[0].samples)} if right is not None else {}
        described = [result.document() for result in results]
        print_json({"file": str(path), "kernels": model.kernels, **more, "outputs": described})
        return
    for result in results:
        for line in result.lines(shutil.get_terminal_size().columns):
            click.echo(line)
    if right is not None:
        count = len(results[0].samples)
        click.echo(f"accuracy {percent(right, count)}, {right:,} of {count:,}")
    if output is not None:
        click.echo(f"wrote {output}")


def _run_arrays(
    model: qrt.Model,
    given: Sequence[Given],
    infos: Sequence[qrt.TensorInfo],
    stream: bool,
    reset_every: int | None,
    dequantize: bool,
    layout: str | None,
) -> tuple[list[Array], NDArray[np.int64] | None, list[str]]:
    """The outputs for arrays, the labels if there are any for each sample, and no names of samples."""
    chosen = choose(given, model.inputs, layout, stream)
    inputs = [item.array for item in chosen]
    if stream:
        outputs = run_steps(model, inputs, reset_every, dequantize, layout)
    else:
        outputs = infer(model, inputs, dequantize, layout)
    count = len(outputs[0]) if outputs[0].ndim >= len(infos[0].shape) else 1
    labels = None
    for item in given:
        if item in chosen:
            continue
        if item.name in LABEL_NAMES and labels is None and item.array.shape == (count,):
            labels = numbered_labels(item, count, infos[0].labels)[0]
        else:
            note(f"{item.path}: {item} is not an input; ignored")
    return outputs, labels, []


def run_samples(model: qrt.Model, dataset: Dataset, dequantize: bool) -> list[Array]:
    """The outputs for samples that are read one run after another, with progress."""
    size = model.inputs[0].shape[0]
    if dataset.count % size:
        many = f"{dataset.count} samples for a network that takes {size} at a time"
        raise Failure(f"{dataset.path}: {many}; give a multiple of {size}, or compile it with --batch 1")
    pieces = [
        as_list(model.run(*dataset.read(run * size, (run + 1) * size), dequantize=dequantize, layout="NHWC"))
        for run in progressing(dataset.count // size, "samples")
    ]
    return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]


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
