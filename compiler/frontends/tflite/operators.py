"""All of TensorFlow Lite's operators that convert to the IR.

Each function takes the importer and a node, and appends operators that compute the same codes.
"""

from __future__ import annotations

from qrt.compiler.frontends.tflite import (
    activations,
    arithmetic,
    gathers,
    int16,
    layers,
    movement,
    recurrent,
    reductions,
)
from qrt.compiler.frontends.tflite.edges import dequantize, quantize
from qrt.compiler.frontends.tflite.engine import Translation
from qrt.compiler.frontends.tflite.node import KEEPING
from qrt.compiler.integers import functions

# Operators whose translators check the types of their tensors.
OF_OTHER_TYPES = frozenset({"QUANTIZE", "DEQUANTIZE", "ARG_MAX", "ARG_MIN"})
# Operators that move or compare codes; what the codes mean does not matter.
ON_CODES = frozenset(
    {
        *KEEPING,
        *("ARG_MAX", "ARG_MIN", "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE", "EXPAND_DIMS"),
        *("FILL", "GATHER", "GATHER_ND", "MAX_POOL_2D", "MIRROR_PAD", "NEG", "PACK", "PAD", "PADV2", "REDUCE_MAX"),
        *("REDUCE_MIN", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "SELECT", "SELECT_V2"),
        *("SLICE", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TILE"),
        *("TRANSPOSE", "UNPACK", "ZEROS_LIKE"),
    }
)

OPERATORS: dict[str, Translation] = {
    **{name: arithmetic.keeping(kind) for name, kind in KEEPING.items()},
    "ABS": activations.table(functions.absolute),
    "ADD": arithmetic.sum_of_two("AddOptions", False),
    "ARG_MAX": reductions.arg_extreme(greatest=True),
    "ARG_MIN": reductions.arg_extreme(greatest=False),
    "AVERAGE_POOL_2D": layers.pool("average_pool2d"),
    "BATCH_MATMUL": arithmetic.batch_matmul,
    "BATCH_TO_SPACE_ND": movement.batch_to_space_nd,
    "BROADCAST_TO": gathers.broadcast_to,
    "CONCATENATION": movement.concatenation,
    "CONV_2D": layers.convolution("conv2d", "Conv2DOptions", 0),
    "DEPTHWISE_CONV_2D": layers.convolution("dwconv2d", "DepthwiseConv2DOptions", 3),
    "DEPTH_TO_SPACE": movement.depth_to_space,
    "DEQUANTIZE": dequantize,
    "DIV": arithmetic.div,
    "ELU": activations.table(functions.elu),
    "EXP": activations.table(functions.exponential),
    "EXPAND_DIMS": movement.reshape,
    "FILL": gathers.fill,
    "FULLY_CONNECTED": layers.fully_connected,
    "GATHER": gathers.gather,
    "GATHER_ND": gathers.gather_nd,
    "GELU": activations.gelu,
    "HARD_SWISH": activations.hard_swish,
    "L2_NORMALIZATION": activations.l2_normalization,
    "LEAKY_RELU": activations.leaky_relu,
    "LOG": activations.table(functions.logarithm),
    "LOGISTIC": activations.squashing(functions.logistic),
    "LOG_SOFTMAX": activations.log_softmax,
    "MAX_POOL_2D": layers.pool("max_pool2d"),
    "MEAN": reductions.mean,
    "MIRROR_PAD": gathers.mirror_pad,
    "MUL": arithmetic.mul,
    "NEG": activations.table(functions.negated),
    "PACK": movement.pack,
    "PAD": movement.pad,
    "PADV2": movement.pad,
    "PRELU": activations.prelu,
    "QUANTIZE": quantize,
    "REDUCE_MAX": reductions.extreme(greatest=True),
    "REDUCE_MIN": reductions.extreme(greatest=False),
    "RELU": activations.relu("RELU"),
    "RELU6": activations.relu("RELU6"),
    "RELU_N1_TO_1": activations.relu("RELU_N1_TO_1"),
    "RESHAPE": movement.reshape,
    "RESIZE_BILINEAR": movement.resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": movement.resize_nearest_neighbor,
    "REVERSE_V2": gathers.reverse,
    "RSQRT": activations.table(functions.inverse_root),
    "SELECT": gathers.select,
    "SELECT_V2": gathers.select,
    "SLICE": movement.slice_of,
    "SOFTMAX": activations.softmax,
    "SPACE_TO_BATCH_ND": movement.space_to_batch_nd,
    "SPACE_TO_DEPTH": movement.space_to_depth,
    "SPLIT": movement.split,
    "SPLIT_V": movement.split_v,
    "SQUARED_DIFFERENCE": arithmetic.squared_difference,
    "SQUEEZE": movement.reshape,
    "STRIDED_SLICE": movement.strided_slice,
    "SUB": arithmetic.sum_of_two("SubOptions", True),
    "SUM": reductions.total,
    "SVDF": recurrent.svdf,
    "TANH": activations.squashing(functions.tanh),
    "TILE": gathers.tile,
    "TRANSPOSE": movement.transpose,
    "TRANSPOSE_CONV": layers.transpose_conv,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": recurrent.unidirectional_sequence_lstm,
    "UNPACK": movement.unpack,
    "ZEROS_LIKE": gathers.fill,
}

# Operators that move int16 codes as they are.
MOVING_INT16 = frozenset(
    {
        *("BATCH_TO_SPACE_ND", "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE", "EXPAND_DIMS", "GATHER", "GATHER_ND"),
        *("MIRROR_PAD", "PACK", "PAD", "PADV2", "RESHAPE", "REVERSE_V2", "SELECT", "SELECT_V2", "SLICE"),
        *("SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TILE"),
        *("TRANSPOSE", "UNPACK"),
    }
)
# Operators on int16 codes whose translation is that for int8.
AS_INT8 = (
    *("ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D", "DEQUANTIZE", "FULLY_CONNECTED"),
    *("MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MUL", "QUANTIZE", "RELU", "SUB", "SUM", "TRANSPOSE_CONV"),
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
)
# All operators on int16 codes.
OF_INT16: dict[str, Translation] = {
    **{kind: OPERATORS[kind] for kind in (*MOVING_INT16, *AS_INT8)},
    "ABS": int16.absolute,
    "LEAKY_RELU": int16.leaky_relu,
    "LOGISTIC": int16.gate("sigmoid"),
    "PRELU": int16.prelu,
    "RELU6": int16.relu6,
    "SOFTMAX": int16.softmax,
    "TANH": int16.gate("tanh"),
}
