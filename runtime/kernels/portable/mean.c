/* mean.c: mean in plain C99. */
#include "portable/portable.h"
#include "qrt_math.h"

/* The accumulators of this many channels are on the stack. */
#define BLOCK 32

/* Channels [0, size) of one image, size <= BLOCK. */
static void mean_block(const qrt_mean_params *p, const int8_t *x, int32_t size, int8_t *y) {
    int32_t acc[BLOCK] = {0};
    for (int32_t position = 0; position < p->positions; position++, x += p->channels) {
        for (int32_t i = 0; i < size; i++) acc[i] += x[i] - p->x_zero_point;
    }
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    for (int32_t i = 0; i < size; i++) y[i] = qrt_requantize(&p->requant, requant, acc[i]);
}

void qrt_mean_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_mean_params *p = params;
    const int8_t *x = inputs[0];
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t channel = 0; channel < p->channels; channel += BLOCK) {
            int32_t left = p->channels - channel;
            mean_block(p, x + channel, left < BLOCK ? left : BLOCK, output + channel);
        }
        x += (ptrdiff_t)p->positions * p->channels;
        output += p->channels;
    }
}
