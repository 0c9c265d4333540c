"""qrt report: one HTML page that shows a file, what it computes, and what that costs."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import qrt
from qrt.cli import compare, device_profile, profile
from qrt.cli.budget import Budget, broken, budget_options
from qrt.cli.compile import refusal
from qrt.cli.console import Progress, Waiting, print_json
from qrt.cli.contents import read_contents
from qrt.cli.eval import check_state, evaluating
from qrt.cli.failure import Failure, Verb, open_content
from qrt.cli.files import refuse_target, replacing
from qrt.cli.inspect import device_memory
from qrt.cli.page import file_document, write_page
from qrt.cli.stated import layout_option, preprocess_option, preprocessing
from qrt.cli.states import reset_option, state_option
from qrt.cli.summary import Summary
from qrt.cli.target import cc_option, device_errors, target_option
from qrt.explorer.overlays import overlays

# A test vector, a byte on the device or a limit is not as it should be.
PROBLEM = 1


@click.command(cls=Verb)
@click.argument("path", metavar="MODEL.QFB", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Page to write.  [default: MODEL.html]")
@click.option(
    "--against",
    "source",
    type=click.Path(path_type=Path),
    help="The .onnx, .pt2 or .tflite file that it was compiled from: also show what the compiler did.",
)
@click.option(
    "--inputs",
    "data",
    type=click.Path(path_type=Path),
    help="With --against: samples to compare on, as for 'qrt compare'.",
)
@click.option("--match", metavar="ENGINE", help="The --match with which the file was compiled.")
@click.option("--bias", type=click.Choice(["int32", "float"]), help="The --bias with which the file was compiled.")
@state_option
@reset_option
@click.option(
    "--evaluate",
    "evaluated",
    metavar="DATA",
    type=click.Path(path_type=Path),
    help="Samples with labels, as for 'qrt eval': also show how right the network is.",
)
@preprocess_option
@layout_option
@target_option
@cc_option
@budget_options
@click.option(
    "--node-data",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Also write bytes, MACs, time, error of the layers there, as .json files that Model Explorer shows as colors.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print what the page shows as one JSON document, and write no page."
)
def report_model(
    path: Path,
    output: Path | None,
    source: Path | None,
    data: Path | None,
    match: str | None,
    bias: str | None,
    state: dict[str, str],
    reset_every: int | None,
    evaluated: Path | None,
    preprocess: Path | None,
    layout: str | None,
    target_name: str | None,
    cc: str | None,
    budget: Budget,
    folder: Path | None,
    as_json: bool,
) -> int:
    """Writes one HTML page about a file.

    The page needs no network and no other file. It shows the network as a graph, each layer with its integers and
    formulas, the memory plan, the test vectors, and the time of each layer on this machine.

    With --against the source is compiled again, and the page shows what the compiler did: channels removed, biases
    rescued. With --inputs too, every layer is compared with the float results. With --target the network runs on that
    emulated processor, and the page shows instructions, flash and RAM, against --max-ram and --max-flash. --evaluate
    shows accuracies, or what else 'qrt eval' measures.

    --node-data is for Model Explorer, which opens .qfb files with the extra qrt[explorer]:
    model-explorer model.qfb --extensions=qrt.explorer --node_data_paths=FOLDER/error_lsb.json

    Exit code: 0 the page is written; 1 it is written, and a test vector, a byte on the device or a limit is not as it
    should be; 2 nothing is written.

    \b
    Examples:
      qrt report model.qfb -o report.html
      qrt report model.qfb --against model.onnx --inputs samples.npz
      qrt report model.qfb --evaluate test.npz
      qrt report model.qfb --target cortex-m4 --max-ram 64k
    """
    samples = {"--inputs": data, "--evaluate": evaluated}
    refuse_unused(source, {"--inputs": data, "--match": match, "--bias": bias, "--state": state or None})
    for option, value in {"--reset-every": reset_every, "--layout": layout, "--preprocess": preprocess}.items():
        if value is not None and not any(samples.values()):
            raise Failure(f"{option} is about samples; give some with {' or '.join(samples)}")
    if target_name is None and (budget != Budget() or cc is not None):
        raise Failure("--max-ram, --max-flash and --cc are for a processor; name one with --target")
    if as_json and output is not None:
        raise Failure("--json writes no page; leave out -o, or --json")
    model, content = open_content(path)
    output = output or path.with_suffix(".html")
    if not as_json:
        refuse_target(output)
    for given in (path, source, data, evaluated):
        if given is not None and os.path.realpath(output) == os.path.realpath(given):
            raise Failure(f"{output}: is read for the page; name another file with -o")
    document = file_document(path, model, content, source)
    if source is not None and data is not None:
        options: dict[str, Any] = {"match": match, "state": state, "reset_every": reset_every, "preprocess": preprocess}
        found = compare.compare_with_source(path, model, content, source, data, layout, [], **options)
        document["compare"] = compare.document(path, source, *found)
    if source is not None:
        document |= compile_part(path, model, content, source, {"match": match, "bias": bias, "state": state})
    if evaluated is not None:
        document["evaluation"] = evaluation_document(path, model, evaluated, preprocess, layout, reset_every)
    document["profile"] = profile_document(path, model, content)
    if target_name is not None:
        document["model"]["device"] = asdict(device_memory(content, target_name))
        document["device"] = device_document(path, model, content, target_name, budget, cc)
    if folder is not None:
        write_node_data(folder, document)
    if as_json:
        print_json(document)
    else:
        write_page(output, document)
        click.echo(f"wrote {output}")
    return PROBLEM if has_problem(document) else 0


def refuse_unused(source: Path | None, given: dict[str, object]) -> None:
    """Raises Failure for an option that has no effect without a source."""
    for option, value in given.items():
        if source is None and value is not None:
            raise Failure(f"{option} is about the source; name it with --against")


def evaluation_document(
    path: Path, model: qrt.Model, data: Path, preprocess: Path | None, layout: str | None, reset_every: int | None
) -> dict[str, Any]:
    """How right the network is on samples with labels."""
    from qrt.data import open_dataset
    from qrt.evaluation import evaluate

    check_state(path, model, reset_every)
    with evaluating(path):
        stated = preprocessing(preprocess, model, path)
        samples = open_dataset(data, model.inputs, stated, layout, model.outputs[0].labels)
        with Progress(samples.count, "samples") as progress:
            found = evaluate(model, samples, reset_every=reset_every, progress=lambda done, count: progress.done(done))
    return {"file": str(path), **found.as_dict()}


def profile_document(path: Path, model: qrt.Model, content: bytes) -> dict[str, Any]:
    """The time of each layer on this machine."""
    given, sample, layout = profile.choose_sample(model, (), None)
    return profile.document(profile.measure(path, model, read_contents(content), given, sample, layout, None))


def device_document(
    path: Path, model: qrt.Model, content: bytes, target_name: str, budget: Budget, cc: str | None
) -> dict[str, Any]:
    """What the network takes on a processor, and the limits that it breaks."""
    given, sample, layout = profile.choose_sample(model, (), None)
    found = device_profile.profile_on_device(path, content, model, target_name, cc, "s", given, sample, layout, 0)
    with device_errors():
        from qrt.firmware.generate.network import generate
        from qrt.firmware.targets import target

        problems = broken(generate(content, target(target_name), "net"), budget, found.footprint)
    return {**device_profile.document(found), "limits": asdict(budget), "over_budget": problems}


def compile_part(path: Path, model: qrt.Model, content: bytes, source: Path, options: dict[str, Any]) -> dict[str, Any]:
    """What the compiler does with the source, and whether that gives the same file; or why it is missing."""
    from qrt.compiler import CompileError, compile

    contents = read_contents(content)
    options |= {
        "name": contents.name,
        "ram": "least" if contents.bands else "fast",
        "feed": any(b.fed is not None for b in contents.bands),
    }
    try:
        with Waiting("compiling"):
            made = compile(source, **options)
            made.graph.preprocessing = model.preprocessing
            for edge, info in zip(made.graph.outputs, model.outputs, strict=False):
                edge.labels = list(info.labels)
            same = any(content == made.to_bytes(model.test_vectors, strip=strip) for strip in (False, True))
    except CompileError as error:
        reason = f"the source does not compile by itself: {refusal(source, error).splitlines()[0]}"
        return {"missing": [["compile", reason]]}
    names = {op.name for op in contents.operators} - {""}
    if names and names.isdisjoint(op.name for op in made.graph.ops):
        raise Failure(f"{source}: has none of the layers of {path}; give the source that it was compiled from")
    summary = Summary(source, source.stat().st_size, path, len(content), len(model.test_vectors), made.report)
    return {"compile": {**summary.document(), "same_bytes": same}}


def write_node_data(folder: Path, document: dict[str, Any]) -> None:
    """Writes a file for each kind of numbers of the layers."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(f"{folder}: no folder can be made: {reason}; name another with --node-data") from None
    for name, data in overlays(document):
        with replacing(folder / f"{name}.json") as file:
            file.write(json.dumps(data).encode())


def has_problem(document: dict[str, Any]) -> bool:
    """Whether results or sizes are not as they should be."""
    device = document.get("device", {})
    agree = all(kernels["agree"] for kernels in document["checks"]["kernels"])
    return not agree or bool(device.get("differing_bytes") or device.get("over_budget"))
