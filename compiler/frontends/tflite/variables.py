"""Variables of a .tflite file: inputs and outputs of the graph that hold a state from run to run (`ir.Edge.state`).

A variable has a name, which its container and ``shared_name`` make. A run knows its value at every operator: the value
that the run before left, up to the first ASSIGN_VARIABLE, and then the tensor that was assigned last. So reading is no
operator, and neither is assigning: what a run reads of the value before it becomes an input, what was assigned last an
output.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qrt.compiler.errors import Problem
from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.tensors import as_int8, check_numbers, read
from qrt.compiler.ir import Edge, Tensor, unique_name

KINDS = frozenset({"CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"})
# Kinds of operators in a subgraph that only gives variables their initial values.
INITIAL = frozenset({"VAR_HANDLE", "ASSIGN_VARIABLE"})


@dataclass(eq=False)
class Variable:
    """One variable of the file, and what a run does to it.

    Attributes
    ----------
    name : str
    initial : Tensor or None
        The constant that CALL_ONCE assigns to it.
    before : Tensor or None
        Its value before the run, if the run reads that.
    after : Tensor or None
        What the run assigns last.
    used : list of Tensor
        All tensors that it is read to and assigned from; they all have the same type, shape and numbers.
    is_state : bool
        Whether the graph has an input and an output for it.
    """

    name: str
    initial: Tensor | None = None
    before: Tensor | None = None
    after: Tensor | None = None
    used: list[Tensor] = field(default_factory=list)
    is_state: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether no run changes its value."""
        return self.after is None or self.after is self.before


