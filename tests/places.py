"""Paths of files that tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "tests" / "vectors"
DIGITS = ROOT / "examples" / "digits"
# Published models and inputs that the project does not ship; tests that read them skip where they are absent.
SHARED = ROOT.parent / "shared"
# Of these, networks with variables or recurrence, which qrt does not support; and all others.
STATEFUL = {
    "dtln_noise_suppression": "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "keyword_scrambled_8bit": "SVDF",
    "mnist_lstm_int8": "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "mww_v1_alexa": "2 subgraphs",
    "mww_v2_hey_jarvis": "2 subgraphs",
    "mww_v2_vad": "2 subgraphs",
}
MODELS = [path for path in sorted((SHARED / "models").glob("*.tflite")) if path.stem not in STATEFUL]
