"""--state IN=OUT: outputs of a source that are inputs of its next run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click


def state_option(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Adds --state to a command, which gets inputs with their outputs as `state`."""
    return click.option(
        "--state",
        metavar="IN=OUT",
        multiple=True,
        callback=_pairs,
        help="Keep output OUT in the network, as its input IN of the next run: names, or positions from 0. Repeatable.",
    )(command)


def reset_option(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Adds --reset-every to a command that takes samples, which gets it as `reset_every`."""
    return click.option(
        "--reset-every",
        type=click.IntRange(min=1),
        metavar="N",
        help="Reset the state before each N samples, for a network with state.",
    )(command)


def _pairs(ctx: click.Context, param: click.Parameter, texts: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        read, _, written = text.rpartition("=")
        if not (read and written):
            reason = f"{text!r} is not IN=OUT: the name of an input, '=', that of an output"
            raise click.BadParameter(reason, ctx, param)
        if read in pairs:
            raise click.BadParameter(f"names the input {read!r} twice; give each input one output", ctx, param)
        pairs[read] = written
    return pairs