class Variables:
    """The variables of a file."""

    def __init__(self, importer: Importer) -> None:
        self.importer = importer
        self.variables: dict[tuple[bytes, bytes], Variable] = {}
        self.names: set[str] = set()
        # The variable of each tensor that holds a handle, by the numbers of the subgraph and of the tensor.
        self.handles: dict[tuple[int, int], Variable] = {}
        # The subgraphs that CALL_ONCE has named.
        self.initializers: set[int] = set()
        self.is_used = False

    def take(self, index: int, source: Any) -> bool:
        """Records what operator `index` does to a variable; whether it is an operator on variables."""
        kind = self.importer.kind(source)
        if kind not in KINDS:
            return False
        try:
            if kind == "CALL_ONCE":
                self._initialize(self._options(source, "CallOnceOptions").InitSubgraphIndex())
            elif kind == "VAR_HANDLE":
                self._name(source)
            elif kind == "READ_VARIABLE":
                self._read(self._variable(source), source.Outputs(0))
            else:
                self._assign(self._variable(source), source.Inputs(1))
        except Unsupported as reason:
            self.importer.problems.append(Problem(f"operator {index}", kind, str(reason)))
            outputs = [source.Outputs(k) for k in range(source.OutputsLength())]
            self.importer.refused.update(self.importer.tensor(k) for k in outputs)
        return True

    def _options(self, source: Any, name: str) -> Any:
        options, table = getattr(self.importer.tflite, name)(), source.BuiltinOptions()
        if table is None:
            raise Unsupported(f"its {name} are missing; convert the file again")
        options.Init(table.Bytes, table.Pos)
        return options

    def _name(self, source: Any, subgraph: int = 0) -> None:
        options = self._options(source, "VarHandleOptions")
        key = (options.Container() or b"", options.SharedName() or b"")
        if key not in self.variables:
            name = b"/".join(part for part in key if part).decode("utf-8", "replace")
            self.variables[key] = Variable(unique_name(name or "variable", self.names))
        self.handles[subgraph, source.Outputs(0)] = self.variables[key]

    def _variable(self, source: Any, subgraph: int = 0) -> Variable:
        variable = self.handles.get((subgraph, source.Inputs(0)))
        if variable is None:
            raise Unsupported("its variable has no VAR_HANDLE before it; convert the file again")
        return variable

    def _read(self, variable: Variable, index: int) -> None:
        """Makes the tensor `index` of the file the variable's value at this place."""
        tensor, self.is_used = self.importer.tensor(index), True
        variable.used.append(tensor)
        if variable.after is not None:
            self.importer.tensors[index] = variable.after
        elif variable.before is not None:
            self.importer.tensors[index] = variable.before
        else:
            variable.before = tensor

    def _assign(self, variable: Variable, index: int) -> None:
        variable.after, self.is_used = self.importer.tensor(index), True
        variable.used.append(variable.after)

    def _initialize(self, index: int) -> None:
        """Reads the initial values that a subgraph assigns."""
        model = self.importer.model
        if not 0 < index < model.SubgraphsLength():
            raise Unsupported(f"calls subgraph {index} of {model.SubgraphsLength()}; convert the file again")
        is_known, subgraph = index in self.initializers, model.Subgraphs(index)
        self.initializers.add(index)
        if self.is_used:
            raise Unsupported("gives variables their initial values after they are used; call it first")
        if is_known:
            return
        for source in [subgraph.Operators(i) for i in range(subgraph.OperatorsLength())]:
            if (kind := self.importer.kind(source)) not in INITIAL:
                raise Unsupported(f"computes initial values with {kind}; only constants are supported")
            if kind == "VAR_HANDLE":
                self._name(source, index)
                continue
            value = read(self.importer.tflite, model, subgraph.Tensors(source.Inputs(1)))
            if value.data is None:
                raise Unsupported(f"computes the initial value {value.name!r}; only constants are supported")
            self._variable(source, index).initial = as_int8(value) if value.dtype == "uint8" else value

    def add_inputs(self) -> None:
        """Adds an input to the graph for each variable whose value before the run is read.

        One that no run changes is a constant.
        """
        for variable in self.variables.values():
            before = variable.before
            if before is None:
                continue
            stated = next((tensor.quantization for tensor in variable.used if tensor.quantization is not None), None)
            for tensor in variable.used:
                tensor.quantization = tensor.quantization or stated
            try:
                check_numbers(before)
                initial = _initial(variable, before)
            except Unsupported as reason:
                self._refuse(variable, str(reason))
                self.importer.refused.add(before)
                continue
            if variable.is_constant:
                zero = 0 if before.quantization is None else before.zero_point
                before.data = np.full(before.shape, zero, before.dtype) if initial is None else initial
                continue
            variable.is_state, before.name = True, variable.name
            self.importer.graph.inputs.append(Edge(before, state=variable.name, initial=initial))

    def add_outputs(self) -> None:
        """Adds an output to the graph for each of these inputs: what the run assigned last."""
        for variable in self.variables.values():
            if not variable.is_state:
                continue
            assert variable.after is not None
            leaving = self.importer.leaving.get(variable.after)
            edge = Edge(variable.after if leaving is None else leaving.tensor, state=variable.name)
            self.importer.graph.outputs.append(edge)
            reason = _difference(variable)
            if reason is None and edge.tensor.is_constant:
                reason = "is assigned a constant in every run; make it the initial value"
            if reason is not None:
                self._refuse(variable, reason)

    def _refuse(self, variable: Variable, reason: str) -> None:
        self.importer.problems.append(Problem(variable.name, "variable", reason))


def _initial(variable: Variable, before: Tensor) -> np.ndarray | None:
    """The codes of a variable in the first run; None for its zero point."""
    if variable.initial is not None:
        value = variable.initial.data
        assert value is not None
        if (variable.initial.dtype, value.size) != (before.dtype, before.size):
            types = f"{variable.initial.dtype} {list(value.shape)}, and is read as {before.dtype} {list(before.shape)}"
            raise Unsupported(f"has an initial value of type {types}; convert the file again")
        return value.reshape(before.shape)
    if variable.after is None:
        raise Unsupported("is read and never assigned; assign it, or make it a constant")
    if before.dtype == "int16" and before.quantization is not None and before.zero_point not in (0, -1):
        reason = f"has no initial value, and TFLM makes one of the low byte of its zero point {before.zero_point}"
        raise Unsupported(f"{reason}; give it one")
    return None


def _difference(variable: Variable) -> str | None:
    """Why the tensors of a variable do not fit together; None if they do."""
    first, *others = variable.used
    for tensor in others:
        if (tensor.dtype, tensor.shape) != (first.dtype, first.shape):
            both = f"{first.dtype} {list(first.shape)} and {tensor.dtype} {list(tensor.shape)}"
            return f"is used as {both}; give it one type and one shape"
        if first.quantization is not None and not first.quantization.same_as(tensor.quantization):
            return f"has another scale or zero point in {tensor.name!r} than in {first.name!r}; use the same"
    return None
