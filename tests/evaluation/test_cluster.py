"""Evaluations on a Dask cluster of processes: the same numbers as on one machine, also when a worker is killed."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import images, residual
from logged_samples import logged, reads, samples_read
from places import ROOT

import qrt
from qrt.evaluation import Evaluation, EvaluationError, evaluate
from qrt.evaluation.cluster import connect

distributed = pytest.importorskip("distributed", reason="distributed is not installed")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Of two workers, processes that find the modules of the tests."""
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests"), before])
    try:
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            distributed.Client(cluster) as found,
        ):
            yield found
    finally:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def network() -> qrt.Model:
    return qrt.load(residual().compile())


def document(found: Evaluation) -> str:
    return json.dumps(found.as_dict())


def test_arrays_and_files_have_the_same_numbers(client: Any, network: qrt.Model, tmp_path: Path) -> None:
    x, labels = images(1000), np.random.default_rng(1).integers(0, 4, 1000)
    assert document(evaluate(network, x, labels, client=client)) == document(evaluate(network, x, labels))
    file = tmp_path / "data.npz"
    np.savez(file, image=x, labels=labels)
    done: list[int] = []
    found = evaluate(network, file, client=client, progress=lambda count, total: done.append(count))
    assert document(found) == document(evaluate(network, file))
    assert (done[0], done[-1]) == (0, 1000)


def test_a_killed_worker_loses_nothing(client: Any, network: qrt.Model, tmp_path: Path) -> None:
    log = tmp_path / "log"
    data = logged(640, (4, 4, 2), 4, log, 0.01)
    killed: list[int] = []

    def kill() -> None:
        while len(reads(log)) < 5:
            time.sleep(0.01)
        killed.append(reads(log)[-1][2])
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    found = evaluate(network, data, client=client)
    thread.join()
    assert killed
    assert len({process for *_, process in reads(log)}) >= 2
    assert set(samples_read(log)) == set(range(640))
    assert document(found) == document(evaluate(network, data))


def test_an_error_of_a_worker_is_that_of_the_data(client: Any, network: qrt.Model, tmp_path: Path) -> None:
    data = logged(64, (4, 4, 3), 4, tmp_path / "log")
    with pytest.raises(ValueError, match=r"expected shape \(1, 4, 4, 2\) NHWC, got \(8, 4, 4, 3\)"):
        evaluate(network, data, client=client)


def test_no_scheduler() -> None:
    dask = pytest.importorskip("dask", reason="distributed is not installed")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "500ms"}),
        pytest.raises(EvaluationError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:1: .*; start one with"),
    ):
        connect("tcp://127.0.0.1:1")


def test_threads_are_of_this_machine(network: qrt.Model) -> None:
    with pytest.raises(ValueError, match="threads is 1 to 1,024, and of this machine only"):
        evaluate(network, images(2), [0, 1], threads=2, client=object())  # type: ignore[arg-type]
