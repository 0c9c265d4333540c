/* SPDX-License-Identifier: Apache-2.0 */
/* add_row.c: the row of add, and the proof that add.c is exact for an operator.
 *
 * Both add.c's sum and SPEC.md's are linear but for their roundings. In units of 2^-20 of a code of y they differ by
 * less than NEAR, so only pairs of codes whose sum is that near to a multiple of 2^20, a step, need to be tried:
 * - add.c's parts are rounded down, its factors are in units of 2^-28: less than 5.
 * - The factors' excess, see find(), is at most 2^-18: 1024, as long as y is in range. Out of it, it is on the safe
 * side.
 * - The start is changed by at most 1024.
 * - TFLITE rounds four times to integers, of which 2^(y_shift - 31) are a code: 3.5 of these, 1792 from y_shift 42 on.
 */
#include "arm/dsp/add.h"
#include "arm/dsp/dsp.h"
#include "arm/dsp/instructions.h"
#include "portable/add.h"
#include "portable/portable.h"

#define UNIT (1 << 20)
#define NEAR (1 << 12)

/* product * 2^-shift, product at most 2^62, in units of 2^-28. Returns whether it is below 4. */
static int factor_of(int64_t product, int32_t shift, int32_t *factor) {
    const int64_t limit = (int64_t)1 << 30;
    int32_t right = shift - 28;
    if (right > 62) {
        product = 0;
    } else if (right > 0) {
        product = (product + qrt_round(right)) >> right;
    } else if (-limit < product && product < limit) {
        product *= (int64_t)1 << -right;
    }
    *factor = (int32_t)product;
    return -limit < product && product < limit;
}

static int fill_factors(const qrt_add_params *p, qrt_dsp_add *packed) {
    if (p->form == 0) {
        return factor_of(p->a_multiplier, p->shift, &packed->a_factor) &&
               factor_of(p->b_multiplier, p->shift, &packed->b_factor);
    }
    if (p->y_shift < 42) return 0;
    int64_t a = (int64_t)p->a_multiplier * p->y_multiplier, b = (int64_t)p->b_multiplier * p->y_multiplier;
    return factor_of(a, p->a_shift + p->y_shift - 20, &packed->a_factor) &&
           factor_of(b * p->b_sign, p->b_shift + p->y_shift - 20, &packed->b_factor);
}

static int32_t magnitude(int32_t x) { return x < 0 ? -x : x; }

/* The codes of b, listed by the place of their part of the sum in UNIT, in units of 2^12. Code i - 128 has number i. */
typedef struct places {
    uint8_t first[256]; /* of the codes of a place; a code of another place where it has none */
    uint8_t next[256];  /* the next one there; the code itself if it is the last */
} places;

static inline int32_t part_of(int32_t factor, int32_t code) { return smlawb(factor, (uint32_t)code << 8, 0); }

static inline uint32_t place_of(const qrt_dsp_add *packed, int32_t number) {
    return (uint32_t)part_of(packed->b_factor, number - 128) >> 12 & 255;
}

static void list_places(const qrt_dsp_add *packed, places *b) {
    memset(b, 0, sizeof *b);
    for (int32_t number = 1; number < 256; number++) {
        uint32_t place = place_of(packed, number);
        uint8_t first = b->first[place];
        b->next[number] = place_of(packed, first) == place ? first : (uint8_t)number;
        b->first[place] = (uint8_t)number;
    }
}

/* The smallest and the largest start with which add.c is exact. */
typedef struct range {
    int32_t low, high;
} range;

static void narrow(const qrt_add_params *p, int32_t a, int32_t b, int32_t sum, range *start) {
    int32_t y = p->form == 0 ? add_common_shift(p, a, b) : add_tflite(p, a, b);
    int32_t first = y * UNIT - sum, last = first + UNIT - 1;
    if (y > -128 && first > start->low) start->low = first;
    if (y < 127 && last < start->high) start->high = last;
}

/* Narrows the range by all pairs of a code `a` and a code of b whose sum is near to a step. */
static void narrow_by(const qrt_add_params *p, const qrt_dsp_add *packed, const places *b, int32_t a, range *start) {
    int32_t part = part_of(packed->a_factor, a);
    uint32_t from = 0u - NEAR - (uint32_t)packed->start - (uint32_t)part;
    for (uint32_t k = 0; k < 3; k++) {
        uint32_t place = ((from >> 12) + k) & 255, number = b->first[place], last;
        if (place_of(packed, (int32_t)number) != place) continue;
        do {
            int32_t code = (int32_t)number - 128, sum = part + part_of(packed->b_factor, code);
            if ((((uint32_t)(sum + packed->start) + NEAR) & (UNIT - 1)) < 2 * NEAR) narrow(p, a, code, sum, start);
            last = number;
            number = b->next[number];
        } while (number != last);
    }
}

/* Looks for a start with which all pairs of codes have the sum that SPEC.md gives them. Returns whether there is one.
 */
static int find_start(const qrt_add_params *p, qrt_dsp_add *packed) {
    places b;
    packed->start = p->y_zero_point * UNIT + UNIT / 2 - part_of(packed->a_factor, p->a_zero_point) -
                    part_of(packed->b_factor, p->b_zero_point);
    range start = {packed->start - UNIT / 1024, packed->start + UNIT / 1024};
    list_places(packed, &b);
    for (int32_t a = -128; a <= 127; a++) narrow_by(p, packed, &b, a, &start);
    packed->start = start.low + (start.high - start.low) / 2;
    int64_t reach = ((int64_t)magnitude(packed->a_factor) + magnitude(packed->b_factor)) / 2 + 2;
    return start.low <= start.high && magnitude(packed->start) + reach <= INT32_MAX;
}

/* Whether add.c's formula has numbers that are exact for an operator, and which. Where ties are rounded away from zero,
 * factors that are a little too large have them all on the right side. */
static int find(const qrt_add_params *params, qrt_dsp_add *packed) {
    static const int32_t excess[] = {31, 20, 18}; /* 2^-31 is none */
    qrt_add_params p = *params;
    qrt_dsp_add near;
    /* add.c clamps to less than the whole range afterwards. */
    p.output_min = -128;
    p.output_max = 127;
    if (!fill_factors(&p, &near)) return 0;
    for (size_t i = 0; i < sizeof excess / sizeof excess[0]; i++) {
        packed->a_factor = near.a_factor + (near.a_factor >> excess[i]);
        packed->b_factor = near.b_factor + (near.b_factor >> excess[i]);
        if (find_start(&p, packed)) return 1;
    }
    return 0;
}

static int covers(const void *params) {
    qrt_dsp_add packed;
    return find(params, &packed);
}

static size_t packed_size(const void *params) {
    (void)params;
    return sizeof(qrt_dsp_add);
}

static void pack(const void *params, void *packed) { find(params, packed); }

const qrt_kernel qrt_add_dsp = {
    .run = qrt_add_s8_dsp,
    .name = "qrt_add_s8_dsp",
    .covers = covers,
    .otherwise = &qrt_add_portable,
    .packed_size = packed_size,
    .pack = pack,
};
