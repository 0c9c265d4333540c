/* SPDX-License-Identifier: Apache-2.0 */
/* average_rows.h: qrt_add_positions() of portable/average_rows.h, four channels at a time. */
#ifndef QRT_DSP_AVERAGE_ROWS_H
#define QRT_DSP_AVERAGE_ROWS_H

#include <stdint.h>

void qrt_add_positions_dsp(const int8_t *x, int32_t positions, int32_t channels, int8_t *sums);

#endif
