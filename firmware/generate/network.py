"""A .qfb file -> the network as C: constants in flash, one block of RAM of known size, a call for each operator."""

from __future__ import annotations

import keyword
import math
import re
from dataclasses import dataclass, replace
from importlib import metadata

import numpy as np

from qrt._prepared import Prepared
from qrt.compiler.backends.qfb.reader import read, read_bands
from qrt.compiler.ir import Edge, Graph, Tensor
from qrt.compiler.plan.bands import Band
from qrt.compiler.plan.memory import plan
from qrt.compiler.plan.plan import Plan
from qrt.compiler.plan.rows import row_bytes
from qrt.firmware.errors import DeviceError
from qrt.firmware.generate.bands import NUMBER, STATE, BandTables, choose_kernels, functions, turned
from qrt.firmware.generate.constants import Constants, comment, text, wrapped
from qrt.firmware.generate.prepared import Step, prepare
from qrt.firmware.generate.sources import HEADERS, closure
from qrt.firmware.targets import Target
from qrt.schema import generated as fb
from qrt.schema.operators import OPERATORS

# Words that C or C++ keep for themselves, beyond Python's.
RESERVED = frozenset(
    """auto bool break case char const default do double enum extern float goto inline int long main new private
    protected public register restrict short signed sizeof static struct switch template this throw typedef union
    unsigned using virtual void volatile""".split()  # noqa: SIM905
)


@dataclass(frozen=True, eq=False)
class Network:
    """A network as C.

    Attributes
    ----------
    name : str
        The prefix of all that its header declares.
    graph : Graph
    target : Target
    steps : list of Step
        Of each operator, in order.
    plan : Plan
        Activations and scratch memory in the network's block of RAM.
    constants : int
        Bytes of its arrays and structures in flash.
    constants_of : list of int
        The same for each step; what several share counts for the first.
    sources : dict of str to str
        The files of the library's src/, path to text.
    """

    name: str
    graph: Graph
    target: Target
    steps: list[Step]
    plan: Plan
    constants: int
    constants_of: list[int]
    sources: dict[str, str]

    @property
    def others(self) -> list[int]:
        """The operators that run on portable kernels, since the target's set has none that covers them."""
        if self.target.kernels == "portable":
            return []
        return [i for i, step in enumerate(self.steps) if step.kernels == "portable" and step.op.kind != "reshape"]

    @property
    def state_size(self) -> int:
        """The first bytes of that RAM, which must survive from run to run; 0 for a network without state."""
        return self.plan.state_size

    @property
    def fed(self) -> Band | None:
        """The band whose input comes by rows, if there is one."""
        return next((band for band in self.plan.bands if band.feed is not None), None)

    @property
    def functions(self) -> list[str]:
        """The names of its functions."""
        names = ["input", "run" if self.fed is None else "feed", "output"]
        names += ["reset"] if self.resets else []
        return [f"{self.name}_{function}" for function in names]

    @property
    def resets(self) -> bool:
        """Whether it has a function that brings it to its beginning."""
        return self.state_size > 0 or self.fed is not None

    @property
    def row_size(self) -> int:
        """Bytes of a row of what is fed; else 0."""
        return 0 if self.fed is None else row_bytes(self.graph.inputs[0].tensor)

    @property
    def feed_size(self) -> int:
        """Bytes of the state of what is fed: the turn, and what each step of its band has made."""
        return 0 if self.fed is None else NUMBER + STATE * (len(self.fed.paces) + 1)

    @property
    def feed_at(self) -> int:
        """Where it lies in that RAM."""
        return self.plan.arena_size

    @property
    def memory_size(self) -> int:
        """Bytes of RAM, apart from the stack."""
        return max(self.feed_at + self.feed_size, 16)


def identifier(name: str) -> str:
    """A name as C can have it."""
    plain = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_") or "net"
    plain = f"net_{plain}" if plain[0].isdigit() else plain
    return f"{plain}_net" if _is_reserved(plain) else plain


def _is_reserved(name: str) -> bool:
    return name in RESERVED or keyword.iskeyword(name) or name.startswith("qrt")


