/* SPDX-License-Identifier: Apache-2.0 */
/* add.c: add with MVE, four codes at a time. */
#include "arm/mve/mve.h"
#include "arm/mve/spread.h"
#include "arm/mve/vectors.h"

/* With multipliers and addend as high * 2^16 + low, 0 <= low < 2^16, all sums fit 32 bits:
 * sum >> shift is (sum of the high parts + (sum of the low parts >> 16)) >> (shift - 16). */
static void add_common_shift(const void *params, const int8_t *a, const int8_t *b, int8_t *y, int32_t size) {
    const qrt_add_params *p = params;
    int32_t a_high = p->a_multiplier >> 16, a_low = p->a_multiplier & 0xffff;
    int32_t b_high = p->b_multiplier >> 16, b_low = p->b_multiplier & 0xffff, shift = 16 - p->shift;
    int32x4_t high = vdupq_n_s32((int32_t)(p->addend >> 16)), low = vdupq_n_s32((int32_t)(p->addend & 0xffff));
    int32x4_t least = vdupq_n_s32(p->output_min), most = vdupq_n_s32(p->output_max);
    for (; size > 0; size -= 4, a += 4, b += 4, y += 4) {
        mve_pred16_t lanes = vctp32q((uint32_t)size);
        int32x4_t x = vldrbq_z_s32(a, lanes), z = vldrbq_z_s32(b, lanes);
        int32x4_t sum = vshrq_n_s32(vmlaq_n_s32(vmlaq_n_s32(low, x, a_low), z, b_low), 16);
        sum = vaddq_s32(vmlaq_n_s32(vmlaq_n_s32(sum, x, a_high), z, b_high), high);
        sum = vminq_s32(vmaxq_s32(vshlq_r_s32(sum, shift), least), most);
        vstrbq_p_s32(y, sum, lanes);
    }
}

/* What a run of the TFLITE form needs. Assembly knows these places. */
typedef struct add_job {
    const int8_t *a, *b;
    int8_t *y;
    int32_t a_right; /* what is left to shift, to the left: 0 and below */
    int32_t a_zero, a_multiplier, b_zero, b_multiplier;
    int32_t b_any; /* 1 where something is left to shift of b */
    int32_t b_right, b_sign, y_multiplier, y_right;
    int32_t size, zero_point, output_min, output_max;
} add_job;

#ifdef QRT_MVE_ASSEMBLY

typedef char add_job_is_known[sizeof(add_job) == 68 ? 1 : -1];

/* Four codes times the multiplier, and b or y shifted: ties go away from zero, so a negative number is made smaller by
 * the least bit before ties are rounded up. */
#define LOAD(q, x, zero, multiplier)                                                                                   \
    "vldrb.s32 " q ", [" x "], #4\n vmlas.s32 " q ", q4, " zero "\n vqrdmulh.s32 " q ", " q ", " multiplier "\n"
#define REST                                                                                                           \
    LOAD("q1", "r1", "r6", "r7")                                                                                       \
    "vshr.s32 q2, q1, #31\n vmla.s32 q1, q2, r8\n vrshl.s32 q1, r9\n vmla.s32 q0, q1, r10\n"                           \
    "vqrdmulh.s32 q0, q0, r11\n vshr.s32 q2, q0, #31\n vadd.i32 q0, q0, q2\n vrshl.s32 q0, r12\n"                      \
    "vadd.i32 q0, q0, q5\n vmax.s32 q0, q0, q6\n vmin.s32 q0, q0, q7\n vstrb.32 q0, [r2], #4\n"

