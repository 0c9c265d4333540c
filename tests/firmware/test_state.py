"""Networks with state on devices: generated C, the interpreter and a library's check give the host's bytes."""

from __future__ import annotations

import pickle
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from c_programs import DEVICE, FLAGS, SANITIZED, build_program, compiler, need_options
from device_programs import place
from processes import HANGS
from sanitizers import ENVIRONMENT
from stateful import layered, moved16, remembering

import qrt
from qrt.cli.arrays import random_codes
from qrt.cli.compile import random_vectors
from qrt.compiler import GraphBuilder, compile
from qrt.firmware.emulated import EmulatedModel
from qrt.firmware.generate.network import generate
from qrt.firmware.projects.library import library_files
from qrt.firmware.targets import target

Array = np.ndarray
NETWORKS: dict[str, Callable[[], GraphBuilder]] = {
    "remembering": remembering,
    "layered": layered,
    "moved16": lambda: moved16()[0],
}
CORES = ["cortex-m4", "riscv32", "cortex-m55"]


def sequence_for(model: qrt.Model, count: int) -> Array:
    """Random steps for a network's input."""
    rng = np.random.default_rng(2)
    return np.concatenate([random_codes(rng, model.inputs[0]) for _ in range(count)])


def equal(got: Array | list[Array], wanted: Array | list[Array]) -> bool:
    pairs = zip(got, wanted, strict=True) if isinstance(got, list) else [(got, wanted)]
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("name", NETWORKS)
def test_generated_c_carries_state(name: str, core: str) -> None:
    content = NETWORKS[name]().compile()
    host = qrt.load(content)
    place(core, "qemu" if core == "cortex-m55" else "unicorn")
    device = EmulatedModel(content, target(core))
    sequence = sequence_for(host, 12)
    for part in (sequence[:7], sequence[7:8]):
        assert equal(device.run(part), host.run(part))
    assert device.state == host.state
    saved = host.state
    device.reset()
    host.reset()
    assert equal(device.run(sequence[:3]), host.run(sequence[:3]))
    device.state = host.state = saved
    assert equal(device.run(sequence[8:]), host.run(sequence[8:]))


def test_copies_run_on_the_processor_too() -> None:
    content = NETWORKS["layered"]().compile()
    host = qrt.load(content)
    device = EmulatedModel(content, target(place("cortex-m4", "unicorn").name))
    sequence = sequence_for(host, 2)
    assert equal(device.run(sequence[:1]), host.run(sequence[:1]))
    for other in (pickle.loads(pickle.dumps(device)), device.fork()):
        assert other.kernels == device.kernels == "dsp on cortex-m4"
    assert equal(pickle.loads(pickle.dumps(device)).run(sequence[1:]), host.run(sequence[1:]))


def test_reset_writes_the_initial_values_of_the_file() -> None:
    """The emulator calls the generated function, in memory that was not cleared."""
    from qrt.firmware.build import run

    for make in NETWORKS.values():
        content = make().compile()
        host = qrt.load(content)
        device = EmulatedModel(content, target(place("cortex-m4", "unicorn").name))
        sequence = sequence_for(host, 2)
        samples = [(x.tobytes(),) for x in sequence]
        outputs, execution = run(device.network, device.image, samples)
        wanted = host.run(sequence)
        wanted = wanted if isinstance(wanted, list) else [wanted]
        for step, of_step in enumerate(outputs):
            assert of_step == [y[step : step + 1].tobytes() for y in wanted]
        assert execution.reads[-1] == host.state


def test_state_lies_at_the_start_of_the_memory() -> None:
    for make in NETWORKS.values():
        content = make().compile()
        network = generate(content, target("generic"), "net")
        header = network.sources["net.h"]
        assert network.state_size == qrt.load(content).state_size
        assert f"#define NET_STATE_SIZE {network.state_size}u\n" in header
        assert "void net_reset(net_memory *memory);" in header
        others = [offset for t, offset in network.plan.offsets.items() if not t.is_state]
        assert min(others) >= network.state_size


