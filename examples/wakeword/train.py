"""Trains the wake word network, quantizes it, and writes wakeword.npz, result.json and hey_quartz.wav of this folder.

    pip install torch espeakng-loader && python examples/wakeword/train.py

All speech is synthesized here, by voices of eSpeak; a fifth of the voices is heard only in the test. eSpeak's noise is
another one in each run, so the weights are. Takes about ten minutes.
"""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import torch
from detector import detections
from log_mel import BANDS, CODE_SCALE, CODE_ZERO_POINT, STEP, WINDOW, LogMel, codes
from network import BLOCKS, STEM, network
from speech import PHRASE, RATE, Speakers, Synthesizer
from torch import Tensor, nn

import qrt

HERE = Path(__file__).parent
CHANNELS = 32
STREAMS, TESTS, SECONDS = 240, 40, 30
STEPS, BATCH, LENGTH = 1600, 32, 300
# Frames after the end of the phrase in which the network is to hear it; around them it may do as it likes.
HEARD, UNSURE = 20, 25
# The seed of the stream in hey_quartz.wav.
EXAMPLE = 17


class Causal(nn.Module):
    """A convolution over time that sees no future, and its normalization."""

    def __init__(self, inputs: int, outputs: int, length: int, dilation: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, length, dilation=dilation, groups=groups, bias=False)
        self.norm = nn.BatchNorm1d(outputs)
        self.before = (length - 1) * dilation

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(nn.functional.pad(x, (self.before, 0))))
        return y

    def folded(self) -> tuple[np.ndarray, np.ndarray]:
        """Weights [outputs, inputs, length] and bias, with the normalization in them."""
        assert self.norm.running_var is not None and self.norm.running_mean is not None
        factor = self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)
        bias = self.norm.bias - self.norm.running_mean * factor
        return (self.conv.weight * factor[:, None, None]).detach().numpy(), bias.detach().numpy()


class WakeWord(nn.Module):
    """Frames [N, BANDS, time] -> a logit for each, whether the phrase has just ended."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Causal(BANDS, CHANNELS, *STEM)
        self.depthwise = nn.ModuleList(Causal(CHANNELS, CHANNELS, n, d, groups=CHANNELS) for n, d in BLOCKS)
        self.pointwise = nn.ModuleList(Causal(CHANNELS, CHANNELS, 1) for _ in BLOCKS)
        self.head = nn.Conv1d(CHANNELS, 1, 1)

    def layers(self, x: Tensor) -> list[Tensor]:
        """The outputs of all layers, the logits last."""
        outputs = [torch.relu(self.stem(x))]
        for depthwise, pointwise in zip(self.depthwise, self.pointwise, strict=True):
            outputs.append(depthwise(outputs[-1]))
            outputs.append(torch.relu(pointwise(outputs[-1])))
        return [*outputs, self.head(outputs[-1])]

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)[-1]


def heard(speakers: Speakers, seed: int, count: int) -> tuple[np.ndarray, list[list[int]]]:
    """Codes [count, frames, BANDS] of streams, and in which frames the phrase has ended."""
    streams = [speakers.stream(np.random.default_rng([seed, i]), SECONDS) for i in range(count)]
    ends = [[max(0, (end - WINDOW) // STEP + 1) for end in stream.ends] for stream in streams]
    return np.stack([codes(LogMel().frames(stream.samples)) for stream in streams]), ends


def targets(ends: list[list[int]], frames: int) -> np.ndarray:
    """1 where the phrase is to be heard, 0 where not, nan where it does not matter. [streams, frames]"""
    wanted = np.zeros((len(ends), frames), np.float32)
    for row, places in zip(wanted, ends, strict=True):
        for end in places:
            row[max(0, end - UNSURE) : end + HEARD + UNSURE] = np.nan
        for end in places:
            row[end : end + HEARD] = 1
    return wanted


def real(frames: np.ndarray) -> Tensor:
    """Codes [N, frames, BANDS] as the numbers that the network is trained on, [N, BANDS, frames]."""
    return torch.from_numpy((frames.astype(np.float32) - CODE_ZERO_POINT) * np.float32(CODE_SCALE)).transpose(1, 2)


def train(frames: np.ndarray, wanted: np.ndarray) -> WakeWord:
    torch.manual_seed(0)
    rng, model = np.random.default_rng(0), WakeWord()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=STEPS)
    for step in range(STEPS):
        rows = rng.integers(len(frames), size=BATCH)
        # A tenth of the crops begin where a stream begins.
        starts = rng.integers(-LENGTH, frames.shape[1] - LENGTH, size=BATCH).clip(0)
        cropped = np.stack([frames[row, start : start + LENGTH] for row, start in zip(rows, starts, strict=True)])
        for crop in cropped:
            band = rng.integers(BANDS)
            crop[:, band : band + rng.integers(6)] = CODE_ZERO_POINT
        y = torch.from_numpy(np.stack([wanted[row, at : at + LENGTH] for row, at in zip(rows, starts, strict=True)]))
        known = ~torch.isnan(y)
        # What lies before the other crops is unknown to the network.
        known[torch.from_numpy(starts > 0), :100] = False
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(real(cropped))[:, 0][known], y[known])
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 199:
            print(f"step {step + 1} of {STEPS}, loss {loss.item():.4f}", flush=True)
    return model.eval()


def quantized(model: WakeWord, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Weights and scales for network.py: int8 codes, of outputs the range that `frames` reach."""
    names = ["stem", *(f"{kind}{i}" for i in range(len(BLOCKS)) for kind in ("depthwise", "pointwise")), "head"]
    modules = [model.stem, *(m for pair in zip(model.depthwise, model.pointwise, strict=True) for m in pair)]
    folded = [module.folded() for module in modules]
    folded.append((model.head.weight.detach().numpy(), model.head.bias.detach().numpy()))
    with torch.no_grad():
        outputs = [output.numpy() for output in model.layers(real(frames))]
    result: dict[str, np.ndarray] = {}
    x_scale = CODE_SCALE
    for name, (weights, bias), output in zip(names, folded, outputs, strict=True):
        # A probability is 0 or 1 beyond these.
        low, high = (-8.0, 8.0) if name == "head" else (min(output.min(), 0.0), float(np.quantile(output, 0.9999)))
        scale = (high - low) / 255
        weights_scale = np.abs(weights).max(axis=(1, 2)) / 127
        rounded = np.rint(weights / weights_scale[:, np.newaxis, np.newaxis]).astype(np.int8)
        # Filters [outputs, inputs, length] become [outputs, length, 1, inputs], depthwise ones [1, length, 1, outputs].
        axes = (1, 2, 0) if name.startswith("depthwise") else (0, 2, 1)
        result |= {
            f"{name}.weights": rounded.transpose(axes)[:, :, np.newaxis],
            f"{name}.weights_scale": weights_scale.astype(np.float64),
            f"{name}.bias": np.rint(bias / (x_scale * weights_scale)).astype(np.int32),
            f"{name}.scale": np.float64(scale),
            f"{name}.zero_point": np.int64(round(-128 - low / scale)),
        }
        x_scale = scale
    return result


