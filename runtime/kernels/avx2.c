/* avx2.c: the set for CPUs with AVX2. */
#include "x86.h"

#ifdef QRT_X86
void qrt_kernels_avx2(qrt_kernels *kernels) {
    qrt_kernels_portable(kernels);
    kernels->name = "avx2";
}
#endif
