"""The engines: how each loads a network, is called, and returns its codes, in every configuration worth trying.

A runner is an engine with a network and one configuration. `call` runs it on an input set beforehand, in the fastest
way that its API offers; `whole` goes from arrays to arrays; `outputs` from codes to codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import qrt
from bench.edges import codes_of, given
from bench.networks import Network

Array = np.ndarray[Any, Any]
Codes = list[Array]


@dataclass(frozen=True)
class Runner:
    """See the module docstring. Codes are int8 (int32 for an output that is not requantized), in qrt's layout."""

    call: Callable[[], object]
    whole: Callable[[], object]
    outputs: Callable[[Codes], Codes]


# A configuration's name and a function that creates its runner, which may fail.
Candidate = tuple[str, Callable[[], Runner]]


class Engine:
    """An engine. `candidates` yields configurations to try with a network; `why_not` is why there are none, or "".

    With `switch`, it obeys environment variables that limit its instruction sets (`MachineClass.switches`).
    """

    name = ""
    package = ""
    switch = False

    def missing(self) -> str:
        return "" if find_spec(self.package) else f'{self.package} is not installed: pip install "qrt[bench]"'

    def why_not(self, network: Network) -> str:
        return ""

    def candidates(self, network: Network, codes: Codes) -> Iterator[Candidate]:
        """`codes` are the inputs of `call` and `whole`."""
        raise AssertionError(self.name)


def runner_of_qrt(network: Network, codes: Codes, content: bytes, kernels: str, **options: Any) -> Runner:
    """qrt on one kernel set. If the file's inputs are floats, qrt gets floats too, as all engines do."""
    model = qrt.load(content, kernels=kernels, **options)
    arrays = [
        given(x, info, network.source_shape(info), np.float32 if network.float_edges else np.int8)
        for x, info in zip(codes, network.inputs, strict=True)
    ]

    def outputs(inputs: Codes) -> Codes:
        return model.run(*inputs, layout="NHWC", as_list=True)

    def whole() -> object:
        return model.run(*arrays, dequantize=network.float_edges)

    for i, (x, info) in enumerate(zip(codes, network.inputs, strict=True)):
        model.input_view(i)[...] = given(x, info, model.inputs[i].shape, np.int8)
    return Runner(whole if network.float_edges else model.invoke, whole, outputs)


class Litert(Engine):
    """LiteRT: XNNPACK through the Interpreter and through CompiledModel."""

    name = "LiteRT"
    package = "ai_edge_litert"

    def why_not(self, network: Network) -> str:
        return "" if network.tflite() else network.without_tflite

    def candidates(self, network: Network, codes: Codes) -> Iterator[Candidate]:
        for label, path in network.tflite():
            yield f"{label}, interpreter", lambda path=path: self._interpreter(path, network, codes)
            yield f"{label}, CompiledModel", lambda path=path: self._compiled(path, network, codes)

    def reference(self, network: Network, codes: Codes) -> Runner:
        """LiteRT's own reference kernels, without XNNPACK."""
        from ai_edge_litert.interpreter import OpResolverType

        (_, path), *_ = network.tflite()
        return self._interpreter(path, network, codes, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)

    def _interpreter(self, path: Path, network: Network, codes: Codes, **options: Any) -> Runner:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path), num_threads=1, **options)
        interpreter.allocate_tensors()
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        arrays = _arrays(network, codes, [(edge["shape"], edge["dtype"]) for edge in inputs])

        def set_inputs(values: Sequence[Array]) -> None:
            for edge, value in zip(inputs, values, strict=True):
                interpreter.set_tensor(edge["index"], value)

        def whole() -> list[Array]:
            set_inputs(arrays)
            interpreter.invoke()
            return [interpreter.get_tensor(edge["index"]) for edge in outputs]

        def run(values: Codes) -> Codes:
            set_inputs(_arrays(network, values, [(edge["shape"], edge["dtype"]) for edge in inputs]))
            interpreter.invoke()
            return _codes(network, [interpreter.get_tensor(edge["index"]) for edge in outputs])

        whole()
        return Runner(interpreter.invoke, whole, run)

    def _compiled(self, path: Path, network: Network, codes: Codes) -> Runner:
        from ai_edge_litert.compiled_model import CompiledModel

        # It runs on one thread by default.
        model = CompiledModel.from_file(str(path))
        key = next(iter(model.get_signature_list()))
        described = model.get_signature_by_index(0)
        given_details, taken_details = model.get_input_tensor_details(key), model.get_output_tensor_details(key)
        inputs = [given_details[name] for name in described["inputs"]]
        outputs = [taken_details[name] for name in described["outputs"]]
        given_buffers, taken_buffers = model.create_input_buffers(0), model.create_output_buffers(0)

        def set_inputs(values: Sequence[Array]) -> None:
            for buffer, value in zip(given_buffers, values, strict=True):
                buffer.write(value)

        def read() -> list[Array]:
            return [
                buffer.read(int(np.prod(edge["shape"])), np.dtype(edge["dtype"]).type).reshape(edge["shape"])
                for buffer, edge in zip(taken_buffers, outputs, strict=True)
            ]

        edges = [(edge["shape"], edge["dtype"]) for edge in inputs]
        arrays = _arrays(network, codes, edges)

        def call() -> None:
            model.run_by_index(0, given_buffers, taken_buffers)

        def whole() -> list[Array]:
            set_inputs(arrays)
            call()
            return read()

        def run(values: Codes) -> Codes:
            set_inputs(_arrays(network, values, edges))
            call()
            return _codes(network, read())

        whole()
        return Runner(call, whole, run)


