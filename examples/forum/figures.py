"""Computes the figures of README.md in this folder: a network trained on digits, its layers in integers and in PyTorch.

    pip install ".[torch]" scikit-learn
    python examples/forum/figures.py            # prints the figures
    python examples/forum/figures.py --write    # writes them into README.md
    python examples/forum/figures.py --train    # trains the networks of networks.npz again

Everything printed is computed here; takes half a minute.
"""

from __future__ import annotations

import argparse
import copy
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.ao.quantization import get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

import qrt
from qrt.compiler import Compiled, GraphBuilder, compile, from_torch
from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.study.explain import Explanation, explain, find
from qrt.compiler.study.layers import exposed_file

PAGE = Path(__file__).parent / "README.md"
# Trained weights are stored, since training gives different weights on every machine.
NETWORKS = Path(__file__).parent / "networks.npz"
# Biases of the pruned network's channels without weights.
PRUNED = (-30.0, -18.0, -6.0, 6.0, 18.0, 30.0)
MARK = re.compile(r"(<!-- figures: begin -->\n).*(<!-- figures: end -->)", re.DOTALL)


class Residual(nn.Module):
    """Three convolutions, the last two in a residual branch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU())
        self.conv1 = nn.Sequential(nn.Conv2d(12, 12, 3, padding=1), nn.ReLU())
        self.conv2 = nn.Conv2d(12, 12, 3, padding=1)
        self.head = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12 * 4 * 4, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        logits: torch.Tensor = self.head(x + self.conv2(self.conv1(x)))
        return logits


def train(images: torch.Tensor, labels: torch.Tensor, pruned: tuple[float, ...] = ()) -> Residual:
    """A trained network; the first channels of its second convolution have the biases `pruned` and zero weights."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network, count = Residual(), len(pruned)
    conv = network.conv1[0]
    optimizer = torch.optim.AdamW(network.parameters(), 4e-3)
    for _ in range(20):
        for batch in torch.randperm(len(images)).split(64):
            conv.weight.data[:count], conv.bias.data[:count] = 0, torch.tensor(pruned)
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
    conv.weight.data[:count], conv.bias.data[:count] = 0, torch.tensor(pruned)
    return network.eval()


def trained(name: str) -> Residual:
    """A network of networks.npz."""
    network = Residual()
    with np.load(NETWORKS, allow_pickle=False) as weights:
        state = {key: torch.tensor(weights[f"{name}.{key}"]) for key in network.state_dict()}
    network.load_state_dict(state)
    return network.eval()


def quantized(network: nn.Module, engine: str, images: torch.Tensor) -> Any:
    """PyTorch's quantized module for an engine."""
    torch.backends.quantized.engine = engine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepared = prepare_fx(copy.deepcopy(network), get_default_qconfig_mapping("fbgemm"), (images[:1],))
        prepared(images[:256])
        return convert_fx(prepared)


def accuracy(logits: Any, labels: torch.Tensor) -> str:
    return f"{float((np.asarray(logits).argmax(axis=1) == labels.numpy()).mean()):.1%}"


def logits_of(compiled: Compiled, images: torch.Tensor) -> Any:
    return qrt.load(compiled.to_bytes()).run(images.numpy(), dequantize=True)


def differing(compiled: Compiled, module: Any, images: torch.Tensor) -> str:
    model = qrt.load(compiled.to_bytes())
    apart = np.abs(model.run(images.numpy(), dequantize=True) - module(images).detach().numpy())
    return f"{int((apart > 0.5 * model.outputs[0].scale).sum())} of {apart.size:,}"


def biases(facts: Explanation) -> list[str]:
    """The errors from rounding the biases of a layer to int32."""
    lines = [
        "| channel | float bias | x_scale * w_scale | int32 bias | error of rounding | in codes of y |",
        "|---|---|---|---|---|---|",
    ]
    for c in facts.channels[:4]:
        unit = facts.numbers["x_scale"] * (c.w_scale or 0)
        lines.append(
            f"| {c.channel} | {c.bias_float:.6f} | {unit:.3e} | {c.bias} | {c.bias_error:.1e} "
            f"| {c.bias_error_codes:.5f} |"
        )
    return lines


def one_output(compiled: Compiled, facts: Explanation, image: np.ndarray) -> list[str]:
    """Each step of the computation of one output code."""
    graph = read(compiled.to_bytes())
    every = qrt.load(exposed_file(graph)).run(image[np.newaxis])
    op, channel, at = graph.ops[facts.index], facts.channels[0], (4, 4)
    producer = graph.producer(op.inputs[0])
    assert producer is not None
    x = every[graph.ops.index(producer)][0].astype(int)
    patch = x[at[0] - 1 : at[0] + 2, at[1] - 1 : at[1] + 2] - op.inputs[0].zero_point
    assert op.inputs[1].data is not None
    acc = int((patch * op.inputs[1].data[0]).sum())
    y = (acc * channel.multiplier + channel.addend) >> channel.shift
    clamped = max(facts.numbers["output_min"], min(facts.numbers["output_max"], y))
    stored = int(every[facts.index][0][(*at, 0)])
    assert clamped == stored, (clamped, stored)
    return [
        "```",
        f"acc        = {acc}",
        f"multiplier = {channel.multiplier}, shift = {channel.shift}     {channel.real_multiplier:.9f} as an integer",
        f"addend     = {channel.addend}",
        f"y          = ({acc} * {channel.multiplier} + {channel.addend}) >> {channel.shift} = {y}, clamped {clamped}",
        f"kernel     = {stored}",
        "```",
    ]


