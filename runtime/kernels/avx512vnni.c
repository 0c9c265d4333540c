/* avx512vnni.c: the set for CPUs with AVX-512 and its VNNI instructions. */
#include "x86.h"

#ifdef QRT_X86
void qrt_kernels_avx512vnni(qrt_kernels *kernels) {
    qrt_kernels_avx2(kernels);
    kernels->name = "avx512vnni";
}
#endif