__attribute__((naked, noinline)) static void add_run(__attribute__((unused)) const add_job *job) {
    __asm__ volatile("push {r4-r11, lr}\n vpush {d8-d15}\n"
                     "add.w r1, r0, #52\n ldm r1, {r1-r4}\n"
                     "vdup.32 q5, r2\n vdup.32 q6, r3\n vdup.32 q7, r4\n mov.w r2, #0x100000\n vdup.32 q4, r2\n"
                     "mov lr, r1\n ldm r0, {r0-r12}\n"
                     "cbz r3, 2f\n dlstp.32 lr, lr\n"
                     "1:\n" LOAD("q0", "r0", "r4", "r5"));
    __asm__ volatile("vshr.s32 q2, q0, #31\n vadd.i32 q0, q0, q2\n vrshl.s32 q0, r3\n" REST "letp lr, 1b\n b 4f\n");
    __asm__ volatile("2:\n dlstp.32 lr, lr\n"
                     "3:\n" LOAD("q0", "r0", "r4", "r5") REST "letp lr, 3b\n"
                                                              "4:\n vpop {d8-d15}\n pop {r4-r11, pc}\n");
}

#undef LOAD
#undef REST

#else

static int32x4_t scaled(const int8_t *x, mve_pred16_t lanes, int32_t zero, int32_t multiplier, int32_t right) {
    int32x4_t value = vmlasq_n_s32(vldrbq_z_s32(x, lanes), vdupq_n_s32(1 << 20), zero);
    value = vqrdmulhq_n_s32(value, multiplier);
    return right == 0 ? value : vrshlq_n_s32(vaddq_s32(value, vshrq_n_s32(value, 31)), right);
}

static void add_run(const add_job *job) {
    const int8_t *a = job->a, *b = job->b;
    int8_t *y = job->y;
    int32x4_t least = vdupq_n_s32(job->output_min), most = vdupq_n_s32(job->output_max);
    for (int32_t left = job->size; left > 0; left -= 4, a += 4, b += 4, y += 4) {
        mve_pred16_t lanes = vctp32q((uint32_t)left);
        int32x4_t sum = scaled(a, lanes, job->a_zero, job->a_multiplier, job->a_right);
        sum = vmlaq_n_s32(sum, scaled(b, lanes, job->b_zero, job->b_multiplier, job->b_right), job->b_sign);
        sum = vqrdmulhq_n_s32(sum, job->y_multiplier);
        sum = vrshlq_n_s32(vaddq_s32(sum, vshrq_n_s32(sum, 31)), job->y_right);
        sum = vaddq_n_s32(sum, job->zero_point);
        vstrbq_p_s32(y, vminq_s32(vmaxq_s32(sum, least), most), lanes);
    }
}

#endif

/* Where nothing is left to shift of b alone, it takes a's place. */
static void add_tflite(const void *params, const int8_t *a, const int8_t *b, int8_t *y, int32_t size) {
    const qrt_add_params *p = params;
    int swap = p->b_shift == 31 && p->a_shift != 31 && p->b_sign == 1;
    int32_t a_shift = swap ? p->b_shift : p->a_shift, b_shift = swap ? p->a_shift : p->b_shift;
    add_job job = {.a = swap ? b : a,
                   .b = swap ? a : b,
                   .y = y,
                   .a_right = 31 - a_shift,
                   .a_zero = -(swap ? p->b_zero_point : p->a_zero_point) * (1 << 20),
                   .a_multiplier = swap ? p->b_multiplier : p->a_multiplier,
                   .b_zero = -(swap ? p->a_zero_point : p->b_zero_point) * (1 << 20),
                   .b_multiplier = swap ? p->a_multiplier : p->b_multiplier,
                   .b_any = b_shift > 31,
                   .b_right = 31 - b_shift,
                   .b_sign = p->b_sign,
                   .y_multiplier = p->y_multiplier,
                   .y_right = 31 - p->y_shift,
                   .size = size,
                   .zero_point = p->y_zero_point,
                   .output_min = p->output_min,
                   .output_max = p->output_max};
    add_run(&job);
}

void qrt_add_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_add_params *p = params;
    (void)scratch;
    mve_spread(&p->broadcast, params, inputs, output, p->form == 0 ? add_common_shift : add_tflite);
}
