/* SPDX-License-Identifier: Apache-2.0 */
/* lut.c: lut with MVE. */
#include "arm/mve/mve.h"
#include "arm/mve/vectors.h"

void qrt_lut_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_lut_params *p = params;
    const int8_t *x = inputs[0];
    int8x16_t first = vdupq_n_s8(-128);
    (void)scratch;
    for (int32_t size = p->size; size > 0; size -= 16, x += 16, output += 16) {
        mve_pred16_t lanes = vctp8q((uint32_t)size);
        uint8x16_t at = vreinterpretq_u8_s8(veorq_s8(vldrbq_z_s8(x, lanes), first)); /* code + 128 */
        vstrbq_p_s8(output, vldrbq_gather_offset_z_s8(p->table, at, lanes), lanes);
    }
}