def residual_add(facts: Explanation) -> list[str]:
    """The formula of this network's add, and how often it is bit-exact to PyTorch over all pairs of codes."""
    n = facts.numbers
    a, b = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8), indexing="ij")
    right = total = 0
    rng = np.random.default_rng(0)
    torch.backends.quantized.engine = "fbgemm"
    for _ in range(200):
        scales, zeros = rng.uniform(0.005, 0.2, 3).astype(np.float32), rng.integers(0, 256, 3)
        operands = [
            torch._make_per_tensor_quantized_tensor(torch.tensor(q), float(scales[k]), int(zeros[k]))
            for k, q in enumerate((a, b))
        ]
        theirs = torch.ops.quantized.add(*operands, float(scales[2]), int(zeros[2])).int_repr().numpy()
        g = GraphBuilder()
        shape = (1, 256, 256, 1)
        x, y = (g.input(k, shape, scale=scales[i], zero_point=int(zeros[i]) - 128) for i, k in enumerate("ab"))
        g.output(g.add(x, y, scale=scales[2], zero_point=int(zeros[2]) - 128))
        codes = [(q.astype(np.int16) - 128).astype(np.int8).reshape(shape) for q in (a, b)]
        ours = np.asarray(qrt.load(compile(g).to_bytes()).run(*codes)).reshape(256, 256).astype(int) + 128
        right, total = right + int((ours == theirs).sum()), total + ours.size
    return [
        "```",
        f"y = clamp((a * {n['a_multiplier']} + b * {n['b_multiplier']} + {n['addend']}) >> {n['shift']})",
        f"a_scale / y_scale = {n['a_scale']:.6f} / {n['y_scale']:.6f}, "
        f"b_scale / y_scale = {n['b_scale']:.6f} / {n['y_scale']:.6f}",
        "```",
        "",
        f"Over 200 random sets of scales and zero points and all pairs of codes, {right:,} of {total:,} codes",
        "are those of `torch.ops.quantized.add` under fbgemm.",
    ]


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    data = load_digits()
    return torch.tensor((data.images / 16).astype(np.float32))[:, None], torch.tensor(data.target)


def write_networks() -> None:
    images, labels = (part[:1400] for part in digits())
    networks = {"plain": train(images, labels), "pruned": train(images, labels, PRUNED)}
    weights = {f"{n}.{key}": w.numpy() for n, network in networks.items() for key, w in network.state_dict().items()}
    np.savez_compressed(NETWORKS, **weights)


def figures() -> str:
    """The figures as Markdown."""
    images, labels = digits()
    network, sparse = trained("plain"), trained("pruned")
    labels = labels[1400:]
    images, tests = images[:1400], images[1400:]
    module = quantized(network, "fbgemm", images)
    float_bias = from_torch(module, (tests,))
    int32_bias = from_torch(module, (tests,), bias="int32")
    graph = read(float_bias.to_bytes())
    convs = [i for i, op in enumerate(graph.ops) if op.kind == "conv2d"]
    facts = explain(graph, convs[1])
    every = [c for i in convs for c in explain(graph, i).channels]
    worst = max(abs(c.bias_error_codes or 0) for c in every)
    add = explain(graph, find(graph, next(op.output.name for op in graph.ops if op.kind == "add")))
    pruned = quantized(sparse, "qnnpack", images)
    ours = from_torch(pruned, (tests,), bias="int32", skip=["remove_channels"])
    rescued = [channel for rescue in ours.report.rescues for channel in rescue.channels]
    lines = [
        f"**Biases** of the layer `{facts.name}`:",
        "",
        *biases(facts),
        "",
        f"Over all {len(every)} channels of the convolutions the largest error of an int32 bias is {worst:.5f} codes.",
        "",
        "| on 397 test images | accuracy | logits that differ from PyTorch's fbgemm |",
        "|---|---|---|",
        f"| float network | {accuracy(network(tests).detach(), labels)} | |",
        f"| PyTorch, fbgemm | {accuracy(module(tests), labels)} | |",
        f"| integers, float bias in the addend | {accuracy(logits_of(float_bias, tests), labels)} | "
        f"{differing(float_bias, module, tests)} |",
        f"| integers, int32 bias | {accuracy(logits_of(int32_bias, tests), labels)} | "
        f"{differing(int32_bias, module, tests)} |",
        "",
        f"The same network, {len(PRUNED)} channels of the layer pruned: no weights, biases of up to {max(PRUNED):.0f}:",
        "",
        "| | accuracy |",
        "|---|---|",
        f"| float network | {accuracy(sparse(tests).detach(), labels)} |",
        f"| PyTorch, qnnpack: int32 biases that do not fit | {accuracy(pruned(tests), labels)} |",
        f"| integers, int32 biases, {len(rescued)} channels rescued | {accuracy(logits_of(ours, tests), labels)} |",
        "",
        f"**One output** of `{facts.name}`, row 4, column 4, channel 0, of the first test image:",
        "",
        *one_output(float_bias, facts, tests[0].numpy()),
        "",
        "**The residual add** of this network:",
        "",
        *residual_add(add),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="The figures of examples/forum/README.md.")
    parser.add_argument("--write", action="store_true", help="write them into README.md")
    parser.add_argument("--train", action="store_true", help="train the networks again first")
    options = parser.parse_args()
    if options.train:
        write_networks()
    written = figures()
    if options.write:
        text = MARK.sub(lambda match: match[1] + written + match[2], PAGE.read_text(encoding="utf-8"))
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(written)


if __name__ == "__main__":
    main()
