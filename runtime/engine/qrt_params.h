/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_params.h: fills the kernels' parameters from the operators of a validated model.
 *
 * One constant for each operator, so that a program may name those that it needs and the linker drops the others.
 * Nothing is checked here: qrt_model_open() has proved every index, shape and bound that is used.
 */
#ifndef QRT_PARAMS_H
#define QRT_PARAMS_H

#include "qrt_kernels.h"
#include "qrt_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An operator of a model with its tensors. */
typedef struct qrt_node {
    const qrt_model *model;
    qrt_operator op;
    qrt_tensor a, b; /* the first two inputs; of one input both are that */
    qrt_tensor y;
    int32_t row;        /* of a kernel set: the operator's, or its 16-bit one */
    int32_t code_bytes; /* of an operator that moves codes: of one of them */
} qrt_node;

void qrt_node_read(const qrt_model *model, uint32_t index, qrt_node *node);

/* How an operator's parameters are filled. */
typedef struct qrt_filler {
    uint8_t row;         /* of a kernel set: enum qrt_operator_kind or qrt_row16 */
    uint8_t input_bytes; /* for each input, behind the parameters' struct: a concat's run sizes */
    uint16_t size;       /* bytes of that struct */
    uint16_t packed;     /* where its member `packed` lies; 0: it has none */
    /* Nothing is packed yet. `runs` has input_bytes for each input; NULL when only sizes are asked of the kernel. */
    void (*fill)(const qrt_node *node, void *params, int32_t *runs);
} qrt_filler;

/* qrt_conv2d_filler, qrt_dwconv2d_filler, ... */
#define X(name) extern const qrt_filler qrt_##name##_filler;
#include "qrt_kernel_rows.h"
#undef X

/* Packs for a kernel that has what to pack, into memory of packed_size() bytes. */
void qrt_pack(const qrt_filler *filler, const qrt_kernel *kernel, void *params, void *packed);

#ifdef __cplusplus
}
#endif
#endif
