/* SPDX-License-Identifier: Apache-2.0 */
/* words.h: loops over codes, four at a time, that several kernels have. */
#ifndef QRT_DSP_WORDS_H
#define QRT_DSP_WORDS_H

#include <stddef.h>

#include "arm/dsp/instructions.h"

/* LOOP: a function that is a loop. Within the function that calls it, there would not be registers enough.
 * INLINE: a function with a `rounding` that must be known where it is compiled. */
#if defined(__GNUC__)
#define QRT_DSP_LOOP __attribute__((noinline))
#define QRT_DSP_INLINE __attribute__((always_inline)) static inline
#else
#define QRT_DSP_LOOP
#define QRT_DSP_INLINE static inline
#endif

/* The same code four times. */
static inline uint32_t four_codes(int32_t code) { return (uint32_t)(uint8_t)code * 0x01010101u; }

/* Clamps codes; `y` may be `x`. */
void qrt_dsp_clamp_codes(const int8_t *x, int8_t *y, ptrdiff_t size, int32_t minimum, int32_t maximum);

#endif