def generate(content: bytes, target: Target, name: str) -> Network:
    """The network of a file as C for a target.

    Parameters
    ----------
    content : bytes
        A valid .qfb file.
    target : Target
    name : str
        What the functions' names begin with: an identifier of C in lower case.

    Raises
    ------
    DeviceError
        The name cannot be one in C.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or _is_reserved(name):
        raise DeviceError(
            f"{name!r} cannot begin the names of C functions; use lower-case letters, digits and _, such as net"
        )
    graph, origin = read(content), _origin(content)
    prepared, bands = Prepared(content, target.kernels), read_bands(content)
    choose_kernels(prepared, graph.ops, bands, fb.Model.GetRootAs(content, 0).ArenaSize())
    steps = turned(prepared, prepare(prepared, graph.ops, target.kernels), bands)
    placed = plan(
        graph,
        scratch={step.op: step.scratch for step in steps},
        reading={step.op: step.reading for step in steps},
        bands=bands,
    )
    constants = Constants()
    body = _body(graph, steps, placed, target.kernels, constants)
    of_bands, band_headers = functions(steps, bands, target.kernels)
    used = [step.function for step in steps if not _stays(step, placed)]
    sources = closure([*used, *of_bands], target.kernels)
    network = Network(name, graph, target, steps, placed, 0, body.constants_of, sources)
    resets = _reset(network, constants)
    network = replace(network, constants=constants.size)
    # What is fed lies nowhere as a whole.
    inputs = {i: edge for i, edge in enumerate(graph.inputs) if i > 0 or body.fed is None}
    edges = [
        _edge_function(name, "input", inputs, placed),
        _edge_function(name, "output", dict(enumerate(graph.outputs)), placed),
    ]
    labels = [_labels(name, i, edge) for i, edge in enumerate(graph.outputs) if edge.labels]
    headers = [f'"{header}"' for header in (*HEADERS[target.kernels], *band_headers)]
    headers = ["<string.h>", *headers] if resets else headers
    parts = [
        _opening(graph, f"{name}.c", "the network: its constants, and a call for each operator", origin),
        f'#include "{name}.h"\n\n' + "".join(f"#include {header}\n" for header in headers),
        STEP_HOOK,
        *constants.definitions,
        *labels,
        *resets,
        *edges,
        _run(name, body, network.feed_at),
    ]
    network.sources[f"{name}.c"] = "\n".join(parts)
    network.sources[f"{name}.h"] = _header(network, origin)
    return network


STEP_HOOK = """\
/* To time operators, compile with -DQRT_ON_STEP=on_step and define `void on_step(int step)`: it is called before
 * operator `step`, counted from 0, and once behind the last. Operators that take turns are called in each. */
#ifdef QRT_ON_STEP
void QRT_ON_STEP(int step);
#define ON_STEP(step) QRT_ON_STEP(step)
#else
#define ON_STEP(step) ((void)0)
#endif
"""


def _origin(content: bytes) -> str:
    """What a library was made by, and of which file."""
    checksum = fb.Model.GetRootAs(content, 0).Seal().Crc32()
    return (
        f"Written by qrt firmware {metadata.version('qrt')} from a .qfb file with CRC-32 {checksum:08x}; do not edit."
    )


def _opening(graph: Graph, file: str, what: str, origin: str) -> str:
    title = f" of {comment(graph.name)}" if graph.name else ""
    return f"/* {file}: {what}{title}.\n * {origin} */"


def _stays(step: Step, placed: Plan) -> bool:
    """Whether an operator has nothing to do: a reshape of memory that stays where it is."""
    x, y = step.op.inputs[0], step.op.output
    return step.op.kind == "reshape" and not x.is_constant and placed.offsets[x] == placed.offsets[y]


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))


def _call(i: int, step: Step, placed: Plan, constants: Constants) -> list[str]:
    """The call of an operator's kernel; defines its constants."""
    op = step.op
    inputs = op.inputs[:1] if OPERATORS[op.kind].channels is not None else op.inputs
    shapes = ", ".join(_shape(tensor) for tensor in inputs)
    lines = [f"    /* {op.kind}, {shapes} to {_shape(op.output)}: {comment(op.name.split(';')[0])} */"]
    if _stays(step, placed):
        return [*lines, "    /* Nothing to do: the memory stays where it is. */"]
    constants.structure(step.struct, step.params, f"{op.kind}_{i}")
    for k, tensor in enumerate(inputs):
        if tensor.data is not None:
            where = constants.array(tensor.data, f"{op.kind}_{i}_input_{k}")
            where = where if tensor.dtype == "int8" else f"(const int8_t *){where}"
        else:
            where = f"at + {placed.offsets[tensor]}"
        lines.append(f"    inputs[{k}] = {where};")
    scratch = f"at + {placed.scratch[op]}" if op in placed.scratch else "NULL"
    lines.append(f"    {step.function}(&{op.kind}_{i}, inputs, at + {placed.offsets[op.output]}, {scratch});")
    return lines


