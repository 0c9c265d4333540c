/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_kinds.h: the numbers of the operators. Written by schema/generate.py (make generate) from qrt.fbs. */
#ifndef QRT_KINDS_H
#define QRT_KINDS_H

enum qrt_operator_kind {
    QRT_CONV2D = 1,
    QRT_DWCONV2D = 2,
    QRT_LINEAR = 3,
    QRT_ADD = 4,
    QRT_MUL = 5,
    QRT_AVERAGE_POOL2D = 6,
    QRT_MAX_POOL2D = 7,
    QRT_MEAN = 8,
    QRT_PAD = 9,
    QRT_CONCAT = 10,
    QRT_RESHAPE = 11,
    QRT_TRANSPOSE = 12,
    QRT_REQUANTIZE = 13,
    QRT_CLAMP = 14,
    QRT_SOFTMAX = 15,
    QRT_LUT = 16,
    QRT_SLICE = 17,
    QRT_RESIZE2D = 18,
    QRT_TRANSPOSE_CONV2D = 19,
    QRT_MAXIMUM = 20,
    QRT_MINIMUM = 21,
    QRT_ARG_MAX = 22,
    QRT_MATMUL = 23,
    QRT_L2_NORM = 24,
    QRT_REQUANTIZE_SUM = 25,
    QRT_SQUARED_DIFFERENCE = 26,
    QRT_LAYER_NORM = 27,
    QRT_LOG_SOFTMAX = 28,
    QRT_PUSH = 29,
    QRT_ASSIGN = 30,
    QRT_SVDF = 31,
    QRT_LSTM = 32,
    QRT_SIGMOID = 33,
    QRT_TANH = 34,
    QRT_LEAKY_RELU = 35,
    QRT_OPERATOR_KIND_END,
};

/* The rows of a kernel set: those of the operators have their numbers, those of 16-bit arithmetic follow. */
enum qrt_row16 {
    QRT_CONV2D16 = QRT_OPERATOR_KIND_END,
    QRT_DWCONV2D16,
    QRT_LINEAR16,
    QRT_ADD16,
    QRT_MUL16,
    QRT_AVERAGE_POOL2D16,
    QRT_MAX_POOL2D16,
    QRT_MEAN16,
    QRT_REQUANTIZE16,
    QRT_CLAMP16,
    QRT_SOFTMAX16,
    QRT_TRANSPOSE_CONV2D16,
    QRT_MAXIMUM16,
    QRT_MINIMUM16,
    QRT_MATMUL16,
    QRT_LSTM16,
    QRT_ROW_END,
};

#endif
