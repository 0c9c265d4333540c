"""What users state in files beside a network: names of its outputs, and how images or recordings become its input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

import qrt
from qrt.cli.console import note, printable
from qrt.cli.failure import Failure, read_content
from qrt.data import Dataset, Preprocess


def preprocess_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --preprocess, for `preprocessing`."""
    return click.option(
        "--preprocess",
        "preprocess",
        metavar="FILE.TOML",
        type=click.Path(path_type=Path),
        help="How images or recordings become the input.  [default: as the model file says]",
    )(command)


def layout_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --layout, of images whose shape fits both."""
    return click.option(
        "--layout", type=click.Choice(["NHWC", "NCHW"]), help="Layout of the images, if their shape fits both."
    )(command)


def note_assumed(dataset: Dataset) -> None:
    """Notes how images or recordings become the input, where nothing states it."""
    if dataset.assumed:
        note(f"{dataset.path}: takes {dataset.assumed}; --preprocess can say otherwise")


def preprocessing(path: Path | None, model: qrt.Model, model_path: Path) -> Preprocess | None:
    """What the file of --preprocess states, else what the model does."""
    if path is not None:
        return Preprocess.read(path)
    return Preprocess.parse(model.preprocessing, f"{model_path}: preprocessing") if model.preprocessing else None


def read_labels(path: Path) -> list[str]:
    """The lines of a file."""
    try:
        return read_content(path).decode().splitlines()
    except UnicodeDecodeError:
        raise Failure(f"{path}: not UTF-8 text; write one label on each line") from None


def labelled(outputs: tuple[qrt.TensorInfo, ...], path: Path | None) -> tuple[qrt.TensorInfo, ...]:
    """A model's outputs, of which the first has the labels of a file."""
    if path is None:
        return outputs
    labels, first = read_labels(path), outputs[0]
    if len(labels) != first.shape[-1]:
        name = printable(first.name)
        reason = f"has {len(labels)} labels, output {name} has {first.shape[-1]} entries"
        raise Failure(f"{path}: {reason}; write one label on each line")
    return (replace(first, labels=tuple(labels)), *outputs[1:])
