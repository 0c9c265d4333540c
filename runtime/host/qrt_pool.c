/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_pool.c: the thread pool for the parts of stages, with the system's threads and the compiler's atomics. */
/* pthread_sigmask() */
#define _POSIX_C_SOURCE 200809L

#include "host/qrt_pool.h"

#include "host/clock.h"
#include "host/threads.h"

#include <string.h>

/* How long a thread spins for the next stage before it sleeps: waking it takes about as long. */
#define SPIN_NANOSECONDS 50000
#define POLLS 32 /* polls between two reads of the clock */

#define LINE 64
#define LINE_ALIGNED __attribute__((aligned(LINE)))

/* A number that threads wait on until it changes. */
typedef struct event {
    uint64_t value;
    uint32_t waiting;
    qrt_lock lock;
    qrt_condition changed;
} event;

typedef struct worker {
    qrt_pool *pool;
    qrt_thread thread;
    uint32_t number;
} worker;

typedef struct claim_line {
    LINE_ALIGNED uint32_t run;
} claim_line;

struct qrt_pool {
    const qrt_split *split;
    worker *workers; /* [split->thread_count - 1] */
    uint32_t started;
    uint32_t forks; /* forks of the process when the threads were started */
    int32_t ending;
    /* [thread_count], each in a cache line written mostly by its own thread: the last run of a stage whose part of
     * this number has been started */
    claim_line *claims;
    uint8_t *scratch;
    size_t scratch_step;
    LINE_ALIGNED event job;     /* to run: number of the run of a stage << 32 | the stage */
    LINE_ALIGNED event done;    /* the last job whose parts are all done */
    LINE_ALIGNED uint32_t left; /* parts of the job that are not done */
};

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void event_init(event *e, uint64_t value) {
    e->value = value;
    e->waiting = 0;
    qrt_lock_init(&e->lock);
    qrt_condition_init(&e->changed);
}

/* Either this sees a waiting thread, or a thread about to wait sees the new value: both are in one order. */
static void event_set(event *e, uint64_t value) {
    __atomic_store_n(&e->value, value, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&e->waiting, __ATOMIC_SEQ_CST) == 0) return;
    qrt_lock_take(&e->lock);
    qrt_condition_wake(&e->changed);
    qrt_lock_give(&e->lock);
}

/* Returns the value once it is not `old`. */
static uint64_t event_await(event *e, uint64_t old) {
    uint64_t value;
    int64_t deadline = 0;
    do {
        for (int32_t i = 0; i < POLLS; i++) {
            value = __atomic_load_n(&e->value, __ATOMIC_ACQUIRE);
            if (value != old) return value;
            relax();
        }
        if (deadline == 0) deadline = qrt_clock() + SPIN_NANOSECONDS;
    } while (qrt_clock() < deadline);
    qrt_lock_take(&e->lock);
    __atomic_add_fetch(&e->waiting, 1, __ATOMIC_SEQ_CST);
    while ((value = __atomic_load_n(&e->value, __ATOMIC_SEQ_CST)) == old) qrt_condition_await(&e->changed, &e->lock);
    __atomic_sub_fetch(&e->waiting, 1, __ATOMIC_SEQ_CST);
    qrt_lock_give(&e->lock);
    return value;
}

/* Whether this thread is the first to start a part in run `run`. In a completed run all parts have been started, so a
 * late thread gets none. */
