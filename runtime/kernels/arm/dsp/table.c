/* SPDX-License-Identifier: Apache-2.0 */
/* table.c: the table of the dsp set. */
#include "arm/dsp/dsp.h"

void qrt_kernels_dsp(qrt_kernels *kernels) {
    qrt_kernels_portable(kernels);
    kernels->name = "dsp";
#define X(row) kernels->row = qrt_##row##_dsp;
#include "arm/dsp/rows.h"
#undef X
}
