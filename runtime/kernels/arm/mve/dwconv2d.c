/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv2d.c: dwconv2d with MVE: a lane for each output channel, sums of two taps in 16 bits. */
#include "arm/mve/dwconv2d.h"

#include "arm/mve/clamp.h"
#include "arm/mve/copy.h"
#include "arm/mve/mve.h"
#include "arm/mve/vectors.h"

/* The rows of an image with their padding: in a ring that holds as many as a window spans, or where they lie, with one
 * blank row for all that are padding. Row 0 is the first that any window sees. */
typedef struct image_rows {
    const qrt_conv2d_params *p;
    const int8_t *image;
    int8_t *ring;
    int32_t pitch; /* bytes of a row */
    int32_t ready; /* rows [.., ready) are in the ring, as far as it holds them */
    int32_t in_place;
} image_rows;

/* Each of `size` bytes `times` times. */
static void repeat(int8_t *to, const int8_t *from, int32_t size, int32_t times) {
    int32_t step = DWCONV2D_BLOCK / times;
    uint8_t lane_offset[DWCONV2D_BLOCK];
    if (step == 0) {
        for (; size > 0; size--, to += times) memset(to, *from++, (size_t)times);
        return;
    }
    for (int32_t i = 0; i < DWCONV2D_BLOCK; i++) lane_offset[i] = (uint8_t)(i / times);
    uint8x16_t offset = vldrbq_u8(lane_offset);
    for (; size > 0; size -= step, from += step, to += step * times) {
        mve_pred16_t lanes = vctp8q((uint32_t)((size < step ? size : step) * times));
        vstrbq_p_s8(to, vldrbq_gather_offset_z_s8(from, offset, lanes), lanes);
    }
}

/* Brings rows [first, last) into the ring. */
static void read_rows(image_rows *rows, int32_t first, int32_t last) {
    const qrt_conv2d_params *p = rows->p;
    int32_t channels = p->out_channels, times = channels / p->in_channels;
    int32_t columns = dwconv2d_columns(p) - p->pad_left;
    if (columns > p->in_width) columns = p->in_width;
    for (int32_t row = rows->ready > first ? rows->ready : first; columns > 0 && row < last; row++) {
        int32_t in_y = row - p->pad_top;
        const int8_t *from = rows->image + (ptrdiff_t)in_y * p->in_width * p->in_channels;
        int8_t *to = rows->ring + row % dwconv2d_rows(p) * rows->pitch + p->pad_left * channels;
        if (in_y < 0 || in_y >= p->in_height) {
            mve_fill(to, p->x_zero_point, columns * channels);
        } else if (times > 1) {
            repeat(to, from, columns * p->in_channels, times);
        } else {
            mve_copy(to, from, columns * channels);
        }
    }
    rows->ready = last;
}

static void first_row(image_rows *rows, const qrt_conv2d_params *p, const int8_t *image, int8_t *ring) {
    rows->p = p;
    rows->image = image;
    rows->ring = ring;
    rows->in_place = dwconv2d_in_place(p);
    rows->pitch = (rows->in_place ? p->in_width : dwconv2d_columns(p)) * p->out_channels;
    rows->ready = 0;
    mve_fill(ring, p->x_zero_point, (int32_t)dwconv2d_ring_size(p));
}

/* Where each tap of the window of the output row's first position lies. */
static void window_taps(image_rows *rows, int32_t out_y, const int8_t **tap) {
    const qrt_conv2d_params *p = rows->p;
    int32_t row = out_y * p->stride_y;
    if (!rows->in_place) read_rows(rows, row, row + dwconv2d_rows(p));
    for (int32_t filter_y = 0; filter_y < p->filter_height; filter_y++, row += p->dilation_y) {
        const int8_t *x = rows->ring;
        if (!rows->in_place) {
            x += row % dwconv2d_rows(p) * rows->pitch;
        } else if (row >= p->pad_top && row < p->pad_top + p->in_height) {
            x = rows->image + (ptrdiff_t)(row - p->pad_top) * rows->pitch;
        }
        for (int32_t filter_x = 0; filter_x < p->filter_width; filter_x++, x += p->dilation_x * p->out_channels)
            *tap++ = x;
    }
}

