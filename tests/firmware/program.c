/* Functions that the tests of the emulators call. */
#include <stdint.h>
#include <string.h>

/* A parameter of a function in assembly. */
#define UNUSED __attribute__((unused))

void qrt_on_step(int step);

int32_t sum(const int8_t *values, int32_t count);
uint32_t product_high(uint32_t low, uint32_t high, uint32_t factor);
int32_t quotient(int32_t a, int32_t b);
void copy(uint8_t *to, const uint8_t *from, uint32_t size);
void move(uint8_t *to, const uint8_t *from, uint32_t size);
void fill(uint8_t *to, int value, uint32_t size);
int32_t deep(int32_t depth);
uint32_t load_word(const volatile uint32_t *from);
uint32_t load_half(const volatile uint16_t *from);
void store_word(volatile uint32_t *to, uint32_t value);
int32_t next(void);
int32_t constant(int32_t index);
int32_t call_at(int (*function)(void));
int32_t steps(int32_t count);
uint32_t count_down(uint32_t count);
void undefined(void);

static const int16_t table[4] = {-3, 5, -7, 11};
static int32_t counter = 40;
static int32_t calls;

int32_t sum(const int8_t *values, int32_t count) {
    int32_t acc = 0;
    for (int32_t i = 0; i < count; i++) acc += values[i];
    return acc;
}

/* The upper half of a 64-bit product: Cortex-M0 and RISC-V have functions of the compiler's library for it. */
uint32_t product_high(uint32_t low, uint32_t high, uint32_t factor) {
    const uint64_t a = (uint64_t)high << 32 | low;
    return (uint32_t)((a * factor) >> 32);
}

int32_t quotient(int32_t a, int32_t b) { return a / b; }
void copy(uint8_t *to, const uint8_t *from, uint32_t size) { memcpy(to, from, size); }
void move(uint8_t *to, const uint8_t *from, uint32_t size) { memmove(to, from, size); }
void fill(uint8_t *to, int value, uint32_t size) { memset(to, value, size); }

/* Uses at least 64 bytes of stack for each level. */
int32_t deep(int32_t depth) {
    volatile uint8_t used[64];
    for (uint32_t i = 0; i < sizeof used; i++) used[i] = (uint8_t)depth;
    return depth == 0 ? used[63] : deep(depth - 1) + used[0];
}

uint32_t load_word(const volatile uint32_t *from) { return *from; }
uint32_t load_half(const volatile uint16_t *from) { return *from; }
void store_word(volatile uint32_t *to, uint32_t value) { *to = value; }
int32_t next(void) { return ++counter + 100 * ++calls; }
int32_t constant(int32_t index) { return table[index & 3]; }
int32_t call_at(int (*function)(void)) { return function() + 1; }

int32_t steps(int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        qrt_on_step(10 + i);
        count_down(100 * (uint32_t)(i + 1));
    }
    qrt_on_step(10 + count);
    return count;
}

#if defined(__arm__)
/* 2 count + 1 instructions. */
__attribute__((naked, noinline)) uint32_t count_down(UNUSED uint32_t count) {
    __asm__ volatile(".syntax unified\n"
                     "1: subs r0, #1\n"
                     "bne 1b\n"
                     "bx lr\n");
}
__attribute__((naked)) void undefined(void) { __asm__ volatile("udf #0\n bx lr\n"); }
#elif defined(__riscv)
__attribute__((naked, noinline)) uint32_t count_down(UNUSED uint32_t count) {
    __asm__ volatile("1: addi a0, a0, -1\n"
                     "bnez a0, 1b\n"
                     "ret\n");
}
__attribute__((naked)) void undefined(void) { __asm__ volatile("unimp\n ret\n"); }
#endif

#if defined(__arm__) && __ARM_ARCH >= 7
uint32_t conditional(uint32_t count);
uint64_t load_pair(const uint64_t *from);
uint32_t load_under_condition(const uint32_t *flag);

/* 4 instructions, of which those that do not apply count. */
__attribute__((naked)) uint32_t conditional(UNUSED uint32_t count) {
    __asm__ volatile("cmp r0, #0\n"
                     "it eq\n"
                     "moveq r0, #7\n"
                     "bx lr\n");
}

/* A load of two words, which no Cortex-M makes from an unaligned address. */
__attribute__((naked)) uint64_t load_pair(UNUSED const uint64_t *from) {
    __asm__ volatile("ldrd r0, r1, [r0]\n"
                     "bx lr\n");
}

/* Makes a load that depends on a condition, the last of its block, and makes the condition false: 5. */
__attribute__((naked)) uint32_t load_under_condition(UNUSED const uint32_t *flag) {
    __asm__ volatile("push {r4, lr}\n"
                     "bl 1f\n"
                     "adds r0, #2\n"
                     "adds r0, #3\n"
                     "pop {r4, pc}\n"
                     "1: ldr r1, [r0]\n"
                     "cmp r1, #0\n"
                     "it ne\n"
                     "ldrne r2, [r0]\n"
                     "movs r0, #0\n"
                     "bx lr\n");
}
#endif
