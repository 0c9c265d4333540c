/* random_layers.c: layers with random shapes and numbers, by the kernels of the set that KERNELS fills and by the
 * portable ones: conv2d, dwconv2d and linear. On a machine with malloc, every buffer has exactly its size, for a
 * sanitizer.
 */
#include <string.h>

#include "portable/portable.h"

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

/* 1 when the set's kernel has the portable one's bytes, 0 when it is the portable one, -1 when they differ. */
static int compare(const qrt_kernel *kernel, const qrt_kernel *portable, qrt_params *params, const void **packed,
                   qrt_requant *requant, size_t input_size, size_t output_size) {
    kernel = qrt_kernel_covering(kernel, params);
    if (kernel->run == portable->run) return 0;
    size_t room_of_portable = portable->scratch_size ? portable->scratch_size(params) : 0;
    size_t packed_size = kernel->packed_size ? kernel->packed_size(params) : 0;
    size_t room_of_kernel = kernel->scratch_size ? kernel->scratch_size(params) : 0;
    void *blocks[6] = {memory(input_size),       memory(output_size), memory(output_size),
                       memory(room_of_portable), memory(packed_size), memory(room_of_kernel)};
    int result = 0;
    if (enough()) {
        const int8_t *x = blocks[0];
        int8_t *expected = blocks[1], *found = blocks[2];
        codes(blocks[0], input_size);
        memset(expected, 1, output_size);
        memset(found, 1, output_size);
        portable->run(params, &x, expected, blocks[3]);
        if (packed_size > 0) {
            kernel->pack(params, blocks[4]);
            *packed = blocks[4];
        }
        if (kernel->packs_all)
            requant->multiplier = requant->bias = NULL, requant->shift = NULL, requant->addend = NULL;
        kernel->run(params, &x, found, blocks[5]);
        result = memcmp(expected, found, output_size) == 0 ? 1 : -1;
    }
    release(blocks, 6);
    return result;
}

/* Half of them with windows of 3x3 or 1x1, the others with any; sometimes with more padding than the filter. */
static int convolution(const qrt_kernels *set, const qrt_kernels *portable, int depthwise) {
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
    p->dilation_y = p->dilation_x = 1;
    p->in_height = between(1, 14);
    p->in_width = between(1, 14);
    p->x_zero_point = between(-128, 127);
    if (shape != 3) {
        p->pad_top = between(0, p->filter_height + 1);
        p->pad_left = between(0, p->filter_width + 1);
        below = between(0, p->filter_height + 1);
        right = between(0, p->filter_width + 1);
    }
    int32_t height = p->in_height + p->pad_top + below - p->filter_height;
    int32_t width = p->in_width + p->pad_left + right - p->filter_width;
    if (height < 0 || width < 0) return 0;
    p->out_height = height / p->stride_y + 1;
    p->out_width = width / p->stride_x + 1;
    p->groups = depthwise ? p->in_channels : 1;
    p->out_channels = depthwise ? p->in_channels * (between(0, 3) == 0 && p->in_channels < 20 ? 3 : 1) : between(1, 35);
    int32_t taps = p->filter_height * p->filter_width * (depthwise ? 1 : p->in_channels);
    size_t weights_size = (size_t)taps * (size_t)p->out_channels;
    static int8_t weights[50 * 40 * 35];
    codes(weights, weights_size);
    /* So that a sanitizer sees reads beyond them, they end where the array does. */
    p->weights = memmove(weights + sizeof weights - weights_size, weights, weights_size);
    p->requant = requant_of(p->out_channels, taps);
    size_t input_size = (size_t)(p->batch * p->in_height * p->in_width * p->in_channels);
    size_t output_size = (size_t)(p->batch * p->out_height * p->out_width * p->out_channels);
    return compare(depthwise ? &set->dwconv2d : &set->conv2d, depthwise ? &portable->dwconv2d : &portable->conv2d,
                   &params, &p->packed, &p->requant, input_size, output_size);
}

static int linear(const qrt_kernels *set, const qrt_kernels *portable) {
    qrt_params params;
    qrt_linear_params *p = &params.linear;
    memset(&params, 0, sizeof params);
    p->rows = between(1, 5);
    p->in_features = between(1, 200);
    p->out_features = between(1, CHANNELS);
    p->x_zero_point = between(-128, 127);
    static int8_t weights[200 * CHANNELS];
    size_t weights_size = (size_t)(p->in_features * p->out_features);
    codes(weights, weights_size);
    p->weights = memmove(weights + sizeof weights - weights_size, weights, weights_size);
    p->requant = requant_of(p->out_features, p->in_features);
    return compare(&set->linear, &portable->linear, &params, &p->packed, &p->requant,
                   (size_t)(p->rows * p->in_features), (size_t)(p->rows * p->out_features));
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
        int same = i % 3 == 0 ? linear(&set, &portable) : convolution(&set, &portable, i % 3 == 1);
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
