"""Expected errors: each becomes one line that names the verb, the file and the remedy, and exit code 2.

With --json it becomes a JSON document on stdout instead: ``{"error": {"verb": "check", "message": "..."}}``.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import qrt
from qrt.cli.console import print_json
from qrt.data import DataError
from qrt.model import refuse_device


class Failure(click.ClickException):
    """An error that the user can fix; `details` are what its JSON document has besides."""

    exit_code = 2

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.where = click.get_current_context().command_path
        self.details = details


def error_document(where: str, message: str, **details: Any) -> dict[str, Any]:
    """The JSON document of an error; `where` is the command, as "qrt check"."""
    return {**details, "error": {"verb": where.partition(" ")[2] or None, "message": message}}


def print_error(error: click.ClickException, arguments: Sequence[str]) -> int:
    """Prints an error: as JSON if --json is among the command's arguments, else as a line on stderr. The exit code."""
    details: dict[str, Any] = {}
    if isinstance(error, Failure):
        where, message, details = error.where, error.message, error.details
        line = f"{where}: {message}"
    else:
        context = error.ctx if isinstance(error, click.UsageError) else None
        where, message = context.command_path if context else "qrt", error.format_message().rstrip(".")
        message = f"{message[:1].lower()}{message[1:]}"
        line = f"{where}: {message} (see '{where} --help')"
    try:
        if "--json" in itertools.takewhile(lambda argument: argument != "--", arguments):
            print_json(error_document(where, message, **details))
            return error.exit_code
    except OSError:  # standard output takes no more: perhaps the error itself
        pass
    click.echo(line, err=True)
    return error.exit_code


class Verb(click.Command):
    """A command that turns errors about data, files, memory and qrt's environment variables into Failures."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            qrt.default_max_arena()
            qrt.default_max_packed()
            if ctx.params.get("kernels") is None:
                qrt.default_kernels()
        except ValueError as error:
            raise Failure(str(error)) from None
        try:
            return super().invoke(ctx)
        except DataError as error:
            raise Failure(str(error)) from None
        except FileNotFoundError as error:
            raise Failure(f"{error.filename}: no such file; {_hint(Path(error.filename))}") from None
        except IsADirectoryError as error:
            raise Failure(f"{error.filename}: is a folder; give a file") from None
        except OSError as error:
            reason = error.strerror or str(error)
            reason = f"{reason[:1].lower()}{reason[1:]}"
            if error.filename is None:
                raise Failure(f"standard output: {reason}; only the printed text is lost") from None
            raise Failure(f"{error.filename}: {reason}; give a file that can be used") from None
        except MemoryError:
            files = " and ".join(str(value) for value in ctx.params.values() if isinstance(value, Path))
            raise Failure(f"{files}: not enough memory; free some, or use a smaller network or fewer samples") from None


def _hint(path: Path) -> str:
    """A suggestion for a path that does not exist."""
    stems = [entry.stem for entry in path.parent.glob(f"*{path.suffix}")] if path.suffix else []
    close = difflib.get_close_matches(path.stem, stems, 1)
    return f"did you mean {path.with_name(close[0] + path.suffix)}?" if close else "check the path"


def read_content(path: Path) -> bytes:
    """The bytes of a file; refuses devices."""
    refuse_device(path)
    return path.read_bytes()


def open_model(path: Path, kernels: str | None = None, threads: int = 1) -> qrt.Model:
    """`qrt.load` that raises Failure for a file that is refused."""
    return _open(path, path, kernels, threads)


def open_content(path: Path, kernels: str | None = None, threads: int = 1) -> tuple[qrt.Model, bytes]:
    """A model and the validated content; reading the file again could give other bytes."""
    content = read_content(path)
    return _open(path, content, kernels, threads), content


def _open(path: Path, source: Path | bytes, kernels: str | None, threads: int = 1) -> qrt.Model:
    try:
        return qrt.load(source, kernels, threads)
    except qrt.ModelError as error:
        raise Failure(f"{path}: {error}" if isinstance(source, bytes) else str(error)) from None
    except (ValueError, RuntimeError) as error:
        raise Failure(str(error)) from None
