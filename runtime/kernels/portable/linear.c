/* linear.c: linear in plain C99. */
#include "portable/dot.h"
#include "portable/portable.h"
#include "qrt_math.h"

void qrt_linear_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_linear_params *p = params;
    const int8_t *x = inputs[0];
    ptrdiff_t index = 0;
    (void)scratch;
    for (int32_t row = 0; row < p->rows; row++) {
        const int8_t *weights = p->weights;
        for (int32_t channel = 0; channel < p->out_features; channel++) {
            int32_t acc = dot(x, p->x_zero_point, weights, p->in_features);
            qrt_channel requant = qrt_requant_channel(&p->requant, channel);
            qrt_put(&p->requant, requant, acc, output, index++);
            weights += p->in_features;
        }
        x += p->in_features;
    }
}
