"""BakeNN, a compiler of int8 networks to C: with kernels of its own, and with those of CMSIS-NN that it brings."""

from __future__ import annotations

import importlib.util
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.device.networks import Network
from bench.device.programs import Configuration, Figures, Source, aligned, total
from bench.networks import Unusable
from qrt.firmware.emulators import Call, Command, Read, Settings, Write, execute
from qrt.firmware.targets import Target

# The processors that it knows, by those that this benchmark has. Those with the DSP extension get its Cortex-M4, the
# only one for which it takes CMSIS-NN.
PROFILES = {
    "cortex-m0": "CORTEX_M0PLUS",
    "cortex-m3": "PORTABLE_32",
    "cortex-m4": "CORTEX_M4",
    "cortex-m7": "CORTEX_M4",
    "cortex-m33": "CORTEX_M4",
    "cortex-m55": "CORTEX_M4",
    "rv32imc": "RV32IMC",
}
# A header that CMSIS-NN includes before it looks at the processor, and of which it uses nothing. BakeNN reserves the
# scratch memory that CMSIS-NN needs on an M4; its vector code, for an M55, needs more.
MATH_H = "#undef __ARM_FEATURE_MVE\n"
# Behind what is its own; whether it writes beyond that is checked.
GUARD = b"\xa5" * 256


def missing() -> str:
    """Why it cannot be used, or ""."""
    lacking = [name for name in ("bakenn", "tflite") if importlib.util.find_spec(name) is None]
    return f'{", ".join(lacking)} is not installed: pip install "qrt[bench]"' if lacking else ""


def own_kernels(network: Network, target: Target, how: Configuration) -> Figures:
    """The better of its two ways to choose among its own kernels: the plain ones, and those made for the processor."""
    return min(
        (_measured(network, target, how, policy, False) for policy in ("PORTABLE", "STATIC_PRIORITY")),
        key=lambda figures: figures.instructions,
    )


def cmsis_nn(network: Network, target: Target, how: Configuration) -> Figures:
    """With CMSIS-NN for what it hands to it."""
    if PROFILES.get(target.core) != "CORTEX_M4":
        raise Unusable("BakeNN takes CMSIS-NN for processors with the DSP extension only")
    return _measured(network, target, how, "STATIC_PRIORITY", True)


def _measured(network: Network, target: Target, how: Configuration, policy: str, with_cmsis_nn: bool) -> Figures:
    with tempfile.TemporaryDirectory(prefix="qrt-") as name:
        folder = Path(name)
        _compile(network, target, folder, policy, with_cmsis_nn)
        header = (folder / "net" / "bknn_net.h").read_text(encoding="utf-8")
        arena, source, result = (
            int(number)
            for size in ("ARENA_SIZE", "INPUT_BYTES", "OUTPUT_BYTES")
            for number in re.findall(rf"#define BKNN_NET_{size} (\d+)u", header)
        )
        (folder / "math.h").write_text(MATH_H, encoding="utf-8")
        program = Source(
            sorted((folder / "net").rglob("*.c")),
            [folder, *sorted({path.parent for path in (folder / "net").rglob("*.h")})],
            ["bknn_net_infer"],
            ["BAKENN_CMSIS_NN_BUILTIN_MEMORY"],
            ["-std=c11"],
        )
        image, alone = program.pair(target, how)
    places = [aligned(image.free)]
    for size in (arena, source, result):
        places.append(aligned(places[-1] + size + len(GUARD)))
    commands = list(_commands(network, places, (arena, source, result)))
    execution = execute(image, target, commands, Settings(count=True, memory=places[-1] - image.free))
    instructions, cycles = total(execution.calls[0])
    *results, after_arena, after_output = execution.reads
    if after_arena != GUARD or after_output != GUARD:
        raise Unusable("BakeNN's C writes behind its memory")
    return Figures(
        instructions,
        cycles,
        0,
        alone.code,
        alone.constants + alone.data,
        arena + source + result + alone.data + alone.bss,
        execution.stack,
        [[output] for output in results],
        policy.lower(),
    )


def _commands(network: Network, places: list[int], sizes: tuple[int, ...]) -> Iterator[Command]:
    """Runs each sample; then reads what is behind the arena and behind the output."""
    arena, source, result = places[:3]
    guards = [place + size for place, size in zip((arena, result), (sizes[0], sizes[2]), strict=True)]
    yield from (Write(guard, GUARD) for guard in guards)
    for sample in network.input_bytes:
        yield Write(source, sample[0])
        yield Call("bknn_net_infer", (arena, source, result))
        yield Read(result, sizes[2])
    yield from (Read(guard, len(GUARD)) for guard in guards)


def _compile(network: Network, target: Target, folder: Path, policy: str, with_cmsis_nn: bool) -> None:
    """Writes the network's C into ``net`` of a folder."""
    import bakenn

    profile: Any = getattr(bakenn, PROFILES[target.core])
    options = bakenn.CBackendOptions(
        kernel_policy=bakenn.KernelPolicy[policy], enable_cmsis_nn=with_cmsis_nn, target=profile
    )
    path = folder / f"{network.name}.tflite"
    path.write_bytes(network.exported)
    try:
        bakenn.compile_tflite(str(path), str(folder / "net"), name="net", backend_options=options)
    except bakenn.BakeNNError as error:
        raise Unusable(f"BakeNN refuses it: {str(error).splitlines()[0]}") from None