@dataclass
class _Body:
    """What runs a network: lines before a band whose input comes by rows, and those behind it or all.

    Attributes
    ----------
    before, lines : list of str
    fed : BandTables or None
    most_inputs : int
        Of an operator.
    most_steps : int
        Of a band that is run at once; 0 where there is none.
    is_empty : bool
        Whether no operator has anything to do.
    constants_of : list of int
        See `Network`.
    """

    before: list[str]
    lines: list[str]
    fed: BandTables | None
    most_inputs: int
    most_steps: int
    is_empty: bool
    constants_of: list[int]


def _body(graph: Graph, steps: list[Step], placed: Plan, kernels: str, constants: Constants) -> _Body:
    """The calls of all operators and bands; defines their constants."""
    tables = {band.first: BandTables(graph, i, band, steps, placed, kernels) for i, band in enumerate(placed.bands)}
    most = max((len(step.op.inputs) for step in steps), default=1)
    body = _Body([], [], None, most, 0, all(_stays(step, placed) for step in steps), [])
    i = 0
    while i < len(steps):
        if i in tables:
            _add_band(body, tables[i], constants)
            i = tables[i].band.stop
        else:
            before = constants.size
            body.lines += [f"    ON_STEP({i});", *_call(i, steps[i], placed, constants)]
            body.constants_of.append(constants.size - before)
            i += 1
    body.lines.append(f"    ON_STEP({len(steps)});")
    return body


def _add_band(body: _Body, table: BandTables, constants: Constants) -> None:
    body.constants_of += table.define(constants)
    first, last = table.band.first, table.band.stop - 1
    if table.band.feed is not None:
        body.fed, body.before, body.lines = table, body.lines, []
        return
    body.most_steps = max(body.most_steps, table.count)
    body.lines += [
        f"    /* Operators {first} to {last} take turns. */" if last > first else f"    /* Operator {first} by rows. */"
    ]
    body.lines += [f"    turns.band = &{table.name};", "    qrt_run_row_band(&turns);"]


