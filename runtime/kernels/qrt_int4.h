/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_int4.h: weights of int4, two in a byte: the first in its low four bits. */
#ifndef QRT_INT4_H
#define QRT_INT4_H

#include <stddef.h>
#include <stdint.h>

/* The weight in the low (high: 1) four bits of a byte. */
static inline int8_t qrt_nibble(int8_t byte, int32_t high) {
    int32_t code = high ? (uint8_t)byte >> 4 : byte & 15;
    return (int8_t)((code ^ 8) - 8);
}

/* Weight `index` of a tensor. */
static inline int8_t qrt_weight(const int8_t *weights, int32_t int4, ptrdiff_t index) {
    return int4 ? qrt_nibble(weights[index / 2], (int32_t)(index % 2)) : weights[index];
}

/* Weights from `first` on, one in a byte. */
static inline void qrt_unpack_int4(const int8_t *weights, ptrdiff_t first, ptrdiff_t count, int8_t *unpacked) {
    const int8_t *byte = weights + first / 2;
    const int8_t *end = unpacked + count;
    if (first % 2 == 1 && unpacked < end) *unpacked++ = qrt_nibble(*byte++, 1);
    for (; end - unpacked >= 2; unpacked += 2, byte++) {
        unpacked[0] = qrt_nibble(byte[0], 0);
        unpacked[1] = qrt_nibble(byte[0], 1);
    }
    if (unpacked < end) *unpacked = qrt_nibble(*byte, 0);
}

#endif
