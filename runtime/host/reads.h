/* SPDX-License-Identifier: Apache-2.0 */
/* reads.h: how fast memory is read, a limit of every operator. Not for firmware. */
#ifndef QRT_READS_H
#define QRT_READS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A multiple of this many bytes is read. */
#define QRT_READS_UNIT 512

/* Reads `size` bytes, aligned to 64, `rounds` times, with the widest loads of this machine. */
void qrt_reads(const void *bytes, size_t size, int64_t rounds);

#ifdef __cplusplus
}
#endif
#endif
