/* SPDX-License-Identifier: Apache-2.0 */
/* start.c: vector table, initialization of memory, faults, output and exit, for all Arm boards.
 *
 * A fault prints what happened and where, and ends with exit status 99.
 */
#include "board.h"

#include <stddef.h>

#ifdef __arm__

/* From the linker script. */
extern uint32_t board_data_load[], board_data_begin[], board_data_end[], board_bss_begin[], board_bss_end[];
extern uint32_t board_stack_top[];

struct vectors {
    uint32_t *stack_top;
    void (*handlers[15])(void);
};

extern const struct vectors board_vectors;
void board_reset(void);
void board_fault(void);
void board_fault_at(const uint32_t *frame);
void board_start(void);
int main(void);

enum { SYS_WRITE0 = 0x04, SYS_EXIT_EXTENDED = 0x20, STOPPED = 0x20026 };

/* Registers of the System Control Block: interrupt state, configuration, configurable faults, hard fault, addresses. */
#define ICSR (*(volatile uint32_t *)0xe000ed04u)
#define CCR (*(volatile uint32_t *)0xe000ed14u)
#define CFSR (*(volatile uint32_t *)0xe000ed28u)
#define BFAR (*(volatile uint32_t *)0xe000ed38u)
#define CPACR (*(volatile uint32_t *)0xe000ed88u)
#define CCR_UNALIGN_TRP (1u << 3)
#define CPACR_FPU_AND_MVE (0xfu << 20)

int board_semihost(int operation, const void *argument) {
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void board_print(const char *text) { board_semihost(SYS_WRITE0, text); }

void board_print_number(int32_t number) {
    char text[12];
    char *at = text + sizeof text;
    uint32_t rest = number < 0 ? 0u - (uint32_t)number : (uint32_t)number;
    *--at = '\0';
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0) *--at = '-';
    board_print(at);
}

void board_refuse_unaligned(void) {
#if __ARM_ARCH >= 7
    CCR |= CCR_UNALIGN_TRP;
#endif
}

static void print_hex(const char *name, uint32_t number) {
    char text[9];
    board_print(name);
    for (unsigned i = 0; i < 8; i++) text[i] = "0123456789abcdef"[number >> (28 - 4 * i) & 15];
    text[8] = '\0';
    board_print(text);
}

void board_exit(int status) {
    const uint32_t argument[2] = {STOPPED, (uint32_t)status};
    board_semihost(SYS_EXIT_EXTENDED, argument);
    for (;;) {
    }
}

/* The frame that the processor has pushed: r0 to r3, r12, lr, pc, xPSR. */
__attribute__((used)) void board_fault_at(const uint32_t *frame) {
    print_hex("\nfault: exception ", ICSR & 0x1ff);
#if __ARM_ARCH >= 7
    print_hex(" status ", CFSR);
    print_hex(" address ", BFAR);
#endif
    /* Last, because when the stack has overflowed there is no frame to read. */
    print_hex(" pc ", frame[6]);
    print_hex(" lr ", frame[5]);
    board_print("\n");
    board_exit(99);
}

/* The handler has a stack of its own: the one that was in use may have overflowed. */
__attribute__((naked)) void board_fault(void) {
    __asm__ volatile("mrs r0, msp\n"
                     "ldr r1, =board_stack_top\n"
#if __ARM_ARCH >= 8 && !defined(__ARM_ARCH_8M_BASE__)
                     "movs r2, #0\n"
                     "msr msplim, r2\n"
#endif
                     "mov sp, r1\n"
                     "ldr r1, =board_fault_at\n"
                     "bx r1\n"
                     ".ltorg");
}

__attribute__((used)) void board_start(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    CPACR |= CPACR_FPU_AND_MVE; /* before the first function that may use them */
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
    const uint32_t *from = board_data_load;
    /* Volatile, so that these do not become calls of memcpy and memset. */
    for (volatile uint32_t *to = board_data_begin; to < board_data_end;) *to++ = *from++;
    for (volatile uint32_t *to = board_bss_begin; to < board_bss_end;) *to++ = 0;
    board_exit(main());
}

__attribute__((naked)) void board_reset(void) {
    __asm__ volatile("ldr r0, =board_start\n"
                     "bx r0\n"
                     ".ltorg");
}

/* Reset, NMI, five faults, four unused, calls of the system and a debugger, one unused, the system's timer. */
__attribute__((section(".vectors"), used)) const struct vectors board_vectors = {
    board_stack_top,
    {board_reset, board_fault, board_fault, board_fault, board_fault, board_fault, board_fault, NULL, NULL, NULL,
     board_fault, board_fault, NULL, board_fault, board_fault},
};

#endif
