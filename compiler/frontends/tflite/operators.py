"""All of TensorFlow Lite's operators that convert to the IR.

Each function takes the importer and a node, and appends operators that compute the same codes.
"""

from __future__ import annotations

from qrt.compiler.frontends.tflite import activations, arithmetic, layers, movement, reductions
from qrt.compiler.frontends.tflite.edges import dequantize, quantize
from qrt.compiler.frontends.tflite.engine import Translation
from qrt.compiler.frontends.tflite.node import KEEPING
from qrt.compiler.integers import functions

# Operators whose translators check the types of their tensors.
OF_OTHER_TYPES = frozenset({"QUANTIZE", "DEQUANTIZE", "ARG_MAX"})

OPERATORS: dict[str, Translation] = {
    **{name: arithmetic.keeping(kind) for name, kind in KEEPING.items()},
    "ADD": arithmetic.sum_of_two("AddOptions", False),
    "ARG_MAX": reductions.arg_max,
    "AVERAGE_POOL_2D": layers.pool("average_pool2d"),
    "BATCH_MATMUL": arithmetic.batch_matmul,
    "CONCATENATION": movement.concatenation,
    "CONV_2D": layers.convolution("conv2d", "Conv2DOptions", 0),
    "DEPTHWISE_CONV_2D": layers.convolution("dwconv2d", "DepthwiseConv2DOptions", 3),
    "DEPTH_TO_SPACE": movement.depth_to_space,
    "DEQUANTIZE": dequantize,
    "EXPAND_DIMS": movement.reshape,
    "FULLY_CONNECTED": layers.fully_connected,
    "HARD_SWISH": activations.hard_swish,
    "L2_NORMALIZATION": activations.l2_normalization,
    "LEAKY_RELU": activations.leaky_relu,
    "LOGISTIC": activations.squashing(functions.logistic, 1 / 256, -128),
    "MAX_POOL_2D": layers.pool("max_pool2d"),
    "MEAN": reductions.mean,
    "MUL": arithmetic.mul,
    "PAD": movement.pad,
    "PADV2": movement.pad,
    "QUANTIZE": quantize,
    "RELU": activations.relu("RELU"),
    "RELU6": activations.relu("RELU6"),
    "RELU_N1_TO_1": activations.relu("RELU_N1_TO_1"),
    "RESHAPE": movement.reshape,
    "RESIZE_BILINEAR": movement.resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": movement.resize_nearest_neighbor,
    "SLICE": movement.slice_of,
    "SOFTMAX": activations.softmax,
    "SPACE_TO_DEPTH": movement.space_to_depth,
    "SPLIT": movement.split,
    "SPLIT_V": movement.split_v,
    "SQUEEZE": movement.reshape,
    "STRIDED_SLICE": movement.strided_slice,
    "SUB": arithmetic.sum_of_two("SubOptions", True),
    "TANH": activations.squashing(functions.tanh, 1 / 128, 0),
    "TRANSPOSE": movement.transpose,
    "TRANSPOSE_CONV": layers.transpose_conv,
}
