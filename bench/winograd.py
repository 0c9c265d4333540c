"""Layers by Winograd's algorithm against the same layers without it: python -m bench.winograd.

For each layer, the network with as much memory as it likes and with too little for Winograd's weights take turns. The
first must nowhere take much longer: what chooses (runtime/kernels/x86/avx512/winograd_layout.h) is a model of the
costs. Weights are near in a network that the L2 cache holds, and far in a longer one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import click
import numpy as np

import qrt
from bench.measure import interleaved
from qrt import _executor
from qrt.compiler import GraphBuilder

KERNELS = "avx512vnni"
# Bytes of weights beyond which a network's weights are far.
FAR = 1 << 18
# A model of costs may err by this much.
MOST_LOSS = 0.03


@dataclass(frozen=True)
class Layer:
    """A 3x3 convolution with padding, and whether its weights are far."""

    batch: int
    height: int
    width: int
    inside: int
    outside: int
    far: bool = False

    def __str__(self) -> str:
        shape = f"{self.height}x{self.width}x{self.inside}->{self.outside}"
        return f"{self.batch} x {shape}, weights {'far' if self.far else 'near'}"

    @property
    def weights(self) -> int:
        return 9 * self.inside * self.outside

    @cache  # noqa: B019
    def network(self) -> bytes:
        """The layer, as often as it takes for its weights to be far; with a 1x1 convolution back to its input."""
        rng = np.random.default_rng(0)
        g = GraphBuilder("layers")
        x = g.input("x", (self.batch, self.height, self.width, self.inside), scale=0.1)
        for _ in range(FAR // self.weights + 1 if self.far else 1):
            if x.shape[3] != self.inside:
                x = g.conv2d(x, rng.normal(size=(self.inside, 1, 1, self.outside)), scale=0.1)
            x = g.conv2d(x, rng.normal(size=(self.outside, 3, 3, self.inside)), scale=0.1, padding=1)
        g.output(x)
        return g.compile()

    @property
    def limit(self) -> int:
        """Memory that is enough for packed weights, but not for Winograd's, which are 8 times the weights."""
        return 2 * len(self.network()) + (1 << 16)

    def is_transformed(self, kernels: str = KERNELS) -> bool:
        """Whether the layer is computed by Winograd's algorithm."""
        sizes = [_executor.Program(self.network(), kernels, limit).prepared_size for limit in (None, self.limit)]
        return sizes[0] > sizes[1]


def layers() -> Iterator[Layer]:
    for size, channels in (
        *((size, channels) for channels in (16, 32, 48, 64, 96, 128) for size in (7, 8, 10, 12, 14, 16, 20, 28, 32)),
        *((size, channels) for channels in (192, 256) for size in (7, 8, 10, 12, 14)),
        (56, 32),
        (56, 64),
        (7, 512),
    ):
        if 72 * channels * channels <= 1 << 20:
            yield Layer(1, size, size, channels, channels)
        yield Layer(1, size, size, channels, channels, far=True)
    yield Layer(4, 7, 7, 128, 128, far=True)
    yield Layer(4, 7, 7, 512, 512, far=True)


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Turns of each layer.")
@click.option("--seconds", default=0.02, show_default=True, help="Length of a turn.")
def main(rounds: int, seconds: float) -> None:
    """Prints the speed of each layer with Winograd's algorithm where it was chosen, and the losses."""
    losses = []
    for layer in layers():
        if not layer.is_transformed():
            click.echo(f"{layer}: direct")
            continue
        models = {limit: qrt.load(layer.network(), kernels=KERNELS, max_packed=limit) for limit in (2**40, layer.limit)}
        calls = {str(limit): model.invoke for limit, model in models.items()}
        timings = interleaved(calls, rounds, seconds)
        ratio = timings[str(layer.limit)].seconds / timings[str(2**40)].seconds
        click.echo(f"{layer}: Winograd, {ratio:.2f} times the speed")
        if ratio < 1 - MOST_LOSS:
            losses.append(str(layer))
    click.echo(f"slower by more than {MOST_LOSS:.0%}: {'; '.join(losses) or 'none'}")


if __name__ == "__main__":
    main()
