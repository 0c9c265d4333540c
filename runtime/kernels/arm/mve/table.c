/* SPDX-License-Identifier: Apache-2.0 */
/* table.c: the table of the mve set. */
#include "arm/mve/mve.h"

void qrt_kernels_mve(qrt_kernels *kernels) {
    qrt_kernels_portable(kernels);
    kernels->name = "mve";
#define X(row) kernels->row = qrt_##row##_mve;
#include "arm/mve/rows.h"
#undef X
}
