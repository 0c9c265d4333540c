/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_places.c: memory beside the arena, first fit in the order of the operators. */
#include "engine/qrt_places.h"

#include <string.h>

#include "engine/qrt_prepare_band.h"

#define ALIGNMENT 64u

int qrt_has_turns(const qrt_band *band, uint32_t together) {
    return together == QRT_AS_ON_DEVICE || (together != QRT_BY_LAYER && together < band->turns);
}

typedef struct plan {
    qrt_aside_block *blocks; /* sorted by start */
    uint32_t count;
    uint64_t size;
} plan;

/* A place for `size` bytes in steps `first` to `last`, which begin no earlier than those of the places before. */
static uint64_t find_place(plan *p, uint64_t size, uint32_t first, uint32_t last) {
    uint32_t alive = 0, at = 0;
    uint64_t start = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->blocks[i].last >= first) p->blocks[alive++] = p->blocks[i];
    }
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    while (at < alive && p->blocks[at].start < start + size) start = p->blocks[at++].end;
    memmove(&p->blocks[at + 1], &p->blocks[at], (alive - at) * sizeof *p->blocks);
    qrt_aside_block block = {start, start + size, last};
    p->blocks[at] = block;
    p->count = alive + 1;
    if (block.end > p->size) p->size = block.end;
    return start;
}

/* What operator `index` of a band makes. */
static void place_output(plan *p, const qrt_model *model, const qrt_band *band, uint32_t together, uint32_t index,
                         uint64_t *offsets) {
    qrt_operator op;
    qrt_tensor y;
    qrt_model_operator(model, band->first + index, &op);
    qrt_model_tensor(model, op.output, &y);
    uint32_t first = y.first, last = y.last, end = band->first + band->count;
    uint64_t size = qrt_tensor_bytes(&y);
    if (qrt_has_turns(band, together)) {
        first = band->first + 1;
        if (last < end) last = end;
        size = qrt_is_global_average(model, &op)
                   ? 4 * size
                   : (uint64_t)qrt_row_bytes(&y) * (uint64_t)qrt_band_capacity(model, band, together, index);
    }
    offsets[op.output] = find_place(p, size, first, last);
}

uint64_t qrt_plan_aside(const qrt_model *model, uint32_t together, uint64_t *offsets, qrt_aside_block *blocks) {
    plan p = {blocks, 0, 0};
    qrt_band band;
    qrt_edge edge;
    qrt_tensor x;
    for (uint32_t i = 0; i < model->tensor_count; i++) offsets[i] = QRT_NOT_ASIDE;
    if (model->band_count == 0) return 0;
    qrt_model_input(model, 0, &edge);
    if (qrt_find_feed(model, edge.tensor, &band)) {
        qrt_model_tensor(model, edge.tensor, &x);
        offsets[edge.tensor] = find_place(&p, qrt_tensor_bytes(&x), 0, x.last);
    }
    for (uint32_t i = 0; together != QRT_AS_ON_DEVICE && i < model->band_count; i++) {
        qrt_model_band(model, i, &band);
        for (uint32_t k = 0; k < band.count; k++) place_output(&p, model, &band, together, k, offsets);
    }
    return p.size;
}

void qrt_places_init(const qrt_model *model, const uint64_t *offsets, int8_t *arena, int8_t *aside, int8_t **places) {
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        qrt_tensor tensor;
        qrt_model_tensor(model, i, &tensor);
        if (tensor.data != NULL) {
            places[i] = (int8_t *)tensor.data;
        } else {
            places[i] = offsets[i] == QRT_NOT_ASIDE ? arena + tensor.arena_offset : aside + offsets[i];
        }
    }
}
