/* SPDX-License-Identifier: Apache-2.0 */
/* image.h: the input image of a convolution, laid out so that output positions have a constant step.
 *
 * A convolution is then a matrix product without im2col: output position q reads, for each filter row, one run of
 * bytes at `q * step` plus an offset of that row. The copy includes padding (the code x_zero_point, which contributes
 * nothing), shared between neighbouring rows of pixels, and rows that are read with the same stride phase are
 * stored together:
 *
 *   row r of the padded image is row r / stride_y of plane r % stride_y
 *   position q = out_y * width + out_x                       width >= out_width; positions between rows are no output
 *
 * If the window is a single column, only the columns that the stride reads are copied.
 */
#ifndef QRT_IMAGE_H
#define QRT_IMAGE_H

#include "qrt_kernels.h"

typedef struct qrt_image {
    int32_t step;    /* bytes from one position to the next */
    int32_t width;   /* positions in a row, of which the first out_width are outputs */
    int32_t count;   /* positions up to the last output */
    int32_t take;    /* one of this many columns of the input is copied */
    int32_t columns; /* copied from a row of the input */
    int32_t rows;    /* of the padded image, read by windows */
    ptrdiff_t pitch, plane;
    size_t size; /* bytes of the copy */
} qrt_image;

/* Whether a copy with `channels` and `more` columns has a size in proportion to the tensors. A file's padding, strides
 * and dilations can require any amount, even more than an int32 counts; then the portable kernel runs. */
static inline int qrt_image_fits(const qrt_conv2d_params *p, int32_t channels, int64_t more) {
    int64_t in_size = (int64_t)p->in_height * p->in_width * p->in_channels;
    int64_t out_size = (int64_t)p->out_height * p->out_width * p->out_channels;
    int64_t limit = 16 * (in_size + out_size) + (1 << 20);
    if (limit > INT32_MAX / 2) limit = INT32_MAX / 2;
    int64_t reach = (int64_t)(p->out_width - 1) * p->stride_x + (int64_t)(p->filter_width - 1) * p->dilation_x + 1;
    int64_t rows = (int64_t)(p->out_height - 1) * p->stride_y + (int64_t)(p->filter_height - 1) * p->dilation_y + 1;
    int64_t pitch = (reach + p->pad_left + p->stride_x + more) * channels;
    return pitch <= limit && (rows + p->stride_y) * pitch <= limit;
}

/* For an image that fits. */
static inline qrt_image qrt_image_of(const qrt_conv2d_params *p) {
    qrt_image image;
    int32_t in_channels = p->in_channels;
    image.take = p->filter_width == 1 && p->pad_left == 0 ? p->stride_x : 1;
    int32_t stride = image.take > 1 ? 1 : p->stride_x;
    /* Columns of the padded image that a window reads, in units of `take`. */
    int32_t reach = (p->out_width - 1) * stride + (p->filter_width - 1) * p->dilation_x + 1;
    int32_t inside = (p->in_width + image.take - 1) / image.take;
    image.columns = inside < reach - p->pad_left ? inside : reach - p->pad_left;
    if (image.columns < 0) image.columns = 0;
    int32_t right = reach - p->pad_left - image.columns;
    int32_t wide = image.columns + (right > p->pad_left ? right : p->pad_left);
    image.step = stride * in_channels;
    image.width = (wide + stride - 1) / stride;
    if (image.width < p->out_width) image.width = p->out_width;
    image.pitch = (ptrdiff_t)image.width * image.step;
    image.count = (p->out_height - 1) * image.width + p->out_width;
    image.rows = (p->out_height - 1) * p->stride_y + (p->filter_height - 1) * p->dilation_y + 1;
    image.plane = (image.rows + p->stride_y - 1) / p->stride_y * image.pitch;
    /* After the last row there is padding that is not shared. */
    image.size = (size_t)(image.plane * p->stride_y + (ptrdiff_t)p->pad_left * in_channels);
    return image;
}

/* Bytes from a position to the input of filter position (filter_y, filter_x). */
static inline ptrdiff_t qrt_image_tap(const qrt_image *image, const qrt_conv2d_params *p, int32_t filter_y,
                                      int32_t filter_x) {
    int32_t row = filter_y * p->dilation_y;
    return row % p->stride_y * image->plane + row / p->stride_y * image->pitch +
           (ptrdiff_t)filter_x * p->dilation_x * p->in_channels;
}

/* Whether some window reads a row of plane `plane`. */
static inline int qrt_image_has_plane(const qrt_conv2d_params *p, int32_t plane) {
    for (int32_t filter_y = 0; filter_y < p->filter_height; filter_y++) {
        if (filter_y * p->dilation_y % p->stride_y == plane) return 1;
    }
    return 0;
}

#endif
