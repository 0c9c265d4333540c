/* products.c: conv2d, dwconv2d and linear of the dsp set against the portable ones, on random shapes, parameters and
 * codes.
 *
 * compare(seed, count) returns how many of `count` operators differ. With HOST it is a program that says which, and
 * each buffer is as long as it must be, for a sanitizer to look at. */
#include <string.h>

#include "arm/dsp/dsp.h"
#include "portable/portable.h"

#ifdef HOST
#include <stdio.h>
#include <stdlib.h>
#else
static uint64_t heap[1 << 17];
static size_t used;
static void *malloc(size_t size) {
    void *result = heap + used;
    used += size / 8 + 1;
    return result;
}
static void free(void *buffer) { (void)buffer; }
#define printf(...) ((void)0)
#endif

uint32_t compare(uint32_t from, uint32_t count);

static uint32_t seed;
static int32_t multiplier[64], bias[64];
static uint8_t shift[64];
static int64_t addend[64];

static int32_t between(int32_t least, int32_t most) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return least + (int32_t)(seed % (uint32_t)(most - least + 1));
}

/* One time in `times`. */
static int once_in(int32_t times) { return between(1, times) == 1; }

static int8_t *codes(int32_t size, int32_t least) {
    int8_t *x = malloc((size_t)size);
    int32_t kind = between(0, 9);
    for (int32_t i = 0; i < size; i++) {
        int32_t any = between(least, 127), extreme = between(0, 1) ? least : 127;
        x[i] = (int8_t)(kind == 0 ? -128 : kind == 1 ? 127 : kind == 2 ? extreme : any);
    }
    return x;
}

/* Weights, of int4 two in a byte. */
static int8_t *weights_of(int32_t count, int32_t int4) {
    int32_t least = once_in(4) ? -128 : -127;
    if (!int4) return codes(count, least);
    int8_t *weights = codes((count + 1) / 2, -128);
    int32_t kind = between(0, 5);
    for (int32_t i = 0; kind < 3 && i < (count + 1) / 2; i++)
        weights[i] = (int8_t)(kind == 0 ? 0x88 : kind == 1 ? 0x77 : 0x78);
    return weights;
}

/* What the validator lets through, above all what almost all channels have. */
static qrt_requant requantization(int32_t channels, int32_t size) {
    qrt_requant r = {.multiplier = multiplier,
                     .shift = shift,
                     .bias = between(0, 3) ? bias : NULL,
                     .step = between(0, 1),
                     .rounding = between(0, 1),
                     .y_zero_point = between(-128, 127),
                     .output_min = -128,
                     .output_max = 127};
    int32_t around = 38, strange = between(0, 9);
    for (; size > 1; size /= 4) around++;
    r.wide = once_in(10);
    if (r.wide) r.rounding = r.y_zero_point = 0;
    for (int32_t c = 0; c < channels; c++) {
        int32_t m = between(1 << 30, INT32_MAX);
        multiplier[c] = r.wide ? 1 : strange == 0 ? m >> between(0, 20) : m;
        shift[c] = (uint8_t)(r.wide         ? 0
                             : strange == 1 ? between(31, 54)
                                            : between(around - (once_in(4) ? 12 : 2), around + 6));
        bias[c] = strange == 2 ? between(-(1 << 23), 1 << 23) : between(-20000, 20000);
        addend[c] = (int64_t)between(-20000, 20000) * multiplier[c] + between(0, 1 << 30);
        if (shift[c] > 0 && !once_in(4)) addend[c] += (2 * r.y_zero_point + 1) * ((int64_t)1 << (shift[c] - 1));
    }
    if (!r.wide && once_in(4)) {
        r.output_min = once_in(2) ? r.y_zero_point : between(-128, 0);
        r.output_max = between(r.output_min, 127);
    }
    if (!r.wide && r.rounding == 0 && once_in(2)) {
        r.addend = addend;
        r.bias = NULL;
    }
    return r;
}