def _run(name: str, body: _Body, feed_at: int) -> str:
    """The function that runs the network, or that takes a row of its input."""
    fed = body.fed
    kind, row = ("int", ", const int8_t *row") if fed else ("void", "")
    lines = [f"{kind} {name}_{'feed' if fed else 'run'}({name}_memory *memory{row}) {{"]
    if body.is_empty:
        lines.append("    (void)memory;")
    else:
        lines += ["    int8_t *const at = memory->bytes;", f"    const int8_t *inputs[{body.most_inputs}];"]
    if body.most_steps:
        lines.append(f"    qrt_row_state states[{body.most_steps}];")
        lines.append("    qrt_row_run turns = {NULL, at, states, inputs};")
    if fed is None:
        return "\n".join([*lines, *body.lines, "}"]) + "\n"
    lines.append(f"    int32_t *const turn = (int32_t *)(void *)(at + {feed_at});")
    lines.append("    qrt_row_state *const fed_states = (qrt_row_state *)(void *)(turn + 1);")
    lines.append(f"    const qrt_row_run fed = {{&{fed.name}, at, fed_states, inputs}};")
    if body.before:
        before = ["    " + line for line in body.before]
        lines += ["    if (fed_states->made == 0) { /* the first row */", *before, "    }"]
    first, last = fed.band.first, fed.band.stop - 1
    lines += [
        f"    /* Operators {first} to {last} take turns. */",
        "    if (!qrt_feed_row(&fed, turn, row)) return 0;",
        *body.lines,
        "    return 1;",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _reset(network: Network, constants: Constants) -> list[str]:
    """The function that brings a network to its beginning, where it has one; defines the constants for it."""
    name, placed, lines = network.name, network.plan, []
    if network.fed is not None:
        lines.append(f"    memset(memory->bytes + {network.feed_at}, 0, {network.feed_size});")
    for i, tensor in enumerate(network.graph.states()):
        assert tensor.initial is not None
        content = np.frombuffer(tensor.initial.tobytes(), np.int8)
        where = f"memory->bytes + {placed.offsets[tensor]}"
        if (content == content[0]).all():
            lines.append(f"    memset({where}, {content[0]}, {len(content)});")
        else:
            lines.append(f"    memcpy({where}, {constants.array(content, f'state_{i}_initial')}, {len(content)});")
    if not lines:
        return []
    return ["\n".join([f"void {name}_reset({name}_memory *memory) {{", *lines, "}"]) + "\n"]


def _edge_function(name: str, side: str, edges: dict[int, Edge], placed: Plan) -> str:
    """The function that says where an input or output lies, always in the network's memory."""
    const = "" if side == "input" else "const "
    lines = [f"{const}int8_t *{name}_{side}({const}{name}_memory *memory, int index) {{", "    switch (index) {"]
    if not edges:
        lines.insert(1, "    (void)memory;")
    for i, edge in edges.items():
        lines += [f"    case {i}:", f"        return memory->bytes + {placed.offsets[edge.tensor]};"]
    return "\n".join([*lines, "    default:", "        return NULL;", "    }", "}"]) + "\n"


def _labels(name: str, index: int, edge: Edge) -> str:
    macro = f"{name.upper()}_OUTPUT_{index}_LABEL_COUNT"
    lines = wrapped(map(text, edge.labels), "    ")
    return f"const char *const {name}_output_{index}_labels[{macro}] = {{\n{lines}}};\n"


HEADER = """\
{opening}
#ifndef {upper}_H
#define {upper}_H

#include <stddef.h>
#include <stdint.h>

#if UINTPTR_MAX < 0xffffffff
#error "qrt needs a processor of 32 bits or more"
#endif

#ifdef __cplusplus
extern "C" {{
#endif

/* All the RAM that the network needs, apart from the stack, and what has to be aligned. Keep it while the network is in
 * use. There may be several, one for each thread. */
#define {upper}_MEMORY_SIZE {memory}u

typedef union {name}_memory {{
    int8_t bytes[{upper}_MEMORY_SIZE];
    int64_t alignment;
}} {name}_memory;

{edges}
/* The number of operators; QRT_ON_STEP is called with 0 to this number. */
#define {upper}_STEP_COUNT {steps}

{reset}{inputs}
/* Where output `index` lies until an input is written; NULL if there is no such output. */
const int8_t *{name}_output(const {name}_memory *memory, int index);
{labels}
#ifdef __cplusplus
}}
#endif
#endif
"""


RUN = """\
/* Where the codes of input `index` go, in the order of its shape; NULL if there is no such input. Write all
 * inputs before every run: their memory serves other tensors as well. */
int8_t *{name}_input({name}_memory *memory, int index);

/* Computes the outputs from the inputs. */
void {name}_run({name}_memory *memory);
"""


FEED = """\
/* Input 0 comes by rows: give all {rows} of them, one after another, each of {upper}_INPUT_0_ROW_SIZE bytes. Each call
 * computes what can be computed by then. Returns 1 when it was the last row and the outputs are ready, else 0; the next
 * row is then the first of the next input. A row may be anywhere, and is not needed any more afterwards. */
int {name}_feed({name}_memory *memory, const int8_t *row);

/* Where the codes of another input go, in the order of its shape; NULL if there is no such input. Write all of them
 * before the first row, every time: their memory serves other tensors as well. */
int8_t *{name}_input({name}_memory *memory, int index);
"""


RESET = """\
/* Brings the network to the beginning{beginning}. Call it before the first {run}: the memory need not be cleared. */
void {name}_reset({name}_memory *memory);

"""


STATE_MACRO = """\
/* What the network remembers from run to run: the first bytes of its memory. Copy them to save it, and back to go on
 * from there. */
#define {upper}_STATE_SIZE {state}u

"""


def _reset_text(network: Network) -> str:
    if not network.resets:
        return ""
    fed = network.fed is not None
    beginning = " of a sequence" if network.state_size else ""
    beginning += " and of its first input" if fed and beginning else " of its first input" if fed else ""
    text = RESET.format(name=network.name, beginning=beginning, run="row" if fed else "run")
    if network.state_size:
        text = STATE_MACRO.format(upper=network.name.upper(), state=network.state_size) + text
    return text


def _header(network: Network, origin: str) -> str:
    name, upper, graph = network.name, network.name.upper(), network.graph
    edges = []
    for side, its in (("INPUT", graph.inputs), ("OUTPUT", graph.outputs)):
        edges.append(f"#define {upper}_{side}_COUNT {len(its)}")
        for i, edge in enumerate(its):
            edges += _edge_macros(f"{upper}_{side}_{i}", side.lower(), edge)
            if side == "INPUT" and i == 0 and network.fed is not None:
                edges.append(f"#define {upper}_INPUT_0_ROW_SIZE {network.row_size}u /* bytes */")
        edges.append("")
    labels = [
        f"extern const char *const {name}_output_{i}_labels[{upper}_OUTPUT_{i}_LABEL_COUNT];"
        for i, edge in enumerate(graph.outputs)
        if edge.labels
    ]
    if labels:
        labels = ["", "/* The names of the entries of an output's last axis, UTF-8. */", *labels]
    return HEADER.format(
        opening=_opening(graph, f"{name}.h", "the interface", origin),
        name=name,
        upper=upper,
        memory=network.memory_size,
        steps=len(network.steps),
        edges="\n".join(edges),
        reset=_reset_text(network),
        inputs=(RUN if network.fed is None else FEED).format(
            name=name, upper=upper, rows=graph.inputs[0].tensor.shape[1] if network.fed else 0
        ),
        labels="\n".join([*labels, ""]),
    )


def _edge_macros(prefix: str, side: str, edge: Edge) -> list[str]:
    tensor = edge.tensor
    lines = [f"/* {side} {comment(tensor.name) or 'without a name'}, {tensor.dtype} {_shape(tensor)}. */"]
    if edge.source_dtype == "UINT8":
        lines.append("/* The codes of the source are uint8: 128 higher than these. */")
    if edge.source_dtype == "UINT16":
        lines.append("/* The codes of the source are uint16: 32768 higher than these. */")
    if edge.requant is not None:
        lines.append("/* The source has int16 here; qrt run shows how it becomes codes. */")
    lines.append(f"#define {prefix}_SIZE {tensor.nbytes}u /* bytes */")
    lines.append(f"#define {prefix}_SHAPE {{{', '.join(map(str, tensor.shape))}}}")
    if tensor.dtype == "int32":
        lines.append(
            "/* int32 numbers, in the byte order of the processor; each entry of the last axis has a scale. */"
        )
        if edge.scales is not None:
            scales = wrapped((f"{float(scale)!r}f" for scale in edge.scales), "")
            lines.append(f"#define {prefix}_SCALES {{{' '.join(scales.split())}}}")
    elif tensor.scale > 0 and math.isfinite(tensor.scale):
        lines.append(f"/* real = {prefix}_SCALE * (code - {prefix}_ZERO_POINT) */")
        lines.append(f"#define {prefix}_SCALE {tensor.scale!r}f")
    if tensor.dtype == "int16":
        lines.append("/* int16 codes, in the byte order of the processor; aligned. */")
    if tensor.dtype != "int32":
        lines.append(
            f"#define {prefix}_ZERO_POINT {f'({tensor.zero_point})' if tensor.zero_point < 0 else tensor.zero_point}"
        )
    if edge.labels:
        lines.append(f"#define {prefix}_LABEL_COUNT {len(edge.labels)}")
    return lines