class OnnxRuntime(Engine):
    """ONNX Runtime with all optimizations, by `run` and by IO binding; on QDQ files and on its own operators."""

    name = "ONNX Runtime"
    package = "onnxruntime"

    def why_not(self, network: Network) -> str:
        return "" if network.onnx() else network.without_onnx

    def candidates(self, network: Network, codes: Codes) -> Iterator[Candidate]:
        for label, path in (*network.onnx(), *network.qoperator.items()):
            for binding in (False, True):
                title = f"{label}, {'io binding' if binding else 'run'}"
                yield title, lambda path=path, binding=binding: self._runner(path, network, codes, binding)

    def _runner(self, path: Path, network: Network, codes: Codes, binding: bool) -> Runner:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        dtypes = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}
        edges = [(_static(edge.shape), dtypes[edge.type]) for edge in session.get_inputs()]
        names = [edge.name for edge in session.get_inputs()]
        feed = dict(zip(names, _arrays(network, codes, edges), strict=True))

        def whole() -> object:
            return session.run(None, feed)

        def run(values: Codes) -> Codes:
            arrays = _arrays(network, values, edges)
            return _codes(network, session.run(None, dict(zip(names, arrays, strict=True))))

        call = whole
        if binding:
            bound = session.io_binding()
            for name, value in feed.items():
                bound.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(value))
            for edge, value in zip(session.get_outputs(), session.run(None, feed), strict=True):
                bound.bind_ortvalue_output(edge.name, onnxruntime.OrtValue.ortvalue_from_numpy(value))

            def call() -> object:
                return session.run_with_iobinding(bound)

        return Runner(call, whole, run)


class OpenVino(Engine):
    """OpenVINO's CPU plugin with static shapes and the hint for latency, on every file of a network, by `infer` and by
    `start_async`. The hint alone, pinning and hyper-threading make no difference on one CPU; the precision of floats
    does."""

    name = "OpenVINO"
    package = "openvino"
    switch = True
    PROPERTIES = {  # noqa: RUF012
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
    }

    def candidates(self, network: Network, codes: Codes) -> Iterator[Candidate]:
        for label, path in network.files.items():
            for precision in ("", "f32"):
                title = f"{label}, infer" + (", floats as f32" if precision else "")
                yield title, lambda path=path, precision=precision: self._runner(path, network, codes, precision)
            yield f"{label}, start_async", lambda path=path: self._runner(path, network, codes, "", True)

    def _runner(self, path: Path, network: Network, codes: Codes, precision: str, asynchronous: bool = False) -> Runner:
        import openvino

        core = openvino.Core()
        model = core.read_model(str(path))
        # The batch of a .tflite file is read as dynamic, and dynamic shapes are a third slower.
        model.reshape(
            {edge: [n.get_length() if n.is_static else 1 for n in edge.partial_shape] for edge in model.inputs}
        )
        more = {"INFERENCE_PRECISION_HINT": precision} if precision else {}
        compiled = core.compile_model(model, "CPU", {**self.PROPERTIES, **more})
        request = compiled.create_infer_request()
        edges = [(tuple(edge.shape), edge.element_type.to_dtype()) for edge in compiled.inputs]
        arrays = _arrays(network, codes, edges)

        def set_inputs(values: Sequence[Array]) -> None:
            for i, value in enumerate(values):
                request.set_input_tensor(i, openvino.Tensor(value))

        def run(values: Codes) -> Codes:
            set_inputs(_arrays(network, values, edges))
            request.infer()
            found = _codes(network, [request.get_output_tensor(i).data.copy() for i in range(len(compiled.outputs))])
            set_inputs(arrays)
            return found

        def start_async() -> None:
            request.start_async()
            request.wait()

        def whole() -> list[Array]:
            for i, value in enumerate(arrays):
                request.get_input_tensor(i).data[...] = value
            request.infer()
            return [request.get_output_tensor(i).data.copy() for i in range(len(compiled.outputs))]

        set_inputs(arrays)
        return Runner(start_async if asynchronous else request.infer, whole, run)


def _arrays(network: Network, codes: Codes, edges: Sequence[tuple[Any, Any]]) -> list[Array]:
    """Codes converted to an engine's shapes and dtypes."""
    infos = network.inputs
    return [given(x, info, shape, dtype) for x, info, (shape, dtype) in zip(codes, infos, edges, strict=True)]


def _codes(network: Network, arrays: Sequence[Array]) -> Codes:
    return [codes_of(array, info) for array, info in zip(arrays, network.outputs, strict=True)]


def _static(shape: Sequence[Any]) -> tuple[int, ...]:
    return tuple(n if isinstance(n, int) else 1 for n in shape)
