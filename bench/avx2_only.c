/* avx2_only.c: hides instruction sets beyond AVX2 from a process. Preloaded (LD_PRELOAD), it makes Linux trap CPUID, if
 * the CPU supports that, and emulates it; threads inherit this. The dynamic loader has already read CPUID, so the C
 * library still uses wider instructions. */
#if defined(__linux__) && defined(__x86_64__)
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012

/* Bits of leaf 7, in this order: AVX-512 F, DQ, IFMA, PF, ER, CD, BW, VL; VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ; 4VNNIW,
 * 4FMAPS, VP2INTERSECT, FP16, and AMX BF16, TILE, INT8. */
#define EBX_WIDE (1u << 16 | 1u << 17 | 1u << 21 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 30 | 1u << 31)
#define ECX_WIDE (1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14)
#define EDX_WIDE (1u << 2 | 1u << 3 | 1u << 8 | 1u << 23 | 1u << 22 | 1u << 24 | 1u << 25)

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
    if (leaf == 7) {
        /* The other subleaves only list features newer than AVX2: report none. */
        eax = 0;
        ebx = part == 0 ? ebx & ~EBX_WIDE : 0;
        ecx = part == 0 ? ecx & ~ECX_WIDE : 0;
        edx = part == 0 ? edx & ~EDX_WIDE : 0;
    }
    registers[REG_RAX] = eax;
    registers[REG_RBX] = ebx;
    registers[REG_RCX] = ecx;
    registers[REG_RDX] = edx;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void hide(void) {
    struct sigaction action;
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
