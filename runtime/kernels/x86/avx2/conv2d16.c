/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d16.c: conv2d and linear of int16 codes by vpmaddwd. */
#include "x86/avx2/avx2.h"
#include "x86/x86.h"

#ifdef QRT_X86

#include "x86/avx2/conv2d16.h"

const qrt_kernel qrt_conv2d16_avx2 = {
    .run = conv2d16_run, .packed_size = conv2d16_packed_size, .pack = conv2d16_pack, .scratch_size = conv2d16_scratch};
const qrt_kernel qrt_linear16_avx2 = {
    .run = linear16_run, .packed_size = linear16_packed_size, .pack = linear16_pack, .scratch_size = linear16_scratch};

#endif
