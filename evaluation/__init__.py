"""How right a network is on labelled samples: on one machine, or on many."""

from qrt.evaluation.choice import METRICS
from qrt.evaluation.cluster import connect
from qrt.evaluation.errors import EvaluationError
from qrt.evaluation.evaluator import evaluate
from qrt.evaluation.result import Evaluation

__all__ = ["METRICS", "Evaluation", "EvaluationError", "connect", "evaluate"]
