"""evaluate(): opens model and data, decides what to measure, runs all samples, and sums up."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from qrt.data import Dataset, Preprocess, open_dataset
from qrt.data.dataset import digest_of
from qrt.evaluation import cluster, local
from qrt.evaluation.choice import choose
from qrt.evaluation.errors import EvaluationError
from qrt.evaluation.held import hold
from qrt.evaluation.job import Job, job_of
from qrt.evaluation.labels import class_names, indices
from qrt.evaluation.partial import Partial
from qrt.evaluation.result import Evaluation
from qrt.evaluation.spans import Span, between
from qrt.evaluation.summary import summary
from qrt.evaluation.tally import Tally
from qrt.model import Model, load

if TYPE_CHECKING:
    from distributed import Client

Progress = Callable[[int, int], None]


def evaluate(
    model: Model | str | os.PathLike[str] | bytes,
    data: Dataset | str | os.PathLike[str] | ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike],
    labels: ArrayLike | None = None,
    *,
    metric: str | None = None,
    top: int = 5,
    threshold: float | None = None,
    reset_every: int | None = None,
    preprocess: Preprocess | None = None,
    layout: str | None = None,
    threads: int | None = None,
    client: Client | None = None,
    resume: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measures how right a network is on samples.

    Samples run on forks of the model in several threads, or on the workers of a Dask cluster. Counts are added up as
    whole numbers, so the result is the same for any number of threads and workers.

    Parameters
    ----------
    model : Model, path or bytes
        A model of `load`, or a .qfb file.
    data : qrt.data.Dataset, path, array_like, sequence or dict
        A data set, what `qrt.data.open_dataset` opens, or arrays in memory: one for each input, samples along the
        first axis.
    labels : array_like of int, optional
        With arrays: one label for each sample.
    metric : {None, "accuracy", "binary", "reconstruction"}
        ``"accuracy"``: the largest entry of a row is the answer. ``"binary"``: one number, which stands for class 1
        from `threshold` on. ``"reconstruction"``: the output should be the input; label 0 is normal, others are
        anomalous. None decides by the network's output: one entry is binary, the input's shape is a reconstruction
        unless there are labels of more than two classes.
    top : int, default 5
        The largest k of top-k accuracies.
    threshold : float, optional
        For ``"binary"``, a real value; by default 0.5 for an output without negative values, otherwise 0.
    reset_every : int, optional
        For a network with state, which needs it: samples are steps in time, and the state is reset before each
        `reset_every` of them. 1 makes each sample a sequence of its own.
    preprocess : qrt.data.Preprocess, optional
        With a path: how images and recordings become inputs; by default as the model file says.
    layout : {None, "NHWC", "NCHW"}
        Of images in arrays, if their shape fits both.
    threads : int, optional
        Samples that run at once, 1 to 1,024; by default as many as this process has CPUs, or fewer if the model has
        threads.
    client : distributed.Client, optional
        Runs the samples on the workers of this client's cluster, which need qrt, and the data where it is a path. The
        samples of a worker that is lost run on another one.
    resume : path, optional
        A file for what is done; if it exists, the evaluation continues from there. It is removed at the end. In a
        folder, the file is named after what is evaluated.
    progress : function, optional
        Called in this thread with the numbers of samples that are done, and of all.

    Returns
    -------
    Evaluation

    Raises
    ------
    EvaluationError
        The network cannot be evaluated so.
    qrt.data.DataError
        Samples or labels cannot be used, are missing, or do not fit the network; or `resume` is of another evaluation.
    ValueError
        An argument has another meaning for this network, or none; a model that `load` refuses.
    """
    network = model if isinstance(model, Model) else load(model)
    dataset = _dataset(network, data, labels, preprocess, layout, resume is not None)
    if threads is not None and (not 1 <= threads <= local.MOST_THREADS or client is not None):
        limits = f"1 to {local.MOST_THREADS:,}"
        raise ValueError(f"threads is {limits}, and of this machine only, without a client; got {threads:,}")
    if top < 1:
        raise ValueError(f"top is at least 1, got {top}")
    _check_state(network, reset_every)
    names = class_names(network, dataset)
    measure = choose(network, dataset, metric, top, threshold)
    numbers = indices(dataset, measure, names)
    job = job_of(network, dataset, numbers, measure, reset_every)
    partial = Partial(None if resume is None else Path(resume), {} if resume is None else _key(network, job))
    partial.load()
    if progress is not None:
        progress(partial.tally.samples, dataset.count)
    gaps = between(partial.done, dataset.count)
    with closing(_run(network, job, gaps, threads or local.default_threads(network), client)) as results:
        try:
            for span, tally in results:
                partial.add(span, tally)
                if progress is not None:
                    progress(partial.tally.samples, dataset.count)
        except BaseException:
            partial.write()
            raise
    result = summary(partial.tally, measure, names, network.name, dataset.path, dataset.name)
    partial.remove()
    return result


def _dataset(
    model: Model, data: Any, labels: ArrayLike | None, preprocess: Preprocess | None, layout: str | None, resumes: bool
) -> Dataset:
    if isinstance(data, Dataset | str | os.PathLike) and labels is not None:
        raise EvaluationError("labels belong to arrays; a file or folder has its own labels")
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | os.PathLike):
        if preprocess is None and model.preprocessing:
            preprocess = Preprocess.parse(model.preprocessing, f"model {model.name!r}: preprocessing")
        return open_dataset(data, model.inputs, preprocess, layout, model.outputs[0].labels)
    return hold(data, labels, model.inputs, layout, resumes)


def _check_state(model: Model, reset_every: int | None) -> None:
    if reset_every is not None and not model.state_size:
        raise EvaluationError(f"model {model.name!r} has no state to reset; leave out reset_every")
    if reset_every is not None and reset_every < 1:
        raise ValueError(f"reset_every is at least 1, got {reset_every}")
    if reset_every is None and model.state_size:
        raise EvaluationError(
            f"model {model.name!r} has state, so samples are steps of sequences; say with reset_every how many steps a "
            "sequence has, 1 if each sample is one"
        )


def _key(model: Model, job: Job) -> dict[str, str]:
    """What counts depend on."""
    arguments: Any = model._program.__reduce__()[1]
    data = digest_of(job.data.digest, b"" if job.labels is None else job.labels.tobytes())
    of = {"model": digest_of(arguments[0].tobytes()), "data": data}
    return {**of, "measure": repr(job.measure), "reset_every": str(job.reset_every)}


def _run(
    model: Model, job: Job, gaps: Sequence[Span], threads: int, client: Client | None
) -> Generator[tuple[Span, Tally]]:
    return local.run(model, job, gaps, threads) if client is None else cluster.run(client, model, job, gaps)
