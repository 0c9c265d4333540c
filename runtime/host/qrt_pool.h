/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_pool.h: a thread pool that runs the parts of a split's stages, one stage after another.
 *
 * Each thread starts with the part of its own number, since it wrote that part's input in the previous stage if the
 * rows match, and then takes parts not yet started: nothing waits for a thread that sleeps, or is gone after a fork.
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

/* Starts split->thread_count - 1 threads, which run the parts together with the caller's; NULL if the system cannot
 * start them. `split` and `memory` must outlive the pool, which is placed in `memory`. */
qrt_pool *qrt_pool_init(const qrt_split *split, void *memory);

/* Runs every stage. One call at a time. In a forked process the first call starts new threads, or runs without if that
 * fails. `ends` is NULL or receives the time (qrt_clock()) at which each stage was done. */
void qrt_pool_run(qrt_pool *pool, int64_t *ends);

/* Number of parts of a stage. NULL is no pool: no stage is split. */
uint32_t qrt_pool_parts(const qrt_pool *pool, uint32_t stage);

/* Stops the threads and joins them. NULL is no pool. */
void qrt_pool_end(qrt_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
