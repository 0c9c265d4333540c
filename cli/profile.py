"""qrt profile: measures the time of each operator of a network."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

import qrt
from qrt.cli import arrays
from qrt.cli.arrays import Array
from qrt.cli.console import (
    Progress,
    console,
    facts,
    heading,
    named_rows,
    note,
    percent,
    print_json,
    printable,
    show,
)
from qrt.cli.contents import Contents, OperatorEntry, read_contents
from qrt.cli.device_profile import finish, profile_on_device
from qrt.cli.failure import Failure, Verb, open_content
from qrt.cli.stated import layout_option
from qrt.cli.target import cc_option, refuse_options, target_option
from qrt.data.arrays import choose, read

# Seconds to measure when the number of runs is not given, and the minimum and maximum number of runs then.
PERIOD = 0.5
FEWEST, MOST = 3, 10_000
# Seconds of runs between two updates of the progress bar.
TURN = 0.02
# Blocks whose reading is measured have a power of two of bytes, within these.
SMALLEST_BLOCK, LARGEST_BLOCK = 1 << 12, 1 << 25


@dataclass(frozen=True)
class Limit:
    """The shortest time that an operator can take.

    Attributes
    ----------
    seconds : float
    of : str
        What takes it: ``"MACs"`` at the peak, or ``"bytes"`` at the rate at which they are read.
    """

    seconds: float
    of: str


@dataclass(frozen=True)
class Timing:
    """Time of an operator.

    Attributes
    ----------
    operator : OperatorEntry
    size : int
        Bytes of inputs, constants and output.
    read_rate : float
        Bytes per second at which as many are read from where they stay: a cache, or memory.
    kernels : str
        The set that its kernel belongs to.
    threads : int
        Number of threads that run it; 0 if no code runs for it.
    seconds, fastest : float or None
        The median and the minimum of all runs, until the last thread is done. None if no code runs for it: a reshape
        in place, or an operator that is fused into another one.
    """

    operator: OperatorEntry
    size: int
    read_rate: float
    kernels: str
    threads: int
    seconds: float | None
    fastest: float | None

    @property
    def rate(self) -> float | None:
        """Multiply-accumulates per second; None for an operator without products."""
        return self.operator.macs / self.seconds if self.operator.macs and self.seconds else None

    def limit(self, peak: float | None) -> Limit | None:
        """With this many multiply-accumulates per second at most; None if no code runs."""
        if self.seconds is None:
            return None
        reading, multiplying = self.size / self.read_rate, self.operator.macs / peak if peak else 0.0
        return Limit(multiplying, "MACs") if multiplying > reading else Limit(reading, "bytes")


@dataclass(frozen=True)
class Profile:
    """Times of the operators of a network, in the order of the file.

    Attributes
    ----------
    path : pathlib.Path
    kernels : str
    threads : int
        The largest number of threads that run one operator.
    given : str
        Description of the input data.
    repeats : int
    timings : list of Timing
    fastest : float
        Seconds of the operators in the fastest run.
    run_seconds, run_fastest : float
        The median and the minimum of `Model.run` on the same sample.
    peak : float or None
        Multiply-accumulates per second of the set's fastest instruction on registers, with the same number of threads;
        measured before and after.
    """

    path: Path
    kernels: str
    threads: int
    given: str
    repeats: int
    timings: list[Timing]
    fastest: float
    run_seconds: float
    run_fastest: float
    peak: float | None

    @property
    def seconds(self) -> float:
        return sum(timing.seconds or 0.0 for timing in self.timings)

    @property
    def overhead(self) -> float:
        """Seconds of `Model.run` beyond the operators; of the fastest runs, the least disturbed ones."""
        return self.run_fastest - self.fastest

    @property
    def macs(self) -> int:
        return sum(timing.operator.macs for timing in self.timings)

    @property
    def kinds(self) -> dict[str, float]:
        """Seconds of each kind of operator, largest first."""
        sums: dict[str, float] = {}
        for timing in self.timings:
            if timing.seconds is not None:
                sums[timing.operator.kind] = sums.get(timing.operator.kind, 0.0) + timing.seconds
        return dict(sorted(sums.items(), key=lambda item: -item[1]))

    def slowest_first(self) -> list[Timing]:
        return sorted(self.timings, key=lambda timing: -(timing.seconds or 0.0))

    def peak_share(self, rate: float | None) -> float | None:
        return rate / self.peak if rate is not None and self.peak is not None else None

    def limits(self) -> list[Limit | None]:
        """Of each operator."""
        return [timing.limit(self.peak) for timing in self.timings]


@click.command(cls=Verb)
@click.argument("path", metavar="MODEL.QFB", type=click.Path(path_type=Path))
@click.option(
    "--input",
    "input_paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Array to run on.  [default: a test vector, or random codes]",
)
@click.option("--kernels", metavar="SET", help="Kernel set to use, see 'qrt kernels'.  [default: the fastest]")
@click.option("--threads", type=int, metavar="N", help="Threads to split large operators among.  [default: 1]")
@target_option
@cc_option
@click.option(
    "--optimize",
    type=click.Choice(["z", "s", "2", "3"]),
    help="With --target: the compiler's level of optimization, from small to fast.  [default: s]",
)
@click.option(
    "--flash-wait-states",
    type=click.IntRange(min=0),
    metavar="N",
    help="With --target: cycles that each line of 16 bytes of code waits for the flash, without a cache.  [default: 0]",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of runs.  [default: as many as fit into half a second]",
)
@layout_option
@click.option("--order", is_flag=True, help="List operators in the order of the file, not by time.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def profile_model(
    path: Path,
    input_paths: tuple[Path, ...],
    kernels: str | None,
    threads: int | None,
    target_name: str | None,
    cc: str | None,
    optimize: str | None,
    flash_wait_states: int | None,
    repeats: int | None,
    layout: str | None,
    order: bool,
    as_json: bool,
) -> int:
    """Measures the time of each operator, or its instructions on a microcontroller.

    Runs the whole network repeatedly and shows for each operator the median time, its multiply-accumulates (MACs), its
    share of the total time, and the set whose kernel runs. Without --input it uses the first test vector of the file,
    or random codes.

    With --target it compiles the network as C for that processor, runs it once in an emulator, and shows instructions,
    estimated cycles, flash, and RAM with the stack. The counts are exact. Exit code 1 if a byte of the outputs differs.

    \b
    Examples:
      qrt profile model.qfb
      qrt profile model.qfb --input images.npz --kernels avx2
      qrt profile model.qfb --target cortex-m4

    The limit of an operator is the time of its MACs at the peak of this CPU, or that of reading the bytes of its
    inputs, constants and output once, whichever is longer. "Of limit" is that time in percent of the measured one, and
    which of the two it is. If it is the MACs, that is also the share of the peak. Kernels that need fewer products than
    the definition, such as Winograd's for 3x3 convolutions, can show more than 100 %.

    The peak is measured in the same run, with the multiply instruction of the kernel set on registers only (AMX
    TDPBSSD, VNNI VPDPBUSD, AVX2 VPMADDWD plus an addition; 64-bit Arm SMULL, SDOT, SMMLA). The reference and
    portable sets have none, so the limit is always the bytes. The rate of reading is that of a block of the same size,
    which stays in a cache, unless it is larger than all of them.

    The number of an operator is that of 'qrt inspect'. Names are shown if the terminal is wide enough,
    and always in a file or a pipe.

    With several threads the time of an operator ends when its last thread is done, and the peak is that of all threads
    together: an operator that is not split among two threads reaches at most half of it.

    "Model.run" is the whole call from Python. Beyond the operators it includes checking and copying inputs, quantizing
    floats, the loop over operators, and copying outputs; the difference is taken between the best runs.
    """
    refuse_options(
        target_name,
        {"--kernels": kernels, "--threads": threads, "--repeats": repeats},
        {"--cc": cc, "--optimize": optimize, "--flash-wait-states": flash_wait_states},
    )
    if target_name is not None:
        model, content = open_content(path)
        given, sample, layout = choose_sample(model, input_paths, layout)
        on_device = profile_on_device(
            path, content, model, target_name, cc, optimize or "s", given, sample, layout, flash_wait_states or 0
        )
        return finish(on_device, order, as_json)
    threads = 1 if threads is None else threads
    model, content = open_content(path, kernels, threads)
    if model.threads < threads:
        note(f"{path}: no operator is large enough for more than {model.threads} of {threads} threads")
    given, sample, layout = choose_sample(model, input_paths, layout)
    try:
        found = measure(path, model, read_contents(content), given, sample, layout, repeats)
    except ValueError as error:
        raise Failure(f"{path}: {error}; the data is {given}") from None
    if as_json:
        print_json(document(found))
    else:
        report(found, order)
    return 0


def choose_sample(model: qrt.Model, paths: Sequence[Path], layout: str | None) -> tuple[str, list[Array], str | None]:
    """A description of the sample, an array for each input, and their layout."""
    if paths:
        chosen = choose([item for path in paths for item in read(path)], model.inputs, layout)
        pairs = zip(chosen, model.inputs, strict=True)
        sample = [
            x.array[:1] if x.array.ndim == len(info.shape) and info.shape[0] == 1 else x.array for x, info in pairs
        ]
        cut = any(len(x) < len(item.array) for x, item in zip(sample, chosen, strict=True) if x.ndim)
        named = ", ".join(dict.fromkeys(str(item.path) for item in chosen))
        return f"the first sample of {named}" if cut else named, sample, layout
    if vectors := model.test_vectors:
        return "the first test vector", list(vectors[0][0]), "NHWC"
    rng = np.random.default_rng(0)
    return "random codes", [arrays.random_codes(rng, info) for info in model.inputs], "NHWC"


def measure(
    path: Path,
    model: qrt.Model,
    contents: Contents,
    given: str,
    sample: Sequence[Array],
    layout: str | None,
    repeats: int | None,
) -> Profile:
    """Alternates between timing operators and whole calls, so that both run under the same conditions."""
    model.run(*sample, layout=layout)
    once = float(np.nansum(model.profile(*sample, repeats=1, layout=layout)))
    if repeats is None:
        repeats = int(np.clip(PERIOD / max(once, 1e-9), FEWEST, MOST))
    turn = int(np.clip(TURN / max(once, 1e-9), 1, repeats))
    peaks = [qrt.measure_peak(model.kernels, model.threads)]
    times, runs = [], []
    with Progress(repeats, "runs") as progress:
        for start in range(0, repeats, turn):
            count = min(turn, repeats - start)
            times.append(model.profile(*sample, repeats=count, layout=layout))
            runs += [time_run(model, sample, layout) for _ in range(count)]
            progress.done(start + count)
    peaks.append(qrt.measure_peak(model.kernels, model.threads))
    seconds_of = np.concatenate(times)
    sizes = [operator_size(contents, op) for op in contents.operators]
    shares = [max(threads, 1) for threads in model.operator_threads]
    blocks = [block_of(size // share) for size, share in zip(sizes, shares, strict=True)]
    read_rates = {block: qrt.measure_reads(block) for block in set(blocks)}
    timings = []
    operators = zip(contents.operators, model.operator_threads, model.operator_kernels, strict=True)
    for i, (op, threads, owner) in enumerate(operators):
        column, read_rate = seconds_of[:, i], read_rates[blocks[i]] * shares[i]
        seconds, fastest = (float(np.median(column)), float(column.min())) if threads else (None, None)
        timings.append(Timing(op, sizes[i], read_rate, owner, threads, seconds, fastest))
    best = max((peak for peak in peaks if peak is not None), default=None)
    least = float(np.nansum(seconds_of, axis=1).min())
    median = float(np.median(runs))
    return Profile(path, model.kernels, model.threads, given, repeats, timings, least, median, min(runs), best)


def operator_size(contents: Contents, op: OperatorEntry) -> int:
    """Bytes that an operator reads or writes."""
    return op.parameter_bytes + sum(contents.tensors[index].size for index in {*op.inputs, op.output})


def block_of(size: int) -> int:
    """The size of a block that is read as fast as `size` bytes."""
    return min(max(1 << max(size - 1, 0).bit_length(), SMALLEST_BLOCK), LARGEST_BLOCK)


def time_run(model: qrt.Model, sample: Sequence[Array], layout: str | None) -> float:
    """Seconds of `Model.run`."""
    start = time.perf_counter()
    model.run(*sample, layout=layout)
    return time.perf_counter() - start


def report(found: Profile, order: bool) -> None:
    out = console()
    show(out, facts(totals(found)))
    heading(out, "Operators, in order" if order else "Operators, slowest first")
    for line in lines(found, found.timings if order else found.slowest_first(), out.width):
        click.echo(line)


def totals(found: Profile) -> Iterator[tuple[str, str]]:
    """The rows about the whole network."""
    rate = found.macs / found.seconds if found.seconds else 0.0
    peak, share = "", ""
    if found.peak is not None:
        cores = "one core" if found.threads == 1 else f"{found.threads} threads at once"
        peak, share = f", peak {giga(found.peak)} GMAC/s on {cores}", f", {percent(rate, found.peak)} of peak"
    beyond = f"{micro(found.overhead)} us more" if found.overhead > 0 else "no longer"
    yield "file", str(found.path)
    yield "kernels", found.kernels + peak
    if found.threads > 1:
        yield "threads", f"{found.threads} split large operators; times are until the last thread is done"
    yield "input", found.given
    yield "runs", f"{found.repeats:,}; times are medians"
    yield "operators", f"{micro(found.seconds)} us for {found.macs:,} MACs, {giga(rate)} GMAC/s{share}"
    limits = [limit for limit in found.limits() if limit is not None]
    shortest = sum(limit.seconds for limit in limits)
    by_bytes = sum(limit.of == "bytes" for limit in limits)
    of_time = f"{percent(shortest, found.seconds)} of the time"
    yield "limits", f"{micro(shortest)} us, {of_time}; bytes limit {by_bytes} of {len(limits)} operators"
    yield "Model.run", f"{micro(found.run_seconds)} us; fastest run {beyond} than the operators"
    yield "by kind", ", ".join(f"{kind} {percent(seconds, found.seconds)}" for kind, seconds in found.kinds.items())


def lines(found: Profile, timings: Sequence[Timing], width: int) -> Iterator[str]:
    """A line for each operator; names use the remaining width."""
    head: tuple[str, ...] = ("#", "operator", "us", "share", "MACs", "GMAC/s", "of limit", "kernels")
    if found.threads > 1:
        head += ("threads",)
    rows = [head, *(cells(found, timing) for timing in timings)]
    names = ["name", *(printable(timing.operator.name) for timing in timings)]
    return named_rows(rows, names, {1, 7}, width)


def cells(found: Profile, timing: Timing) -> tuple[str, ...]:
    """Number, kind, time, share, MACs, MAC rate, share of the limit, and kernels; blank where there is none."""
    op, rate, limit = timing.operator, timing.rate, timing.limit(found.peak)
    row = (
        str(op.index),
        op.kind,
        "-" if timing.seconds is None else micro(timing.seconds),
        "" if timing.seconds is None else percent(timing.seconds, found.seconds),
        f"{op.macs:,}" if op.macs else "",
        "" if rate is None else giga(rate),
        "" if limit is None or timing.seconds is None else f"{percent(limit.seconds, timing.seconds)} {limit.of:<5}",
        "" if timing.seconds is None else timing.kernels,
    )
    return (*row, str(timing.threads or "")) if found.threads > 1 else row


def micro(seconds: float) -> str:
    return f"{seconds * 1e6:,.2f}"


def giga(rate: float) -> str:
    return f"{rate / 1e9:,.1f}"


def document(found: Profile) -> dict[str, Any]:
    """The profile as plain types for JSON; rates are multiply-accumulates, or bytes, per second."""
    return {
        "file": str(found.path),
        "kernels": found.kernels,
        "threads": found.threads,
        "input": found.given,
        "repeats": found.repeats,
        "peak": found.peak,
        "seconds": found.seconds,
        "fastest": found.fastest,
        "run_seconds": found.run_seconds,
        "run_fastest": found.run_fastest,
        "overhead_seconds": found.overhead,
        "macs": found.macs,
        "operators": [
            {
                "index": timing.operator.index,
                "kind": timing.operator.kind,
                "name": timing.operator.name,
                "kernels": timing.kernels,
                "threads": timing.threads,
                "seconds": timing.seconds,
                "fastest": timing.fastest,
                "share": (timing.seconds or 0.0) / found.seconds if found.seconds else 0.0,
                "macs": timing.operator.macs,
                "rate": timing.rate,
                "peak_share": found.peak_share(timing.rate),
                "bytes": timing.size,
                "read_rate": timing.read_rate,
                "limit_seconds": limit.seconds if limit else None,
                "limit": limit.of if limit else None,
            }
            for timing, limit in zip(found.timings, found.limits(), strict=True)
        ],
    }
