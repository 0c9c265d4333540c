"""The networks to run, each as files in every available format: given, published and generated ones."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import qrt
from bench import recipes
from bench.converted import NotConverted, recipe_of
from bench.recipes import Array, Recipe
from qrt.cli.contents import read_contents
from qrt.compiler import CompileError, compile
from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.backends.tflite.writer import to_tflite

PUBLISHED = Path(__file__).resolve().parents[2] / "shared" / "models"
# MLPerf Tiny, a streaming wake word network, and MobileNetV2 converted from PyTorch.
PUBLISHED_NAMES = ("ic_resnet8", "kws_dscnn", "vww_mobilenet", "ad_autoencoder", "sww", "mobilenet_v2_224")
# Names for --networks; layers are single large layers, call is the overhead of a call.
NAMES = (*PUBLISHED_NAMES, *recipes.NETWORKS, "layers", "call")
LARGE = {"mobilenet_v2_224", *recipes.NETWORKS, "layers"}
NO_ONNX = "there is no ONNX file of this network"


class Unusable(Exception):
    """The reason why a network cannot be used."""


@dataclass(frozen=True)
class Network:
    """A network with its source files and its compiled file.

    Attributes
    ----------
    files : dict of str to Path
        Paths by kind of file, as named in reports.
    qoperator : dict of str to Path
        Files with ONNX Runtime's own operators, which other engines do not read.
    content : bytes
        The .qfb file that is timed: with one rounding, like the peers.
    macs, executed_macs : int
        Multiply-accumulates of the original network, and of `content`, from which the compiler may have removed
        constant channels.
    others : dict of str to bytes
        Files compiled with other options, for additional columns.
    float_edges : bool
        The inputs and outputs of the file are floats.
    without_tflite, without_onnx : str
        Why there is no file of that format, if there is none.
    recipe : Recipe or None
        The recipe that the files were generated from, or that of a .tflite file, if any.
    """

    name: str
    files: dict[str, Path]
    content: bytes
    macs: int
    others: dict[str, bytes] = field(default_factory=dict)
    float_edges: bool = False
    without_tflite: str = "there is no .tflite file of this network"
    without_onnx: str = NO_ONNX
    recipe: Recipe | None = None
    qoperator: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        model = qrt.load(self.content)
        object.__setattr__(self, "inputs", model.inputs)
        object.__setattr__(self, "outputs", model.outputs)
        executed = sum(op.macs for op in read_contents(self.content).operators)
        object.__setattr__(self, "executed_macs", executed)

    inputs: tuple[qrt.TensorInfo, ...] = field(init=False)
    outputs: tuple[qrt.TensorInfo, ...] = field(init=False)
    executed_macs: int = field(init=False)

    def tflite(self) -> list[tuple[str, Path]]:
        return [(label, path) for label, path in self.files.items() if path.suffix == ".tflite"]

    def onnx(self) -> list[tuple[str, Path]]:
        return [(label, path) for label, path in self.files.items() if path.suffix == ".onnx"]

    def source_shape(self, info: qrt.TensorInfo) -> tuple[int, ...]:
        """The input shape in the source's layout."""
        if info.source_layout == "NCHW" and len(info.shape) == 4:
            n, height, width, channels = info.shape
            return n, channels, height, width
        return info.shape

    def samples(self, count: int) -> list[list[Array]]:
        """Uniform random codes for each input, `count` times."""
        rng = np.random.default_rng(5)
        return [[rng.integers(-128, 128, info.shape, dtype=np.int8) for info in self.inputs] for _ in range(count)]


def from_file(path: Path, folder: Path) -> Network:
    """The network of a .tflite or .onnx file; a .tflite is written as ONNX into the folder, if that is possible."""
    try:
        if path.suffix == ".tflite":
            return _from_tflite(path, folder)
        if path.suffix == ".onnx":
            files = {"ONNX": path}
            content = compile(path).to_bytes()
            return Network(path.stem, files, content, macs_of(path), float_edges=_onnx_takes_floats(path))
    except (CompileError, ImportError, OSError) as error:
        raise Unusable(f"{path.name}: {str(error).splitlines()[0]}") from None
    raise Unusable(f"{path.name}: the benchmark supports .tflite and .onnx files")


def macs_of(path: Path) -> int:
    """Multiply-accumulates of a network including all channels."""
    return compile(path, skip={"remove_channels"}).report.macs


