/* portable.h: kernels of the portable set that portable.c takes from other files into its table. */
#ifndef QRT_PORTABLE_H
#define QRT_PORTABLE_H

#include "qrt_kernels.h"

size_t qrt_conv2d_s8_scratch(const void *params);
void qrt_conv2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_dwconv2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_linear_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_transpose_conv2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_matmul_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_pad_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_concat_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_reshape_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_transpose_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_slice_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_resize2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);

/* All channels of one position between four: from `top` on, the row below, and the column to the right. */
typedef void (*qrt_interpolation)(const int8_t *top, ptrdiff_t below, ptrdiff_t right, int32_t v, int32_t u,
                                  int32_t channels, int8_t *output);

/* resize2d, whose positions between codes are made by `function`. */
void qrt_resize2d_with(const qrt_resize2d_params *p, const int8_t *image, int8_t *output, qrt_interpolation function);

#endif
