/* SPDX-License-Identifier: Apache-2.0 */
/* agent.c: executes commands that it reads from the file "commands", and writes what comes of them to "results".
 *
 * A command is a row of eight words. Strict: STRICT; unaligned accesses fault from here on. Write: WRITE, address,
 * size; the bytes follow in the file. Read: READ, address, size; the bytes go to the results. Call: CALL, address,
 * bytes of stack, four arguments; to the results go what it returned, how much stack it used, and how many labels,
 * which follow. A dot is printed after each call.
 */
#include "board.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __arm__

enum { WRITE, READ, CALL, STRICT };
enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06, MODE_READ = 1, MODE_WRITE = 5 };
/* The memory of the board with a Cortex-M0 is small. */
#ifdef __ARM_ARCH_6M__
enum { LABELS = 1024 };
#else
enum { LABELS = 16384 };
#endif
enum { OWN_STACK = 1024, PAINT = 0xc5 };

struct command {
    uint32_t kind, address, size;
    uint32_t arguments[4];
    uint32_t unused;
};

struct result {
    uint32_t returned, stack, labels;
};

/* A parameter of a function in assembly. */
#define UNUSED __attribute__((unused))

extern uint32_t board_stack_top[];

int main(void);
void qrt_on_step(int step);
uint32_t agent_call(const uint32_t *arguments, uint32_t function, uint32_t stack);

static uint32_t labels[LABELS];
static uint32_t label_count;

/* What a generated network calls before each step. The emulator ends a segment where this is entered. */
__attribute__((noinline, used)) void qrt_on_step(int step) {
    if (label_count < LABELS) labels[label_count] = (uint32_t)step;
    label_count++;
}

/* Calls a function on a stack of its own. At agent_call the emulator begins to count, at agent_return it ends. */
__attribute__((naked, noinline, used)) uint32_t agent_call(UNUSED const uint32_t *arguments, UNUSED uint32_t function,
                                                           UNUSED uint32_t stack) {
    __asm__ volatile("push {r4, lr}\n"
                     "mov r4, sp\n"
                     "mov sp, r2\n"
                     "mov r12, r1\n"
                     "ldr r3, [r0, #12]\n"
                     "ldr r2, [r0, #8]\n"
                     "ldr r1, [r0, #4]\n"
                     "ldr r0, [r0]\n"
                     "blx r12\n"
                     ".global agent_return\n"
                     "agent_return:\n"
                     "mov sp, r4\n"
                     "pop {r4, pc}\n");
}

static uint32_t open_file(const char *name, uint32_t length, uint32_t mode) {
    const uint32_t argument[3] = {(uint32_t)(uintptr_t)name, mode, length};
    return (uint32_t)board_semihost(SYS_OPEN, argument);
}

/* 0 when all bytes were transferred. */
static int transfer(int operation, uint32_t file, const void *memory, uint32_t size) {
    const uint32_t argument[3] = {file, (uint32_t)(uintptr_t)memory, size};
    return size == 0 ? 0 : board_semihost(operation, argument);
}

static void set_stack_limit(uint32_t limit) {
#if __ARM_ARCH >= 8 && !defined(__ARM_ARCH_8M_BASE__)
    __asm__ volatile("msr msplim, %0" ::"r"(limit));
#else
    (void)limit;
#endif
}

static struct result call(const struct command *command) {
    const uint32_t top = (uint32_t)(uintptr_t)board_stack_top - OWN_STACK;
    const uint32_t bottom = top - command->size;
    struct result result;
    volatile uint8_t *stack = (volatile uint8_t *)(uintptr_t)bottom;
    for (uint32_t i = 0; i < command->size; i++) stack[i] = PAINT;
    label_count = 0;
    set_stack_limit(bottom);
    result.returned = agent_call(command->arguments, command->address | 1u, top);
    set_stack_limit(0);
    result.labels = label_count;
    while (*stack == PAINT && (uintptr_t)stack < top) stack++;
    result.stack = top - (uint32_t)(uintptr_t)stack;
    return result;
}

int main(void) {
    const uint32_t commands = open_file("commands", 8, MODE_READ);
    const uint32_t results = open_file("results", 7, MODE_WRITE);
    struct command command;
    while (transfer(SYS_READ, commands, &command, sizeof command) == 0) {
        void *memory = (void *)(uintptr_t)command.address;
        if (command.kind == WRITE) {
            if (transfer(SYS_READ, commands, memory, command.size) != 0) return 1;
        } else if (command.kind == READ) {
            if (transfer(SYS_WRITE, results, memory, command.size) != 0) return 1;
        } else if (command.kind == STRICT) {
            board_refuse_unaligned();
        } else {
            const struct result result = call(&command);
            if (result.labels > LABELS) return 2;
            if (transfer(SYS_WRITE, results, &result, sizeof result) != 0) return 1;
            if (transfer(SYS_WRITE, results, labels, result.labels * 4) != 0) return 1;
            board_print(".");
        }
    }
    return 0;
}

#endif
