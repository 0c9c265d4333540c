/* SPDX-License-Identifier: Apache-2.0 */
/* table.c: the rows of the portable set. Each is an object of its own, so that firmware links those that it uses. */
#include "portable/portable.h"

const qrt_kernel qrt_conv2d_portable = {.run = qrt_conv2d_s8,
                                        .scratch_size = qrt_conv2d_s8_scratch,
                                        .reading = QRT_READS_BY_POSITION,
                                        .name = "qrt_conv2d_s8",
                                        .int4 = 1};
const qrt_kernel qrt_dwconv2d_portable = {
    .run = qrt_dwconv2d_s8, .scratch_size = qrt_dwconv2d_s8_scratch, .name = "qrt_dwconv2d_s8", .int4 = 1};
const qrt_kernel qrt_linear_portable = {
    .run = qrt_linear_s8, .scratch_size = qrt_linear_s8_scratch, .name = "qrt_linear_s8", .int4 = 1};

#define ROW(row) const qrt_kernel qrt_##row##_portable = {.run = qrt_##row##_s8, .name = "qrt_" #row "_s8"};
ROW(add)
ROW(mul)
ROW(average_pool2d)
ROW(max_pool2d)
ROW(mean)
ROW(pad)
ROW(concat)
ROW(reshape)
ROW(transpose)
ROW(requantize)
ROW(clamp)
ROW(softmax)
ROW(lut)
ROW(slice)
ROW(resize2d)
ROW(transpose_conv2d)
ROW(maximum)
ROW(minimum)
ROW(arg_max)
ROW(matmul)
ROW(l2_norm)
ROW(requantize_sum)
ROW(squared_difference)
ROW(layer_norm)
ROW(log_softmax)
ROW(push)
ROW(assign)
ROW(svdf)
ROW(lstm)
ROW(sigmoid)
ROW(tanh)
ROW(leaky_relu)
ROW(conv2d16)
ROW(dwconv2d16)
ROW(linear16)
ROW(add16)
ROW(mul16)
ROW(average_pool2d16)
ROW(max_pool2d16)
ROW(mean16)
ROW(requantize16)
ROW(clamp16)
ROW(softmax16)
ROW(transpose_conv2d16)
ROW(maximum16)
ROW(minimum16)
ROW(matmul16)
ROW(lstm16)

void qrt_kernels_portable(qrt_kernels *kernels) {
    kernels->name = "portable";
#define X(row) kernels->row = qrt_##row##_portable;
#include "qrt_kernel_rows.h"
#undef X
}
