"""Trains the digits network, quantizes it, and writes the files of this folder.

    pip install torch onnx onnxruntime scikit-learn && python train.py

Writes digits_resnet.onnx (QDQ, activations uint8, weights int8 per channel), test_digits.npz (images
float32 [n, 1, 8, 8] in 0 to 1, labels) and float_result.json (accuracy and predictions of the float
network on those images). The data are scikit-learn's 1,797 scanned digits; a fixed fifth is the test set
and is not used in training or calibration. Takes about two minutes.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

HERE = Path(__file__).parent
EPOCHS = 60
LABELS = [str(digit) for digit in range(10)]


class Block(nn.Module):
    """Two 3x3 convolutions and a residual add."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class DigitsResNet(nn.Module):
    """8x8 images, three residual stages of 12, 24 and 32 channels, ten classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 12, 3, 1, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU())
        self.stages = nn.Sequential(Block(12, 12, 1), Block(12, 24, 2), Block(24, 32, 2))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.stages(self.stem(x)))
        return result


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image moved by up to one pixel."""
    dy, dx = torch.randint(-1, 2, (2,), generator=generator).tolist()
    return torch.roll(images, (dy, dx), (2, 3))


def train(images: Tensor, labels: Tensor) -> DigitsResNet:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = DigitsResNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    batches = -(-len(images) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, epochs=EPOCHS, steps_per_epoch=batches)
    for epoch in range(EPOCHS):
        for picked in torch.randperm(len(images), generator=generator).split(64):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(
                model(shifted(images[picked], generator)), labels[picked], label_smoothing=0.05
            )
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1:2} of {EPOCHS}, loss {loss.item():.4f}")
    return model.eval()


class Calibration(CalibrationDataReader):  # type: ignore[misc]
    """Gives the training images to the quantizer, one at a time."""

    def __init__(self, images: np.ndarray) -> None:
        self.samples = iter([{"image": image[np.newaxis]} for image in images])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.samples, None)


def quantize(model: DigitsResNet, images: np.ndarray, target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        exported, prepared = Path(folder, "float.onnx"), Path(folder, "prepared.onnx")
        torch.onnx.export(
            model, (torch.zeros(1, 1, 8, 8),), exported, input_names=["image"], output_names=["logits"], dynamo=False
        )
        quant_pre_process(exported, prepared)
        quantize_static(
            prepared,
            target,
            Calibration(images),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
    quantized = onnx.load(target)
    entry = quantized.metadata_props.add()
    entry.key, entry.value = "labels", json.dumps(LABELS)
    onnx.save(quantized, target)


def main() -> None:
    data = load_digits()
    images = (data.images / 16).astype(np.float32)[:, np.newaxis]
    train_x, test_x, train_y, test_y = train_test_split(
        images, data.target, test_size=0.2, random_state=0, stratify=data.target
    )
    model = train(torch.from_numpy(train_x), torch.from_numpy(train_y))
    with torch.no_grad():
        predictions = model(torch.from_numpy(test_x)).argmax(1).numpy()
    accuracy = float((predictions == test_y).mean())
    print(f"float accuracy on {len(test_y)} test images: {accuracy:.2%}")
    quantize(model, train_x, HERE / "digits_resnet.onnx")
    np.savez_compressed(HERE / "test_digits.npz", images=test_x, labels=test_y.astype(np.uint8))
    result = {"accuracy": accuracy, "predictions": predictions.tolist()}
    (HERE / "float_result.json").write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
