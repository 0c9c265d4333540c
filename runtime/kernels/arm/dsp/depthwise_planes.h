/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise_planes.h: depthwise convolution with a window of 3 x 3 and stride 1, two positions of one channel at a
 * time.
 *
 * Scratch holds three rows of the padded image, unpacked: for each two neighbouring columns and each channel a record
 * of three words, one of each row, with both pixels as int16. The next row of the image takes the place of the first
 * words, which by then are of no use: the records of an output row begin one word behind those of the row above. So
 * every pixel is unpacked once, and nothing moves. `packed` has for each channel: (w0, w1) and (w1, w2) of each row of
 * the window, as int16 the bias, with the zero point of x in it the constants of requantization
 */
#ifndef QRT_DSP_DEPTHWISE_PLANES_H
#define QRT_DSP_DEPTHWISE_PLANES_H

#include "arm/dsp/instructions.h"
#include "arm/dsp/requant.h"
#include "qrt_kernels.h"

/* The words of a channel before the constants of requantization. */
#define QRT_DSP_PLANES_WORDS 7

/* Output positions side by side. Assembly knows this structure. */
typedef struct qrt_dsp_planes {
    const uint32_t *x;
    int32_t next; /* bytes from the end of a record to that of the next two columns */
    const uint32_t *packed;
    int8_t *output;
    int32_t second; /* from the first output of a pair to the second one */
    int32_t size;   /* of the records of a pair of columns, in bytes */
    int32_t zero_point;
    int32_t pairs;
    int32_t output_step; /* from the last channel of a position to the first one of the next pair */
    int32_t odd;         /* 1: a single position follows the pairs */
} qrt_dsp_planes;

/* All of an operator; `run` computes pairs of positions, with so many constants for a channel. */
void qrt_dsp_depthwise_planes(const qrt_conv2d_params *p, const int8_t *image, int8_t *output, void *scratch,
                              void (*run)(const qrt_dsp_planes *planes), int32_t constants);

size_t qrt_dsp_depthwise_planes_scratch(const qrt_conv2d_params *p);

/* Whether every row is unpacked only once: there is room for all channels. */
int qrt_dsp_depthwise_planes_are_kept(const qrt_conv2d_params *p);

#if QRT_DSP_ASSEMBLY

/* The sums of a channel: of a pair of positions, r6 and r7, and of a single one, r6. r0 to r5 are w01 and w12 of each
 * row of the window, r8 to r10 columns 0 and 1 of each, then columns 2 and 3. */
#define QRT_DSP_PLANES_PAIR                                                                                            \
    "ldm r12!, {r0-r6}\n"                                                                                              \
    "ldm r11!, {r8-r10}\n"                                                                                             \
    "mov r7, r6\n"                                                                                                     \
    "smlad r6, r8, r0, r6\n"                                                                                           \
    "smlatb r7, r8, r0, r7\n"                                                                                          \
    "smlad r6, r9, r2, r6\n"                                                                                           \
    "smlatb r7, r9, r2, r7\n"                                                                                          \
    "smlad r6, r10, r4, r6\n"                                                                                          \
    "smlatb r7, r10, r4, r7\n"                                                                                         \
    "add r8, r11, lr\n"                                                                                                \
    "ldm r8, {r8-r10}\n"                                                                                               \
    "smlabt r6, r8, r1, r6\n"                                                                                          \
    "smlad r7, r8, r1, r7\n"                                                                                           \
    "smlabt r6, r9, r3, r6\n"                                                                                          \
    "smlad r7, r9, r3, r7\n"                                                                                           \
    "smlabt r6, r10, r5, r6\n"                                                                                         \
    "smlad r7, r10, r5, r7\n"
#define QRT_DSP_PLANES_ONE                                                                                             \
    "ldm r12!, {r0-r6}\n"                                                                                              \
    "ldm r11!, {r8-r10}\n"                                                                                             \
    "smlad r6, r8, r0, r6\n"                                                                                           \
    "smlad r6, r9, r2, r6\n"                                                                                           \
    "smlad r6, r10, r4, r6\n"                                                                                          \
    "add r8, r11, lr\n"                                                                                                \
    "ldm r8, {r8-r10}\n"                                                                                               \
    "smlabt r6, r8, r1, r6\n"                                                                                          \
    "smlabt r6, r9, r3, r6\n"                                                                                          \
    "smlabt r6, r10, r5, r6\n"
#define QRT_DSP_PLANES_STORE                                                                                           \
    "strb r7, [r2, r3]\n"                                                                                              \
    "strb r6, [r2], #1\n"                                                                                              \
    "str r2, [sp]\n"

