/* set.h: the table of the avxvnni set, in one encoding; see avxvnni.h. */
#include "x86/avx2/avx2.h"
#include "x86/avxvnni/conv2d.h"
#define PAIRS VNNI
#define ADD_PAIRS DOT_PAIRS
#include "x86/avx2/conv2d16.h"

static void fill_set(qrt_kernels *kernels) {
    qrt_kernels_avx2(kernels);
    kernels->name = "avxvnni";
    kernels->conv2d = conv2d;
    kernels->linear = linear;
    kernels->conv2d16 = conv2d16;
    kernels->linear16 = linear16;
}
