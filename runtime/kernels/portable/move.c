/* move.c: operators that move codes, and resize2d, in plain C99. */
#include <string.h>

#include "portable/portable.h"
#include "portable/walk.h"
#include "qrt_math.h"

void qrt_pad_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pad_params *p = params;
    const int8_t *x = inputs[0];
    int32_t out_stride[QRT_KERNEL_MAX_RANK] = {0};
    int32_t out_size = 1, last = p->rank - 1;
    walk at = {{0}, 0};
    (void)scratch;
    for (int32_t axis = last; axis >= 0; axis--) {
        out_stride[axis] = out_size;
        out_size *= p->out_shape[axis];
        at.position += (ptrdiff_t)p->before[axis] * out_stride[axis];
    }
    memset(output, p->value, (size_t)out_size);
    /* Axes that are not padded, behind the last that is, are one run with it. */
    while (last > 0 && p->in_shape[last] == p->out_shape[last]) last--;
    int32_t run = p->in_shape[last] * out_stride[last];
    for (ptrdiff_t row = row_count(last + 1, p->in_shape); row > 0; row--) {
        memcpy(output + at.position, x, (size_t)run);
        x += run;
        walk_next(&at, last + 1, p->in_shape, out_stride);
    }
}

void qrt_concat_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_concat_params *p = params;
    (void)scratch;
    for (ptrdiff_t row = 0; row < p->outer; row++) {
        for (int32_t i = 0; i < p->input_count; i++) {
            memcpy(output, inputs[i] + row * p->run_size[i], (size_t)p->run_size[i]);
            output += p->run_size[i];
        }
    }
}

void qrt_reshape_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_reshape_params *p = params;
    (void)scratch;
    memmove(output, inputs[0], (size_t)p->size);
}

/* Codes of `x` that lie `stride` apart along each axis, one after another. */
static void gather(const int8_t *x, int32_t rank, const int32_t *shape, const int32_t *stride, int8_t *output) {
    int32_t last = rank - 1;
    ptrdiff_t size = shape[last], step = stride[last];
    walk at = {{0}, 0};
    for (ptrdiff_t row = row_count(rank, shape); row > 0; row--) {
        const int8_t *from = x + at.position;
        if (step == 1) {
            memcpy(output, from, (size_t)size);
        } else {
            for (ptrdiff_t i = 0; i < size; i++) output[i] = from[i * step];
        }
        output += size;
        walk_next(&at, rank, shape, stride);
    }
}

void qrt_transpose_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_transpose_params *p = params;
    (void)scratch;
    gather(inputs[0], p->rank, p->out_shape, p->in_stride, output);
}

void qrt_slice_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_slice_params *p = params;
    (void)scratch;
    gather(inputs[0] + p->first, p->rank, p->out_shape, p->in_stride, output);
}

static void interpolate(const int8_t *top, ptrdiff_t below, ptrdiff_t right, int32_t v, int32_t u, int32_t channels,
                        int8_t *output) {
    const int8_t *bottom = top + below;
    for (int32_t i = 0; i < channels; i++) {
        int32_t sum = (top[i] * (1024 - u) + top[i + right] * u) * (1024 - v);
        sum += (bottom[i] * (1024 - u) + bottom[i + right] * u) * v;
        output[i] = (int8_t)qrt_rounding_shift(sum, 20);
    }
}

static inline void resize2d(const qrt_resize2d_params *p, const int8_t *image, int8_t *output,
                            qrt_interpolation function) {
    ptrdiff_t row_size = (ptrdiff_t)p->in_width * p->channels;
    for (int32_t n = 0; n < p->batch; n++, image += p->in_height * row_size) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            int32_t v = p->row_weight != NULL ? p->row_weight[out_y] : 0;
            ptrdiff_t below = p->rows[out_y] + 1 < p->in_height ? row_size : 0;
            const int8_t *row = image + p->rows[out_y] * row_size;
            for (int32_t out_x = 0; out_x < p->out_width; out_x++, output += p->channels) {
                int32_t u = p->column_weight != NULL ? p->column_weight[out_x] : 0;
                ptrdiff_t right = p->columns[out_x] + 1 < p->in_width ? p->channels : 0;
                const int8_t *x = row + (ptrdiff_t)p->columns[out_x] * p->channels;
                if (u == 0 && v == 0) {
                    memcpy(output, x, (size_t)p->channels);
                } else {
                    function(x, below, right, v, u, p->channels, output);
                }
            }
        }
    }
}

void qrt_resize2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    (void)scratch;
    resize2d(params, inputs[0], output, interpolate);
}

void qrt_resize2d_with(const qrt_resize2d_params *p, const int8_t *image, int8_t *output, qrt_interpolation function) {
    resize2d(p, image, output, function);
}
