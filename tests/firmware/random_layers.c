/* random_layers.c: layers with random shapes and numbers, by the kernels of the set that KERNELS fills and by the
 * portable ones. On a machine with malloc, every buffer has exactly its size, for a sanitizer.
 */
#include <string.h>

#include "portable/portable.h"

/* What fills a set. */
#ifndef KERNELS
#define KERNELS qrt_kernels_portable
#endif

int random_layers(int seed, int count);

enum { CHANNELS = 64, ROOM = 1 << 20 };

static uint64_t state;
static int32_t multipliers[CHANNELS], biases[CHANNELS];
static uint8_t shifts[CHANNELS];
static int64_t addends[CHANNELS];

static uint32_t number(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

static int32_t between(int32_t first, int32_t last) {
    return first + (int32_t)(number() % (uint32_t)(last - first + 1));
}

#ifdef __arm__
/* Memory of a case. */
static uint64_t room[ROOM / 8];
static size_t used;
static void *memory(size_t size) {
    void *result = (char *)room + used;
    used += (size + 7) / 8 * 8;
    return result;
}
static int enough(void) { return used <= ROOM; }
static void release(void *const *blocks, int count) {
    (void)blocks;
    (void)count;
    used = 0;
}
#else
#include <stdlib.h>
static void *memory(size_t size) { return malloc(size); }
static int enough(void) { return 1; }
static void release(void *const *blocks, int count) {
    for (int i = 0; i < count; i++) free(blocks[i]);
}
#endif

static void codes(int8_t *to, size_t size) {
    int32_t kind = between(0, 5);
    for (size_t i = 0; i < size; i++) {
        int32_t code = (int32_t)(number() & 255) - 128;
        if (kind == 0) code = -128;
        if (kind == 1) code = 127;
        if (kind == 2) code = code < 0 ? -128 : 127;
        to[i] = (int8_t)code;
    }
}

/* Of that many weights; those of int4 are two in a byte. */
static size_t bytes_of(size_t count, int32_t int4) { return int4 ? (count + 1) / 2 : count; }

/* Numbers of one channel: usual ones, any, and those that end in ties. */
static void channel(const qrt_requant *requant, int32_t index, int32_t kind, int32_t usual_shift) {
    int32_t multiplier = (int32_t)(0x40000000u | (number() >> 2)), shift = between(usual_shift - 2, usual_shift + 6);
    int32_t bias = between(-20000, 20000);
    if (kind == 0) multiplier = (int32_t)(number() >> between(1, 31)), shift = between(31, 54);
    if (kind == 1) multiplier = 1 << 30, shift = between(31, 34), bias = between(-200, 200);
    if (kind == 2) multiplier = 1 << between(0, 30), shift = between(33, 36);
    int64_t rest = multiplier > 0 ? (int64_t)(number() % (uint32_t)multiplier) : 0;
    multipliers[index] = multiplier;
    shifts[index] = (uint8_t)shift;
    biases[index] = bias;
    addends[index] = (int64_t)bias * multiplier + rest + (2 * requant->y_zero_point + 1) * ((int64_t)1 << (shift - 1));
}

static qrt_requant requant_of(int32_t channels, int32_t taps) {
    int32_t usual_shift = 36, kind = between(0, 9);
    for (int32_t size = 1; size < taps; size *= 4) usual_shift++;
    qrt_requant requant = {.multiplier = multipliers,
                           .shift = shifts,
                           .step = between(0, 3) > 0,
                           .rounding = between(0, 1),
                           .y_zero_point = between(-128, 127),
                           .output_min = -128,
                           .output_max = 127};
    for (int32_t i = 0; i < channels; i++) channel(&requant, i, kind, usual_shift);
    if (requant.rounding == 0 && between(0, 2) == 0) {
        requant.addend = addends;
    } else if (between(0, 3) > 0) {
        requant.bias = biases;
    }
    if (between(0, 3) == 0) {
        requant.output_min = between(-128, 127);
        requant.output_max = between(requant.output_min, 127);
    }
    return requant;
}

/* What a layer reads and writes: bytes of its inputs (second: 0, none) and of its output, and whose memory the output
 * is given: 0 its own, 1 or 2 an input's. */
typedef struct sizes {
    size_t first, second, output;
    int32_t in_place;
} sizes;

/* 1 when the set's kernel has the portable one's bytes, 0 when it is the portable one, -1 when they differ. `packed`
 * and `requant` are where params has them, or NULL. */
static int compare(const qrt_kernel *kernel, const qrt_kernel *portable, qrt_params *params, const void **packed,
                   qrt_requant *requant, sizes of) {
    kernel = qrt_kernel_covering(kernel, params);
    if (kernel->run == portable->run) return 0;
    size_t room_of_portable = portable->scratch_size ? portable->scratch_size(params) : 0;
    size_t packed_size = kernel->packed_size ? kernel->packed_size(params) : 0;
    size_t room_of_kernel = kernel->scratch_size ? kernel->scratch_size(params) : 0;
    void *blocks[7] = {memory(of.first),         memory(of.second),   memory(of.output),     memory(of.output),
                       memory(room_of_portable), memory(packed_size), memory(room_of_kernel)};
    int result = 0;
    if (enough()) {
        const int8_t *const x[2] = {blocks[0], blocks[1]};
        int8_t *expected = blocks[2], *found = blocks[of.in_place > 0 ? of.in_place - 1 : 3];
        codes(blocks[0], of.first);
        codes(blocks[1], of.second);
        memset(expected, 1, of.output);
        portable->run(params, x, expected, blocks[4]);
        if (packed_size > 0) {
            kernel->pack(params, blocks[5]);
            *packed = blocks[5];
        }
        if (kernel->packs_all)
            requant->multiplier = requant->bias = NULL, requant->shift = NULL, requant->addend = NULL;
        kernel->run(params, x, found, blocks[6]);
        result = memcmp(expected, found, of.output) == 0 ? 1 : -1;
    }
    release(blocks, 7);
    return result;
}

/* Makes the requantization of int8 one of int16: multipliers of 15 bits, unless a product with them is known to fit. */
static void widen(qrt_requant *requant, int32_t channels) {
    int32_t bits = requant->rounding == 0 ? 16 : 0;
    requant->y_int16 = 1;
    for (int32_t i = 0; i < channels; i++) {
        multipliers[i] >>= bits;
        shifts[i] = (uint8_t)(shifts[i] - bits);
        addends[i] >>= bits;
    }
    requant->output_min = requant->output_min == -128 ? INT16_MIN : requant->output_min * 256;
    requant->output_max = requant->output_max == 127 ? INT16_MAX : requant->output_max * 256;
    if (between(0, 2)) requant->y_zero_point = 0;
}

/* Half of them with windows of 3x3 or 1x1, the others with any; sometimes with more padding than the filter. */
static int convolution(const qrt_kernels *set, const qrt_kernels *portable, int depthwise, int int16) {
    qrt_params params;
    qrt_conv2d_params *p = &params.conv2d;
    memset(&params, 0, sizeof params);
    int32_t shape = between(0, 7), below = 0, right = 0;
    p->batch = between(1, 2);
    p->in_channels = between(0, 2) > 0 ? between(1, 10) * 4 : between(1, 40);
    if (shape == 2) p->in_channels = between(1, 4);
    p->filter_height = shape < 3 ? 3 : shape < 5 ? 1 : between(1, 10);
    p->filter_width = shape < 3 ? 3 : shape < 5 ? 1 : between(1, 5);
    p->stride_y = shape == 3 ? 1 : between(1, 3);
    p->stride_x = shape == 3 ? 1 : between(1, 3);
    p->dilation_y = between(0, 4) ? 1 : 2;
    p->dilation_x = between(0, 4) ? 1 : 2;
    p->in_height = between(1, 14);
    p->in_width = between(1, 14);
    p->x_zero_point = between(-128, 127);
    if (shape != 3) {
        p->pad_top = between(0, p->filter_height + 1);
        p->pad_left = between(0, p->filter_width + 1);
        below = between(0, p->filter_height + 1);
        right = between(0, p->filter_width + 1);
    }
    int32_t height = p->in_height + p->pad_top + below - (p->filter_height - 1) * p->dilation_y - 1;
    int32_t width = p->in_width + p->pad_left + right - (p->filter_width - 1) * p->dilation_x - 1;
    if (height < 0 || width < 0) return 0;
    p->out_height = height / p->stride_y + 1;
    p->out_width = width / p->stride_x + 1;
    p->groups = depthwise ? p->in_channels : 1;
    p->out_channels = depthwise ? p->in_channels * (between(0, 3) == 0 && p->in_channels < 20 ? 3 : 1) : between(1, 35);
    int32_t taps = p->filter_height * p->filter_width * (depthwise ? 1 : p->in_channels);
    p->int4 = between(0, 3) == 0 && !int16;
    size_t weights_size = bytes_of((size_t)taps * (size_t)p->out_channels, p->int4);
    static int8_t weights[50 * 40 * 35];
    codes(weights, weights_size);
    /* So that a sanitizer sees reads beyond them, they end where the array does. */
    p->weights = memmove(weights + sizeof weights - weights_size, weights, weights_size);
    p->requant = requant_of(p->out_channels, taps);
    sizes of = {.first = (size_t)(p->batch * p->in_height * p->in_width * p->in_channels),
                .output = (size_t)(p->batch * p->out_height * p->out_width * p->out_channels)};
    if (int16) {
        p->x_int16 = 1;
        if (between(0, 4)) p->x_zero_point = 0;
        widen(&p->requant, p->out_channels);
        of.first *= 2;
        of.output *= 2;
        return compare(depthwise ? &set->dwconv2d16 : &set->conv2d16,
                       depthwise ? &portable->dwconv2d16 : &portable->conv2d16, &params, &p->packed, &p->requant, of);
    }
    return compare(depthwise ? &set->dwconv2d : &set->conv2d, depthwise ? &portable->dwconv2d : &portable->conv2d,
                   &params, &p->packed, &p->requant, of);
}

static int linear(const qrt_kernels *set, const qrt_kernels *portable, int int16) {
    qrt_params params;
    qrt_linear_params *p = &params.linear;
    memset(&params, 0, sizeof params);
    p->rows = between(1, 5);
    p->in_features = between(1, 200);
    p->out_features = between(1, CHANNELS);
    p->x_zero_point = between(-128, 127);
    static int8_t weights[200 * CHANNELS];
    p->int4 = between(0, 3) == 0 && !int16;
    size_t weights_size = bytes_of((size_t)(p->in_features * p->out_features), p->int4);
    codes(weights, weights_size);
    p->weights = memmove(weights + sizeof weights - weights_size, weights, weights_size);
    p->requant = requant_of(p->out_features, p->in_features);
    sizes of = {.first = (size_t)(p->rows * p->in_features), .output = (size_t)(p->rows * p->out_features)};
    if (int16) {
        p->x_int16 = 1;
        if (between(0, 4)) p->x_zero_point = 0;
        widen(&p->requant, p->out_features);
        of.first *= 2;
        of.output *= 2;
        return compare(&set->linear16, &portable->linear16, &params, &p->packed, &p->requant, of);
    }
    return compare(&set->linear, &portable->linear, &params, &p->packed, &p->requant, of);
}

/* Two operands that broadcast; the output lies where an operand of its size lies, or for itself. */
static sizes broadcast_of(qrt_broadcast *s) {
    int32_t a = 1, b = 1, y = 1;
    memset(s, 0, sizeof *s);
    s->rank = between(0, 1) ? 1 : between(1, 4);
    for (int32_t axis = s->rank - 1; axis >= 0; axis--) {
        s->shape[axis] = axis == s->rank - 1 ? between(1, 150) : between(1, 6);
        if (between(0, 4) > 0) s->a_stride[axis] = a, a *= s->shape[axis];
        if (between(0, 4) > 0) s->b_stride[axis] = b, b *= s->shape[axis];
        y *= s->shape[axis];
    }
    sizes of = {(size_t)a, (size_t)b, (size_t)y, between(0, 2)};
    if (of.in_place > 0 && (of.in_place == 1 ? a : b) != y) of.in_place = 0;
    return of;
}

static int add(const qrt_kernels *set, const qrt_kernels *portable) {
    qrt_params params;
    qrt_add_params *p = &params.add;
    memset(&params, 0, sizeof params);
    sizes of = broadcast_of(&p->broadcast);
    qrt_requant requant = requant_of(3, 1);
    p->form = between(0, 1);
    p->b_sign = between(0, 2) ? 1 : -1;
    p->a_zero_point = between(-128, 127);
    p->b_zero_point = between(-128, 127);
    p->y_zero_point = requant.y_zero_point;
    p->output_min = requant.output_min;
    p->output_max = requant.output_max;
    p->a_multiplier = multipliers[0];
    p->b_multiplier = multipliers[1];
    if (p->form == 0) {
        p->shift = between(0, 4) ? between(28, 34) : between(0, 45);
        p->b_multiplier *= p->b_sign;
        p->addend = (2 * p->y_zero_point + (p->shift > 0)) * ((int64_t)1 << p->shift) / 2 -
                    (int64_t)p->a_zero_point * p->a_multiplier - (int64_t)p->b_zero_point * p->b_multiplier;
    } else {
        p->y_multiplier = multipliers[2];
        p->a_shift = between(0, 1) ? 31 : between(31, 40);
        p->b_shift = between(0, 1) ? 31 : between(31, 40);
        p->y_shift = between(0, 4) ? between(47, 51) : between(31, 62);
    }
    return compare(&set->add, &portable->add, &params, &p->packed, NULL, of);
}

static int of_two(const qrt_kernels *set, const qrt_kernels *portable) {
    qrt_params params;
    qrt_binary_params *p = &params.binary;
    memset(&params, 0, sizeof params);
    sizes of = broadcast_of(&p->broadcast);
    p->a_zero_point = between(-128, 127);
    p->b_zero_point = between(-128, 127);
    p->requant = requant_of(1, 65536);
    p->requant.bias = NULL;
    int32_t kind = between(0, 2);
    if (kind == 0) return compare(&set->maximum, &portable->maximum, &params, NULL, NULL, of);
    if (kind == 1) return compare(&set->minimum, &portable->minimum, &params, NULL, NULL, of);
    return compare(&set->mul, &portable->mul, &params, NULL, &p->requant, of);
}

static int of_one(const qrt_kernels *set, const qrt_kernels *portable) {
    qrt_params params;
    static int8_t table[256];
    int32_t kind = between(0, 2);
    memset(&params, 0, sizeof params);
    params.unary.size = between(1, 300);
    sizes of = {.first = (size_t)params.unary.size, .output = (size_t)params.unary.size, .in_place = between(0, 1)};
    if (kind == 0) {
        codes(table, sizeof table);
        params.lut.table = table;
        return compare(&set->lut, &portable->lut, &params, NULL, NULL, of);
    }
    params.unary.x_zero_point = between(-128, 127);
    params.unary.requant = requant_of(1, 1);
    params.unary.requant.bias = NULL;
    if (kind == 1) return compare(&set->clamp, &portable->clamp, &params, NULL, NULL, of);
    return compare(&set->requantize, &portable->requantize, &params, NULL, &params.unary.requant, of);
}

static int pool(const qrt_kernels *set, const qrt_kernels *portable) {
    qrt_params params;
    qrt_pool2d_params *p = &params.pool2d;
    memset(&params, 0, sizeof params);
    p->batch = between(1, 2);
    p->channels = between(0, 1) ? between(1, 40) : 16 * between(1, 3);
    p->filter_height = between(1, 5);
    p->filter_width = between(1, 5);
    p->in_height = between(p->filter_height, 20);
    p->in_width = between(p->filter_width, 20);
    if (between(0, 3) == 0) p->filter_height = p->in_height, p->filter_width = p->in_width;
    p->stride_y = between(1, 3);
    p->stride_x = between(1, 3);
    p->pad_top = between(0, 1) * between(0, p->filter_height - 1);
    p->pad_left = between(0, 1) * between(0, p->filter_width - 1);
    p->out_height = (p->in_height + p->pad_top - p->filter_height) / p->stride_y + 1;
    p->out_width = (p->in_width + p->pad_left - p->filter_width) / p->stride_x + 1;
    p->rounding = between(0, 2);
    p->x_zero_point = between(-128, 127);
    p->output_min = between(0, 3) ? -128 : between(-128, 127);
    p->output_max = between(0, 3) ? 127 : between(p->output_min, 127);
    sizes of = {.first = (size_t)(p->batch * p->in_height * p->in_width * p->channels),
                .output = (size_t)(p->batch * p->out_height * p->out_width * p->channels)};
    if (between(0, 1)) return compare(&set->max_pool2d, &portable->max_pool2d, &params, NULL, NULL, of);
    return compare(&set->average_pool2d, &portable->average_pool2d, &params, NULL, NULL, of);
}

static int mean(const qrt_kernels *set, const qrt_kernels *portable) {
    qrt_params params;
    qrt_mean_params *p = &params.mean;
    memset(&params, 0, sizeof params);
    p->batch = between(1, 2);
    p->positions = between(1, between(0, 2) ? 80 : 900);
    p->channels = between(1, 40);
    p->x_zero_point = between(-128, 127);
    p->requant = requant_of(1, p->positions);
    p->requant.bias = NULL;
    sizes of = {.first = (size_t)(p->batch * p->positions * p->channels), .output = (size_t)(p->batch * p->channels)};
    return compare(&set->mean, &portable->mean, &params, NULL, &p->requant, of);
}

static int layer(const qrt_kernels *set, const qrt_kernels *portable, int kind) {
    switch (kind) {
    case 0:
        return linear(set, portable, 0);
    case 1:
        return add(set, portable);
    case 2:
        return of_two(set, portable);
    case 3:
        return of_one(set, portable);
    case 4:
        return pool(set, portable);
    case 5:
        return mean(set, portable);
    case 6:
        return between(0, 2) ? convolution(set, portable, 0, 1) : linear(set, portable, 1);
    default:
        return convolution(set, portable, kind % 2, 0);
    }
}

/* How many layers had a kernel of the set, or -1 - i where layer i has other bytes. */
int random_layers(int seed, int count) {
    static qrt_kernels set, portable;
    KERNELS(&set);
    qrt_kernels_portable(&portable);
    int covered = 0;
    for (int i = 0; i < count; i++) {
        state = 88172645463325252u + (uint64_t)(uint32_t)(seed + i) * 7919u;
        for (int skipped = 0; skipped < 8; skipped++) number();
        int same = layer(&set, &portable, i % 10);
        if (same < 0) return -1 - i;
        covered += same;
    }
    return covered;
}

#ifndef __arm__
int main(int count, char **arguments) {
    return count == 3 && random_layers(atoi(arguments[1]), atoi(arguments[2])) > 0 ? 0 : 1;
}
#endif
