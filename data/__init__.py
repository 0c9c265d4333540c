"""Samples and their labels, read from files of arrays, images, sound and tables."""

from qrt.data.dataset import Dataset
from qrt.data.errors import DataError
from qrt.data.opening import open_dataset
from qrt.data.preprocess import Preprocess

__all__ = ["DataError", "Dataset", "Preprocess", "open_dataset"]
