/* interpreter.c: an application of qrt_device.h; another file lists the operators that it links. */
#include "qrt_device.h"

extern const qrt_device_operator *const interpreter_operators[];
extern const uint32_t interpreter_operator_count;

static qrt_device device;

int32_t interpreter_open(const void *file, uint32_t file_size, void *memory, uint32_t memory_size);
uint32_t interpreter_needed(void);
int8_t *interpreter_input(uint32_t index);
const int8_t *interpreter_output(uint32_t index);
void interpreter_run(void);

int32_t interpreter_open(const void *file, uint32_t file_size, void *memory, uint32_t memory_size) {
    return qrt_device_open(&device, file, file_size, interpreter_operators, interpreter_operator_count, memory,
                           memory_size, NULL);
}

uint32_t interpreter_needed(void) { return (uint32_t)device.needed; }

int8_t *interpreter_input(uint32_t index) {
    qrt_tensor x;
    return qrt_device_input(&device, index, &x);
}

const int8_t *interpreter_output(uint32_t index) {
    qrt_tensor y;
    return qrt_device_output(&device, index, &y);
}

void interpreter_run(void) { qrt_device_run(&device); }
