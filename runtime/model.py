"""load() and Model: the Python interface of the executor.

Floats are quantized and codes dequantized here (SPEC.md, section 3); the executor between them uses integers only.
"""

from __future__ import annotations

import errno
import operator
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qrt import _executor
from qrt.edges import (
    NCHW_TO_NHWC,
    NHWC_TO_NCHW,
    Array,
    Codes,
    TensorInfo,
    TestVector,
    codes_of,
    fits,
    fits_both_layouts,
    returned,
    tensor_info,
)
from qrt.errors import ModelError
from qrt.layers import Layer, find_layers, layers_of
from qrt.limits import turns_within
from qrt.notebook import table
from qrt.source import Source, content_of


class Model:
    """A loaded network, created by `load`.

    `run` is thread-safe: concurrent calls run one after the other. For parallel work give each thread its
    own `fork()`. The zero-copy path (`input_view`, `invoke`, `output_view`) belongs to the thread that
    first requested a view; other threads then get a RuntimeError from this object.

    What a network remembers from run to run, its state, belongs to this object: a new model and a fork begin with the
    initial state of the file, `reset` restores it, `state` saves and loads it.

    A pickle has the content of the file, the arguments of `load`, and the state; unpickling validates all of it as
    `load` and `state` do. What `load` chose by default is chosen anew on the machine that unpickles: the kernel set,
    the limits, and how many turns of a band run at once. Memory and threads are not shared with the pickled model.
    `copy.copy` and `copy.deepcopy` give a `fork` with the same state. None of them while rows are fed (RuntimeError).
    """

    def __init__(
        self,
        program: _executor.Program,
        threads: int = 1,
        together: int | None = None,
        max_arena: int | None = None,
    ) -> None:
        self._program = program
        self._asked = threads, together, max_arena
        self._together = turns_within(program, max_arena, threads, together)
        self._executor = _executor.Executor(program, threads, together=self._together)
        self.name, self.producer, self.format_version, self.arena_size, self.state_size = program.header
        self.inputs = tuple(tensor_info(edge) for edge in program.inputs)
        self.outputs = tuple(tensor_info(edge) for edge in program.outputs)
        self._layout_is_clear = not any(fits_both_layouts(info) for info in self.inputs)

    @property
    def kernels(self) -> str:
        """Name of the kernel set that this model uses."""
        return self._program.kernels

    @property
    def preprocessing(self) -> str:
        """How images or recordings become the input, as TOML for `qrt.data.Preprocess.parse`; empty if not stated."""
        return self._program.preprocessing

    @property
    def threads(self) -> int:
        """Maximum number of threads that `run` uses; 1 when no operator is large enough to be split."""
        return self._executor.threads

    @property
    def together(self) -> int:
        """Number of turns that operators of a band make at once; 0 for all, see `load`."""
        return self._together

    @property
    def operator_threads(self) -> tuple[int, ...]:
        """Number of threads of each operator, in the order of the file; 0 if no code runs for it."""
        counts = [0] * self._program.operator_count
        for index, count in self._executor.shares:
            counts[index] = count
        return tuple(counts)

    @property
    def operator_kernels(self) -> tuple[str, ...]:
        """The kernel set whose kernel runs each operator, in the order of the file.

        A set takes slower sets' kernels for what it has none of its own for, and where `max_packed` leaves no memory.
        """
        return self._program.operator_sets

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The operators, in the order of the file."""
        return layers_of(self._program)

    @property
    def test_vectors(self) -> list[TestVector]:
        """Embedded inputs and outputs for checking results; often empty."""
        return [TestVector(*vector) for vector in self._program.test_vectors()]

    @property
    def is_fed(self) -> bool:
        """Whether the first input may come by rows, see `feed`."""
        return self._program.is_fed

    @property
    def fed_rows(self) -> int:
        """Number of rows that were fed since the last outputs."""
        return self._executor.fed_rows

    def reset(self) -> None:
        """Gives every state its initial value, as after loading, and drops the rows fed so far."""
        with self._executor:
            self._executor.reset()

    @property
    def state(self) -> bytes:
        """The state between two runs, `state_size` bytes; empty for a network without state.

        Set it to what it was before, in this model, a fork or another process, and runs continue from there. The same
        file has the same bytes on every machine and with every kernel set. It does not contain the inputs. ValueError:
        another number of bytes.
        """
        with self._executor:
            return self._executor.state

    @state.setter
    def state(self, content: bytes | bytearray | memoryview) -> None:
        whole = memoryview(content).tobytes()
        if len(whole) != self.state_size:
            raise ValueError(f"the state of model {self.name!r} has {self.state_size} bytes, got {len(whole)}")
        with self._executor:
            self._executor.state = whole

    def __repr__(self) -> str:
        # Names are a file's; repr() escapes what a terminal would obey.
        first = ", ".join(f"{info.name!r} {list(info.shape)}" for info in self.inputs[:1])
        more = f" and {len(self.inputs) - 1} more" if len(self.inputs) > 1 else ""
        return f"<qrt.Model {self.name!r} of {first}{more}, kernels {self.kernels}>"

    def _repr_html_(self) -> str:
        edges = [("input", info) for info in self.inputs] + [("output", info) for info in self.outputs]
        return table(
            f"qrt.Model {self.name}",
            [
                *((kind, f"{info.name} {list(info.shape)} {info.dtype}") for kind, info in edges),
                ("operators", self._program.operator_count),
                ("arena", f"{self.arena_size:,} bytes"),
                ("state", f"{self.state_size:,} bytes"),
                ("kernels", self.kernels),
                ("threads", self.threads),
                ("made by", self.producer),
            ],
        )

    def fork(self) -> Model:
        """A Model that shares this one's weights and has its own arena and as many threads of its own.

        Its state is the initial one of the file.
        """
        return Model(self._program, *self._asked)

    def __reduce__(self) -> tuple[Any, ...]:
        return Model, (self._program, *self._asked), self.state

    def __setstate__(self, state: bytes) -> None:
        self.state = state

    @overload
    def run(
        self,
        *inputs: ArrayLike | Mapping[str, ArrayLike],
        dequantize: bool = False,
        layout: str | None = None,
        as_list: None = None,
    ) -> Array | list[Array]: ...
    @overload
    def run(
        self,
        *inputs: ArrayLike | Mapping[str, ArrayLike],
        dequantize: bool = False,
        layout: str | None = None,
        as_list: Literal[False],
    ) -> Array: ...
    @overload
    def run(
        self,
        *inputs: ArrayLike | Mapping[str, ArrayLike],
        dequantize: bool = False,
        layout: str | None = None,
        as_list: Literal[True],
    ) -> list[Array]: ...
    @overload
    def run(
        self,
        *inputs: ArrayLike | Mapping[str, ArrayLike],
        dequantize: bool = False,
        layout: str | None = None,
        tensors: Sequence[str | int],
    ) -> dict[str | int, Array]: ...
    def run(
        self,
        *inputs: ArrayLike | Mapping[str, ArrayLike],
        dequantize: bool = False,
        layout: str | None = None,
        as_list: bool | None = None,
        tensors: Sequence[str | int] | None = None,
    ) -> Array | list[Array] | dict[str | int, Array]:
        """Runs the network on one sample or a batch.

        For a network with state a batch is a sequence in time: each sample finds the state that the one before it left,
        the first that of the last run. A run that raises leaves the state as it was.

        Parameters
        ----------
        *inputs : array_like or dict
            One for each model input, in order, or one dict by name. Arrays of the input's dtype are codes, as are
            uint8 or int16 arrays if the source has such codes; floating-point arrays
            are real values, rounded to float32 and quantized by the file's rule. The shape is the model's
            shape, or has another length along the batch axis (samples run one after another), or has no
            batch axis (outputs of one row then have none either). NCHW is accepted if ``source_layout`` is NCHW.
        dequantize : bool
            Return float32 real values instead of codes (or int32 numbers, for an output that is not requantized).
        layout : {None, "NHWC", "NCHW"}
            Layout of rank-4 inputs; needed only if a shape fits both.
        as_list : bool, optional
            True: always a list, also of one output. False: always an array. By default whichever the network has, which
            type checkers cannot know.
        tensors : sequence of str or int, optional
            Return what these layers make instead: names or numbers of `layers`, or names of tensors that they make.
            Layers run one by one, whole, on the caller's thread; a network whose operators take turns needs memory as
            with ``together=0`` of `load`.

        Returns
        -------
        numpy.ndarray or list of numpy.ndarray
            The output, NHWC, or a list when the model has several. Outputs of several samples are concatenated along
            the first axis. With `tensors` a dict of what each of them names to its array.

        Raises
        ------
        ValueError
            The number, name, shape or dtype of an input does not fit; the message states what was expected. Or
            `as_list` is False and the model has several outputs; or no layer is named as `tensors` says.
        RuntimeError
            Another thread owns this model's views.
        """
        # Codes that are already in the network's layout skip the code below, which takes longer than a small network.
        if as_list is False:
            self._check_one_output()
        if layout is None and not dequantize and not as_list and tensors is None and self._layout_is_clear:
            exact = self._executor.run_exact(inputs)
            if exact is not None:
                return exact
        if layout not in (None, "NHWC", "NCHW"):
            raise ValueError(f"layout is 'NHWC' or 'NCHW', got {layout!r}")
        arrays = self._arrays(inputs)
        samples, count, batched = self._samples(arrays, layout)
        if tensors is not None:
            return self._traced(samples, count, tensors, dequantize, batched)
        outputs = returned(self.outputs, self._execute(samples, count), dequantize, batched)
        return outputs if as_list or len(outputs) != 1 else outputs[0]

    def _traced(
        self, samples: tuple[Codes, ...], count: int, tensors: Sequence[str | int], dequantize: bool, batched: bool
    ) -> dict[str | int, Array]:
        """What layers make. The state afterwards is that after a run."""
        if isinstance(tensors, str):
            raise ValueError(f"tensors is a list of names or numbers, got {tensors!r}")
        tensors = list(tensors)
        layers, infos = find_layers(self._program, tensors)
        by_layer = self._executor
        if self._together:
            turns_within(self._program, self._asked[2], 1, 0)
            by_layer = _executor.Executor(self._program, 1, together=0)
        with self._executor:
            by_layer.state = self._executor.state
            results = by_layer.trace(samples, count, layers)
            self._executor.state = by_layer.state
        return dict(zip(tensors, returned(infos, results, dequantize, batched), strict=True))

    def _check_one_output(self) -> None:
        if len(self.outputs) != 1:
            names = [info.name for info in self.outputs]
            raise ValueError(f"model {self.name!r} has {len(names)} outputs {names}; pass as_list=True")

    @overload
    def feed(
        self, rows: ArrayLike, *others: ArrayLike, dequantize: bool = False, as_list: None = None
    ) -> Array | list[Array] | None: ...
    @overload
    def feed(
        self, rows: ArrayLike, *others: ArrayLike, dequantize: bool = False, as_list: Literal[False]
    ) -> Array | None: ...
    @overload
    def feed(
        self, rows: ArrayLike, *others: ArrayLike, dequantize: bool = False, as_list: Literal[True]
    ) -> list[Array] | None: ...
    def feed(
        self, rows: ArrayLike, *others: ArrayLike, dequantize: bool = False, as_list: bool | None = None
    ) -> Array | list[Array] | None:
        """Takes the next rows of the first input, as a camera or a microphone gives them.

        The network must be compiled to be fed (``qrt compile --feed``). The result is that of `run` on the whole input.
        With ``together`` of `load` operators run as soon as rows arrive; by default all run when the last row has come.

        Parameters
        ----------
        rows : array_like
            [rows, width, channels] or [1, rows, width, channels], at least one row, of what `run` accepts: codes of the
            input's dtype or of the source's, or real values.
        *others : array_like
            The other inputs of a network that has several, together with the first rows.
        dequantize, as_list
            As for `run`.

        Returns
        -------
        numpy.ndarray, list of numpy.ndarray or None
            None as long as rows are missing, then what `run` returns, without a batch axis if `rows` have none.
            The next rows are those of another input.

        Raises
        ------
        ValueError
            The network is not fed by rows, there are more rows than are missing, or the shape or dtype does not fit.
        RuntimeError
            The model is running in another thread, or another thread owns its views.
        """
        if as_list is False:
            self._check_one_output()
        info = self.inputs[0]
        if not self.is_fed:
            raise ValueError(f"model {self.name!r} takes its input as a whole; compile it with --feed")
        x = np.asarray(rows)
        _, height, *row = info.shape
        if x.ndim not in (3, 4) or list(x.shape[-2:]) != row or x.shape[-3] == 0 or (x.ndim == 4 and len(x) != 1):
            width, channels = row
            raise ValueError(f"input {info.name!r}: expected rows of shape (n, {width}, {channels}), got {x.shape}")
        codes = np.ascontiguousarray(codes_of(info, x.reshape(-1, *row)))
        self._executor.try_lock()
        try:
            missing = height - self.fed_rows
            if len(codes) > missing:
                raise ValueError(f"input {info.name!r}: {missing} of {height} rows are missing, got {len(codes)}")
            results = self._executor.feed(codes, self._other_inputs(others))
        finally:
            self._executor.__exit__()
        if results is None:
            return None
        outputs = returned(self.outputs, results, dequantize, x.ndim == 4)
        return outputs if as_list or len(outputs) != 1 else outputs[0]

    def _other_inputs(self, arrays: tuple[ArrayLike, ...]) -> tuple[Codes, ...]:
        """Codes of all inputs but the fed one, which come with its first rows."""
        infos = self.inputs[1:]
        if arrays and not infos:
            raise ValueError(f"model {self.name!r} has no input but {self.inputs[0].name!r}; got {len(arrays)} more")
        if len(arrays) != (len(infos) if self.fed_rows == 0 else 0):
            names = [info.name for info in infos]
            raise ValueError(f"inputs {names} belong to the first rows, and to no others; got {len(arrays)} arrays")
        fitted = [self._fit(info, np.asarray(x), None) for info, x in zip(infos, arrays, strict=False)]
        for info, codes in zip(infos, fitted, strict=False):
            if codes.shape != info.shape:
                raise ValueError(f"input {info.name!r}: expected shape {info.shape}, got {codes.shape}")
        return tuple(fitted)

    def _execute(self, samples: tuple[Codes, ...], count: int) -> list[Array]:
        """The outputs' codes for `count` samples one after another along the first axis of each input."""
        with self._executor:
            return self._executor.run(samples, count)

    def profile(
        self,
        *inputs: ArrayLike | Mapping[str, ArrayLike],
        repeats: int = 100,
        layout: str | None = None,
    ) -> NDArray[np.float64]:
        """Runs the network on one sample several times, and times each operator. The state is the same after it.

        Parameters
        ----------
        *inputs, layout
            As for `run`; of a batch, only the first sample is used.
        repeats : int
            At least 1.

        Returns
        -------
        numpy.ndarray
            Seconds, [repeats, operators], operators in the order of the file, without the time of reading the clock.
            NaN for an operator without code of its own: an in-place reshape, or one that is fused into another
            operator. The time of an operator on several threads ends when the last of them is done.

        Raises
        ------
        ValueError, RuntimeError
            As for `run`.
        """
        if repeats < 1:
            raise ValueError(f"repeats is at least 1, got {repeats}")
        samples, count, _ = self._samples(self._arrays(inputs), layout)
        with self._executor:
            self._executor.check_not_fed()
            times = self._executor.profile([codes[: len(codes) // count] for codes in samples], repeats)
        seconds = np.full((repeats, self._program.operator_count), np.nan)
        ran = [index for index, _ in self._executor.shares]
        seconds[:, ran] = np.maximum(times[:, :-1] - np.median(times[:, -1:]), 0) * 1e-9
        return seconds

    def input_view(self, index: int = 0) -> Codes:
        """The memory of input `index`, codes to be written before every `invoke`."""
        self._executor.own()
        return self._executor.inputs[index]

    def output_view(self, index: int = 0) -> Codes:
        """The memory of output `index`, codes valid after `invoke` and until the next."""
        self._executor.own()
        return self._executor.outputs[index]

    def invoke(self) -> None:
        """Runs the network from the input views to the output views, without a copy: one step of a network with state.

        Raises
        ------
        RuntimeError
            The model is running, or its views belong to another thread.
        """
        self._executor.invoke()

    def codes(self, *inputs: ArrayLike | Mapping[str, ArrayLike], layout: str | None = None) -> tuple[Codes, ...]:
        """The codes that `run` computes with: an array for each input, NHWC, samples along the first axis.

        Parameters and errors are those of `run`.
        """
        return self._samples(self._arrays(inputs), layout)[0]

    def _arrays(self, inputs: tuple[Any, ...]) -> list[Array]:
        names = [info.name for info in self.inputs]
        if len(inputs) == 1 and isinstance(inputs[0], Mapping):
            given = inputs[0]
            if set(given) != set(names):
                raise ValueError(f"model {self.name!r} has inputs {names}, got {list(given)}")
            inputs = tuple(given[name] for name in names)
        elif len(inputs) == 1 and len(names) > 1 and isinstance(inputs[0], list | tuple):
            inputs = tuple(inputs[0])
        if len(inputs) != len(names):
            raise ValueError(f"model {self.name!r} has {len(names)} inputs {names}, got {len(inputs)}")
        return [np.asarray(x) for x in inputs]

    def _samples(self, arrays: list[Array], layout: str | None) -> tuple[tuple[Codes, ...], int, bool]:
        """Codes for each input, the number of samples, and whether outputs keep their batch axis."""
        fitted = [self._fit(info, x, layout) for info, x in zip(self.inputs, arrays, strict=True)]
        lacking = {x.ndim < len(info.shape) for info, x in zip(self.inputs, arrays, strict=True)}
        counts = {len(codes) // info.shape[0] for info, codes in zip(self.inputs, fitted, strict=True)}
        if len(lacking) > 1 or len(counts) > 1:
            raise ValueError(f"the inputs' batches differ: shapes {[x.shape for x in arrays]}")
        count = counts.pop()
        return tuple(np.ascontiguousarray(codes) for codes in fitted), count, not lacking.pop()

    def _fit(self, info: TensorInfo, x: Array, layout: str | None) -> Codes:
        """`x` as codes of shape (batch, *info.shape[1:])."""
        whole = x[np.newaxis] if x.ndim == len(info.shape) - 1 and info.shape[0] == 1 else x
        shapes = {"NHWC": info.shape}
        if len(info.shape) == 4 and "NCHW" in (info.source_layout, layout):
            shapes["NCHW"] = tuple(info.shape[axis] for axis in NHWC_TO_NCHW)
        if len(info.shape) == 4 and layout is not None:
            shapes = {layout: shapes[layout]}
        fitting = [name for name, shape in shapes.items() if fits(whole, shape)]
        if not fitting:
            expected = " or ".join(
                f"{shape} {name}" if len(shape) == 4 else str(shape) for name, shape in shapes.items()
            )
            more = "; any number of samples is accepted" if info.shape[0] == 1 else "; its batch is fixed"
            raise ValueError(f"input {info.name!r}: expected shape {expected}, got {x.shape}{more}")
        if len(fitting) > 1 and whole[0].size > 1:
            raise ValueError(f"input {info.name!r}: shape {x.shape} can be NHWC or NCHW; pass layout='NHWC' or 'NCHW'")
        return codes_of(info, whole if fitting[0] == "NHWC" else whole.transpose(NCHW_TO_NHWC))


def load(
    source: Source,
    kernels: str | None = None,
    threads: int = 1,
    max_arena: int | None = None,
    max_packed: int | None = None,
    together: int | None = None,
) -> Model:
    """Loads and validates a network.

    Parameters
    ----------
    source : path, bytes or binary file
        The path of a .qfb file; its content as bytes, bytearray, memoryview, array of uint8 or int8, or what
        ``qrt.compiler.compile`` returns; or a file that is open in binary mode, read from where it stands.
    kernels : str, optional
        Kernel set, one of `kernel_sets()`; by default `default_kernels()`. All are bit-exact.
    threads : int, default 1
        Number of threads that share each large operator, including the caller's; 1 to 256. The results are bit-exact.
        The others are a thread pool of the model: they spin up to 50 microseconds for the next operator, then sleep.
        More threads than idle CPUs make a model slower.
    max_arena : int, optional
        Limit of the file's arena, in bytes, with what is beside it; by default `default_max_arena()`.
    max_packed : int, optional
        Limit of packed weights, in bytes; by default `default_max_packed()`. With less memory than the fastest kernels
        ask for, operators take others, with the same bytes: fast ones while there is room, then portable C.
    together : int, optional
        Number of turns that operators of a band make at once, where the file has operators that take turns row by row
        (``qrt compile --ram least``). With 1 the network runs in the file's arena, just as on a device. More turns run
        faster, with memory beside the arena. 0, all turns, is the default where `max_arena` allows it, and as fast as
        without bands; else the default is 1. Several threads need all turns. The results are bit-exact.

    Raises
    ------
    ModelError
        The file is not a .qfb file, has a newer format version, violates a validity rule, or its arena is above the
        limit.
    MemoryError
        There is not enough memory for the file, its packed weights or its arena.
    OSError
        The file cannot be read.
    RuntimeError
        The system cannot start the threads.
    TypeError
        `source` is something else, for example a file that is open in text mode; the message says what to give.
    ValueError
        The kernel set is not supported on this machine, `threads` or `together` is out of range, several threads do not
        run all turns, `max_packed` is negative, or QRT_MAX_ARENA or QRT_MAX_PACKED is not a number of bytes.
    """
    name = source if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
    where = ""
    if isinstance(name, str | os.PathLike):
        where = f"{os.fspath(name)}: "
        refuse_device(name)
    try:
        whole = content_of(source, where)
        packed, arena = (None if limit is None else operator.index(limit) for limit in (max_packed, max_arena))
        return Model(_executor.Program(whole, kernels or None, packed), threads, together, arena)
    except ModelError as error:
        raise ModelError(f"{where}{error}", error.rule) from None
    except MemoryError:
        raise MemoryError(f"{where}not enough memory; free some, or use a smaller network") from None
    except RuntimeError as error:
        raise RuntimeError(f"{where}{error}") from None


def refuse_device(path: str | os.PathLike[str]) -> None:
    """Raises OSError for a device, which may have no end; a pipe ends when its writer does."""
    if Path(path).is_char_device() or Path(path).is_block_device():
        raise OSError(errno.EINVAL, "is a device, which may have no end", os.fspath(path))
