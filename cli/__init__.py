"""The command line of qrt: one module for each verb, and `main`, which runs them."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import click

import qrt
from qrt.cli.check import check_model
from qrt.cli.compare import compare_model
from qrt.cli.compile import compile_model
from qrt.cli.eval import eval_model
from qrt.cli.explain import explain_model
from qrt.cli.export import export_model
from qrt.cli.failure import print_error
from qrt.cli.firmware import write_firmware
from qrt.cli.inspect import inspect_model
from qrt.cli.kernels import list_kernels
from qrt.cli.profile import profile_model
from qrt.cli.report import report_model
from qrt.cli.run import run_model
from qrt.cli.tune import tune_model

# 128 + SIGINT, as shells report a program that Ctrl-C ended.
INTERRUPTED = 130

EXAMPLES = """\b
From a quantized ONNX file to predictions:
  qrt compile digits.onnx                 write digits.qfb
  qrt inspect digits.qfb                  operators and memory plan
  qrt run digits.qfb images.npz --top 3   outputs
  qrt check digits.qfb                    validate it on this machine
  qrt explain digits.qfb 0                formulas of a layer, with its numbers
  qrt profile digits.qfb                  time of each operator
  qrt report digits.qfb                   all of it on one HTML page
  qrt firmware digits.qfb -o net/         C for a microcontroller
  qrt profile digits.qfb --target cortex-m4   flash, RAM and instructions there
"""


class Verbs(click.Group):
    """The verbs in the order of work. Every user error is one line, or with --json a document, and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        run: Callable[..., Any] = super().main
        arguments = list(args[0] if args and args[0] is not None else extra.get("args") or sys.argv[1:])
        try:
            status = run(*args, standalone_mode=False, **extra)
        except click.ClickException as error:
            status = print_error(error, arguments)
        except click.Abort:
            status = INTERRUPTED
        sys.exit(status)


@click.group(
    "qrt",
    cls=Verbs,
    epilog=EXAMPLES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(qrt.__version__, message=f"qrt %(version)s, format version {qrt.FORMAT_VERSION}")
@click.pass_context
def verbs(ctx: click.Context) -> None:
    """Compiles int8 neural networks and runs them with integer arithmetic only."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


verbs.add_command(compile_model, "compile")
verbs.add_command(tune_model, "tune")
verbs.add_command(run_model, "run")
verbs.add_command(inspect_model, "inspect")
verbs.add_command(check_model, "check")
verbs.add_command(explain_model, "explain")
verbs.add_command(compare_model, "compare")
verbs.add_command(eval_model, "eval")
verbs.add_command(profile_model, "profile")
verbs.add_command(report_model, "report")
verbs.add_command(export_model, "export")
verbs.add_command(write_firmware, "firmware")
verbs.add_command(list_kernels, "kernels")


def terminated(number: int, frame: FrameType | None) -> NoReturn:
    """Ends the program as SIGTERM does, but first removes files that are being written."""
    sys.exit(128 + number)


def main() -> NoReturn:
    """Runs the command line; the entry point of the console script ``qrt``."""
    # A closed stream is as /dev/null: else the next file to be opened would have its number.
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115
    # When the reader of a pipe exits, qrt ends silently, as other filters do. Windows has no such signal.
    if sys.platform != "win32":
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, terminated)
    # Characters of a label that the terminal's encoding lacks are escaped.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    verbs.main(prog_name="qrt")
