/* SPDX-License-Identifier: Apache-2.0 */
/* memcpy, memmove, memset and memcmp for targets that have no C library: copies and fills by words
 * where the addresses allow it. */
#include "string.h"

#include <stdint.h>

#define WORD sizeof(uint32_t)

/* Words may hold objects of any type. */
typedef uint32_t __attribute__((may_alias)) word;

static int aligned(const void *a, const void *b) { return (((uintptr_t)a | (uintptr_t)b) & (WORD - 1)) == 0; }

/* From the lowest address up, which is right for areas that overlap when `to` is the lower one. */
static void copy_upwards(void *to, const void *from, size_t size) {
    unsigned char *target = to;
    const unsigned char *source = from;
    if (aligned(to, from)) {
        for (; size >= WORD; size -= WORD, target += WORD, source += WORD) {
            *(word *)(void *)target = *(const word *)(const void *)source;
        }
    }
    while (size-- > 0) *target++ = *source++;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    copy_upwards(to, from, size);
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    unsigned char *target = to;
    const unsigned char *source = from;
    if ((uintptr_t)to <= (uintptr_t)from || (uintptr_t)to - (uintptr_t)from >= size)
        copy_upwards(to, from, size);
    else
        while (size-- > 0) target[size] = source[size];
    return to;
}

void *memset(void *to, int value, size_t size) {
    unsigned char *target = to;
    const uint32_t byte = (unsigned char)value;
    if (aligned(to, to)) {
        for (; size >= WORD; size -= WORD, target += WORD) *(word *)(void *)target = byte * 0x01010101u;
    }
    while (size-- > 0) *target++ = (unsigned char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t size) {
    const unsigned char *x = a, *y = b;
    for (; size > 0; size--, x++, y++) {
        if (*x != *y) return *x < *y ? -1 : 1;
    }
    return 0;
}

#ifdef __ARM_EABI__
/* What compilers for Arm call instead. */
void __aeabi_memcpy(void *restrict to, const void *restrict from, size_t size);
void __aeabi_memcpy4(void *restrict to, const void *restrict from, size_t size);
void __aeabi_memcpy8(void *restrict to, const void *restrict from, size_t size);
void __aeabi_memmove(void *to, const void *from, size_t size);
void __aeabi_memmove4(void *to, const void *from, size_t size);
void __aeabi_memmove8(void *to, const void *from, size_t size);
void __aeabi_memset(void *to, size_t size, int value);
void __aeabi_memset4(void *to, size_t size, int value);
void __aeabi_memset8(void *to, size_t size, int value);
void __aeabi_memclr(void *to, size_t size);
void __aeabi_memclr4(void *to, size_t size);
void __aeabi_memclr8(void *to, size_t size);

void __aeabi_memcpy(void *restrict to, const void *restrict from, size_t size) { memcpy(to, from, size); }
void __aeabi_memcpy4(void *restrict to, const void *restrict from, size_t size) { memcpy(to, from, size); }
void __aeabi_memcpy8(void *restrict to, const void *restrict from, size_t size) { memcpy(to, from, size); }
void __aeabi_memmove(void *to, const void *from, size_t size) { memmove(to, from, size); }
void __aeabi_memmove4(void *to, const void *from, size_t size) { memmove(to, from, size); }
void __aeabi_memmove8(void *to, const void *from, size_t size) { memmove(to, from, size); }
void __aeabi_memset(void *to, size_t size, int value) { memset(to, value, size); }
void __aeabi_memset4(void *to, size_t size, int value) { memset(to, value, size); }
void __aeabi_memset8(void *to, size_t size, int value) { memset(to, value, size); }
void __aeabi_memclr(void *to, size_t size) { memset(to, 0, size); }
void __aeabi_memclr4(void *to, size_t size) { memset(to, 0, size); }
void __aeabi_memclr8(void *to, size_t size) { memset(to, 0, size); }
#endif
