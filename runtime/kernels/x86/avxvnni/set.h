/* SPDX-License-Identifier: Apache-2.0 */
/* set.h: the table of the avxvnni set, in one encoding; see avxvnni.h. */
#include "x86/avx2/avx2.h"
#include "x86/avx2/winograd.h"
#include "x86/avxvnni/conv2d.h"
#include "x86/avxvnni/depthwise.h"
#define PAIRS VNNI
#define ADD_PAIRS DOT_PAIRS
#include "x86/avx2/conv2d16.h"

/* In quarters of a cycle: a register of four products is twice to a cycle, as one of two is. */
static const qrt_winograd_costs winograd_costs = {
    .direct = 1, .product = 2, .inputs = 15, .sums = 33, .transformed = 130, .taps = 800, .run = 700};

#include "x86/avx2/winograd_rows.h"

static void fill_set(qrt_kernels *kernels) {
    qrt_kernels_avx2(kernels);
    kernels->name = "avxvnni";
    kernels->conv2d = winograd;
    kernels->dwconv2d = dwconv2d;
    kernels->linear = linear;
    kernels->conv2d16 = conv2d16;
    kernels->linear16 = linear16;
}
