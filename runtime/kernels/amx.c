/* amx.c: the set for CPUs with AMX's int8 tiles. */
#include "x86.h"

#ifdef QRT_X86
void qrt_kernels_amx(qrt_kernels *kernels) {
    qrt_kernels_avx512vnni(kernels);
    kernels->name = "amx";
}
#endif