/* PAIR and ONE go from sums to codes: they take the constants at r12, and load output, second and the records' end into
 * r2 to r4, from sp, which has these and the zero point. They may use r0 to r5 and r8 to r10. Pairs go two channels at
 * a time; an odd number of channels begins with the second half. */
#define QRT_DSP_PLANES_RUN(PAIR, ONE)                                                                                  \
    ".syntax unified\n"                                                                                                \
    ".balign 4\n"                                                                                                      \
    "push {r4-r11, lr}\n"                                                                                              \
    "sub sp, #40\n"                                                                                                    \
    "ldm r0, {r1-r10}\n"                                                                                               \
    "mov r11, r1\n"                                                                                                    \
    "mov lr, r2\n"                                                                                                     \
    "mov r12, r3\n"                                                                                                    \
    "strd r4, r5, [sp]\n"                                                                                              \
    "add r0, r1, r6\n"                                                                                                 \
    "strd r0, r7, [sp, #8]\n"                                                                                          \
    "strd r3, r6, [sp, #16]\n"                                                                                         \
    "strd r8, r9, [sp, #24]\n"                                                                                         \
    "adr.w r0, 1f\n"                                                                                                   \
    "lsls r1, r6, #29\n"                                                                                               \
    "bpl 5f\n"                                                                                                         \
    "adr.w r0, 2f\n"                                                                                                   \
    "5: orr r0, r0, #1\n"                                                                                              \
    "strd r10, r0, [sp, #32]\n"                                                                                        \
    "cmp r8, #0\n"                                                                                                     \
    "beq 3f\n"                                                                                                         \
    "ldr pc, [sp, #36]\n"                                                                                              \
    "1:\n" QRT_DSP_PLANES_PAIR PAIR QRT_DSP_PLANES_STORE "2:\n" QRT_DSP_PLANES_PAIR PAIR QRT_DSP_PLANES_STORE          \
    "cmp r11, r4\n"                                                                                                    \
    "bne 1b\n"                                                                                                         \
    "ldrd r12, r0, [sp, #16]\n"                                                                                        \
    "ldrd r1, r3, [sp, #24]\n"                                                                                         \
    "add r2, r2, r3\n"                                                                                                 \
    "add r4, r4, r0\n"                                                                                                 \
    "str r2, [sp]\n"                                                                                                   \
    "str r4, [sp, #8]\n"                                                                                               \
    "subs r1, #1\n"                                                                                                    \
    "str r1, [sp, #24]\n"                                                                                              \
    "beq 3f\n"                                                                                                         \
    "ldr pc, [sp, #36]\n"                                                                                              \
    "3: ldr r0, [sp, #32]\n"                                                                                           \
    "cmp r0, #0\n"                                                                                                     \
    "beq 5f\n"                                                                                                         \
    "4:\n" QRT_DSP_PLANES_ONE ONE "strb r6, [r2], #1\n"                                                                \
    "cmp r11, r4\n"                                                                                                    \
    "str r2, [sp]\n"                                                                                                   \
    "bne 4b\n"                                                                                                         \
    "5: add sp, #40\n"                                                                                                 \
    "pop {r4-r11, pc}\n"

#else

/* What the assembly does; `code` requantizes a sum with the `constants` of its channel. */
static inline void qrt_dsp_planes_run(const qrt_dsp_planes *planes, int32_t constants,
                                      int8_t (*code)(int32_t acc, const uint32_t *constants, int32_t zero_point)) {
    const uint32_t *x = planes->x;
    int8_t *output = planes->output;
    for (int32_t i = 0; i < planes->pairs + planes->odd; i++, output += planes->output_step) {
        const uint32_t *w = planes->packed;
        for (int32_t left = planes->size; left > 0;
             left -= 12, x += 3, w += QRT_DSP_PLANES_WORDS + constants, output++) {
            const uint32_t *next = x + 3 + planes->next / 4;
            int32_t first = (int32_t)w[6], second = first;
            for (int32_t f = 0; f < 3; f++) {
                first = smlabt(next[f], w[2 * f + 1], smlad(x[f], w[2 * f], first));
                second = smlad(next[f], w[2 * f + 1], smlatb(x[f], w[2 * f], second));
            }
            output[0] = code(first, w + QRT_DSP_PLANES_WORDS, planes->zero_point);
            if (i < planes->pairs) {
                output[planes->second] = code(second, w + QRT_DSP_PLANES_WORDS, planes->zero_point);
            }
        }
    }
}

#endif
#endif
