/* table.c: the table of the portable set. */
#include "portable/portable.h"

const qrt_kernels qrt_portable = {
    .name = "portable",
#define X(row) .row.run = qrt_##row##_s8,
#include "qrt_kernel_rows.h"
#undef X
    .conv2d.scratch_size = qrt_conv2d_s8_scratch,
    .conv2d.by_position = 1,
};

void qrt_kernels_portable(qrt_kernels *kernels) { *kernels = qrt_portable; }
