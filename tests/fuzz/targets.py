"""The fuzz targets: how each is built and run for some seconds, and its results."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from c_programs import ENGINE, FLAGS
from fuzz import corpus
from fuzz.readers import READERS
from places import ROOT, VECTORS

BUILD = ROOT / "build" / "fuzz"
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
# Bytes of a fuzzed file, at most.
MAX_MODEL, MAX_FOREIGN = 8192, 65536


class Absent(Exception):
    """A tool is missing; the text says which, and how to get it."""


@dataclass(frozen=True)
class Outcome:
    """What a target has done; `failures` are files that it fails on."""

    target: str
    executions: int = 0
    seconds: float = 0
    failures: tuple[str, ...] = ()
    skipped: str = ""


def tool(name: str, package: str) -> str:
    """The path of a program."""
    path = shutil.which(name)
    if path is None:
        raise Absent(f"{name} is missing (Debian: {package})")
    return path


def call(command: Sequence[str | Path], reason: str, **environment: str) -> str:
    """Runs a command that builds; its output."""
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode != 0:
        raise Absent(f"{reason}: {(done.stderr.strip() or done.stdout.strip()).splitlines()[-1]}")
    return done.stdout


def seeds(name: str) -> Path:
    """A folder with the files that a target starts from."""
    folder = BUILD / name / "seeds"
    files = corpus.read(name)
    if name == "model":
        files += [path.read_bytes() for path in sorted(VECTORS.glob("*/*.qfb"))]
    corpus.unpack(files, folder)
    return folder


def libfuzzer_command(name: str) -> list[str | Path]:
    """Builds a target of libFuzzer's kind; the command that runs it, without options."""
    if name in READERS:
        if importlib.util.find_spec("atheris") is None:
            raise Absent("the package atheris is missing, or has no wheel for this Python and machine")
        return [sys.executable, "-m", "fuzz.frontends", name]
    clang = tool("clang", "clang")
    program, mutator = BUILD / "model" / "libfuzzer", BUILD / "model" / "mutate_file.o"
    program.parent.mkdir(parents=True, exist_ok=True)
    here = ROOT / "tests/fuzz"
    # Without sanitizers: the mutator is no target, and its branches are no coverage.
    call([clang, *FLAGS, "-c", here / "mutate_file.c", "-o", mutator], "clang fails")
    files = [*ENGINE, here / "run_file.c", here / "fuzz_model.c", mutator]
    reason = "clang has no libFuzzer or sanitizers (Debian: libclang-rt-14-dev)"
    call([clang, *FLAGS, *SANITIZE, "-fsanitize=fuzzer", *files, "-o", program], reason)
    return [program]


def libfuzzer(name: str, seconds: int) -> Outcome:
    """Runs a target of libFuzzer or atheris; what it learns stays in build/fuzz for the next run."""
    command = libfuzzer_command(name)
    learned, failures = BUILD / name / "learned", BUILD / name / "failures"
    for folder in (learned, failures):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(failures.iterdir())
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MAX_MODEL if name == 'model' else MAX_FOREIGN}",
        "-len_control=0",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        f"-artifact_prefix={failures}/",
    ]
    log = BUILD / name / "log"
    with log.open("wb") as stream:
        done = subprocess.run(
            [*command, *options, learned, seeds(name)], stdout=stream, stderr=subprocess.STDOUT, cwd=ROOT / "tests"
        )
    text = log.read_text(errors="replace")
    executions = re.search(r"^stat::number_of_executed_units: *(\d+)", text, re.MULTILINE)
    found = sorted(str(path) for path in set(failures.iterdir()) - before)
    if done.returncode != 0 and not found:
        found = [str(log)]
    return Outcome(name, int(executions[1]) if executions else 0, seconds, tuple(found))


