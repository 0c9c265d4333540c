/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h: the time, for measuring. */
#ifndef QRT_CLOCK_H
#define QRT_CLOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Nanoseconds since some moment, by a clock that is never set. */
int64_t qrt_clock(void);

#ifdef __cplusplus
}
#endif
#endif
