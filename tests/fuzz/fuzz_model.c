/* fuzz_model.c: the target of libFuzzer and, through AFL++'s driver of the same interface, of AFL++.
 *
 * libFuzzer changes files with mutate_file(), which knows the format. AFL++ changes bytes as it likes, so there the
 * target seals what it gets, and the fuzzer comes behind the CRC-32 too.
 */
#include <stdlib.h>
#include <string.h>

#include "mutate_file.h"
#include "run_file.h"

/* Of libFuzzer: an ordinary mutation of bytes. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    qrt_problem problem;
#ifdef __AFL_COMPILER
    uint8_t *sealed = malloc(size > 0 ? size : 1);
    if (sealed == NULL) abort();
    memcpy(sealed, data, size);
    seal_file(sealed, size);
    run_file(sealed, size, &problem);
    free(sealed);
#else
    run_file(data, size, &problem);
#endif
    return 0;
}

#ifndef __AFL_COMPILER
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    /* Now and then any bytes, and now and then a seal that is left broken. */
    if (seed % 16 == 0) {
        size = LLVMFuzzerMutate(data, size, max_size);
    } else {
        size = mutate_file(data, size, max_size, seed);
    }
    if (seed % 64 != 0) seal_file(data, size);
    return size;
}
#endif
