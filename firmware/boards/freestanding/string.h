/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of the C library that the kernels and the interpreter call, for targets that have no C library.
 * string.c defines them. */
#ifndef STRING_H
#define STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#endif
