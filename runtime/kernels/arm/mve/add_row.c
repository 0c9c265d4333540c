/* SPDX-License-Identifier: Apache-2.0 */
/* add_row.c: which add the mve set covers. */
#include "arm/mve/mve.h"
#include "portable/portable.h"

/* COMMON_SHIFT: the sum of the high parts fits 32 bits, and so does what is left of it. TFLITE: something is left to
 * shift of the sum. */
static int covers(const void *params) {
    const qrt_add_params *p = params;
    const int64_t limit = (int64_t)1 << 46;
    return p->form == 0 ? p->shift >= 16 && p->addend > -limit && p->addend < limit : p->y_shift > 31;
}

const qrt_kernel qrt_add_mve = {
    .run = qrt_add_s8_mve, .name = "qrt_add_s8_mve", .covers = covers, .otherwise = &qrt_add_portable};
