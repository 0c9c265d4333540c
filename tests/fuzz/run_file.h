/* run_file.h: opens a file, reads all of it, and runs it with the portable kernels if it is valid.
 *
 * For builds with sanitizers: whatever the bytes are, nothing may be read or written out of bounds, and no sum may
 * overflow. Besides, it aborts when a file takes more than a second of CPU time, or makes the runtime ask for more
 * memory than 16 times the file's size and the arena that the file states.
 */
#ifndef RUN_FILE_H
#define RUN_FILE_H

#include "qrt_model.h"

/* The status of qrt_model_open(), whose `problem` is filled in. `bytes` need no alignment. */
int32_t run_file(const uint8_t *bytes, size_t size, qrt_problem *problem);

#endif
