"""qrt compile: compiles a quantized network into a .qfb file and prints a summary."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

import qrt
from qrt.cli import arrays
from qrt.cli.budget import Budget, budget_options, check_budget, over_budget, size
from qrt.cli.calibration import accuracies, calibrate, samples_for
from qrt.cli.console import note, print_json, printable, progressing
from qrt.cli.failure import Failure, Verb
from qrt.cli.files import replacing
from qrt.cli.precision import Precision, Step, precision_options, tuned
from qrt.cli.stated import read_labels
from qrt.cli.states import state_option
from qrt.cli.summary import Summary, rescue_text
from qrt.cli.target import cc_option
from qrt.data import Preprocess

if TYPE_CHECKING:
    from qrt.compiler import Compiled, CompileError, Quantized

ENGINES = "onnxruntime (.onnx); tflm, litert, xnnpack (.tflite); pytorch, fbgemm, qnnpack, x86, onednn (.pt2)"

# Random test vectors for a device, of a file without any.
DRAWN = 2
# Those of a network with state are steps of sequences, so many each: a device draws one sequence and begins the next.
STEPS = 8
# Optimizations that can be switched off: --no-remove-channels and so on. The bytes are the same without them.
SWITCHES = {
    "remove_channels": "Do not remove channels that are constant or unused.",
    "fuse_pad": "Do not fuse pads into convolutions.",
    "fuse_activation": "Do not fuse activations into the operator before them.",
    "simplify": "Do not remove requantizations and reshapes without effect.",
    "to_nhwc": "Do not cancel transposes or move them to inputs and outputs.",
    "schedule": "Do not reorder operators for a smaller arena.",
    "overlap": "Do not let outputs overlap inputs that are no longer needed.",
}


def switches(command: Callable[..., int]) -> Callable[..., int]:
    """Adds an option for each of SWITCHES."""
    for name, text in reversed(SWITCHES.items()):
        command = click.option(f"--no-{name.replace('_', '-')}", f"no_{name}", is_flag=True, help=text)(command)
    return command


def _weights(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is None or value in ("int4", "int8") or value.startswith("int4:"):
        return value
    raise click.BadParameter(f"{value!r} is none of int4, int4:LAYER,... and int8", context, option)


def _ram(context: click.Context, option: click.Parameter, value: str) -> str | int:
    """fast, least, or a number of bytes."""
    if value in ("fast", "least"):
        return value
    try:
        limit = size(context, option, value)
    except click.BadParameter:
        reason = f"{value!r} is none of fast, least and a number of bytes such as 65536, 64k or 1m"
        raise click.BadParameter(reason, context, option) from None
    assert limit is not None
    return limit


@click.command(cls=Verb)
@click.argument("source", metavar="MODEL.ONNX|.TFLITE|.PT2", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write.  [default: MODEL.qfb]")
@click.option("--name", help="Name of the network.  [default: that of the source]")
@click.option(
    "--labels", "labels_path", type=click.Path(path_type=Path), help="Text file with one class label per line."
)
@click.option(
    "--match", metavar="ENGINE", help=f"Engine whose results to reproduce: {ENGINES}; the first is the default."
)
@click.option(
    "--bias",
    type=click.Choice(["int32", "float"]),
    help="Round biases to int32, or keep them at full precision.  [default: as the engine does]",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    metavar="N",
    help="Batch size of the inputs.  [default: 1, or the source's if an operator mixes samples]",
)
@state_option
@click.option(
    "--weights",
    metavar="int4[:LAYER,...]|int8",
    callback=_weights,
    help="Quantize weights to 4 bits, of all layers or of these; or store those of 4 bits as int8.  "
    "[default: as in the source]",
)
@click.option(
    "--stream",
    type=int,
    metavar="AXIS",
    help="Let a network that reads a window of frames, which lie along AXIS of its input, read them one by one.",
)
@click.option(
    "--ram",
    metavar="fast|least|BYTES",
    default="fast",
    show_default=True,
    callback=_ram,
    help="Compute row by row where that makes the arena smaller: as small as can be, or to fit into BYTES (40k).",
)
@click.option("--feed", is_flag=True, help="Let the rows of the first input be given one after another.")
@click.option(
    "--calibrate",
    "data",
    metavar="DATA",
    type=click.Path(path_type=Path),
    help="Quantize a float network first, on samples: an .npz or a folder of .npy. With labels the accuracy is shown.",
)
@click.option(
    "--calibration",
    type=click.Choice(["minmax", "entropy", "percentile", "histogram"]),
    default="minmax",
    show_default=True,
    help="How --calibrate chooses the range of each activation: entropy, percentile for .onnx; histogram for .pt2.",
)
@click.option(
    "--samples",
    "sample_count",
    type=click.IntRange(min=1),
    metavar="N",
    help="Calibrate on the first N samples.  [default: all]",
)
@click.option("--per-tensor", is_flag=True, help="With --calibrate of an .onnx: one scale for all weights of a layer.")
@click.option(
    "--evaluate",
    "evaluation",
    metavar="DATA",
    type=click.Path(path_type=Path),
    help="With --calibrate: show the accuracy on these samples with labels, which calibration has not seen.",
)
@precision_options
@click.option(
    "--test-vectors",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Embed N random inputs and their outputs, for 'qrt check'; of a network with state, N steps.",
)
@click.option(
    "--preprocess",
    metavar="FILE.TOML",
    type=click.Path(path_type=Path),
    help="Store how images or recordings become the input, for 'qrt run' and 'qrt eval'.",
)
@click.option("--strip", is_flag=True, help="Leave out the names of operators and inner tensors: a smaller file.")
@click.option(
    "--target",
    "target_name",
    metavar="CORE",
    help="Processor that --max-ram and --max-flash are for.  [default: generic]",
)
@budget_options
@cc_option
@switches
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@click.option("-q", "--quiet", is_flag=True, help="Print only errors, and channels that had to be requantized.")
def compile_model(
    source: Path,
    output: Path | None,
    name: str | None,
    labels_path: Path | None,
    match: str | None,
    bias: str | None,
    batch: int | None,
    state: dict[str, str],
    weights: str | None,
    stream: int | None,
    ram: str | int,
    feed: bool,
    data: Path | None,
    calibration: str,
    sample_count: int | None,
    per_tensor: bool,
    evaluation: Path | None,
    precision: Precision,
    test_vectors: int,
    preprocess: Path | None,
    strip: bool,
    target_name: str | None,
    budget: Budget,
    cc: str | None,
    as_json: bool,
    quiet: bool,
    **switched_off: bool,
) -> int:
    """Compiles a quantized network into a .qfb file.

    A float network is quantized first, on the samples of --calibrate; 'qrt tune' finds the best way to do so.

    Nodes that cannot be computed exactly with integers are not supported: all of them are reported, and nothing is
    written. The --no-... options switch off optimizations; the results are the same without them.

    --state is for networks that take what they gave in the run before: recurrent layers, windows of samples. The
    model keeps that value, 0 at first, and has neither the input nor the output any more.

    --stream is for networks over a window of time that slides by a frame or a few: a model that reads only the new
    frames in each run and keeps what it needs of those before. Its outputs are those of the whole network, bit for bit;
    the summary says from which run on. A network that pads the end of its windows and then sums over all of it (mean,
    flatten) cannot be streamed: its padded layers are reported.

    --int16 is for float networks that lose too much in int8. A layer with an int16 output has steps 257 times as fine
    there and takes twice the RAM, and the layers that read it take longer. auto measures what each layer brings alone,
    and then adds them, the best first, until the network is as good as --accuracy or --error asks. The summary shows
    accuracy, error and RAM of each step.

    --ram least is for devices whose RAM cannot hold the outputs of the first layers. Operators take turns there, each
    making a few rows of its output, so that of what lies between them only the rows that are still read need memory.
    Results are the same and nothing is computed twice, but rows are moved to make room, and kernels are called for few
    rows at a time. --ram BYTES does so only as far as the arena has to shrink, which can take less time; the C of 'qrt
    firmware' may need more than BYTES, which --max-ram checks. The summary shows which operators take turns and what
    that costs. --feed goes further: not even the first input is held as a whole; it is given by rows.

    --max-ram and --max-flash are limits for the network as C for a microcontroller ('qrt firmware'): exit code 1, and
    nothing is written, if it needs more.

    \b
    Examples:
      qrt compile model.onnx -o model.qfb
      qrt compile model.tflite --match litert
      qrt compile float.onnx --calibrate samples.npz
      qrt compile float.tflite --calibrate samples.npz --weights int4
      qrt compile float.onnx --calibrate samples.npz --int16 auto --accuracy 0.95
      qrt compile gru.onnx --state h=h_next --state cache=cache_next
      qrt compile keywords.tflite --stream 1
      qrt compile mobilenet.tflite --ram least
      qrt compile camera.tflite --ram 64k --feed
      qrt compile model.tflite --target cortex-m4 --max-ram 64k --max-flash 256k
    """
    from qrt.compiler import CompileError, compile

    output = output or source.parent / f"{source.stem}.qfb"
    if os.path.realpath(output) == os.path.realpath(source):
        raise Failure(f"{output}: is the source itself; name another file with -o")
    if data is None and (evaluation is not None or sample_count is not None or per_tensor):
        raise click.UsageError("--samples, --per-tensor and --evaluate are for float networks; give --calibrate too")
    skip = [name for name in SWITCHES if switched_off[f"no_{name}"]]
    source_size = source.stat().st_size
    stated = Preprocess.read(preprocess) if preprocess else None
    try:
        labels = read_labels(labels_path) if labels_path else None
        calibrated = calibrate(source, data, calibration, sample_count, per_tensor, stated) if data else None
        options: dict[str, Any] = {"match": match, "bias": bias, "weights": weights, "batch": batch}
        options |= {"name": name, "labels": labels, "state": state, "stream": stream, "skip": skip}
        options |= {"ram": ram, "feed": feed}

        def made(given: Quantized | Path) -> Compiled:
            return compile(given, **options)

        steps: list[Step] = []
        if calibrated:
            calibrated, steps = tuned(calibrated, precision, made)
        given = calibrated.quantized if calibrated else source
        compiled = made(given)
    except CompileError as error:
        raise refused(source, error) from None
    except ImportError as error:
        raise Failure(f"{source}: {error}") from None
    compiled.graph.preprocessing = stated.text if stated else ""
    content = compiled.to_bytes(strip=strip)
    try:
        model = qrt.load(content, kernels="reference")
    except qrt.ModelError as error:
        raise Failure(f"{source}: the compiled file would not be valid: {error}") from None
    verdict = check_budget(compiled.to_bytes(), target_name, budget, cc)
    if verdict is not None and verdict.problems:
        return over_budget(source, verdict.problems, as_json)
    if test_vectors:
        content = compiled.to_bytes(random_vectors(model, test_vectors), strip=strip)
    with replacing(output) as file:
        file.write(content)
    summary = Summary(source, source_size, output, len(content), test_vectors, compiled.report)
    if calibrated is not None:
        text = f"on {calibrated.samples.count} samples of {data}, {calibration}"
        models, judged = {"qrt": qrt.load(content)}, calibrated.samples
        if evaluation is not None:
            judged = samples_for(calibrated.network, evaluation, stated)
            if judged.labels is None:
                raise Failure(f"{evaluation}: contains no labels, which an accuracy needs; see 'qrt compare' without")
        if weights not in (None, "int8") and judged.labels is not None:
            wider = compile(given, batch=batch, match=match, bias=bias).to_bytes()
            models = {"with weights of int8": qrt.load(wider), **models}
        # Samples are single runs with the states as inputs, or whole windows.
        accuracy = {} if model.state_size else accuracies(calibrated, models, judged)
        if model.state_size and judged.labels is not None and not quiet:
            remedy = "compile without --stream to see it" if stream is not None else "see 'qrt compare'"
            note(f"{data}: contains labels, but no accuracy is computed for a network with state; {remedy}")
        summary = replace(
            summary, calibrated=text, accuracy=accuracy, judged=judged, seen=evaluation is None, steps=steps
        )
        if accuracy and evaluation is None and not quiet:
            note(f"{data}: the accuracy is on the calibration samples; give others with --evaluate DATA")
    if as_json:
        device = {} if verdict is None else {"device": asdict(verdict.footprint)}
        print_json({**summary.document(), **device})
    elif quiet:
        for rescue in compiled.report.rescues:
            if not rescue.removed:
                note(f"{source}: {rescue_text(rescue)}")
    else:
        summary.show()
        if verdict is not None:
            click.echo(f"\nOn {verdict.title}: {verdict}")
    return 0


def refused(source: Path, error: CompileError) -> Failure:
    """All problems; in JSON one by one."""
    problems = [{"name": p.name, "kind": p.kind, "reason": p.reason} for p in error.problems]
    return Failure(refusal(source, error), source=str(source), problems=problems)


def refusal(source: Path, error: CompileError) -> str:
    """All problems, one per line; a single one on the line of the file's name."""
    lines = [printable(p.reason if p.name == str(source) else str(p)) for p in error.problems]
    if len(lines) == 1:
        return f"{source}: {lines[0]}"
    return "\n".join([f"{source}: {len(lines)} problems, nothing was written", *(f"  {line}" for line in lines)])


def vectors_for_device(model: qrt.Model) -> Sequence[qrt.TestVector]:
    """The file's test vectors, to check a device with; random ones if it has none."""
    return model.test_vectors or random_vectors(model, STEPS + DRAWN if model.state_size else DRAWN)


def random_vectors(model: qrt.Model, count: int) -> list[qrt.TestVector]:
    """Random codes and what `model` computes from them; always the same for the same model."""
    rng = np.random.default_rng(0)
    vectors = []
    for number in progressing(count, "test vectors"):
        continues = model.state_size > 0 and number % STEPS > 0
        if not continues:
            model.reset()
        inputs = [arrays.random_codes(rng, info) for info in model.inputs]
        for index, codes in enumerate(inputs):
            model.input_view(index)[...] = codes
        model.invoke()
        outputs = [model.output_view(index).copy() for index in range(len(model.outputs))]
        vectors.append(qrt.TestVector(inputs, outputs, continues))
    return vectors
