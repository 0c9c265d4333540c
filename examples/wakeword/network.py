"""The wake word network, from the weights in wakeword.npz, as a stream and over a window of time.

    python examples/wakeword/network.py wakeword.qfb    # the stream: a frame a run

Each layer over time is causal. As a stream it pushes its input into a state of as many frames as its filter spans, and
computes one frame; over a window it pads as many frames in front. Both compute the same codes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from log_mel import BANDS, CODE_SCALE, CODE_ZERO_POINT

from qrt.compiler import GraphBuilder
from qrt.compiler.ir import Tensor

HERE = Path(__file__).parent
# Of the stem and of each block's depthwise filter, the length in time and the distance between taps, in frames.
STEM = (3, 1)
BLOCKS = ((5, 1), (9, 2), (9, 3), (9, 4))


class Layers:
    """Layers of wakeword.npz, one after another, on a stream or on a window."""

    def __init__(self, weights: dict[str, np.ndarray], frames: int | None) -> None:
        self.builder = GraphBuilder("wakeword")
        self._weights = weights
        self._streams = frames is None
        self.last = self.builder.input(
            "frames" if frames else "frame", (1, frames or 1, 1, BANDS), scale=CODE_SCALE, zero_point=CODE_ZERO_POINT
        )

    def over_time(self, name: str, length: int, dilation: int, depthwise: bool = False, relu: bool = False) -> None:
        """A convolution that sees `length` frames, `dilation` apart, the last one the newest."""
        before = (length - 1) * dilation
        x = (
            self.builder.push(self.last, before + 1, axis=1, name=f"{name}_frames")
            if self._streams and before
            else self.last
        )
        layer = self.builder.dwconv2d if depthwise else self.builder.conv2d
        of = {
            key: self._weights[f"{name}.{key}"] for key in ("weights", "bias", "weights_scale", "scale", "zero_point")
        }
        self.last = layer(
            x,
            of["weights"],
            of["bias"],
            weights_scale=of["weights_scale"],
            scale=float(of["scale"]),
            zero_point=int(of["zero_point"]),
            dilation=(dilation, 1),
            padding=(0 if self._streams else before, 0, 0, 0),
            activation="relu" if relu else None,
            name=name,
        )

    def probability(self) -> Tensor:
        """Of the logit: codes of 1/256 from -128 on."""
        return self.builder.lut(self.last, "sigmoid", scale=1 / 256, zero_point=-128, name="probability")


def network(weights: dict[str, np.ndarray], frames: int | None = None) -> GraphBuilder:
    """The network that takes a frame a run and remembers, or the one that takes `frames` frames and does not."""
    layers = Layers(weights, frames)
    layers.over_time("stem", *STEM, relu=True)
    for i, (length, dilation) in enumerate(BLOCKS):
        layers.over_time(f"depthwise{i}", length, dilation, depthwise=True)
        layers.over_time(f"pointwise{i}", 1, 1, relu=True)
    layers.over_time("head", 1, 1)
    layers.builder.output(layers.probability())
    return layers.builder


def trained() -> dict[str, np.ndarray]:
    """The weights of this folder."""
    with np.load(HERE / "wakeword.npz", allow_pickle=False) as content:
        return dict(content)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(network(trained()).compile())
