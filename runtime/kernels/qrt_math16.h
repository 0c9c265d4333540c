/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_math16.h: what kernels of 16-bit arithmetic share: codes of either width, and requantization of int64.
 *
 * SPEC.md 1.1 in integers only; qrt_math.h says what holds here as well.
 */
#ifndef QRT_MATH16_H
#define QRT_MATH16_H

#include "qrt_math.h"

/* A tensor of int16, which begins at a multiple of 16 bytes. */
static inline const int16_t *qrt_codes16(const int8_t *codes) { return (const void *)codes; }
static inline int16_t *qrt_output16(int8_t *codes) { return (void *)codes; }

/* Code `index` of a tensor of int16, or of int8. */
static inline int32_t qrt_code(const int8_t *codes, int32_t int16, ptrdiff_t index) {
    return int16 ? qrt_codes16(codes)[index] : codes[index];
}

/* SINGLE on int64; DOUBLE on the int32 that the validity rules prove the sum to be. */
static inline int32_t qrt_requantize16(const qrt_requant *requant, qrt_channel channel, int64_t acc) {
    if (requant->rounding == 0) {
        int64_t sum = acc * channel.multiplier + channel.addend;
        return qrt_clamp_shifted(sum, channel.shift, requant->output_min, requant->output_max);
    }
    return qrt_double(requant, channel.multiplier, channel.shift, (int32_t)(acc + channel.addend));
}

/* Puts a code into place `index` of an output of int16, or of int8. */
static inline void qrt_put_code(int32_t code, int32_t int16, int8_t *output, ptrdiff_t index) {
    if (int16) {
        qrt_output16(output)[index] = (int16_t)code;
    } else {
        output[index] = (int8_t)code;
    }
}

static inline void qrt_put16(const qrt_requant *requant, qrt_channel channel, int64_t acc, int8_t *output,
                             ptrdiff_t index) {
    qrt_put_code(qrt_requantize16(requant, channel, acc), requant->y_int16, output, index);
}

#endif
