"""What this machine has: its kernel sets, and how fast it multiplies and reads."""

from __future__ import annotations

import time

from qrt import _executor

# For `measure_peak`: a round is 12 instructions, or 4 of AMX; a few milliseconds in total.
PEAK_ROUNDS = 10_000
PEAK_REPEATS = 20
# For `measure_reads`: bytes that are read in a run.
READ_BYTES = 1 << 20
READ_REPEATS = 10
# Long enough that the time to start a loop on a thread is negligible.
SHARED_PEAK_SECONDS = 0.004


def kernel_sets() -> tuple[str, ...]:
    """Names of the kernel sets that this machine supports, from the reference to the fastest."""
    return _executor.SETS


def absent_kernel_sets() -> dict[str, str]:
    """The kernel sets that this machine does not support, and the reasons."""
    return dict(_executor.ABSENT)


def measure_peak(kernels: str, threads: int = 1) -> float | None:
    """The peak throughput of a kernel set's instructions, in multiply-accumulates per second.

    Measured in a few milliseconds: a loop of the set's fastest instruction (AMX TDPBSSD, VNNI VPDPBUSD, AVX2
    VPMADDWD and an addition, 64-bit Arm SMULL, SDOT or SMMLA) on registers only; the best of several runs, since other
    load only slows it down.

    Parameters
    ----------
    kernels : str
        One of `kernel_sets()`.
    threads : int, default 1
        Number of threads that run the loop at once. Cores that share a clock or units scale less than linearly.

    Returns
    -------
    float or None
        None for sets without such an instruction: reference, portable.

    Raises
    ------
    ValueError
        The kernel set is not supported on this machine.
    """
    if refusal := _executor.refusal(kernels):
        raise ValueError(refusal)
    measured = [_executor.peak(kernels, PEAK_ROUNDS) for _ in range(PEAK_REPEATS)]
    if not measured[0][0]:
        return None
    fastest = min(nanoseconds for _, nanoseconds in measured)
    if threads == 1:
        return measured[0][0] / fastest * 1e9
    return _shared_peak(kernels, threads, max(PEAK_ROUNDS, int(PEAK_ROUNDS * SHARED_PEAK_SECONDS * 1e9 / fastest)))


def _shared_peak(kernels: str, threads: int, rounds: int) -> float:
    """`measure_peak` on several threads, timed until the last of them is done."""
    # Imported here because few need it, and it takes a twentieth of the time to import qrt.
    from concurrent.futures import ThreadPoolExecutor

    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(PEAK_REPEATS):
            start = time.perf_counter()
            done = list(pool.map(_executor.peak, [kernels] * threads, [rounds] * threads))
            best = max(best, sum(macs for macs, _ in done) / (time.perf_counter() - start))
    return best


def measure_reads(size: int) -> float:
    """The rate at which a core reads a block of memory again and again, in bytes per second.

    Up to some size the block stays in a cache, so the rate is that of the cache. Measured in a few milliseconds: a loop
    of the widest loads that this machine has; the best of several runs.

    Parameters
    ----------
    size : int
        Bytes of the block; rounded down to a multiple of 512, but at least that.
    """
    rounds = max(1, READ_BYTES // max(size, 1))
    measured = [_executor.reads(size, rounds) for _ in range(READ_REPEATS)]
    return max(count / max(nanoseconds, 1) * 1e9 for count, nanoseconds in measured)


def kernel_table() -> dict[str, dict[str, str]]:
    """For each kernel set and operator, the set that its kernel belongs to: ``"own"`` or another set's name."""
    table = {}
    for name in _executor.SETS:
        owners = _executor.kernel_owners(name)
        table[name] = {op: "own" if owner == name else owner for op, owner in owners.items()}
    return table
