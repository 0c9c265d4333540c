/* dispatch.h: the kernel sets in C, which of them this machine can run, and why not the others. Not in firmware. */
#ifndef QRT_DISPATCH_H
#define QRT_DISPATCH_H

#include "qrt_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sets are numbered from the slowest to the quickest; 0 is portable. */
#define QRT_SET_COUNT 4

const char *qrt_set_name(int32_t set);

/* NULL when this machine runs `set`; else why not, for a person to read. */
const char *qrt_set_missing(int32_t set);

/* Fills the table of a set that is not missing. */
void qrt_set_fill(int32_t set, qrt_kernels *kernels);

/* Makes `rounds` rounds of the quickest multiply-accumulates of a set that is not missing, on registers alone, and
 * returns how many they are; 0 for a set without instructions of its own. */
int64_t qrt_set_peak(int32_t set, int64_t rounds);

/* Multiplications of a large layer in a microsecond, roughly; measured on a server of 2023. Tells what is worth a
 * thread. */
int32_t qrt_set_speed(int32_t set);

#ifdef __cplusplus
}
#endif
#endif