def afl(seconds: int) -> Outcome:
    """Runs the model's target under AFL++, whose driver keeps one process for many files."""
    compiler, fuzzer = tool("afl-clang-fast", "afl++"), tool("afl-fuzz", "afl++")
    program, found = BUILD / "afl" / "target", BUILD / "afl" / "found"
    program.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(found, ignore_errors=True)
    here = ROOT / "tests/fuzz"
    files = [*ENGINE, here / "run_file.c", here / "mutate_file.c", here / "fuzz_model.c"]
    flags = [*FLAGS, "-fsanitize=fuzzer", "-fno-sanitize-recover=all"]
    reason = "afl-clang-fast cannot build the target"
    call([compiler, *flags, *files, "-o", program], reason, AFL_USE_ASAN="1", AFL_USE_UBSAN="1", AFL_QUIET="1")
    settings = ("NO_UI", "NO_AFFINITY", "SKIP_CPUFREQ", "I_DONT_CARE_ABOUT_MISSING_CRASHES", "FAST_CAL")
    environment = {**os.environ, **{f"AFL_{setting}": "1" for setting in settings}}
    options = ["-i", seeds("model"), "-o", found, "-V", str(seconds), "-m", "none", "-t", "5000+", "-G", str(MAX_MODEL)]
    log = BUILD / "afl" / "log"
    with log.open("wb") as stream:
        done = subprocess.run([fuzzer, *options, "--", program], stdout=stream, stderr=stream, env=environment)
    stats = found / "default" / "fuzzer_stats"
    if done.returncode != 0 or not stats.exists():
        return Outcome("afl", 0, seconds, (str(log),))
    executions = re.search(r"^execs_done *: *(\d+)", stats.read_text(), re.MULTILINE)
    failures = [path for kind in ("crashes", "hangs") for path in (found / "default" / kind).glob("id*")]
    return Outcome("afl", int(executions[1]) if executions else 0, seconds, tuple(map(str, sorted(failures))))


def run(name: str, seconds: int) -> Outcome:
    """Runs a target, or says why it cannot."""
    try:
        return afl(seconds) if name == "afl" else libfuzzer(name, seconds)
    except Absent as absent:
        return Outcome(name, skipped=str(absent))


def minimize(name: str, more: Sequence[Path]) -> tuple[int, int]:
    """Makes the corpus anew of all that is known and of folders with more; files before and after."""
    command = libfuzzer_command(name)
    folders = [folder for folder in (seeds(name), BUILD / name / "learned", *more) if folder.is_dir()]
    with tempfile.TemporaryDirectory() as kept:
        call([*command, "-merge=1", f"-max_len={MAX_FOREIGN}", kept, *folders], f"{name}: merging fails")
        files = [path.read_bytes() for path in Path(kept).iterdir()]
    golden = {path.read_bytes() for path in VECTORS.glob("*/*.qfb")}
    corpus.write(name, [content for content in files if content not in golden])
    return sum(len(list(folder.iterdir())) for folder in folders), len(files)


def coverage() -> str:
    """How many lines of the reader and of the kernels the model's corpus reaches: llvm-cov's report."""
    clang, merge, report = tool("clang", "clang"), tool("llvm-profdata", "llvm"), tool("llvm-cov", "llvm")
    program, profile = BUILD / "coverage" / "open_files", BUILD / "coverage" / "profile"
    program.parent.mkdir(parents=True, exist_ok=True)
    here = ROOT / "tests/fuzz"
    flags = [*FLAGS, "-O0", "-fprofile-instr-generate", "-fcoverage-mapping"]
    call([clang, *flags, *ENGINE, here / "open_files.c", here / "run_file.c", "-o", program], "clang fails")
    files = [path.read_bytes() for path in sorted(seeds("model").iterdir())]
    stream = b"".join(len(content).to_bytes(4, "little") + content for content in files)
    environment = {**os.environ, "LLVM_PROFILE_FILE": f"{profile}.raw"}
    subprocess.run([program], input=stream, check=True, stdout=subprocess.DEVNULL, env=environment)
    call([merge, "merge", f"{profile}.raw", "-o", profile], "llvm-profdata fails")
    return call([report, "report", program, f"-instr-profile={profile}", *ENGINE], "llvm-cov fails")
