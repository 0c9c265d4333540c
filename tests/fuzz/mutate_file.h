/* mutate_file.h: changes .qfb files as flatbuffers of qrt.fbs, valid or not, so that fuzzers get far. */
#ifndef MUTATE_FILE_H
#define MUTATE_FILE_H

#include <stddef.h>
#include <stdint.h>

/* Changes one to three things and returns the new size, at most `max_size`. */
size_t mutate_file(uint8_t *bytes, size_t size, size_t max_size, uint32_t seed);

/* Writes the true size and CRC-32 into the seal, where the file has one. */
void seal_file(uint8_t *bytes, size_t size);

#endif
