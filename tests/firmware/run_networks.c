/* run_networks.c: runs the networks that networks.h lists, each in a block of exactly the bytes that it says it needs.
 *
 * On a device the emulator calls run_network(). As a program (-DPROGRAM) it does that for each request in standard
 * input, which are preceded by their size in bytes, and writes the outputs to standard output.
 */
#include <string.h>

#include "networks.h"

/* Bytes before and behind the block. Where a sanitizer watches, there are none, so that it sees what is accessed there.
 */
#ifndef GUARD
#define GUARD 64u
#endif

enum { FILL = 0xa5 };

typedef struct network {
    size_t memory_size;
    int input_count, output_count;
    int8_t *(*input)(void *memory, int index);
    const int8_t *(*output)(const void *memory, int index);
    void (*run)(void *memory);                    /* NULL: its first input comes by rows */
    int (*feed)(void *memory, const int8_t *row); /* of row_size bytes; else NULL */
    void (*reset)(void *memory);                  /* NULL: it has none */
    uint32_t row_size;
} network;

/* Followed by the size of each input and each output, and, for each sample, by the codes of all inputs. */
typedef struct request {
    uint32_t network, samples, input_count, output_count;
} request;

#define X(name, NAME, run, feed, reset, row_size)                                                                      \
    static int8_t *name##_at(void *memory, int index) { return name##_input((name##_memory *)memory, index); }         \
    static const int8_t *name##_from(const void *memory, int index) {                                                  \
        return name##_output((const name##_memory *)memory, index);                                                    \
    }
NETWORKS
#undef X

#define RUN(name)                                                                                                      \
    static void name##_step(void *memory) { name##_run((name##_memory *)memory); }
#define FEED(name)                                                                                                     \
    static int name##_take(void *memory, const int8_t *row) { return name##_feed((name##_memory *)memory, row); }
#define RESET(name)                                                                                                    \
    static void name##_begin(void *memory) { name##_reset((name##_memory *)memory); }
HOW_THEY_RUN
#undef RUN
#undef FEED
#undef RESET

static const network networks[] = {
#define X(name, NAME, run, feed, reset, row_size)                                                                      \
    {sizeof(name##_memory),                                                                                            \
     NAME##_INPUT_COUNT,                                                                                               \
     NAME##_OUTPUT_COUNT,                                                                                              \
     name##_at,                                                                                                        \
     name##_from,                                                                                                      \
     run,                                                                                                              \
     feed,                                                                                                             \
     reset,                                                                                                            \
     row_size},
    NETWORKS
#undef X
};

uint32_t run_network(const request *request, int8_t *workspace, int8_t *outputs);

static int is_filled(const int8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if ((uint8_t)bytes[i] != FILL) return 0;
    }
    return 1;
}

static int counts_agree(const network *network, const request *request, const void *memory) {
    return network->input_count == (int)request->input_count && network->output_count == (int)request->output_count &&
           network->output(memory, -1) == NULL && network->output(memory, (int)request->output_count) == NULL;
}

/* Gives the inputs, and runs. 1 when something else than the last row is said to be it. */
static int run_sample(const network *network, void *block, const int8_t *codes, const uint32_t *sizes, uint32_t count) {
    const int8_t *fed = codes, *end = codes + sizes[0];
    for (uint32_t i = 0; i < count; codes += sizes[i], i++) {
        if (i > 0 || network->feed == NULL) memcpy(network->input(block, (int)i), codes, sizes[i]);
    }
    if (network->feed == NULL) {
        network->run(block);
        return 0;
    }
    int8_t row[4096];
    int is_last = 0;
    for (; fed < end && !is_last; fed += network->row_size) {
        memcpy(row, fed, network->row_size);
        is_last = network->feed(block, row);
        memset(row, FILL, network->row_size);
    }
    return fed != end || !is_last;
}

/* Runs all samples; the outputs go one after another. 0, or what is wrong: 1: numbers of inputs or outputs; 2: bytes
 * before the block were written; 3: bytes behind it were; 4: outputs are not ready behind the last row that is fed. */
uint32_t run_network(const request *request, int8_t *workspace, int8_t *outputs) {
    const network *network = &networks[request->network];
    const uint32_t *sizes = (const uint32_t *)(request + 1);
    const int8_t *codes = (const int8_t *)(sizes + request->input_count + request->output_count);
    int8_t *block = workspace + GUARD, *end = block + network->memory_size;
    memset(workspace, FILL, GUARD + network->memory_size + GUARD);
    if (!counts_agree(network, request, block)) return 1;
    for (uint32_t sample = 0; sample < request->samples; sample++) {
        /* Neither what memory holds at the start, nor what the last run left there, may matter. */
        if (sample % 2 == 0) memset(block, (int)(sample + 1) * 0x35, network->memory_size);
        if (network->reset != NULL) network->reset(block);
        if (run_sample(network, block, codes, sizes, request->input_count)) return 4;
        for (uint32_t i = 0; i < request->input_count; i++) codes += sizes[i];
        for (uint32_t i = 0; i < request->output_count; i++) {
            uint32_t size = sizes[request->input_count + i];
            memcpy(outputs, network->output(block, (int)i), size);
            outputs += size;
        }
    }
    if (!is_filled(workspace, GUARD)) return 2;
    return is_filled(end, GUARD) ? 0 : 3;
}

#ifdef PROGRAM
#include <stdio.h>
#include <stdlib.h>

static void *allocate(size_t size) {
    void *memory = malloc(size > 0 ? size : 1);
    if (memory == NULL) abort();
    return memory;
}

int main(void) {
    uint32_t size;
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        request *request = allocate(size);
        if (fread(request, 1, size, stdin) != size) return 1;
        const uint32_t *sizes = (const uint32_t *)(request + 1);
        size_t output_size = 0;
        for (uint32_t i = 0; i < request->output_count; i++) output_size += sizes[request->input_count + i];
        int8_t *workspace = allocate(GUARD + networks[request->network].memory_size + GUARD);
        int8_t *outputs = allocate(output_size * request->samples);
        uint32_t wrong = run_network(request, workspace, outputs);
        if (wrong != 0) {
            fprintf(stderr, "network %u: %u\n", request->network, wrong);
            return 1;
        }
        if (fwrite(outputs, 1, output_size * request->samples, stdout) != output_size * request->samples) return 1;
        free(outputs);
        free(workspace);
        free(request);
    }
    return 0;
}
#endif
