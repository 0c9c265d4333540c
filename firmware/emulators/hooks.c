/* SPDX-License-Identifier: Apache-2.0 */
/* What unicorn calls while it emulates: in C, because it happens for each block of instructions, or for each access to
 * memory. Built for the machine that emulates, when it is first needed. */
#include <stdint.h>

/* A block is a run of instructions that is left only at its end. All arrays have an element for each halfword of code,
 * and one more. */
struct counter {
    uint64_t *change;  /* executions of this halfword less those of the one before it */
    uint64_t *taken;   /* how often a branch that ends here was taken */
    uint64_t *entered; /* how often a branch led here */
    uint32_t base;     /* address and bytes of the code */
    uint32_t size;
    uint32_t end; /* of the last block */
};

void qrt_count_block(void *emulator, uint64_t address, uint32_t size, struct counter *counter) {
    uint32_t at = (uint32_t)address - counter->base;
    uint32_t before = counter->end - counter->base;
    (void)emulator;
    if (at != before && before <= counter->size) counter->taken[before / 2]++;
    counter->end = (uint32_t)address + size;
    if (at >= counter->size || counter->size - at < size) return;
    if (at != before) counter->entered[at / 2]++;
    counter->change[at / 2]++;
    counter->change[(at + size) / 2]--;
}

/* Bits of xPSR that say which of the next instructions depend on a condition (IT). */
#define IT_STATE 0x0600fc00u

struct alignment {
    /* Of unicorn. */
    int (*stop)(void *emulator);
    int (*read)(void *emulator, int reg, void *value);
    int (*write)(void *emulator, int reg, const void *value);
    uint64_t address; /* of the first unaligned access */
    uint32_t size;    /* its bytes; 0 when there was none */
    int32_t xpsr;     /* unicorn's number of the register; 0 for processors that have none */
};

void qrt_check_alignment(void *emulator, int kind, uint64_t address, int size, int64_t value, struct alignment *state) {
    /* Registers that are moved in pairs are words to the processor. */
    uint32_t needed = size > 4 ? 4 : (uint32_t)size;
    uint32_t xpsr = 0;
    (void)kind, (void)value;
    /* Before it calls this, unicorn sets the IT state of the present instruction, and forgets to clear it: then the
     * next block would begin in the middle of an IT block. Within a block it is always clear. */
    if (state->xpsr != 0) {
        state->read(emulator, state->xpsr, &xpsr);
        if ((xpsr & IT_STATE) != 0) {
            xpsr &= ~IT_STATE;
            state->write(emulator, state->xpsr, &xpsr);
        }
    }
    if ((address & (needed - 1)) == 0 || state->size != 0) return;
    state->address = address;
    state->size = (uint32_t)size;
    state->stop(emulator);
}
