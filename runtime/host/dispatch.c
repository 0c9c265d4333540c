/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch.c: which kernel sets this machine supports. The only file of the kernels that depends on the operating
 * system: whether it saves the wide registers and permits AMX. */
/* syscall() */
#define _GNU_SOURCE

#include "host/dispatch.h"

#include "arm/neon/neon.h"
#include "arm/neon/peak.h"
#include "x86/avxvnni/avxvnni.h"
#include "x86/peak.h"
#include "x86/x86.h"

#ifdef QRT_X86
#include <cpuid.h>

/* Bits of cpuid leaf 7. */
#define EBX_AVX2 (1u << 5)
#define EBX_AVX512 ((1u << 16) | (1u << 17) | (1u << 30) | (1u << 31)) /* F, DQ, BW, VL */
#define ECX_VNNI (1u << 11)
#define EDX_AMX ((1u << 24) | (1u << 25)) /* TILE, INT8 */
#define ECX1_OSXSAVE (1u << 27)
/* Of leaf 7, subleaf 1. */
#define EAX_AVX_VNNI (1u << 4)
#define EDX_AVX_VNNI_INT8 (1u << 4)

/* Register states saved by the operating system: XMM and YMM; opmask and ZMM; tile configuration and data. */
#define STATE_AVX 0x6u
#define STATE_AVX512 0xE6u
#define STATE_AMX 0x60000u

typedef struct cpu {
    uint32_t ebx, ecx, edx; /* leaf 7 */
    uint32_t eax_1, edx_1;  /* leaf 7, subleaf 1 */
    uint32_t states;
} cpu;

static cpu this_cpu(void) {
    cpu found = {0, 0, 0, 0, 0, 0};
    uint32_t eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & ECX1_OSXSAVE)) return found;
    __asm__("xgetbv" : "=a"(found.states), "=d"(edx) : "c"(0));
    (void)__get_cpuid_count(7, 0, &eax, &found.ebx, &found.ecx, &found.edx);
    (void)__get_cpuid_count(7, 1, &found.eax_1, &ebx, &ecx, &found.edx_1);
    return found;
}

static const char *missing_avx2(void) {
    cpu c = this_cpu();
    if (!(c.ebx & EBX_AVX2)) return "this CPU has no AVX2";
    return (c.states & STATE_AVX) == STATE_AVX ? NULL : "the operating system does not save AVX registers";
}

static const char *missing_avx512vnni(void) {
    cpu c = this_cpu();
    const char *before = missing_avx2();
    if (before != NULL) return before;
    if ((c.ebx & EBX_AVX512) != EBX_AVX512) return "this CPU has no AVX-512 (F, BW, DQ, VL)";
    if (!(c.ecx & ECX_VNNI)) return "this CPU has no AVX512-VNNI";
    return (c.states & STATE_AVX512) == STATE_AVX512 ? NULL : "the operating system does not save AVX-512 registers";
}

#ifdef QRT_AVXVNNI_COMPILED
static const char *missing_vex(void) {
    const char *before = missing_avx2();
    if (before != NULL) return before;
    return this_cpu().eax_1 & EAX_AVX_VNNI ? NULL : "this CPU has no AVX-VNNI";
}
#else
static const char *missing_vex(void) { return "qrt was built with a compiler without AVX-VNNI support"; }
#endif

#ifdef QRT_AVXVNNIINT8_COMPILED
static const char *missing_signed(void) {
    const char *before = missing_vex();
    if (before != NULL) return before;
    return this_cpu().edx_1 & EDX_AVX_VNNI_INT8 ? NULL : "this CPU has no AVX-VNNI-INT8";
}
#else
static const char *missing_signed(void) { return "qrt was built with a compiler without AVX-VNNI-INT8 support"; }
#endif

#if defined(__linux__) && defined(QRT_AMX_COMPILED)
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_REQ_XCOMP_PERM 0x1023
#define TILE_DATA 18

static const char *missing_amx(void) {
    cpu c = this_cpu();
    const char *before = missing_avx512vnni();
    if (before != NULL) return before;
    if ((c.edx & EDX_AMX) != EDX_AMX) return "this CPU has no AMX-INT8";
    if ((c.states & STATE_AMX) != STATE_AMX) return "the operating system does not save AMX tiles";
    /* Permission is per process; requesting it again is harmless. */
    if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) != 0) {
        return "the operating system does not permit AMX";
    }
    return NULL;
}
#elif defined(QRT_AMX_COMPILED)
static const char *missing_amx(void) { return "AMX is supported on Linux only"; }
#else
static const char *missing_amx(void) { return "qrt was built with a compiler without AMX support"; }
#endif

#else
static const char *missing_avx2(void) { return "qrt was not built for x86-64"; }
static const char *missing_vex(void) { return missing_avx2(); }
static const char *missing_signed(void) { return missing_avx2(); }
static const char *missing_avx512vnni(void) { return missing_avx2(); }
static const char *missing_amx(void) { return missing_avx2(); }
void qrt_kernels_avx2(qrt_kernels *kernels) { qrt_kernels_portable(kernels); }
void qrt_kernels_avxvnni_vex(qrt_kernels *kernels) { qrt_kernels_portable(kernels); }
void qrt_kernels_avxvnni_evex(qrt_kernels *kernels) { qrt_kernels_portable(kernels); }
void qrt_kernels_avxvnni_signed(qrt_kernels *kernels) { qrt_kernels_portable(kernels); }
void qrt_kernels_avx512vnni(qrt_kernels *kernels) { qrt_kernels_portable(kernels); }
void qrt_kernels_amx(qrt_kernels *kernels) { qrt_kernels_portable(kernels); }
#endif