/* What a row needs. Assembly knows these places. */
typedef struct row_job {
    const int8_t *packed; /* the first group */
    int32_t lanes;        /* of a position */
    int32_t step;         /* from a position's last block to the next position, in the input */
    int32_t back;         /* the same, back, in the output */
    int8_t *output;
    int32_t zero_point;
    int32_t flags; /* 8 times the positions, and those below */
    const int8_t **tap;
    int32_t pairs, singles; /* taps, two at a time and one by one */
} row_job;

enum { HAS_STEP = 1, NOT_DOUBLE = 2, ADDEND = 4, POSITION = 8 };

#ifdef QRT_MVE_ASSEMBLY

typedef char row_job_is_known[sizeof(row_job) == 40 ? 1 : -1];

/* q4 to q7 += the widened sums q2 and q3. */
#define WIDEN                                                                                                          \
    "vmovlb.s16 q0, q2\n vadd.i32 q4, q4, q0\n vmovlt.s16 q1, q2\n vadd.i32 q5, q5, q1\n"                              \
    "vmovlb.s16 q0, q3\n vadd.i32 q6, q6, q0\n vmovlt.s16 q1, q3\n vadd.i32 q7, q7, q1\n"
/* One tap, and two; x of the second is loaded twice, since there is no ninth register. */
#define TAP(x) "vldrb.8 q0, [" x "], #16\n vldrb.8 q1, [r9, #16]!\n vmullb.s8 q2, q0, q1\n vmullt.s8 q3, q0, q1\n"
#define PAIR(x, next)                                                                                                  \
    TAP(x)                                                                                                             \
    "vldrb.8 q0, [" next "]\n vldrb.8 q1, [r9, #16]!\n vmullb.s8 q0, q0, q1\n vadd.i16 q2, q2, q0\n"                   \
    "vldrb.8 q0, [" next "], #16\n vmullt.s8 q0, q0, q1\n vadd.i16 q3, q3, q0\n" WIDEN
/* qrt_mve_requantize without the zero point, of one vector. */
#define SUM(q) "vldrw.32 q0, [r9, #16]!\n vadd.i32 " q ", " q ", q0\n vldrw.32 q0, [r9, #16]!\n"
#define DOUBLE_CODES(q)                                                                                                \
    SUM(q)                                                                                                             \
    "vqrdmulh.s32 " q ", " q ", q0\n vldrw.32 q1, [r9, #16]!\n"                                                        \
    "vshr.s32 q2, " q ", #31\n vadd.i32 " q ", " q ", q2\n vrshl.s32 " q ", " q ", q1\n"
#define SINGLE_CODES(q)                                                                                                \
    SUM(q)                                                                                                             \
    "vmulh.s32 " q ", " q ", q0\n vldrw.32 q1, [r9, #16]!\n vrshl.s32 " q ", " q ", q1\n"
#define ADDEND_CODES(q)                                                                                                \
    SUM(q)                                                                                                             \
    "vldrw.32 q1, [r9, #16]!\n vmul.i32 q2, " q ", q0\n vmulh.s32 " q ", " q ", q0\n vadd.i32 q2, q2, q1\n"            \
    "vpt.u32 hi, q1, q2\n vaddt.i32 " q ", " q ", q3\n vldrw.32 q1, [r9, #16]!\n vrshl.s32 " q ", " q ", q1\n"
#define FOUR(codes) codes("q4") codes("q5") codes("q6") codes("q7")
/* The end of a block, r12: lanes to do. Sums in q4 to q7 become 16 codes in the output. At label 1 a position begins,
 * at 2 its next block; with label 4 a position is done, but for pointers to be moved by r9. */
#define CODES(flags)                                                                                                   \
    __asm__ volatile("tst.w " flags ", #2\n bne.w 6f\n" FOUR(DOUBLE_CODES) "5:\n");                                    \
    __asm__ volatile("vqmovnb.s32 q4, q4\n vqmovnb.s32 q6, q6\n vqmovnt.s32 q4, q5\n vqmovnt.s32 q6, q7\n"             \
                     "vqadd.s16 q4, q4, r11\n vqadd.s16 q6, q6, r11\n vctp.8 r12\n"                                    \
                     "vqmovnb.s16 q4, q4\n vqmovnt.s16 q4, q6\n vpst\n vstrbt.8 q4, [r10], #16\n"                      \
                     "subs.w r12, r12, #16\n bgt.w 2b\n sub.w " flags ", " flags ", #8\n cmp.w " flags ", #7\n"        \
                     "bgt.w 4f\n add sp, #16\n vpop {d8-d15}\n pop {r4-r11, pc}\n");                                   \
    __asm__ volatile("6:\n tst.w " flags ", #4\n bne.w 7f\n" FOUR(SINGLE_CODES) "b.w 5b\n");                           \
    __asm__ volatile("7:\n vmov.i32 q3, #1\n" FOUR(ADDEND_CODES) "b.w 5b\n");                                          \
    __asm__ volatile("4:\n tst.w " flags ", #1\n beq.w 1b\n ldrd r9, r12, [sp, #8]\n sub.w r10, r10, r12\n")