/* Whether the first row that covers the operator writes other bytes than the portable one. */
static uint32_t differs(const qrt_kernel *first, const qrt_kernel *portable, void *params, const void **packed,
                        const int8_t *x, int32_t size) {
    const qrt_kernel *kernel = qrt_kernel_covering(first, params);
    size_t scratch_size = kernel->scratch_size ? kernel->scratch_size(params) : 0;
    size_t portable_size = portable->scratch_size ? portable->scratch_size(params) : 0;
    void *words = kernel->pack ? malloc(kernel->packed_size(params)) : NULL;
    void *scratch = malloc(scratch_size + 1), *portable_scratch = malloc(portable_size + 1);
    int8_t *y = malloc((size_t)size), *expected = malloc((size_t)size);
    memset(y, 1, (size_t)size);
    memset(scratch, 0x5a, scratch_size);
    portable->run(params, &x, expected, portable_scratch);
    if (words) kernel->pack(params, words);
    *packed = words;
    kernel->run(params, &x, y, scratch);
    uint32_t result = memcmp(y, expected, (size_t)size) != 0;
    free(words);
    free(scratch);
    free(portable_scratch);
    free(y);
    free(expected);
    return result;
}

/* Pads, and lengthens what is too short for the filter. Returns the length of the output. */
static int32_t padded(int32_t *size, int32_t *before, int32_t filter, int32_t stride) {
    int32_t after = once_in(2) ? between(0, filter) : 0;
    *before = once_in(2) ? between(0, filter) : 0;
    while (*size + *before + after < filter) ++*size;
    return (*size + *before + after - filter) / stride + 1;
}

static uint32_t conv2d_differs(void) {
    static const uint8_t filters[][2] = {{1, 1}, {1, 1}, {3, 3}, {3, 3}, {10, 4}, {5, 5}, {1, 5}, {7, 1}, {2, 3}};
    const uint8_t *filter = filters[between(0, 8)];
    qrt_conv2d_params p = {.batch = once_in(5) ? 2 : 1,
                           .in_height = once_in(4) ? 1 : between(1, 9),
                           .in_width = once_in(4) ? filter[1] : between(1, 9),
                           .in_channels = once_in(2) ? 4 * between(1, 4) : between(1, 20),
                           .out_channels = between(1, 20),
                           .filter_height = filter[0],
                           .filter_width = filter[1],
                           .stride_y = between(1, 2),
                           .stride_x = between(1, 2),
                           .dilation_y = 1,
                           .dilation_x = 1,
                           .groups = 1,
                           .x_zero_point = between(-128, 127),
                           .int4 = (int16_t)once_in(2)};
    if (p.int4 && once_in(2)) p.out_channels += 24; /* as many as weights stay int4 for */
    p.out_height = padded(&p.in_height, &p.pad_top, p.filter_height, p.stride_y);
    p.out_width = padded(&p.in_width, &p.pad_left, p.filter_width, p.stride_x);
    int32_t window = p.filter_height * p.filter_width * p.in_channels;
    int8_t *weights = weights_of(window * p.out_channels, p.int4);
    int8_t *x = codes(p.batch * p.in_height * p.in_width * p.in_channels, -128);
    p.weights = weights;
    p.requant = requantization(p.out_channels, window);
    int32_t size = p.batch * p.out_height * p.out_width * p.out_channels * (p.requant.wide ? 4 : 1);
    uint32_t result = differs(&qrt_conv2d_dsp, &qrt_conv2d_portable, &p, &p.packed, x, size);
    if (result) {
        printf("conv2d %dx%dx%d, %d channels, filter %dx%d, stride %dx%d, pad %dx%d\n", p.in_height, p.in_width,
               p.in_channels, p.out_channels, p.filter_height, p.filter_width, p.stride_y, p.stride_x, p.pad_top,
               p.pad_left);
    }
    free(weights);
    free(x);
    return result;
}

