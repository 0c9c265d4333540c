/* tile_double.c: tiles with the DOUBLE requantization of requant.h. */
#include "arm/dsp/tile_double.h"

#include "arm/dsp/requant.h"

#if QRT_DSP_ASSEMBLY

#define CODE(a, m, p, zero_point)                                                                                      \
    "smmlar " #a ", " #a ", " #m ", " #a "\n"                                                                          \
    "smmlar " #a ", " #a ", " #p ", " #zero_point "\n"                                                                 \
    "ssat " #a ", #8, " #a "\n"
#define END_FOUR                                                                                                       \
    "asr r8, r8, #8\n"                                                                                                 \
    "asr r9, r9, #8\n"                                                                                                 \
    "asr r10, r10, #8\n"                                                                                               \
    "asr r11, r11, #8\n"                                                                                               \
    "ldm lr!, {r0-r3, r12}\n" CODE(r4, r0, r1, r12) CODE(r5, r0, r1, r12) CODE(r6, r0, r1, r12) CODE(r7, r0, r1, r12)  \
        CODE(r8, r2, r3, r12) CODE(r9, r2, r3, r12) CODE(r10, r2, r3, r12) CODE(r11, r2, r3, r12)
#define END_ONE                                                                                                        \
    "asr r5, r5, #8\n"                                                                                                 \
    "asr r7, r7, #8\n"                                                                                                 \
    "ldm r12, {r0-r3, r8}\n" CODE(r4, r0, r1, r8) CODE(r5, r2, r3, r8) "ldm lr!, {r0-r3, r8}\n" CODE(r6, r0, r1, r8)   \
        CODE(r7, r2, r3, r8)

__attribute__((naked)) static void qrt_dsp_double_four(__attribute__((unused)) const qrt_dsp_tile *tile) {
    __asm__(QRT_DSP_FOUR(END_FOUR));
}

__attribute__((naked)) static void qrt_dsp_double_one(__attribute__((unused)) const qrt_dsp_tile *tile) {
    __asm__(QRT_DSP_ONE(END_ONE, "20"));
}

#else

static int8_t code(int32_t sum, int32_t second, const uint32_t *end) {
    const uint32_t *own = end + 2 * second;
    return qrt_dsp_double(second ? sum >> 8 : sum, (int32_t)own[0], (int32_t)own[1], (int32_t)end[4]);
}

static void qrt_dsp_double_four(const qrt_dsp_tile *t) {
    qrt_dsp_tile_run(t, QRT_DSP_POSITIONS, QRT_DSP_DOUBLE_END, code);
}
static void qrt_dsp_double_one(const qrt_dsp_tile *t) { qrt_dsp_tile_run(t, 1, QRT_DSP_DOUBLE_END, code); }

#endif

const qrt_dsp_tiles qrt_dsp_tiles_double = {qrt_dsp_double_four, qrt_dsp_double_one};
