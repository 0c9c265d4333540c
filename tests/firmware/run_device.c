/* run_device.c: opens and runs many files with firmware/qrt_device.h, each in a block of exactly the bytes that it asks
 * for.
 *
 * Standard input: for each file its size and that of its inputs (uint32 each), the file, the codes of all inputs.
 * Standard output: for each file a `result` and the codes of all outputs, which are computed twice from the initial
 * state and must agree.
 * What must not be ends the program with a message.
 */
#define _POSIX_C_SOURCE 200112L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qrt_device.h"

/* Bytes behind the block. Where a sanitizer watches, there are none, so that it sees what is read there too. */
#ifndef GUARD
#define GUARD 64
#endif
/* In front of it; no multiple of 16, so that the block starts at a multiple of 8 alone. */
#define FRONT 24
#define FILL 0xa5

typedef struct result {
    int32_t status, rule, place;
    uint32_t index;
    int32_t kind;
    uint32_t needed, wrong_vectors;
    uint32_t labels; /* the checksum of all of them, one after another */
    uint32_t output_size;
} result;

static unsigned checksums; /* calls of counted() */

static uint32_t counted(uint32_t crc, const void *bytes, size_t size) {
    checksums++;
    return qrt_crc32(crc, bytes, size);
}

static void demand(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void *allocate(size_t size) {
    void *memory = NULL;
    demand(posix_memalign(&memory, 16, size > 0 ? size : 1) == 0, "no memory");
    return memory;
}

static void *read_bytes(size_t size) {
    void *bytes = allocate(size);
    demand(fread(bytes, 1, size, stdin) == size, "the input ends too early");
    return bytes;
}

static int is_filled(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != FILL) return 0;
    }
    return 1;
}

/* Writes the inputs and runs; feeds the first one where it comes by rows. */
static void run(const qrt_device *device, const int8_t *codes, size_t size) {
    qrt_tensor x;
    const int8_t *first = codes;
    for (uint32_t i = 0; i < device->model.input_count; i++) {
        int8_t *input = qrt_device_input(device, i, &x);
        size_t bytes = (size_t)qrt_tensor_bytes(&x);
        demand(bytes <= size, "the inputs end too early");
        if (input != NULL) memcpy(input, codes, bytes);
        codes += bytes;
        size -= bytes;
    }
    demand(size == 0, "more inputs than the model has");
    if (qrt_device_input(device, 0, &x) == NULL) {
        demand(qrt_device_feed(device, first, (uint32_t)x.shape[1]) == 1, "all rows do not make the outputs");
    } else {
        qrt_device_run(device);
    }
}

static size_t output_bytes(const qrt_device *device) {
    size_t size = 0;
    qrt_tensor y;
    for (uint32_t i = 0; qrt_device_output(device, i, &y) != NULL; i++) size += (size_t)qrt_tensor_bytes(&y);
    return size;
}

static void read_outputs(const qrt_device *device, int8_t *codes) {
    qrt_tensor y;
    const int8_t *output;
    for (uint32_t i = 0; (output = qrt_device_output(device, i, &y)) != NULL; i++) {
        memcpy(codes, output, (size_t)qrt_tensor_bytes(&y));
        codes += qrt_tensor_bytes(&y);
    }
}

static uint32_t label_checksum(const qrt_device *device) {
    uint32_t crc = 0;
    qrt_tensor y;
    for (uint32_t i = 0; qrt_device_output(device, i, &y) != NULL; i++) {
        qrt_text label;
        for (uint32_t k = 0; (label = qrt_device_label(device, i, k)).text != NULL; k++) {
            crc = qrt_crc32(crc, label.text, label.length);
        }
        demand(qrt_device_label(device, i, UINT32_MAX).text == NULL, "there is a label behind the last");
    }
    demand(qrt_device_label(device, UINT32_MAX, 0).text == NULL, "there is an output behind the last");
    return crc;
}

static int8_t *run_twice(const qrt_device *device, const int8_t *inputs, size_t size, result *result) {
    result->output_size = (uint32_t)output_bytes(device);
    int8_t *first = allocate(result->output_size), *second = allocate(result->output_size);
    run(device, inputs, size);
    read_outputs(device, first);
    qrt_device_reset(device);
    run(device, inputs, size);
    read_outputs(device, second);
    demand(memcmp(first, second, result->output_size) == 0, "the second run gives other outputs");
    free(second);
    result->wrong_vectors = qrt_device_check(device);
    result->labels = label_checksum(device);
    return first;
}

static int32_t open_in(qrt_device *device, const void *file, size_t size, void *memory, size_t memory_size,
                       qrt_checksum *crc32) {
#ifdef OPERATORS
    static const qrt_device_operator *const operators[] = {OPERATORS};
    const size_t count = sizeof operators / sizeof *operators;
    return qrt_device_open(device, file, size, operators, count, memory, memory_size, crc32);
#else
    return qrt_device_open(device, file, size, QRT_DEVICE_ALL, memory, memory_size, crc32);
#endif
}

static void run_file(const void *file, size_t size, const int8_t *inputs, size_t input_size) {
    qrt_device device;
    int8_t *outputs = NULL;
    result result;
    memset(&result, 0, sizeof result);
    result.status = open_in(&device, file, size, NULL, 0, NULL);
    demand(result.status != QRT_OK, "no memory at all is enough");
    result.needed = (uint32_t)device.needed;
    if (result.status == QRT_ERR_MEMORY && input_size > 0) {
        size_t needed = device.needed;
        uint8_t *front = allocate(FRONT + needed + GUARD), *block = front + FRONT;
        memset(front, FILL, FRONT + needed + GUARD);
        demand(open_in(&device, file, size, block + 4, needed, NULL) == QRT_ERR_ALIGNMENT, "a block at 4 is opened");
        demand(open_in(&device, file, size, block, needed - 1, NULL) == QRT_ERR_MEMORY, "a byte less is enough");
        demand(device.needed == needed, "how much is needed depends on what there is");
        checksums = 0;
        result.status = open_in(&device, file, size, block, needed, counted);
        demand(checksums > 0, "the checksum that is given is not used");
        if (result.status == QRT_OK) outputs = run_twice(&device, inputs, input_size, &result);
        demand(is_filled(front, FRONT) && is_filled(block + needed, GUARD), "bytes beside the block are written");
        free(front);
    }
    result.rule = device.problem.rule;
    result.place = device.problem.place;
    result.index = device.problem.index;
    result.kind = device.kind;
    demand(fwrite(&result, sizeof result, 1, stdout) == 1, "the output cannot be written");
    if (outputs == NULL) return;
    demand(fwrite(outputs, 1, result.output_size, stdout) == result.output_size, "the output cannot be written");
    free(outputs);
}

int main(void) {
    uint32_t sizes[2];
    while (fread(sizes, sizeof *sizes, 2, stdin) == 2) {
        void *file = read_bytes(sizes[0]), *inputs = read_bytes(sizes[1]);
        run_file(file, sizes[0], inputs, sizes[1]);
        free(inputs);
        free(file);
    }
    return 0;
}