#ifdef QRT_NEON
#if defined(__linux__)
#include <sys/auxv.h>

static int has_dot_products(void) { return getauxval(AT_HWCAP) >> 20 & 1; }
static int has_matrix_products(void) { return getauxval(AT_HWCAP2) >> 13 & 1; }
#elif defined(__APPLE__)
#include <sys/sysctl.h>

static int has(const char *feature) {
    int found = 0;
    size_t size = sizeof found;
    return sysctlbyname(feature, &found, &size, NULL, 0) == 0 && found;
}

static int has_dot_products(void) { return has("hw.optional.arm.FEAT_DotProd"); }
static int has_matrix_products(void) { return has("hw.optional.arm.FEAT_I8MM"); }
#else
/* A program cannot read the processor's registers of features, and other systems are not asked. */
static int has_dot_products(void) { return 0; }
static int has_matrix_products(void) { return 0; }
#endif

/* Every 64-bit Arm processor has it. */
static const char *missing_neon(void) { return NULL; }

static const char *missing_neondot(void) {
#ifndef QRT_NEONDOT_COMPILED
    return "qrt was built with a compiler without dot products";
#endif
    return has_dot_products() ? NULL : "this CPU has no dot products (DotProd)";
}

static const char *missing_neoni8mm(void) {
    const char *before = missing_neondot();
    if (before != NULL) return before;
    return has_matrix_products() ? NULL : "this CPU has no matrix products of int8 (I8MM)";
}
#else
static const char *missing_neon(void) { return "qrt was not built for 64-bit Arm"; }
static const char *missing_neondot(void) { return missing_neon(); }
static const char *missing_neoni8mm(void) { return missing_neon(); }
void qrt_kernels_neon(qrt_kernels *kernels) { qrt_kernels_portable(kernels); }
void qrt_kernels_neondot(qrt_kernels *kernels) { qrt_kernels_portable(kernels); }
void qrt_kernels_neoni8mm(qrt_kernels *kernels) { qrt_kernels_portable(kernels); }
#endif

static const char *missing_nothing(void) { return NULL; }

/* For sets without instructions of their own. */
static int64_t no_peak(int64_t rounds) { return 0 * rounds; }

/* A set, or an encoding of one. */
typedef struct kernel_set {
    const char *name;
    const char *(*missing)(void);
    void (*fill)(qrt_kernels *kernels);
    qrt_peak *peak; /* NULL: the best encoding's */
    int32_t speed;
} kernel_set;

/* The best first. */
static const kernel_set encodings[QRT_ENCODING_COUNT] = {
    {"avxvnni-signed", missing_signed, qrt_kernels_avxvnni_signed, qrt_peak_avxvnni_signed, 250000},
    {"avxvnni-vex", missing_vex, qrt_kernels_avxvnni_vex, qrt_peak_avxvnni_vex, 250000},
    {"avxvnni-evex", missing_avx512vnni, qrt_kernels_avxvnni_evex, qrt_peak_avxvnni_evex, 250000},
};

/* The first that this machine supports, NULL if there is none. */
static const kernel_set *best_encoding(void) {
    for (int32_t i = 0; i < QRT_ENCODING_COUNT; i++) {
        if (encodings[i].missing() == NULL) return encodings + i;
    }
    return NULL;
}

static const char *missing_avxvnni(void) {
    const char *before = missing_avx2();
    if (before != NULL || best_encoding() != NULL) return before;
    return "this CPU has neither AVX-VNNI nor AVX512-VNNI";
}

static void fill_avxvnni(qrt_kernels *kernels) { best_encoding()->fill(kernels); }

static const kernel_set sets[QRT_SET_COUNT] = {
    {"portable", missing_nothing, qrt_kernels_portable, no_peak, 30000},
    {"avx2", missing_avx2, qrt_kernels_avx2, qrt_peak_avx2, 150000},
    {"avxvnni", missing_avxvnni, fill_avxvnni, NULL, 250000},
    {"avx512vnni", missing_avx512vnni, qrt_kernels_avx512vnni, qrt_peak_avx512vnni, 400000},
    {"amx", missing_amx, qrt_kernels_amx, qrt_peak_amx, 500000},
    {"neon", missing_neon, qrt_kernels_neon, qrt_peak_neon, 60000},
    {"neondot", missing_neondot, qrt_kernels_neondot, qrt_peak_neondot, 150000},
    {"neoni8mm", missing_neoni8mm, qrt_kernels_neoni8mm, qrt_peak_neoni8mm, 250000},
};

/* By number: the sets, then the encodings. */
static const kernel_set *numbered(int32_t number) {
    return number < QRT_SET_COUNT ? sets + number : encodings + (number - QRT_SET_COUNT);
}

const char *qrt_set_name(int32_t set) { return numbered(set)->name; }

const char *qrt_set_missing(int32_t set) { return numbered(set)->missing(); }

void qrt_set_fill(int32_t set, qrt_kernels *kernels) { numbered(set)->fill(kernels); }

qrt_peak *qrt_set_peak(int32_t set) {
    const kernel_set *s = numbered(set);
    return s->peak != NULL ? s->peak : best_encoding()->peak;
}

int32_t qrt_set_speed(int32_t set) { return numbered(set)->speed; }
