"""Counts and figures of small cases that are made by hand, and against scikit-learn."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

import numpy as np
import pytest

from qrt.edges import TensorInfo
from qrt.evaluation.curve import curve
from qrt.evaluation.measures import Binary, Classes, Indices, Measure, Reconstruction
from qrt.evaluation.result import Evaluation
from qrt.evaluation.summary import summary
from qrt.evaluation.tally import Tally

RNG = np.random.default_rng(22)


def info(entries: int = 1, dtype: str = "int8", scales: tuple[float, ...] = (), zero_point: int = 0) -> TensorInfo:
    scale = 0.0 if scales else 0.25
    shape = (1, entries)
    return TensorInfo("y", shape, np.dtype(dtype), scale, zero_point, (), "NHWC", "DIVIDE", "INT8", None, scales)


def evaluated(measure: Measure, output: np.ndarray, labels: Sequence[int] | np.ndarray | None) -> Evaluation:
    """The result of samples in pieces of different lengths, added up in an order of no meaning."""
    numbers = None if labels is None else np.asarray(labels, np.int64)
    pieces = []
    for start, stop in itertools.pairwise(sorted({0, *range(0, len(output), 7), len(output)})):
        part = None if numbers is None else numbers[start:stop]
        pieces.append(measure.tally(start, [np.zeros((stop - start, 2), np.float32)], output[start:stop], part))
    total = Tally()
    for at in RNG.permutation(len(pieces)):
        total.add(Tally.from_dict(json.loads(json.dumps(pieces[at].as_dict()))))
    return summary(total, measure, (), "net", "data", str)


def test_equal_entries_rank_by_index() -> None:
    rows = np.array([[5, 5, 5], [1, 7, 7], [7, 1, 7], [-3, -3, 4]], np.int8)
    found = evaluated(Classes(info(3), 3), rows, [1, 2, 2, 1])
    # Ranks of the labels: 1, 1, 1, 2.
    assert found.accuracy == 0
    assert found.top == {1: 0, 2: 0.75, 3: 1}
    assert found.matrix.tolist() == [[0, 0, 0], [1, 0, 1], [1, 1, 0]]
    assert [(one.sample, one.label, one.predicted) for one in found.wrong] == [
        (0, 1, 0),
        (1, 2, 1),
        (2, 2, 0),
        (3, 1, 2),
    ]


def test_classes_of_a_case_made_by_hand() -> None:
    answers = [0, 0, 1, 1, 1, 2]
    labels = [0, 1, 1, 1, 0, 1]
    found = evaluated(Classes(info(4), 1), np.eye(4, dtype=np.int8)[answers], labels)
    assert found.accuracy == 3 / 6
    assert [(one.support, one.predicted, one.right) for one in found.classes] == [
        (2, 2, 1),
        (4, 3, 2),
        (0, 1, 0),
        (0, 0, 0),
    ]
    assert [one.precision for one in found.classes] == [1 / 2, 2 / 3, 0, None]
    assert [one.recall for one in found.classes] == [1 / 2, 2 / 4, None, None]
    assert [one.f1 for one in found.classes] == [1 / 2, 4 / 7, 0, None]
    assert [(pair.label, pair.predicted, pair.count) for pair in found.confused] == [(0, 1, 1), (1, 0, 1), (1, 2, 1)]
    assert found.balanced_accuracy == 0.5


def test_numbers_with_scales_rank_as_real_values() -> None:
    rows = np.array([[100, 60], [-100, -60]], np.int32)
    found = evaluated(Classes(info(2, "int32", (0.1, 0.2)), 1), rows, [1, 0])
    assert found.accuracy == 1


def test_indices_are_answers() -> None:
    found = evaluated(Indices(info(1, zero_point=-128)), np.array([[-128], [-126], [-126]], np.int8), [0, 2, 1])
    assert found.matrix.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]


def test_a_threshold_belongs_to_class_1() -> None:
    codes = np.array([[1], [2], [3], [4]], np.int8)  # 0.25, 0.5, 0.75, 1
    found = evaluated(Binary(info(), 0.5), codes, [0, 0, 1, 1])
    assert found.matrix.tolist() == [[1, 1], [0, 2]]
    assert found.curve is not None
    assert [point.threshold for point in found.curve.points] == [1, 0.75, 0.5, 0.25]
    assert (found.curve.auc, found.curve.average_precision) == (1, 1)
    assert found.curve.best().threshold == 0.75


def test_equal_scores_count_half() -> None:
    found = curve({1.0: (1, 1), 0.0: (1, 1)})
    assert found is not None
    assert found.auc == 0.5
    assert curve({1.0: (0, 3)}) is None


def test_errors_of_reconstructions() -> None:
    edge = info(2)
    measure = Reconstruction(edge, edge)
    output = np.array([[0, 0], [4, 0], [4, 4]], np.int8)  # the inputs are zeros
    found = evaluated(measure, output, [0, 0, 1])
    assert found.mse == (0 + 0.5 + 1) / 3
    assert found.mse_of == {"normal": 0.25, "anomalous": 1}
    assert found.curve is not None
    assert found.curve.auc == 1
    assert evaluated(measure, output, None).curve is None


@pytest.mark.parametrize("classes", [2, 3, 10, 40])
@pytest.mark.parametrize("values", [4, 256])
def test_classes_are_those_of_scikit_learn(classes: int, values: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels = RNG.integers(0, classes, 500)
    rows = RNG.integers(-values // 2, values // 2, (500, classes)).astype(np.int8)
    rows[np.arange(500), labels] |= 3
    found = evaluated(Classes(info(classes), min(5, classes - 1)), rows, labels)
    answers = rows.argmax(axis=1)
    np.testing.assert_array_equal(found.matrix, metrics.confusion_matrix(labels, answers, labels=range(classes)))
    assert found.accuracy == metrics.accuracy_score(labels, answers)
    scores = metrics.precision_recall_fscore_support(labels, answers, labels=range(classes), zero_division=0)
    ours = [[one.precision or 0, one.recall or 0, one.f1 or 0, one.support] for one in found.classes]
    np.testing.assert_allclose(np.array(ours).T, scores, rtol=1e-15)
    assert found.macro_f1 == pytest.approx(metrics.f1_score(labels, answers, average="macro"), rel=1e-15)
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(labels, answers), rel=1e-15)
    if values == 256 and classes > 2:
        # scikit-learn prefers the higher index of equal entries; these have none near the top.
        distinct = rows.astype(np.float64) - np.arange(classes) / 1000
        assert found.top is not None
        for k, share in found.top.items():
            assert share == pytest.approx(metrics.top_k_accuracy_score(labels, distinct, k=k, labels=range(classes)))


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_curves_are_those_of_scikit_learn(dtype: str) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels = RNG.integers(0, 2, 2000)
    codes = np.clip(RNG.normal(labels * 20, 30, 2000), -128, 127).astype(dtype).reshape(-1, 1)
    found = evaluated(Binary(info(1, dtype), 0), codes, labels)
    assert found.curve is not None
    assert found.curve.auc == pytest.approx(metrics.roc_auc_score(labels, codes.ravel()), rel=1e-14)
    expected = metrics.average_precision_score(labels, codes.ravel())
    assert found.curve.average_precision == pytest.approx(expected, rel=1e-14)
    fallout, recall, thresholds = metrics.roc_curve(labels, codes.ravel() * 0.25, drop_intermediate=False)
    points = found.curve.points
    np.testing.assert_array_equal([point.threshold for point in points], thresholds[1:])
    np.testing.assert_allclose([found.curve.recall(point) for point in points], recall[1:], rtol=1e-15)
    np.testing.assert_allclose([found.curve.fallout(point) for point in points], fallout[1:], rtol=1e-15)


def test_two_entries_have_the_curve_of_their_difference() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels = RNG.integers(0, 2, 300)
    rows = RNG.integers(-128, 128, (300, 2)).astype(np.int8)
    found = evaluated(Classes(info(2), 2), rows, labels)
    assert found.curve is not None
    scores = rows[:, 1].astype(int) - rows[:, 0]
    assert found.curve.auc == pytest.approx(metrics.roc_auc_score(labels, scores), rel=1e-14)
