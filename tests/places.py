"""Paths of files that tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "tests" / "vectors"
DIGITS = ROOT / "examples" / "digits"
# Published models and inputs that the project does not ship; tests that read them skip where they are absent.
SHARED = ROOT.parent / "shared"
# Of these, networks with variables; those whose operators have states, and how many steps they are run; all others.
WITH_VARIABLES = ("mww_v1_alexa", "mww_v2_hey_jarvis", "mww_v2_vad")
RECURRENT = {"dtln_noise_suppression": 200, "keyword_scrambled_8bit": 300, "mnist_lstm_int8": 20}
MODELS = [
    path for path in sorted((SHARED / "models").glob("*.tflite")) if path.stem not in {*RECURRENT, *WITH_VARIABLES}
]
