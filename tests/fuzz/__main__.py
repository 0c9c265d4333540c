"""Runs all fuzz targets for a total time: make fuzz SECONDS=60.

    cd tests && python -m fuzz --seconds 60

Exit code 1 if a file was found that a target fails on; targets that cannot run here are listed with the reason.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from fuzz import targets
from fuzz.targets import Outcome

# Each target's part of the time.
SHARES = {"model": 8, "afl": 4, "onnx": 2, "tflite": 2, "pt2": 2, "npy": 1}


def line(outcome: Outcome) -> str:
    if outcome.skipped:
        return f"{outcome.target:8} not run: {outcome.skipped}"
    rate = outcome.executions / max(outcome.seconds, 1)
    failures = "".join(f"\n         fails on {path}" for path in outcome.failures)
    return f"{outcome.target:8} {outcome.executions:12,} executions, {rate:8,.0f} a second{failures}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together; default 60")
    parser.add_argument("--target", action="append", choices=SHARES, help="only this one; may be given again")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--coverage", action="store_true", help="say what the model's corpus reaches, and end")
    parser.add_argument("--minimize", nargs="*", type=Path, metavar="FOLDER", help="make the corpora anew, and end")
    options = parser.parse_args()
    chosen = options.target or list(SHARES)
    if options.coverage:
        print(targets.coverage())
        return 0
    if options.minimize and len(chosen) > 1:
        parser.error("the folders of --minimize are one target's; name it with --target")
    if options.minimize is not None:
        for name in chosen:
            if name != "afl":
                before, after = targets.minimize(name, options.minimize)
                print(f"{name}: {after} of {before} files")
        return 0
    outcomes = []
    for name in chosen:
        seconds = max(1, options.seconds * SHARES[name] // sum(SHARES[other] for other in chosen))
        print(f"{name}: fuzzing for {seconds} s", file=sys.stderr, flush=True)
        outcomes.append(targets.run(name, seconds))
    if options.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=2))
    else:
        print("\n".join(map(line, outcomes)))
    return 1 if any(outcome.failures for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
