/* held.c: hides instruction sets from a process. Preloaded (LD_PRELOAD), it makes Linux trap CPUID, if the CPU supports
 * that, and emulates it; threads inherit this. QRT_BENCH_CLASS names the class of machines that the process then sees.
 * The dynamic loader has already read CPUID, so the C library needs GLIBC_TUNABLES to be held too. */
#if defined(__linux__) && defined(__x86_64__)
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012

/* Bits of leaf 7, in this order: AVX-512 F, DQ, IFMA, PF, ER, CD, BW, VL; VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ; 4VNNIW,
 * 4FMAPS, VP2INTERSECT; FP16, which came with AMX, and AMX BF16, TILE, INT8. */
#define EBX_AVX512 (1u << 16 | 1u << 17 | 1u << 21 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 30 | 1u << 31)
#define ECX_AVX512 (1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14)
#define EDX_AVX512 (1u << 2 | 1u << 3 | 1u << 8)
#define EDX_AMX (1u << 23 | 1u << 22 | 1u << 24 | 1u << 25)
/* Bits of EAX of its first subleaf. */
#define AVX_VNNI (1u << 4)
#define AVX512_BF16 (1u << 5)
/* Leaves that describe tiles and AVX10. */
#define TILES 0x1D
#define TILE_PRODUCTS 0x1E
#define AVX10 0x24

/* What a class hides of leaf 7, and all that it shows of the subleaves, which list only features newer than AVX2. */
static const struct machine_class {
    const char *name;
    uint32_t hidden_ebx, hidden_ecx, hidden_edx, shown_eax_1;
} classes[] = {
    {"avx512vnni", 0, 0, EDX_AMX, AVX512_BF16},
    {"avxvnni", EBX_AVX512, ECX_AVX512, EDX_AVX512 | EDX_AMX, AVX_VNNI},
    {"avx2", EBX_AVX512, ECX_AVX512, EDX_AVX512 | EDX_AMX, 0},
};

static const struct machine_class *held;

static long allow_cpuid(long allowed) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, allowed); }

/* For anything but a trapped CPUID the signal is raised again, and ends the process. */
static void answer(int signal_number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    uint32_t leaf = (uint32_t)registers[REG_RAX], part = (uint32_t)registers[REG_RCX], eax, ebx, ecx, edx;
    if (info->si_code != SI_KERNEL || memcmp((const void *)registers[REG_RIP], "\x0f\xa2", 2) != 0) {
        signal(signal_number, SIG_DFL);
        return;
    }
    allow_cpuid(1);
    __cpuid_count(leaf, part, eax, ebx, ecx, edx);
    allow_cpuid(0);
    if (leaf == 7 && part == 0) {
        ebx &= ~held->hidden_ebx;
        ecx &= ~held->hidden_ecx;
        edx &= ~held->hidden_edx;
    } else if (leaf == 7) {
        eax = part == 1 ? eax & held->shown_eax_1 : 0;
        ebx = ecx = edx = 0;
    } else if (leaf == TILES || leaf == TILE_PRODUCTS || leaf == AVX10) {
        eax = ebx = ecx = edx = 0;
    }
    registers[REG_RAX] = eax;
    registers[REG_RBX] = ebx;
    registers[REG_RCX] = ecx;
    registers[REG_RDX] = edx;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void hide(void) {
    const char *name = getenv("QRT_BENCH_CLASS");
    struct sigaction action;
    size_t i;
    for (i = 0; name != NULL && i < sizeof classes / sizeof *classes; i++) {
        if (strcmp(name, classes[i].name) == 0) held = &classes[i];
    }
    if (held == NULL) return;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = answer;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, NULL);
    allow_cpuid(0);
}
#else
/* Nothing to hide; C forbids an empty file. */
extern int qrt_bench_hides_nothing;
#endif