def _from_tflite(path: Path, folder: Path) -> Network:
    content = compile(path, match="xnnpack").to_bytes()
    others = {"match tflm": compile(path, match="tflm").to_bytes()}
    if any(info.source_layout == "NCHW" for info in qrt.load(content).inputs):
        others["input NCHW"] = compile(path, match="xnnpack", skip={"to_nhwc"}).to_bytes()
    floats = _tflite_takes_floats(path)
    network = Network(path.stem, {"tflite": path}, content, macs_of(path), others, floats)
    try:
        if floats:
            raise NotConverted("its inputs are floats")
        recipe = recipe_of(path)
        files, own = _onnx_files(recipe, folder)
    except (NotConverted, ImportError) as reason:
        return replace(network, without_onnx=f"{NO_ONNX}, and its .tflite file is not converted: {reason}")
    return replace(network, files={**network.files, **files}, recipe=recipe, qoperator=own)


def _tflite_takes_floats(path: Path) -> bool:
    import tflite

    subgraph = tflite.Model.GetRootAs(path.read_bytes(), 0).Subgraphs(0)
    return bool(subgraph.Tensors(subgraph.Inputs(0)).Type() == tflite.TensorType.FLOAT32)


def _onnx_takes_floats(path: Path) -> bool:
    import onnx

    graph = onnx.load(str(path), load_external_data=False).graph
    constants = {constant.name for constant in graph.initializer}
    first = next(value for value in graph.input if value.name not in constants)
    return bool(first.type.tensor_type.elem_type == onnx.TensorProto.FLOAT)


def from_recipe(recipe: Recipe, folder: Path) -> Network:
    """A network with random weights: ONNX files, and a .tflite file exported by qrt."""
    files, own = _onnx_files(recipe, folder)
    content, macs = compile(files["ONNX u8s8"]).to_bytes(), macs_of(files["ONNX u8s8"])
    try:
        exported = to_tflite(read(content)).content
    except CompileError as error:
        reason = f"qrt cannot export it: {str(error).splitlines()[0]}"
        return Network(recipe.name, files, content, macs, without_tflite=reason, recipe=recipe, qoperator=own)
    files["tflite, exported by qrt"] = folder / f"{_stem(recipe)}.tflite"
    files["tflite, exported by qrt"].write_bytes(exported)
    return Network(recipe.name, files, content, macs, recipe=recipe, qoperator=own)


def _onnx_files(recipe: Recipe, folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """QDQ with uint8 and with int8 activations; and ONNX Runtime's own operators, with int8 and with uint8 weights."""
    from bench.onnx_file import to_onnx
    from bench.qoperator_file import to_qoperator

    folder.mkdir(parents=True, exist_ok=True)
    files, own = {}, {}
    for label, signed in (("ONNX u8s8", False), ("ONNX s8s8", True)):
        files[label] = folder / f"{_stem(recipe)}_{'s8' if signed else 'u8'}.onnx"
        files[label].write_bytes(to_onnx(recipe, signed=signed))
    for label, unsigned in (("QOperator u8s8", False), ("QOperator u8u8", True)):
        own[label] = folder / f"{_stem(recipe)}_{label[-4:]}_qoperator.onnx"
        own[label].write_bytes(to_qoperator(recipe, unsigned_weights=unsigned))
    return files, own


def _stem(recipe: Recipe) -> str:
    return recipe.name.replace("->", "_").replace(" ", "_")


@dataclass
class Plan:
    """What a run measures: functions that create networks and single layers, and what is skipped and why."""

    networks: dict[str, Callable[[], Network]] = field(default_factory=dict)
    layers: dict[str, Callable[[], Network]] = field(default_factory=dict)
    call: bool = False
    skipped: dict[str, str] = field(default_factory=dict)


def plan(files: Sequence[Path], names: Sequence[str], folder: Path, quick: bool) -> Plan:
    """The plan for files and names; without any, everything, or with `quick` everything but large networks."""
    wanted = list(names) or ([] if files else list(NAMES))
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        raise Unusable(f"no network {unknown[0]!r}; choose from {', '.join(NAMES)}, or give files")
    made = Plan({path.name: lambda path=path: from_file(path, folder) for path in files})
    for name in wanted:
        if quick and not names and name in LARGE:
            made.skipped[name] = "--quick skips large networks"
        elif name not in PUBLISHED_NAMES and importlib.util.find_spec("onnx") is None:
            made.skipped[name] = 'onnx is not installed: pip install "qrt[bench]"'
        elif name == "call":
            made.call = True
        elif name == "layers":
            all_layers = [make() for make in recipes.LAYERS]
            made.layers = {one.name: lambda one=one: from_recipe(one, folder) for one in all_layers}
        elif name in recipes.NETWORKS:
            made.networks[name] = lambda name=name: from_recipe(recipes.NETWORKS[name](), folder)
        elif (path := PUBLISHED / f"{name}.tflite").is_file():
            made.networks[name] = lambda path=path: from_file(path, folder)
        else:
            made.skipped[name] = "its file is missing in shared/models beside the project"
    return made