def judged(probabilities: np.ndarray, ends: list[list[int]]) -> dict[str, float]:
    """How often the phrase is detected, and how often an hour something else is. Codes [streams, frames]"""
    phrases = found = wrong = 0
    for row, places in zip(probabilities, ends, strict=True):
        found_at = detections(row)
        near = [[at for at in found_at if end - UNSURE <= at < end + HEARD + UNSURE] for end in places]
        phrases, found = phrases + len(places), found + sum(map(bool, near))
        wrong += len(set(found_at) - {at for some in near for at in some})
    hours = probabilities.size * STEP / RATE / 3600
    return {"phrases": phrases, "found": found / phrases, "false_alarms_an_hour": wrong / hours}


def main() -> None:
    synthesizer = Synthesizer()
    frames, ends = heard(Speakers(synthesizer, tested=False), 0, STREAMS)
    model = train(frames, targets(ends, frames.shape[1]))
    weights = quantized(model, frames[:40])
    np.savez_compressed(HERE / "wakeword.npz", **weights)

    tested, places = heard(Speakers(synthesizer, tested=True), 1, TESTS)
    with torch.no_grad():
        logits = model(real(tested))[:, 0].numpy()
    model_int8 = qrt.load(network(weights, tested.shape[1]).compile())
    result = {
        "phrase": PHRASE,
        "hours": tested.shape[0] * SECONDS / 3600,
        "float": judged(np.rint(256 / (1 + np.exp(-logits)) - 128).clip(-128, 127), places),
        "int8": judged(model_int8.run(tested[:, :, np.newaxis])[:, :, 0, 0], places),
    }
    print(json.dumps(result, indent=2))
    (HERE / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")

    example = Speakers(synthesizer, tested=True).stream(np.random.default_rng(EXAMPLE), 6, quiet=True)
    with wave.open(str(HERE / "hey_quartz.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(example.samples.astype("<i2").tobytes())


if __name__ == "__main__":
    main()
