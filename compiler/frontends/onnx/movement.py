"""Translators of data movement: no number changes, and codes are moved as well as floats."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.onnx.importer import Importer, Translator
from qrt.compiler.ir import Tensor

if TYPE_CHECKING:
    import onnx


# Types of what ArgMax and ArgMin give.
POSITIONS = ("int32", "int64")


def on_codes(importer: Importer, node: onnx.NodeProto, move: Callable[[Tensor, str | None], Tensor]) -> None:
    """Movement of floats and positions, or of codes: dequantize, move, quantize with the same parameters.

    `move` takes the float tensor and the name of its result, None for the node's output.
    """
    x = importer.input(node)
    if x.dtype == "float32" or (x.dtype in POSITIONS and not x.is_constant):
        move(x, None).dtype = x.dtype
        return
    if x.quantization is None:
        raise Unsupported(f"moves codes {x.name!r}, whose scale is unknown")
    real = importer.dequantize(node, x, x.quantization, f"{node.output[0]}_of")
    importer.quantize(node, move(real, f"{node.output[0]}_real"), x.quantization, x.dtype)


def real_number(x: Tensor, number: float) -> float:
    """The real value of a number that a node has beside `x`: it is a code where `x` is codes."""
    known = x.quantization
    return number if known is None else (number - int(known.zero_point)) * float(known.scale)


def move(importer: Importer, node: onnx.NodeProto, kind: str, shape: tuple[int, ...], **attrs: Any) -> None:
    """Movement of the first input by one operator."""
    on_codes(importer, node, lambda real, name: importer.emit(kind, node, [real], shape, name, **attrs))


# Shapes


def reshape(importer: Importer, node: onnx.NodeProto) -> None:
    x, attrs = importer.input(node), importer.attributes(node)
    target = importer.integers(node, 1, "target shape") if importer.has(node, 1) else list(attrs["shape"])
    if not attrs.get("allowzero", 0):
        target = [x.shape[k] if n == 0 else n for k, n in enumerate(target)]
    if -1 in target:
        known = math.prod(n for n in target if n != -1)
        target[target.index(-1)] = x.size // known
    if math.prod(target) != x.size:
        raise Unsupported(f"reshapes {list(x.shape)} to {target}; if the batch is fixed, export with batch 1")
    move(importer, node, "reshape", tuple(target))


def flatten(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    axis = importer.attributes(node).get("axis", 1)
    axis = axis + len(x.shape) if axis < 0 else axis
    move(importer, node, "reshape", (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def axes_of(importer: Importer, node: onnx.NodeProto) -> list[int] | None:
    """The axes that a node is given, as its second input or as an attribute."""
    if importer.has(node, 1):
        return importer.integers(node, 1, "axes")
    given: list[int] | None = importer.attributes(node).get("axes")
    return given


def squeeze(importer: Importer, node: onnx.NodeProto) -> None:
    x, axes = importer.input(node), axes_of(importer, node)
    dropped = [k for k, n in enumerate(x.shape) if n == 1] if axes is None else [a % len(x.shape) for a in axes]
    move(importer, node, "reshape", tuple(n for k, n in enumerate(x.shape) if k not in dropped))


def unsqueeze(importer: Importer, node: onnx.NodeProto) -> None:
    x, axes = importer.input(node), axes_of(importer, node) or []
    rank = len(x.shape) + len(axes)
    added = {axis % rank for axis in axes}
    rest = iter(x.shape)
    move(importer, node, "reshape", tuple(1 if k in added else next(rest) for k in range(rank)))


def transpose(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    permutation = tuple(importer.attributes(node).get("perm", range(len(x.shape))[::-1]))
    move(importer, node, "transpose", tuple(x.shape[k] for k in permutation), permutation=permutation)


def rearrange(
    importer: Importer,
    node: onnx.NodeProto,
    split: Sequence[int],
    permutation: tuple[int, ...],
    shape: tuple[int, ...],
) -> None:
    """Reshape to `split`, transpose, reshape to `shape`."""

    def moved(real: Tensor, name: str | None) -> Tensor:
        y = importer.emit("reshape", node, [real], tuple(split), f"{node.output[0]}_split")
        turned = tuple(split[k] for k in permutation)
        y = importer.emit("transpose", node, [y], turned, f"{node.output[0]}_turned", permutation=permutation)
        return importer.emit("reshape", node, [y], shape, name)

    on_codes(importer, node, moved)


def _image_size(x: Tensor, node: onnx.NodeProto) -> tuple[int, ...]:
    if len(x.shape) != 4:
        raise Unsupported(f"is given a rank-{len(x.shape)} tensor; {node.op_type} works on images")
    return x.shape


def depth_to_space(importer: Importer, node: onnx.NodeProto) -> None:
    attrs = importer.attributes(node)
    b = attrs["blocksize"]
    n, c, h, w = _image_size(importer.input(node), node)
    shape = (n, c // (b * b), h * b, w * b)
    if attrs.get("mode", b"DCR") == b"CRD":
        rearrange(importer, node, (n, c // (b * b), b, b, h, w), (0, 1, 4, 2, 5, 3), shape)
    else:
        rearrange(importer, node, (n, b, b, c // (b * b), h, w), (0, 3, 4, 1, 5, 2), shape)


def space_to_depth(importer: Importer, node: onnx.NodeProto) -> None:
    attrs = importer.attributes(node)
    b = attrs["blocksize"]
    n, c, h, w = _image_size(importer.input(node), node)
    order = (0, 1, 3, 5, 2, 4) if attrs.get("mode", b"DCR") == b"CRD" else (0, 3, 5, 1, 2, 4)
    rearrange(importer, node, (n, c, h // b, b, w // b, b), order, (n, c * b * b, h // b, w // b))


# Parts


def cut(
    importer: Importer,
    node: onnx.NodeProto,
    real: Tensor,
    name: str | None,
    begin: Sequence[int],
    stride: Sequence[int],
    shape: Sequence[int],
) -> Tensor:
    """A slice of `real`."""
    if 0 in shape:
        raise Unsupported("has an empty result")
    return importer.emit("slice", node, [real], tuple(shape), name, begin=tuple(begin), stride=tuple(stride))


def slice_(importer: Importer, node: onnx.NodeProto) -> None:
    x, attrs = importer.input(node), importer.attributes(node)
    if "starts" in attrs:
        starts, ends, axes = list(attrs["starts"]), list(attrs["ends"]), attrs.get("axes")
    else:
        starts, ends = importer.integers(node, 1, "starts"), importer.integers(node, 2, "ends")
        axes = importer.integers(node, 3, "axes") if importer.has(node, 3) else None
    steps = importer.integers(node, 4, "steps") if importer.has(node, 4) else [1] * len(starts)
    axes = range(len(starts)) if axes is None else axes
    begin, stride, shape = [0] * len(x.shape), [1] * len(x.shape), list(x.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis %= len(x.shape)
        length = x.shape[axis]
        # An end below -length, with a negative step, is in front of the first entry.
        taken = range(length)[slice(start, end if end >= -length or step > 0 else None, step)]
        begin[axis], stride[axis], shape[axis] = taken.start, step, len(taken)
    on_codes(importer, node, lambda real, name: cut(importer, node, real, name, begin, stride, shape))


def split(importer: Importer, node: onnx.NodeProto) -> None:
    x, attrs = importer.input(node), importer.attributes(node)
    axis = attrs.get("axis", 0) % len(x.shape)
    count = attrs.get("num_outputs", len(node.output))
    part = -(-x.shape[axis] // count)
    sizes = [min(part, x.shape[axis] - k * part) for k in range(count)]
    if importer.has(node, 1):
        sizes = importer.integers(node, 1, "sizes")
    elif "split" in attrs:
        sizes = list(attrs["split"])
    if len(sizes) < len(node.output) or min(sizes) < 1 or sum(sizes) != x.shape[axis]:
        raise Unsupported(f"splits an axis of {x.shape[axis]} entries into {sizes}")
    first = 0
    for output, size in zip(list(node.output), sizes, strict=False):
        begin = tuple(first if k == axis else 0 for k in range(len(x.shape)))
        shape = tuple(size if k == axis else n for k, n in enumerate(x.shape))
        first += size
        if output:
            _part(importer, node, x, output, begin, shape)


def _part(
    importer: Importer, node: onnx.NodeProto, x: Tensor, output: str, begin: Sequence[int], shape: Sequence[int]
) -> None:
    """One output of a node that splits `x`."""
    stride = (1,) * len(shape)
    if x.dtype == "float32":
        importer.values[output] = cut(importer, node, x, output, begin, stride, shape)
        return
    if x.quantization is None:
        raise Unsupported(f"moves codes {x.name!r}, whose scale is unknown")
    real = importer.dequantize(node, x, x.quantization, f"{output}_of")
    taken = cut(importer, node, real, f"{output}_real", begin, stride, shape)
    importer.values[output] = importer.quantize(node, taken, x.quantization, x.dtype, output)


# Gathers


def take(
    importer: Importer, node: onnx.NodeProto, real: Tensor, axis: int, indices: np.ndarray, name: str | None
) -> Tensor:
    """Entries `indices` of `real` along `axis`."""
    shape = tuple(len(indices) if k == axis else n for k, n in enumerate(real.shape))
    return importer.emit("gather", node, [real], shape, name, axis=axis, indices=np.asarray(indices, np.int64))


def take_along(
    importer: Importer, node: onnx.NodeProto, real: Tensor, chosen: dict[int, np.ndarray], name: str | None
) -> Tensor:
    """Entries of `real` along several axes; axes whose entries stay as they are cost nothing."""
    moving = {k: indices for k, indices in chosen.items() if list(indices) != list(range(real.shape[k]))}
    for axis, indices in moving.items():
        is_last = axis == max(moving)
        real = take(importer, node, real, axis, indices, name if is_last else f"{node.output[0]}_axis{axis}")
    return real if moving else importer.emit("reshape", node, [real], real.shape, name)


def gather(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    axis = importer.attributes(node).get("axis", 0) % len(x.shape)
    given = importer.known(importer.input(node, 1))
    if given is None:
        raise Unsupported("its indices are not constant; only constant ones are supported")
    indices = np.where(given < 0, given + x.shape[axis], given)
    if indices.size == 0 or indices.min() < 0 or indices.max() >= x.shape[axis]:
        raise Unsupported(f"reads entries beyond the {x.shape[axis]} of axis {axis}")
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])

    def moved(real: Tensor, name: str | None) -> Tensor:
        if indices.ndim == 1:
            return take_along(importer, node, real, {axis: indices}, name)
        taken = take_along(importer, node, real, {axis: indices.reshape(-1)}, f"{node.output[0]}_taken")
        return importer.emit("reshape", node, [taken], shape, name)

    on_codes(importer, node, moved)


def _gather_flat(importer: Importer, node: onnx.NodeProto, places: np.ndarray) -> None:
    """Elements of the first input by their places in its elements."""

    def moved(real: Tensor, name: str | None) -> Tensor:
        flat = importer.emit("reshape", node, [real], (real.size,), f"{node.output[0]}_flat")
        taken = take(importer, node, flat, 0, places.reshape(-1), f"{node.output[0]}_taken")
        return importer.emit("reshape", node, [taken], places.shape, name)

    on_codes(importer, node, moved)


def gather_elements(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    axis = importer.attributes(node).get("axis", 0) % len(x.shape)
    indices = importer.constant(node, 1, "indices") % x.shape[axis]
    places = [
        indices if k == axis else np.arange(n).reshape(-1, *[1] * (len(x.shape) - 1 - k))
        for k, n in enumerate(indices.shape)
    ]
    _gather_flat(importer, node, np.ravel_multi_index(np.broadcast_arrays(*places), x.shape))


def gather_nd(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    if importer.attributes(node).get("batch_dims", 0):
        raise Unsupported("has batch_dims, which is not supported")
    indices = importer.constant(node, 1, "indices")
    count = indices.shape[-1]
    places = np.arange(x.size).reshape(x.shape)[tuple(indices[..., k] % x.shape[k] for k in range(count))]
    _gather_flat(importer, node, places)


def expand(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    shape = np.broadcast_shapes(x.shape, tuple(importer.integers(node, 1, "shape")))
    aligned = (1,) * (len(shape) - len(x.shape)) + x.shape
    chosen = {k: np.zeros(n, np.int64) for k, n in enumerate(shape) if aligned[k] != n}
    _repeated(importer, node, aligned, chosen)


def _repeated(
    importer: Importer, node: onnx.NodeProto, aligned: tuple[int, ...], chosen: dict[int, np.ndarray]
) -> None:
    """Entries along several axes of the first input, after a reshape to `aligned`."""

    def moved(real: Tensor, name: str | None) -> Tensor:
        if real.shape != aligned:
            real = importer.emit("reshape", node, [real], aligned, f"{node.output[0]}_aligned")
        return take_along(importer, node, real, chosen, name)

    on_codes(importer, node, moved)


def tile(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    repeats = importer.integers(node, 1, "repeats") or [1]  # none for rank 0, which has rank 1 here
    if min(repeats, default=1) < 1:
        raise Unsupported("has an empty result")
    chosen = {k: np.tile(np.arange(n), r) for k, (n, r) in enumerate(zip(x.shape, repeats, strict=True)) if r != 1}
    _repeated(importer, node, x.shape, chosen)


# Padding and joining


def pad(importer: Importer, node: onnx.NodeProto) -> None:
    attrs, x = importer.attributes(node), importer.input(node)
    mode = attrs.get("mode", b"constant").decode()
    rank = len(x.shape)
    pads = importer.integers(node, 1, "pads") if importer.has(node, 1) else list(attrs["pads"])
    before, after = [0] * rank, [0] * rank
    axes = [a % rank for a in importer.integers(node, 3, "axes")] if importer.has(node, 3) else range(rank)
    for k, axis in enumerate(axes):
        before[axis], after[axis] = pads[k], pads[len(pads) // 2 + k]
    if mode == "constant":
        value = importer.number(node, 2, "value") if importer.has(node, 2) else attrs.get("value", 0.0)
        _pad_constant(importer, node, before, after, real_number(x, value))
        return
    if mode not in ("reflect", "edge", "wrap"):
        raise Unsupported(f"has padding mode {mode}, which is not supported")
    chosen = {}
    for k, n in enumerate(x.shape):
        cropped = np.arange(n)[max(-before[k], 0) : n - max(-after[k], 0)]
        sides: Any = (max(before[k], 0), max(after[k], 0))
        chosen[k] = np.pad(cropped, sides, mode=mode)
    on_codes(importer, node, lambda real, name: take_along(importer, node, real, chosen, name))


def _pad_constant(importer: Importer, node: onnx.NodeProto, before: list[int], after: list[int], value: float) -> None:
    """Padding with a value; negative padding is a slice before it."""
    x = importer.input(node)
    shape = [b + n + a for b, n, a in zip(before, x.shape, after, strict=True)]
    begin = [max(-b, 0) for b in before]
    kept = [n - max(-b, 0) - max(-a, 0) for b, n, a in zip(before, x.shape, after, strict=True)]
    is_cut, is_padded = min(before + after) < 0, max(before + after) > 0

    def moved(real: Tensor, name: str | None) -> Tensor:
        if is_cut:
            called = f"{node.output[0]}_cut" if is_padded else name
            real = cut(importer, node, real, called, begin, (1,) * len(kept), kept)
            if not is_padded:
                return real
        sides = [tuple(max(n, 0) for n in side) for side in (before, after)]
        return importer.emit("pad", node, [real], tuple(shape), name, before=sides[0], after=sides[1], value=value)

    on_codes(importer, node, moved)


def concat(importer: Importer, node: onnx.NodeProto) -> None:
    inputs = [importer.tensor(name) for name in node.input]
    axis = importer.attributes(node).get("axis", 1) % len(inputs[0].shape)
    shape = list(inputs[0].shape)
    if any(
        tensor.shape[:axis] + tensor.shape[axis + 1 :] != tuple(shape[:axis] + shape[axis + 1 :]) for tensor in inputs
    ):
        raise Unsupported(f"concatenates tensors of the shapes {', '.join(str(list(t.shape)) for t in inputs)}")
    shape[axis] = sum(tensor.shape[axis] for tensor in inputs)
    quantization = inputs[0].quantization
    if inputs[0].dtype == "float32" or quantization is None:
        importer.emit("concat", node, inputs, tuple(shape), axis=axis)
        return
    if any(not quantization.same_as(tensor.quantization) for tensor in inputs):
        raise Unsupported("concatenates codes of different scales; dequantize them first")
    reals = [
        importer.dequantize(node, tensor, quantization, f"{node.output[0]}_of{k}") for k, tensor in enumerate(inputs)
    ]
    y = importer.emit("concat", node, reals, tuple(shape), f"{node.output[0]}_real", axis=axis)
    importer.quantize(node, y, quantization, inputs[0].dtype)


MOVEMENT: dict[str, Translator] = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Slice": slice_,
    "Split": split,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "Expand": expand,
    "Tile": tile,
    "Pad": pad,
    "Concat": concat,
}
