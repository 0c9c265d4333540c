/* crc32.h: the checksum of a .qfb file at the speed of memory, for the host. */
#ifndef QRT_CRC32_H
#define QRT_CRC32_H

#include "qrt_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What qrt_crc32() gives. */
uint32_t qrt_crc32_quick(uint32_t crc, const void *bytes, size_t size);

#ifdef __cplusplus
}
#endif
#endif
