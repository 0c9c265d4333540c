/* signed_emulated.c: the avxvnni set in the encoding of AVX-VNNI-INT8, with its instructions emulated by AVX2. */
#include "x86/x86.h"

void qrt_kernels_signed_emulated(qrt_kernels *kernels);

#ifdef QRT_X86

#define VNNI QRT_AVX2
#define DOT_BYTES emulated_dpbssd
#define DOT_PAIRS emulated_dpwssd
#define FLIP 0

VNNI QRT_INLINE __m256i emulated_dpwssd(__m256i sum, __m256i x, __m256i w) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x, w));
}

/* The even and the odd bytes, as int16. */
VNNI QRT_INLINE __m256i emulated_dpbssd(__m256i sum, __m256i x, __m256i w) {
    __m256i even_x = _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8), odd_x = _mm256_srai_epi16(x, 8);
    __m256i even_w = _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8), odd_w = _mm256_srai_epi16(w, 8);
    return emulated_dpwssd(emulated_dpwssd(sum, even_x, even_w), odd_x, odd_w);
}

#include "x86/avxvnni/set.h"

void qrt_kernels_signed_emulated(qrt_kernels *kernels) { fill_set(kernels); }

#else
void qrt_kernels_signed_emulated(qrt_kernels *kernels) { qrt_kernels_portable(kernels); }
#endif
