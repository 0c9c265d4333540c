/* SPDX-License-Identifier: Apache-2.0 */
/* peak.h: how fast a set for 64-bit Arm could multiply. */
#ifndef QRT_NEON_PEAK_H
#define QRT_NEON_PEAK_H

#include <stdint.h>

/* Each runs `rounds` times the set's fastest multiplication, on registers only, and returns how many products of two
 * int8 it added up; 0 where the set is not compiled. */
int64_t qrt_peak_neon(int64_t rounds);
int64_t qrt_peak_neondot(int64_t rounds);
int64_t qrt_peak_neoni8mm(int64_t rounds);

#endif