/* Registers are saved; packed, lanes, step and back are at sp then, and output, zero point, flags and tap in r10 to r12
 * and lr. */
#define BEGIN()                                                                                                        \
    __asm__ volatile("push {r4-r11, lr}\n vpush {d8-d15}\n ldm r0!, {r4-r7}\n sub.w r4, r4, #16\n push {r4-r7}\n"      \
                     "ldm r0!, {r10-r12, lr}\n")

/* Nine taps: r0 to r8. The first pair finds registers free. */
__attribute__((naked, noinline)) static void row_of_nine(__attribute__((unused)) const row_job *job) {
    BEGIN();
    __asm__ volatile("mov r0, lr\n mov lr, r12\n ldm r0, {r0-r8}\n"
                     "1:\n ldrd r9, r12, [sp]\n"
                     "2:\n" TAP("r0"));
    __asm__ volatile("vldrb.8 q4, [r1], #16\n vldrb.8 q5, [r9, #16]!\n"
                     "vmullb.s8 q6, q4, q5\n vadd.i16 q2, q2, q6\n vmullt.s8 q7, q4, q5\n vadd.i16 q3, q3, q7\n"
                     "vmovlb.s16 q4, q2\n vmovlt.s16 q5, q2\n vmovlb.s16 q6, q3\n vmovlt.s16 q7, q3\n");
    __asm__ volatile(PAIR("r2", "r3") PAIR("r4", "r5") PAIR("r6", "r7") TAP("r8") WIDEN);
    CODES("lr");
    __asm__ volatile("add r0, r9\n add r1, r9\n add r2, r9\n add r3, r9\n add r4, r9\n add r5, r9\n"
                     "add r6, r9\n add r7, r9\n add r8, r9\n b.w 1b\n");
}

/* Any number of taps. r4: their table, r0: the place in it; r5: pairs; r6: singles; r1: bytes from where taps lie to
 * the block. */
__attribute__((naked, noinline)) static void row_of_any(__attribute__((unused)) const row_job *job) {
    BEGIN();
    __asm__ volatile("mov r4, lr\n mov r7, r12\n ldrd r5, r6, [r0]\n mov.w r1, #0\n"
                     "1:\n ldrd r9, r12, [sp]\n"
                     "2:\n mov r0, r4\n vmov.i32 q4, #0\n vmov.i32 q5, #0\n vmov.i32 q6, #0\n vmov.i32 q7, #0\n"
                     "wls lr, r5, 8f\n"
                     "3:\n ldrd r2, r3, [r0], #8\n add r2, r1\n add r3, r1\n");
    __asm__ volatile(PAIR("r2", "r3") "le lr, 3b\n"
                                      "8:\n wls lr, r6, 8f\n"
                                      "3:\n ldr r2, [r0], #4\n add r2, r1\n");
    __asm__ volatile(TAP("r2") WIDEN "le lr, 3b\n"
                                     "8:\n add.w r1, r1, #16\n");
    CODES("r7");
    __asm__ volatile("add r1, r9\n b.w 1b\n");
}

#undef WIDEN
#undef TAP
#undef PAIR
#undef SUM
#undef DOUBLE_CODES
#undef SINGLE_CODES
#undef ADDEND_CODES
#undef FOUR
#undef CODES
#undef BEGIN

#else