def test_a_network_without_state_needs_no_reset() -> None:
    g = GraphBuilder("plain")
    g.output(g.relu(g.input("x", (1, 4), scale=1)))
    network = generate(g.compile(), target("generic"), "net")
    assert not any("reset" in text for path, text in network.sources.items() if "/" not in path)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_librarys_check_runs_sequences(name: str, tmp_path: Path) -> None:
    """Its own program: right as the vectors are; not if a vector that continues begins anew."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    content = compile(NETWORKS[name]()).to_bytes()
    network = generate(content, target("generic"), "net")
    vectors = random_vectors(qrt.load(content, "reference"), 10)
    wrong = [vector._replace(continues=False) for vector in vectors]
    for given, result in ((vectors, 0), (wrong, 2)):
        folder = tmp_path / str(result)
        for path, text in library_files(network, given).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        strict = "CFLAGS=-O1 -std=c99 -Wall -Wextra -Wpedantic -Werror -fsanitize=undefined"
        done = subprocess.run(
            ["make", "check", f"CC={compiler()}", strict, "LDFLAGS=-fsanitize=undefined"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=HANGS,
        )
        assert done.returncode == result, done.stdout + done.stderr
        assert ("10 of 10 test vectors" in done.stdout) == (result == 0)


# Opens a file, runs its test vectors, then the inputs of the first twice: after a reset, and from a state that is
# copied back. Prints how many vectors differ, and ends with 0 if the outputs are equal each time.
INTERPRETED = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qrt_device.h"

static union { int8_t bytes[65536]; int64_t align; } memory;
static int8_t file[65536] __attribute__((aligned(16)));
static qrt_device device;

static void step(int8_t *outputs) {
    qrt_tensor x, y;
    int8_t *input = qrt_device_input(&device, 0, &x);
    memcpy(input, qrt_model_test_input(&device.model, 1, 0), (size_t)qrt_tensor_bytes(&x));
    qrt_device_run(&device);
    const int8_t *output = qrt_device_output(&device, 0, &y);
    memcpy(outputs, output, (size_t)qrt_tensor_bytes(&y));
}

int main(void) {
    static int8_t state[1024], outputs[4][1024];
    size_t size = fread(file, 1, sizeof file, stdin);
    memset(memory.bytes, 0x5a, sizeof memory.bytes);
    if (qrt_device_open(&device, file, size, QRT_DEVICE_ALL, &memory, sizeof memory, NULL) != QRT_OK) return 1;
    printf("%d\n", (int)qrt_device_check(&device));
    step(outputs[0]);
    memcpy(state, memory.bytes, device.model.state_size);
    step(outputs[1]);
    qrt_device_reset(&device);
    step(outputs[2]);
    memcpy(memory.bytes, state, device.model.state_size);
    step(outputs[3]);
    return memcmp(outputs[0], outputs[2], 1024) != 0 || memcmp(outputs[1], outputs[3], 1024) != 0;
}
"""


@pytest.fixture(scope="module")
def interpreted(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program."""
    folder = tmp_path_factory.mktemp("interpreted")
    source = folder / "main.c"
    source.write_text(INTERPRETED, encoding="utf-8")
    need_options(*SANITIZED)
    return build_program(shared, folder / "main", [compiler(), *SANITIZED, *FLAGS], [source, *DEVICE])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_interpreter_carries_state(name: str, interpreted: Path) -> None:
    compiled = compile(NETWORKS[name]())
    vectors = random_vectors(qrt.load(compiled.to_bytes(), "reference"), 10)
    wrong = [vector._replace(continues=False) for vector in vectors]
    for given, differing in ((vectors, b"0"), (wrong, b"8")):
        file = compiled.to_bytes(given)
        done = subprocess.run([interpreted], input=file, capture_output=True, timeout=HANGS, env=ENVIRONMENT)
        assert (done.returncode, done.stdout.strip()) == (0, differing)
