/* qrt_pool.h: threads that run the parts of a split's stages, one stage after another.
 *
 * Each thread begins with the part of its own number, whose input the same thread wrote in the stage before if rows are
 * alike, and then takes what nobody has begun: a thread that is asleep, or gone after a fork, is never waited for.
 */
#ifndef QRT_POOL_H
#define QRT_POOL_H

#include "host/qrt_split.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qrt_pool qrt_pool;

/* Bytes that qrt_pool_init() needs, aligned to 64. */
size_t qrt_pool_size(const qrt_split *split);

/* Starts split->thread_count - 1 threads, which beside the caller's run the parts; NULL when the system does not give
 * them. `split` and `memory` must outlive the pool, which lies in `memory`. */
qrt_pool *qrt_pool_init(const qrt_split *split, void *memory);

/* Runs every stage. One call at a time. In a forked process the first call starts threads anew, or does without.
 * `ends` is NULL or gets the nanoseconds of CLOCK_MONOTONIC at which each stage was done. */
void qrt_pool_run(qrt_pool *pool, int64_t *ends);

/* How many threads a stage has parts for. NULL is no pool, where all stages are whole. */
uint32_t qrt_pool_parts(const qrt_pool *pool, uint32_t stage);

/* Ends the threads and waits until they are gone. NULL is no pool. */
void qrt_pool_end(qrt_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
