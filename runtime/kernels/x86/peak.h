/* SPDX-License-Identifier: Apache-2.0 */
/* peak.h: loops that measure the peak multiply-accumulate throughput of a kernel set. */
#ifndef QRT_PEAK_H
#define QRT_PEAK_H

#include <stdint.h>

/* Each runs `rounds` rounds and returns the number of multiply-accumulates. */
int64_t qrt_peak_avx2(int64_t rounds);
int64_t qrt_peak_avxvnni_vex(int64_t rounds);
int64_t qrt_peak_avxvnni_evex(int64_t rounds);
int64_t qrt_peak_avxvnni_signed(int64_t rounds);
int64_t qrt_peak_avx512vnni(int64_t rounds);
int64_t qrt_peak_amx(int64_t rounds);

#endif
