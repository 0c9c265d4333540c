/* SPDX-License-Identifier: Apache-2.0 */
/* crc32.h: the checksum of a .qfb file at memory bandwidth, for the host. */
#ifndef QRT_CRC32_H
#define QRT_CRC32_H

#include "qrt_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Same result as qrt_crc32(). */
uint32_t qrt_crc32_quick(uint32_t crc, const void *bytes, size_t size);

#ifdef __cplusplus
}
#endif
#endif