static int claim(uint32_t *claimed, uint32_t run) {
    uint32_t last = __atomic_load_n(claimed, __ATOMIC_RELAXED);
    while ((int32_t)(run - last) > 0) {
        if (__atomic_compare_exchange_n(claimed, &last, run, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return 1;
    }
    return 0;
}

static void run_step(const qrt_step *step, void *scratch) {
    step->run(step->params, step->inputs, step->output, scratch);
}

/* Runs the parts of a job that are not started, beginning with the thread's own. */
static void run_parts(qrt_pool *pool, uint64_t job, uint32_t thread) {
    const qrt_stage *stage = &pool->split->stages[(uint32_t)job];
    for (uint32_t i = 0; i < stage->count; i++) {
        uint32_t part = (thread + i) % stage->count;
        if (!claim(&pool->claims[part].run, (uint32_t)(job >> 32))) continue;
        run_step(&stage->parts[part], pool->scratch + thread * pool->scratch_step);
        if (__atomic_sub_fetch(&pool->left, 1, __ATOMIC_ACQ_REL) == 0) event_set(&pool->done, job);
    }
}

static QRT_THREAD work(void *argument) {
    worker *self = argument;
    qrt_pool *pool = self->pool;
    uint64_t job = 0;
    for (;;) {
        job = event_await(&pool->job, job);
        if (__atomic_load_n(&pool->ending, __ATOMIC_RELAXED)) return 0;
        run_parts(pool, job, self->number);
    }
}

/* Starts as many threads as the system allows. */
static void start(qrt_pool *pool) {
    pool->started = 0;
    pool->forks = qrt_forks;
    pool->ending = 0;
    pool->left = 0;
    memset(pool->claims, 0, pool->split->thread_count * sizeof *pool->claims);
    event_init(&pool->job, 0);
    event_init(&pool->done, 0);
    for (uint32_t i = 0; i + 1 < pool->split->thread_count; i++) {
        worker *w = &pool->workers[i];
        w->pool = pool;
        w->number = i + 1;
        if (!qrt_thread_start(&w->thread, work, w)) break;
        pool->started++;
    }
}

static void run_stage(qrt_pool *pool, uint32_t number) {
    const qrt_stage *stage = &pool->split->stages[number];
    if (stage->count == 1) {
        run_step(stage->parts, pool->scratch);
        return;
    }
    uint64_t before = pool->done.value;
    uint64_t job = (uint64_t)((uint32_t)(pool->job.value >> 32) + 1) << 32 | number;
    __atomic_store_n(&pool->left, stage->count, __ATOMIC_RELAXED);
    event_set(&pool->job, job);
    run_parts(pool, job, 0);
    event_await(&pool->done, before);
}

void qrt_pool_run(qrt_pool *pool, int64_t *ends) {
    if (pool->forks != qrt_forks) start(pool);
    for (uint32_t i = 0; i < pool->split->stage_count; i++) {
        run_stage(pool, i);
        if (ends != NULL) ends[i] = qrt_clock();
    }
}

uint32_t qrt_pool_parts(const qrt_pool *pool, uint32_t stage) {
    return pool == NULL ? 1 : pool->split->stages[stage].count;
}

/* Bytes from one thread's scratch to the next. */
static size_t scratch_step(const qrt_split *split) { return (split->scratch_size + 2 * LINE - 1) / LINE * LINE; }

/* A qrt_pool, the claims, the workers. */
static size_t tables_size(const qrt_split *split) {
    size_t size = sizeof(qrt_pool) + split->thread_count * (sizeof(claim_line) + sizeof(worker));
    return (size + LINE - 1) / LINE * LINE;
}

size_t qrt_pool_size(const qrt_split *split) { return tables_size(split) + split->thread_count * scratch_step(split); }

qrt_pool *qrt_pool_init(const qrt_split *split, void *memory) {
    qrt_pool *pool = memory;
    qrt_watch_forks();
    memset(pool, 0, sizeof *pool);
    pool->split = split;
    pool->claims = (claim_line *)(pool + 1);
    pool->workers = (worker *)(pool->claims + split->thread_count);
    pool->scratch = (uint8_t *)memory + tables_size(split);
    pool->scratch_step = scratch_step(split);
    start(pool);
    if (pool->started + 1 == split->thread_count) return pool;
    qrt_pool_end(pool);
    return NULL;
}

void qrt_pool_end(qrt_pool *pool) {
    if (pool == NULL || pool->forks != qrt_forks) return;
    __atomic_store_n(&pool->ending, 1, __ATOMIC_RELAXED);
    event_set(&pool->job, pool->job.value + ((uint64_t)1 << 32));
    for (uint32_t i = 0; i < pool->started; i++) qrt_thread_join(pool->workers[i].thread);
}
