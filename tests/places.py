"""Where things lie that tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "tests" / "vectors"
DIGITS = ROOT / "examples" / "digits"
# Published models and inputs that the project does not ship; tests that read them skip where they are absent.
SHARED = ROOT.parent / "shared"