static uint32_t dwconv2d_differs(void) {
    static const uint8_t filters[][2] = {{3, 3}, {3, 3}, {3, 3}, {5, 5}, {4, 1}, {9, 1}, {1, 7}, {1, 1}, {2, 3}};
    const uint8_t *filter = filters[between(0, 8)];
    int32_t stride = between(1, 2), dilation = once_in(9) ? 2 : 1;
    qrt_conv2d_params p = {.batch = once_in(5) ? 2 : 1,
                           .in_height = once_in(4) ? 1 : between(1, 9),
                           .in_width = once_in(4) ? 1 : between(1, 9),
                           .in_channels = once_in(5) ? 1 : between(1, 40),
                           .filter_height = filter[0],
                           .filter_width = filter[1],
                           .stride_y = stride,
                           .stride_x = once_in(9) ? 3 : stride,
                           .dilation_y = dilation,
                           .dilation_x = dilation,
                           .x_zero_point = between(-128, 127),
                           .int4 = (int16_t)once_in(4)};
    if (once_in(9)) p.in_width = between(130, 150); /* rows for which scratch has not room at once */
    p.groups = p.in_channels;
    p.out_channels = p.in_channels * (p.in_channels == 1 ? between(1, 20) : p.in_channels < 20 && once_in(9) ? 3 : 1);
    p.out_height = padded(&p.in_height, &p.pad_top, (p.filter_height - 1) * dilation + 1, p.stride_y);
    p.out_width = padded(&p.in_width, &p.pad_left, (p.filter_width - 1) * dilation + 1, p.stride_x);
    int8_t *weights = weights_of(p.filter_height * p.filter_width * p.out_channels, p.int4);
    int8_t *x = codes(p.batch * p.in_height * p.in_width * p.in_channels, -128);
    p.weights = weights;
    p.requant = requantization(p.out_channels, p.filter_height * p.filter_width);
    int32_t size = p.batch * p.out_height * p.out_width * p.out_channels * (p.requant.wide ? 4 : 1);
    uint32_t result = differs(&qrt_dwconv2d_dsp, &qrt_dwconv2d_portable, &p, &p.packed, x, size);
    if (result) {
        printf("dwconv2d %dx%dx%d, %d channels, filter %dx%d, stride %dx%d, dilation %d, pad %dx%d\n", p.in_height,
               p.in_width, p.in_channels, p.out_channels, p.filter_height, p.filter_width, p.stride_y, p.stride_x,
               dilation, p.pad_top, p.pad_left);
    }
    free(weights);
    free(x);
    return result;
}

static uint32_t linear_differs(void) {
    qrt_linear_params p = {.rows = once_in(2) ? 1 : between(1, 9),
                           .in_features = once_in(9) ? between(500, 700) : between(1, 150),
                           .out_features = between(1, 40),
                           .x_zero_point = between(-128, 127),
                           .int4 = (int16_t)once_in(2)};
    int8_t *weights = weights_of(p.in_features * p.out_features, p.int4);
    int8_t *x = codes(p.rows * p.in_features, -128);
    p.weights = weights;
    p.requant = requantization(p.out_features, p.in_features);
    int32_t size = p.rows * p.out_features * (p.requant.wide ? 4 : 1);
    uint32_t result = differs(&qrt_linear_dsp, &qrt_linear_portable, &p, &p.packed, x, size);
    if (result) printf("linear %d rows, %d features, %d channels\n", p.rows, p.in_features, p.out_features);
    free(weights);
    free(x);
    return result;
}

uint32_t compare(uint32_t from, uint32_t count) {
    uint32_t result = 0;
    seed = from;
    for (uint32_t i = 0; i < count; i++) {
#ifndef HOST
        used = 0;
#endif
        result += i % 3 == 0 ? conv2d_differs() : i % 3 == 1 ? dwconv2d_differs() : linear_differs();
    }
    return result;
}

#ifdef HOST
int main(void) { return compare(1, 3000) != 0; }
#endif
