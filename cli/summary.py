"""The summary that qrt compile prints of a compiled network, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qrt.cli.console import console, facts, heading, kinds_text, percent, printable, show

if TYPE_CHECKING:
    from qrt.cli.precision import Step
    from qrt.cli.samples import Samples
    from qrt.compiler import Report
    from qrt.compiler.report import Deviation, Peak, Removal, Rescue, RowByRow, Stream

# Number of channel ranges that a line of the summary lists; --json has all.
RUNS = 8


def arena_facts(size: int, peak: Peak) -> list[tuple[str, str]]:
    """Size of an arena, the lower bound of any plan, and where there is a gap, what is live at that bound."""
    if size == peak.size:
        return [("arena", f"{size:,} bytes, which is the lower bound")]
    gap = f"lower bound {peak.size:,}, gap {percent(size - peak.size, peak.size)}"
    return [("arena", f"{size:,} bytes; {gap}"), ("most live", peak_text(peak))]


def peak_text(peak: Peak) -> str:
    """The layer where the most bytes are live, and the tensors there: "layer 12 add: y 12,288 + a 12,288"."""
    if peak.first is None:
        where = "inputs and outputs"
    elif peak.first == peak.last:
        where = f"layer {peak.first} {peak.kind}"
    else:
        where = f"layers {peak.first} to {peak.last}, in turns"
    names = ((short_name(name) or "(no name)", size) for name, size in peak.tensors)
    parts = [f"{name} {size:,}" for name, size in names]
    parts += [f"states {peak.states:,}"] if peak.states else []
    shared = f" - {peak.shared:,} that two share" if peak.shared else ""
    return f"{where}: {' + '.join(parts)}{shared}"


def short_name(name: str) -> str:
    """The first of the names that a converter joined with semicolons for fused operators."""
    return printable(name.split(";")[0])


def rescue_text(rescue: Rescue) -> str:
    channels = f", {channels_text(rescue.channels)}" if rescue.channels else ""
    removed = ", and then removed" if rescue.removed else ""
    return f"{short_name(rescue.op)} ({rescue.kind}){channels}: {rescue.text}{removed}"


def removal_text(removal: Removal) -> str:
    left = removal.count - len(removal.channels)
    return f"{short_name(removal.op)}: {left} of {removal.count} left, without {channels_text(removal.channels)}"


def match_text(report: Report) -> str:
    """The engine that the file is bit-exact to, and the number of operators not proved to be."""
    count = len(report.deviations)
    but = f", but for {count} operator{'s' if count > 1 else ''}, see below" if count and report.match else ""
    return report.match + but


def deviation_text(deviation: Deviation) -> str:
    counts = f"{deviation.count:,} of {deviation.total:,} " if deviation.total else ""
    return f"{short_name(deviation.op)}: {counts}{deviation.cases}"


def channels_text(channels: Sequence[int]) -> str:
    """Numbers as ranges: channels 0 to 3, 7; after RUNS ranges only the count of the rest."""
    runs: list[list[int]] = []
    for channel in sorted(channels):
        if runs and channel == runs[-1][-1] + 1:
            runs[-1].append(channel)
        else:
            runs.append([channel])
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs[:RUNS]]
    more = sum(len(run) for run in runs[RUNS:])
    return f"channel{'s' if len(channels) > 1 else ''} {', '.join(texts)}" + (f" and {more} more" if more else "")


def stream_rows(stream: Stream) -> list[tuple[str, str]]:
    """What a run of a streaming network reads, costs and gives."""
    span = "all frames since the reset" if stream.pads else f"the last {stream.window} frames"
    share = percent(stream.macs, stream.window_macs)
    rows = [
        ("frames", f"{stream.frames} in each run, where the source reads {stream.window}"),
        ("MACs", f"{stream.macs:,} in each run, {share} of the source's {stream.window_macs:,}"),
        ("states", f"{stream.state_bytes:,} bytes"),
        ("results", f"from run {stream.first_run} on those of the source for {span}"),
    ]
    rows += [("late", f"{printable(name)} by {count} frames") for name, count in stream.late.items()]
    if stream.heads:
        names = ", ".join(map(short_name, stream.heads))
        rows.append(("whole window", f"read in each run by {names}"))
    return rows


def turns_rows(account: RowByRow) -> list[tuple[str, str]]:
    """Which operators take turns, what that costs, and what stands in the way."""
    rows = [
        ("without", f"{account.whole_arena_size:,} bytes of arena, if every operator made its whole output at once")
    ]
    for band in account.bands:
        name = short_name(band.first) + (f" to {short_name(band.last)}" if band.count > 1 else "")
        operators = f"{band.count} operators" if band.count > 1 else "1 operator"
        at_a_time = f"{band.rows} row{'s' if band.rows > 1 else ''} at a time"
        rows.append(("row by row", f"{name}: {operators}, {band.turns} turns, {at_a_time}"))
    if not account.bands:
        rows.append(("row by row", "no operator: the arena fits without, or would not be smaller"))
    rows.append(("moved", f"{account.moved_bytes:,} bytes of rows in each run, to make room for others"))
    if account.fed:
        rows.append(("fed by rows", printable(account.fed)))
    if account.obstacles:
        names = ", ".join(map(short_name, account.obstacles))
        rows.append(("in the way", f"{names}, which cannot run row by row where most memory is in use"))
    return rows


def step_rows(steps: Sequence[Step]) -> list[tuple[str, str]]:
    """The layers that each step added, and what the network was then."""
    rows, known = [], 0
    for step in steps:
        accuracy = "" if step.accuracy is None else f"accuracy {step.accuracy:.2%}, "
        macs = f"{percent(step.int16_macs, step.macs)} of the MACs read int16"
        added = ", ".join(map(short_name, step.layers[known:]))
        text = f"{accuracy}error {step.error:.2%}, arena {step.arena:,} bytes, {macs}"
        rows.append((f"+ {added}" if added else "int8 alone", text))
        known = len(step.layers)
    return rows


@dataclass(frozen=True)
class Summary:
    """Facts about a compiled network; sizes are bytes of files, accuracies shares of samples."""

    source: Path
    source_size: int
    output: Path
    output_size: int
    test_vectors: int
    report: Report
    calibrated: str = ""
    accuracy: dict[str, float] | None = None
    judged: Samples | None = None
    seen: bool = True
    steps: Sequence[Step] = ()

    def document(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "source": str(self.source),
            "source_size": self.source_size,
            "output": str(self.output),
            "output_size": self.output_size,
            "test_vectors": self.test_vectors,
            "accuracy": self.accuracy or {},
            **self._where(),
            "int16_steps": [step.document() for step in self.steps],
            **self.report.as_dict(),
        }

    def _arena(self) -> list[tuple[str, str]]:
        peak = self.report.arena_peak
        return [] if peak is None else arena_facts(self.report.arena_size, peak)

    def _where(self) -> dict[str, Any]:
        """The samples that the accuracy is on, and whether calibration has seen them."""
        if self.judged is None or not self.accuracy:
            return {}
        return {
            "accuracy_samples": {"path": str(self.judged.path), "count": self.judged.count, "calibration": self.seen}
        }

    def show(self) -> None:
        report = self.report
        rows = [
            ("name", printable(report.name) or "(none)"),
            ("matches", match_text(report) or "no engine"),
            ("operators", kinds_text(report.operators)),
            ("MACs", f"{report.macs:,}"),
            (
                "weights",
                f"{report.weight_bytes:,} bytes, and {report.parameter_bytes:,} of multipliers, shifts, biases",
            ),
            ("file", f"{self.output_size:,} bytes, {percent(self.output_size, self.source_size)} of the source"),
            *self._arena(),
        ]
        if report.state_size:
            rows.append(("states", f"{report.state_size:,} bytes of the arena"))
        if self.calibrated:
            rows.append(("calibrated", self.calibrated))
        if self.accuracy:
            rows.append(("accuracy", ", ".join(f"{name} {value:.2%}" for name, value in self.accuracy.items())))
            if self.judged is not None:
                which = "those of the calibration" if self.seen else f"of {self.judged.path}"
                rows.append(("", f"on {self.judged.count} samples, {which}"))
        if self.test_vectors:
            rows.append(("test vectors", f"{self.test_vectors}, computed by the reference kernels"))
        out = console()
        click.echo(f"{self.source} -> {self.output} in {report.seconds:.2f} s")
        show(out, facts(rows))
        if self.steps:
            heading(out, "Layers of int16")
            show(out, facts(step_rows(self.steps)))
        if report.deviations:
            heading(out, f"Codes that can differ from {report.match or 'the engine'}'s, by 1")
            show(out, facts([(deviation.kind, deviation_text(deviation)) for deviation in report.deviations]))
        if report.stream is not None:
            heading(out, "Stream")
            show(out, facts(stream_rows(report.stream)))
        if report.row_by_row is not None:
            heading(out, "Row by row")
            show(out, facts(turns_rows(report.row_by_row)))
        if report.notes:
            heading(out, "What the passes did")
            show(out, facts([(name, printable(text)) for name, text in report.notes]))
        if report.removals:
            heading(out, "Channels removed, constant for every input or unused")
            show(out, facts([(removal.kind, removal_text(removal)) for removal in report.removals]))
        if report.rescues:
            heading(out, "Rescued, because the integers would have overflowed or become 0")
            show(out, facts([(rescue.kind, rescue_text(rescue)) for rescue in report.rescues]))
