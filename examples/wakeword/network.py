"""The wake word network, from the weights in wakeword.npz: over a window of frames, and compiled to read a stream.

    python examples/wakeword/network.py wakeword.qfb    # the stream: a frame a run

Each layer over time is causal: padding in front of the window, none behind. So the stream, which keeps in states as
many frames as each filter spans, computes the codes of the window from the first frame on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from log_mel import BANDS, CODE_SCALE, CODE_ZERO_POINT

from qrt.compiler import GraphBuilder, compile
from qrt.compiler.ir import Tensor

HERE = Path(__file__).parent
# Of the stem and of each block's depthwise filter, the length in time and the distance between taps, in frames.
STEM = (3, 1)
BLOCKS = ((5, 1), (9, 2), (9, 3), (9, 4))


class Layers:
    """Layers of wakeword.npz, one after another."""

    def __init__(self, weights: dict[str, np.ndarray], frames: int) -> None:
        self.builder = GraphBuilder("wakeword")
        self._weights = weights
        shape = (1, frames, 1, BANDS)
        self.last = self.builder.input("frames", shape, scale=CODE_SCALE, zero_point=CODE_ZERO_POINT)

    def over_time(self, name: str, length: int, dilation: int, depthwise: bool = False, relu: bool = False) -> None:
        """A convolution that sees `length` frames, `dilation` apart, the last one the newest."""
        layer = self.builder.dwconv2d if depthwise else self.builder.conv2d
        keys = ("weights", "bias", "weights_scale", "scale", "zero_point")
        of = {key: self._weights[f"{name}.{key}"] for key in keys}
        self.last = layer(
            self.last,
            of["weights"],
            of["bias"],
            weights_scale=of["weights_scale"],
            scale=float(of["scale"]),
            zero_point=int(of["zero_point"]),
            dilation=(dilation, 1),
            padding=((length - 1) * dilation, 0, 0, 0),
            activation="relu" if relu else None,
            name=name,
        )

    def probability(self) -> Tensor:
        """Of the logit: codes of 1/256 from -128 on."""
        return self.builder.lut(self.last, "sigmoid", scale=1 / 256, zero_point=-128, name="probability")


def network(weights: dict[str, np.ndarray], frames: int) -> GraphBuilder:
    """The network over a window: a probability for each of `frames` frames."""
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


def stream() -> bytes:
    """The trained network compiled to take a frame a run, along axis 1; of causal layers, of any window the same."""
    return compile(network(trained(), 100), stream=1).to_bytes()


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(stream())
