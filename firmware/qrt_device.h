/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_device.h: opens and runs a .qfb file on a device, for instance one that arrived over the air.
 *
 * Whatever the bytes of the file are, it is proved valid before anything runs. All memory is one block that the caller
 * owns, which need not be cleared. `qrt inspect --target` prints how large it must be; so does qrt_device_open().
 * Only the operators that the application lists are linked (-ffunction-sections -fdata-sections -Wl,--gc-sections).
 *
 *     #include <string.h>
 *     #include "qrt_device.h"
 *
 *     static union { int8_t bytes[40000]; int64_t align; } memory;
 *     static const qrt_device_operator *const operators[] = {&qrt_device_conv2d, &qrt_device_linear};
 *     static qrt_device device;
 *
 *     int classify(const void *file, size_t size, const int8_t *image) {
 *         qrt_tensor x, y;
 *         if (qrt_device_open(&device, file, size, operators, 2, &memory, sizeof memory, NULL) != QRT_OK) return -1;
 *         int8_t *input = qrt_device_input(&device, 0, &x);
 *         memcpy(input, image, x.size);
 *         qrt_device_run(&device);
 *         const int8_t *scores = qrt_device_output(&device, 0, &y);
 *         return scores[0] > y.zero_point;
 *     }
 *
 * Freestanding C99, which C++ can include; compile it with the C of schema, runtime/engine and
 * runtime/kernels/portable. On a Cortex-M4, M7 or M33 list qrt_device_conv2d_dsp and so on, on a Cortex-M55 or M85
 * qrt_device_conv2d_mve, and compile runtime/kernels/arm too: the same bytes in a fraction of the time, for more
 * memory, since what these kernels pack is in the block.
 */
#ifndef QRT_DEVICE_H
#define QRT_DEVICE_H

#include "engine/qrt_params.h"
#include "engine/qrt_run_band.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The block of memory starts at a multiple of this; the file at one of QRT_ALIGNMENT, which is 16. */
#define QRT_DEVICE_ALIGNMENT 8u

/* Besides the errors of qrt_model.h. */
#define QRT_ERR_MEMORY (-5)   /* the block is too small; qrt_device.needed has the bytes that it takes */
#define QRT_ERR_OPERATOR (-6) /* an operator is not listed: number qrt_device.kind, index qrt_device.problem.index */

typedef void qrt_device_kernel(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);

/* An operator that can be linked: how to prepare it and its kernel. */
typedef struct qrt_device_operator {
    const qrt_filler *filler;
    const qrt_kernel *kernel;
} qrt_device_operator;

/* qrt_device_conv2d, qrt_device_linear, ...: all operators of SPEC.md. */
#define X(name) extern const qrt_device_operator qrt_device_##name;
#include "qrt_kernel_rows.h"
#undef X

/* qrt_device_conv2d_dsp, ...: those that the DSP extension of Cortex-M4, M7 and M33 makes faster. */
#define X(name) extern const qrt_device_operator qrt_device_##name##_dsp;
#include "arm/dsp/rows.h"
#undef X

/* qrt_device_conv2d_mve, ...: those that Helium (MVE) of Cortex-M55 and M85 makes faster. */
#define X(name) extern const qrt_device_operator qrt_device_##name##_mve;
#include "arm/mve/rows.h"
#undef X

/* To link every operator, in place of the list and its length; where an operator is listed twice, the first counts. */
#define X(name) +1
enum {
    QRT_DEVICE_COUNT = 0
#include "qrt_kernel_rows.h"
    ,
    QRT_DEVICE_DSP_COUNT = QRT_DEVICE_COUNT
#include "arm/dsp/rows.h"
    ,
    QRT_DEVICE_MVE_COUNT = QRT_DEVICE_COUNT
#include "arm/mve/rows.h"
};
#undef X
extern const qrt_device_operator *const qrt_device_operators[QRT_DEVICE_COUNT];
extern const qrt_device_operator *const qrt_device_operators_dsp[QRT_DEVICE_DSP_COUNT];
extern const qrt_device_operator *const qrt_device_operators_mve[QRT_DEVICE_MVE_COUNT];
#define QRT_DEVICE_ALL qrt_device_operators, (size_t)QRT_DEVICE_COUNT
#define QRT_DEVICE_ALL_DSP qrt_device_operators_dsp, (size_t)QRT_DEVICE_DSP_COUNT
#define QRT_DEVICE_ALL_MVE qrt_device_operators_mve, (size_t)QRT_DEVICE_MVE_COUNT

