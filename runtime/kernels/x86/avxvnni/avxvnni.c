/* avxvnni.c: the set for CPUs with 256-bit VNNI instructions. */
#include "x86/x86.h"

#ifdef QRT_X86

void qrt_kernels_avxvnni(qrt_kernels *kernels) {
    qrt_kernels_avx2(kernels);
    kernels->name = "avxvnni";
}

#endif