/* Codes of a block at `at` from where each tap lies, before they are clamped. */
static int8x16_t block_codes(const row_job *job, const int8_t *packed, ptrdiff_t at) {
    int32_t mode = job->flags & ADDEND ? QRT_MVE_ADDEND : job->flags & NOT_DOUBLE ? QRT_MVE_SINGLE : QRT_MVE_DOUBLE;
    const int8_t **tap = job->tap;
    int32x4_t sum[4];
    for (int i = 0; i < 4; i++) sum[i] = vdupq_n_s32(0);
    for (int32_t left = job->pairs + job->singles; left > 0; left--) {
        int8x16_t x = vldrbq_s8(*tap++ + at), w = vldrbq_s8(packed);
        int16x8_t even = vmullbq_int_s8(x, w), odd = vmulltq_int_s8(x, w);
        packed += DWCONV2D_BLOCK;
        if (left > job->singles) {
            x = vldrbq_s8(*tap++ + at);
            w = vldrbq_s8(packed);
            even = vaddq_s16(even, vmullbq_int_s8(x, w));
            odd = vaddq_s16(odd, vmulltq_int_s8(x, w));
            packed += DWCONV2D_BLOCK;
        }
        sum[0] = vaddq_s32(sum[0], vmovlbq_s16(even));
        sum[1] = vaddq_s32(sum[1], vmovltq_s16(even));
        sum[2] = vaddq_s32(sum[2], vmovlbq_s16(odd));
        sum[3] = vaddq_s32(sum[3], vmovltq_s16(odd));
    }
    const int32_t *constants = (const int32_t *)(const void *)packed;
    for (int i = 0; i < 4; i++, constants += qrt_mve_constants(mode)) {
        sum[i] = qrt_mve_requantize(sum[i], constants, mode, job->zero_point);
    }
    return qrt_mve_narrow(sum[0], sum[1], sum[2], sum[3]);
}

static void row_of_any(const row_job *job) {
    int32_t group = DWCONV2D_BLOCK * (2 * job->pairs + job->singles + (job->flags & ADDEND ? 16 : 12));
    int8_t *output = job->output;
    ptrdiff_t at = 0;
    for (int32_t positions = job->flags / POSITION; positions > 0; positions--, at += job->step, output -= job->back) {
        const int8_t *packed = job->packed;
        for (int32_t left = job->lanes; left > 0; left -= DWCONV2D_BLOCK, packed += group) {
            vstrbq_p_s8(output, block_codes(job, packed, at), vctp8q((uint32_t)left));
            output += DWCONV2D_BLOCK;
            at += DWCONV2D_BLOCK;
        }
    }
}

static void row_of_nine(const row_job *job) { row_of_any(job); }

#endif

/* Rows in their order, by row_of_nine or row_of_any; the last lanes of a flat row may fill less than a block. */
static inline void run_rows(const qrt_conv2d_params *p, const int8_t *image, int8_t *output, void *scratch,
                            void (*run_row)(const row_job *job)) {
    const dwconv2d_header *header = p->packed;
    int32_t row_size = p->out_width * p->out_channels, lanes = dwconv2d_lanes(p);
    int32_t whole = row_size / lanes, blocks = dwconv2d_groups(p) * DWCONV2D_BLOCK, mode = header->mode;
    const int8_t **tap = scratch;
    row_job job = {.packed = (const int8_t *)(header + 1),
                   .back = blocks - lanes,
                   .step = (dwconv2d_is_flat(p) ? lanes : p->stride_x * p->out_channels) - blocks,
                   .zero_point = p->requant.y_zero_point,
                   .tap = tap,
                   .pairs = header->pairs,
                   .singles = dwconv2d_taps(p) - 2 * header->pairs};
    int32_t flags = (mode == QRT_MVE_DOUBLE ? 0 : NOT_DOUBLE) + (mode == QRT_MVE_ADDEND ? ADDEND : 0);
    if (job.step != 0 || job.back != 0) flags += HAS_STEP;
    for (int32_t n = 0; n < p->batch; n++) {
        image_rows rows;
        first_row(&rows, p, image, (int8_t *)scratch + dwconv2d_taps_size(p));
        for (int32_t out_y = 0; out_y < p->out_height; out_y++, output += row_size) {
            window_taps(&rows, out_y, tap);
            job.output = output;
            job.lanes = lanes;
            job.flags = flags + POSITION * whole;
            if (whole > 0) run_row(&job);
            if (whole * lanes < row_size) {
                for (int32_t i = 0; i < dwconv2d_taps(p); i++) tap[i] += whole * lanes;
                job.output += whole * lanes;
                job.lanes = row_size - whole * lanes;
                job.flags = flags + POSITION;
                run_row(&job);
            }
            if (p->requant.output_min != -128 || p->requant.output_max != 127) {
                mve_clamp(&p->requant, output, output, row_size);
            }
        }
        image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels;
    }
}

void qrt_dwconv2d_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    run_rows(params, inputs[0], output, scratch, row_of_nine);
}

void qrt_dwconv2d_s8_mve_any(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    run_rows(params, inputs[0], output, scratch, row_of_any);
}
