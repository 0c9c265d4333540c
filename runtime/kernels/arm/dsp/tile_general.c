/* tile_general.c: tiles with any requantization and any weights. */
#include "arm/dsp/tile_general.h"

#include "arm/dsp/requant.h"

#if QRT_DSP_ASSEMBLY

#define STEP                                                                                                           \
    "ldr r0, [r1], #4\n"                                                                                               \
    "ldrd r2, r3, [r12], #8\n"                                                                                         \
    "sxtb16 lr, r0, ror #8\n"                                                                                          \
    "sxtb16 r0, r0\n"                                                                                                  \
    "smlad r4, r2, r0, r4\n"                                                                                           \
    "smlad r8, r2, lr, r8\n"                                                                                           \
    "smlad r5, r3, r0, r5\n"                                                                                           \
    "smlad r9, r3, lr, r9\n"                                                                                           \
    "ldrd r2, r3, [r12], #8\n"                                                                                         \
    "smlad r6, r2, r0, r6\n"                                                                                           \
    "smlad r10, r2, lr, r10\n"                                                                                         \
    "smlad r7, r3, r0, r7\n"                                                                                           \
    "smlad r11, r3, lr, r11\n"

/* The sums of a pair at 4 positions, channel by channel. Returns what follows the weights. Compilers take more than
 * twice as many instructions, for want of registers. */
__attribute__((naked)) static const uint32_t *sums_of_four(__attribute__((unused)) const qrt_dsp_tile *t,
                                                           __attribute__((unused)) const uint32_t *packed,
                                                           __attribute__((unused)) int32_t sums[8]) {
    __asm__("push {r2, r4-r11, lr}\n"
            "ldrd r12, r3, [r0, #12]\n"
            "push {r3, r4}\n"
            "ldrd r4, r8, [r1], #8\n"
            "mov r5, r4\n"
            "mov r6, r4\n"
            "mov r7, r4\n"
            "mov r9, r8\n"
            "mov r10, r8\n"
            "mov r11, r8\n"
            "1:\n" STEP STEP "ldr r0, [sp]\n"
            "cmp r12, r0\n"
            "bne 1b\n"
            "pop {r2, r3}\n"
            "pop {r2}\n"
            "stm r2, {r4-r11}\n"
            "mov r0, r1\n"
            "pop {r4-r11, pc}\n");
}

#else

/* The sums of a pair at 4 positions, channel by channel. Returns what follows the weights. */
static const uint32_t *sums_of_four(const qrt_dsp_tile *t, const uint32_t *packed, int32_t sums[8]) {
    for (int32_t i = 0; i < 8; i++) sums[i] = (int32_t)packed[i / QRT_DSP_POSITIONS];
    packed += 2;
    for (const uint32_t *x = t->column; x < t->column_end; x += QRT_DSP_POSITIONS) {
        uint32_t both = *packed++, low = sxtb16(both), high = sxtb16_ror8(both);
        for (int32_t i = 0; i < QRT_DSP_POSITIONS; i++) {
            sums[i] = smlad(x[i], low, sums[i]);
            sums[QRT_DSP_POSITIONS + i] = smlad(x[i], high, sums[QRT_DSP_POSITIONS + i]);
        }
    }
    return packed;
}

#endif

/* At one position. */
static const uint32_t *sums_of_one(const qrt_dsp_tile *t, const uint32_t *packed, int32_t sums[2]) {
    int32_t a = (int32_t)packed[0], b = (int32_t)packed[1];
    packed += 2;
    for (const uint32_t *x = t->column, *end = t->column_end; x != end; x++) {
        uint32_t both = *packed++;
        a = smlad(*x, sxtb16(both), a);
        b = smlad(*x, sxtb16_ror8(both), b);
    }
    sums[0] = a, sums[1] = b;
    return packed;
}

/* Writes a channel's results: `sums` at `stride` bytes from each other. */
static void put(const qrt_requant *requant, qrt_channel own, const int32_t *sums, int32_t positions, int8_t *output,
                int32_t stride, int32_t channel) {
    int32_t multiplier = own.multiplier;
    if (!requant->wide && requant->rounding == 0 && own.shift >= 32) {
        for (int32_t i = 0; i < positions; i++, output += stride) {
            int32_t high = (int32_t)(smlal(own.addend, sums[i], multiplier) >> 32);
            output[channel] = (int8_t)ssat8(high >> (own.shift - 32));
        }
    } else if (requant->rounding == 1 && qrt_dsp_double_fits(multiplier, own.shift)) {
        int32_t power = qrt_dsp_double_power_of(own.shift), zero_point = requant->y_zero_point;
        multiplier = qrt_dsp_double_multiplier_of(multiplier);
        for (int32_t i = 0; i < positions; i++, output += stride) {
            int32_t sum = (int32_t)((uint32_t)sums[i] + (uint32_t)own.addend);
            output[channel] = qrt_dsp_double(sum, multiplier, power, zero_point);
        }
    } else {
        for (int32_t i = 0; i < positions; i++, output += stride) qrt_put(requant, own, sums[i], output, channel);
    }
}

static void tile(const qrt_dsp_tile *t, int32_t positions) {
    const uint32_t *packed = t->packed;
    const qrt_requant requant = *t->requant; /* a copy, which no store to `output` can reach */
    int32_t channels = (int32_t)(t->end - t->output);
    for (int32_t c = 0; c < channels; c += 2) {
        int32_t sums[2 * QRT_DSP_POSITIONS];
        qrt_channel pair[2];
        packed = positions == 1 ? sums_of_one(t, packed, sums) : sums_of_four(t, packed, sums);
        memcpy(pair, packed, sizeof pair);
        packed += QRT_DSP_GENERAL_END;
        for (int32_t k = 0; k < 2 && c + k < channels; k++) {
            put(&requant, pair[k], sums + positions * k, positions, t->output, t->stride, c + k);
        }
    }
}

static void qrt_dsp_general_four(const qrt_dsp_tile *t) { tile(t, QRT_DSP_POSITIONS); }
static void qrt_dsp_general_one(const qrt_dsp_tile *t) { tile(t, 1); }

const qrt_dsp_tiles qrt_dsp_tiles_general = {qrt_dsp_general_four, qrt_dsp_general_one};
