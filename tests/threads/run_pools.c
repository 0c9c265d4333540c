/* run_pools.c: runs a model whole and in parts on several pools at once, also in a forked process; for sanitizers.
 *
 *     run_pools MODEL.QFB THREADS RUNS FORK
 *
 * FORK is 1 or, for ThreadSanitizer, which forbids threads in a child of a process with threads, 0. Exit code 0: the
 * same outputs everywhere.
 */
#define _POSIX_C_SOURCE 200809L

#include "host/qrt_pool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POOLS 3

static qrt_model model;
static qrt_program program;
static uint32_t threads;
static int runs, forking;

static void *allocate(size_t size) {
    void *memory = NULL;
    if (posix_memalign(&memory, QRT_MEMORY_ALIGNMENT, size + 1) != 0) abort();
    memset(memory, 0, size + 1);
    return memory;
}

static void write_inputs(uint8_t *arena, uint32_t seed) {
    for (uint32_t i = 0; i < model.input_count; i++) {
        qrt_edge edge;
        qrt_tensor tensor;
        qrt_model_input(&model, i, &edge);
        qrt_model_tensor(&model, edge.tensor, &tensor);
        for (uint32_t k = 0; k < tensor.size; k++) {
            seed = seed * 1664525u + 1013904223u;
            arena[tensor.arena_offset + k] = (uint8_t)(seed >> 24);
        }
    }
}

static int same_outputs(const uint8_t *a, const uint8_t *b) {
    int same = 1;
    for (uint32_t i = 0; i < model.output_count; i++) {
        qrt_edge edge;
        qrt_tensor tensor;
        qrt_model_output(&model, i, &edge);
        qrt_model_tensor(&model, edge.tensor, &tensor);
        size_t at = tensor.arena_offset, size = (size_t)qrt_tensor_bytes(&tensor);
        same = same && memcmp(a + at, b + at, size) == 0;
    }
    return same;
}

/* One pool beside an arena without: returns how many runs differed, through the pointer. */
static void *compare(void *argument) {
    long *differences = argument;
    uint8_t *arena = allocate(model.arena_size), *expected = allocate(model.arena_size);
    void *scratch = allocate(program.scratch_size), *memory = allocate(qrt_steps_size(&model, QRT_BY_LAYER));
    void *split_memory = allocate(qrt_split_size(&program, threads, 0));
    const qrt_step *steps;
    uint32_t count = qrt_steps_init(&program, QRT_BY_LAYER, expected, NULL, memory, &steps);
    qrt_split split;
    qrt_split_init(&split, &program, arena, NULL, threads, 0, split_memory);
    if (split.thread_count != threads) abort();
    void *pool_memory = allocate(qrt_pool_size(&split));
    qrt_pool *pool = qrt_pool_init(&split, pool_memory);
    if (pool == NULL) abort();
    for (int run = 0; run < runs; run++) {
        write_inputs(expected, (uint32_t)run);
        write_inputs(arena, (uint32_t)run);
        for (uint32_t i = 0; i < count; i++) steps[i].run(steps[i].params, steps[i].inputs, steps[i].output, scratch);
        if (run % 4 == 3) nanosleep(&(struct timespec){0, 200000}, NULL); /* the threads fall asleep */
        qrt_pool_run(pool, NULL);
        *differences += !same_outputs(arena, expected);
    }
    pid_t child = forking ? fork() : -1;
    if (child == 0) {
        write_inputs(arena, (uint32_t)runs - 1);
        qrt_pool_run(pool, NULL);
        qrt_pool_end(pool);
        _exit(!same_outputs(arena, expected));
    }
    int status = 0;
    if (child > 0) waitpid(child, &status, 0);
    *differences += status != 0;
    qrt_pool_end(pool);
    free(pool_memory);
    free(split_memory);
    free(memory);
    free(scratch);
    free(expected);
    free(arena);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    threads = (uint32_t)atoi(argv[2]);
    runs = atoi(argv[3]);
    forking = atoi(argv[4]);
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL) return 2;
    uint8_t *bytes = allocate(1 << 20);
    size_t size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    qrt_problem problem;
    qrt_kernels kernels;
    if (qrt_model_open(&model, bytes, size, qrt_crc32, &problem) != QRT_OK) return 2;
    qrt_kernels_portable(&kernels);
    void *memory = allocate(qrt_program_size(&model, &kernels, qrt_packed_limit(&model)));
    qrt_program_init(&program, &model, &kernels, qrt_packed_limit(&model), memory);
    pthread_t users[POOLS];
    long differences[POOLS] = {0};
    for (int i = 0; i < POOLS; i++) pthread_create(&users[i], NULL, compare, &differences[i]);
    for (int i = 0; i < POOLS; i++) pthread_join(users[i], NULL);
    for (int i = 0; i < POOLS; i++) printf("pool %d: %ld of %d runs differ\n", i, differences[i], runs);
    free(memory);
    free(bytes);
    return differences[0] + differences[1] + differences[2] != 0;
}
