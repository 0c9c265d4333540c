/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch.h: the kernel sets in C, which of them this machine supports, and why not the others. Not for firmware. */
#ifndef QRT_DISPATCH_H
#define QRT_DISPATCH_H

#include "qrt_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sets are numbered from the slowest to the fastest of each family of processors; 0 is portable. */
#define QRT_SET_COUNT 8

/* Behind the sets are the encodings of avxvnni, the same kernels in other instructions: it is the best of them that the
 * machine supports. They are for tests, which compare all that run. */
#define QRT_ENCODING_COUNT 3

const char *qrt_set_name(int32_t set);

/* NULL if this machine supports `set`; otherwise the reason, as text for the user. */
const char *qrt_set_missing(int32_t set);

/* Fills the table of a supported set. */
void qrt_set_fill(int32_t set, qrt_kernels *kernels);

/* Runs `rounds` rounds of a set's fastest multiply-accumulates, on registers only, and returns the number of
 * multiply-accumulates; 0 for a set without instructions of its own. */
typedef int64_t qrt_peak(int64_t rounds);

/* Of a supported set. To be asked before the time is taken: a hypervisor can make CPUID take longer than the rounds. */
qrt_peak *qrt_set_peak(int32_t set);

/* Multiplications per microsecond in a large layer, roughly; measured on a server of 2023. Decides which operators
 * are worth splitting among threads. */
int32_t qrt_set_speed(int32_t set);

#ifdef __cplusplus
}
#endif
#endif
