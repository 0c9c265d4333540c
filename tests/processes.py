"""Child processes that tests communicate with: with the signals of a terminal, and independent of timing."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Seconds after which a process hangs that should have ended. No machine is so busy that a test takes this long.
HANGS = 600


def take_interrupts() -> None:
    """Gives SIGINT its default again, in a child: `nohup` and a script's background jobs start with it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process whose stdout and stderr are read, and that takes interrupts; it does not outlive the block."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, preexec_fn=take_interrupts, **pipes, **options) as process:
        try:
            yield process
        finally:
            process.kill()
