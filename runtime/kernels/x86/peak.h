/* peak.h: loops that show the most multiply-accumulates that a kernel set's instructions can make. */
#ifndef QRT_PEAK_H
#define QRT_PEAK_H

#include <stdint.h>

/* Each makes `rounds` rounds and returns how many multiply-accumulates those are. */
int64_t qrt_peak_avx2(int64_t rounds);
int64_t qrt_peak_avx512vnni(int64_t rounds);
int64_t qrt_peak_amx(int64_t rounds);

#endif
