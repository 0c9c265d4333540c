/* open_files.c: opens and runs files with firmware/qrt_device.h on a device, where the emulator calls run_file(). */
#include <string.h>

#include "qrt_bands.h"
#include "qrt_device.h"

/* The list of operators. */
#ifndef ALL
#define ALL QRT_DEVICE_ALL
#endif

enum { FILL = 0xa5, GUARD = 64 };

/* `memory_size`: 0: the file is opened once, without memory; otherwise it must be exactly what the file needs. */
typedef struct request {
    const void *file;
    uint32_t file_size, memory_size;
    const int8_t *inputs; /* for each sample the codes of all inputs */
    uint32_t samples;
    int8_t *workspace; /* for the memory, and GUARD bytes on both sides of it */
    int8_t *outputs;
} request;

typedef struct answer {
    int32_t status, rule, place;
    uint32_t index;
    int32_t kind;
    uint32_t needed;
    int32_t status_of_less, intact;
} answer;

void run_file(const request *request, answer *answer);

static int32_t open_in(qrt_device *device, const request *request, void *memory, uint32_t size) {
    return qrt_device_open(device, request->file, request->file_size, ALL, memory, size, NULL);
}

static int is_filled(const int8_t *bytes) {
    for (size_t i = 0; i < GUARD; i++) {
        if ((uint8_t)bytes[i] != FILL) return 0;
    }
    return 1;
}

/* Writes the inputs that are whole; where the codes of the next sample are. */
static const int8_t *write_inputs(const qrt_device *device, const int8_t *codes) {
    qrt_tensor tensor;
    for (uint32_t i = 0; i < device->model.input_count; i++) {
        int8_t *input = qrt_device_input(device, i, &tensor);
        if (input != NULL) memcpy(input, codes, (size_t)qrt_tensor_bytes(&tensor));
        codes += qrt_tensor_bytes(&tensor);
    }
    return codes;
}

/* Some rows first, of which the device is to know nothing; then all, one or two at a time. */
static void feed(const qrt_device *device, const int8_t *codes, uint32_t height, uint32_t row_bytes) {
    if (height > 2) {
        (void)qrt_device_feed(device, codes, height - 1);
        qrt_device_reset(device);
        write_inputs(device, codes);
    }
    for (uint32_t row = 0, count = 1; row < height; row += count, count = 3 - count) {
        (void)qrt_device_feed(device, codes + row * row_bytes, count);
    }
}

static void run(const qrt_device *device, const request *request) {
    const int8_t *codes = request->inputs, *output;
    int8_t *outputs = request->outputs;
    qrt_tensor tensor;
    for (uint32_t sample = 0; sample < request->samples; sample++) {
        if (sample > 0) qrt_device_reset(device);
        const int8_t *next = write_inputs(device, codes);
        if (qrt_device_input(device, 0, &tensor) == NULL) {
            feed(device, codes, (uint32_t)tensor.shape[1], qrt_row_bytes(&tensor));
        } else {
            qrt_device_run(device);
        }
        codes = next;
        for (uint32_t i = 0; (output = qrt_device_output(device, i, &tensor)) != NULL; i++) {
            memcpy(outputs, output, (size_t)qrt_tensor_bytes(&tensor));
            outputs += qrt_tensor_bytes(&tensor);
        }
    }
}

void run_file(const request *request, answer *answer) {
    int8_t *block = request->workspace + GUARD;
    qrt_device device;
    memset(answer, 0, sizeof *answer);
    if (request->memory_size == 0) {
        answer->status = open_in(&device, request, NULL, 0);
    } else {
        memset(request->workspace, FILL, GUARD + request->memory_size + GUARD);
        answer->status_of_less = open_in(&device, request, block, request->memory_size - 1);
        answer->status = open_in(&device, request, block, request->memory_size);
        if (answer->status == QRT_OK) run(&device, request);
        answer->intact = is_filled(request->workspace) && is_filled(block + request->memory_size);
    }
    answer->rule = device.problem.rule;
    answer->place = device.problem.place;
    answer->index = device.problem.index;
    answer->kind = device.kind;
    answer->needed = (uint32_t)device.needed;
}