typedef struct qrt_device_step {
    qrt_device_kernel *run; /* NULL: a reshape that stays where it is; or a band runs it, which its first step does */
    const void *params;
    const int8_t *const *inputs;
    int8_t *output;
} qrt_device_step;

/* An open file. What is not explained here is not for applications. */
typedef struct qrt_device {
    qrt_model model;     /* for the functions of qrt_model.h */
    size_t needed;       /* bytes of memory; 0 where an error came before they were known */
    qrt_problem problem; /* QRT_ERR_INVALID: the broken rule of SPEC.md and its place */
    int32_t kind;        /* QRT_ERR_OPERATOR: enum qrt_operator_kind */
    int8_t *arena;
    const qrt_device_step *steps; /* one for each operator */
    void *scratch;
    qrt_band_run *fed; /* the band whose input comes by rows; else NULL */
    uint32_t fed_step; /* its first operator */
} qrt_device;

/* Opens a file for `qrt_device_run`. File, list and memory must stay as they are for as long as the device is used.
 *
 * `memory` has `memory_size` bytes; 0 and NULL only ask how many are needed. `crc32` is a checksum in hardware that
 * gives what qrt_crc32 gives, or NULL. Returns QRT_OK or an error, after which only `needed`, `problem` and `kind` of
 * the device have a meaning. */
int32_t qrt_device_open(qrt_device *device, const void *file, size_t file_size,
                        const qrt_device_operator *const *operators, size_t operator_count, void *memory,
                        size_t memory_size, qrt_checksum *crc32);

/* Where the codes of a model input (output) are, and its shape, size, zero point and scale; NULL where there is no such
 * one. Inputs must be written before each run; an output is there until the next input is written. An input that comes
 * by rows has a shape but no place: NULL. */
int8_t *qrt_device_input(const qrt_device *device, uint32_t index, qrt_tensor *tensor);
const int8_t *qrt_device_output(const qrt_device *device, uint32_t index, qrt_tensor *tensor);

/* The name of class `label` of a model output, not terminated; {NULL, 0} where it has none. */
qrt_text qrt_device_label(const qrt_device *device, uint32_t output, uint32_t label);

/* Brings the states to their initial values, where every sequence begins; qrt_device_open() has done so. They are the
 * first device->model.state_size bytes of the block: copy these to save them, and copy them back to go on. */
void qrt_device_reset(const qrt_device *device);

/* Computes the outputs, of a network with state also from the runs before. Where this is compiled with
 * -DQRT_ON_STEP=function, void function(int step) is called before each operator, of those that take turns in each
 * turn, and once behind the last; while rows come, before each row as for the first operator that takes turns. Does
 * nothing where an input comes by rows. */
void qrt_device_run(const qrt_device *device);

/* Takes the next `count` rows (axis 1) of the first input of a network that is made for it (`qrt compile --feed`), and
 * computes what they allow. Returns 1 when the last row is among them: the outputs are ready, rows behind it were not
 * read, and the next one is the first of another input, before which all other inputs must be written. Else 0.
 * qrt_device_reset() drops rows of an unfinished input. */
int32_t qrt_device_feed(const qrt_device *device, const int8_t *rows, uint32_t count);

/* Runs the file's test vectors, and resets; how many of them have other outputs than the file says. */
uint32_t qrt_device_check(const qrt_device *device);

#ifdef __cplusplus
}
#endif
#endif
