/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_overlaps.c: proves that tensors which live at the same time have no byte of the arena in common, but where
 * SPEC.md allows it (V16 and V27).
 */
#include "qrt_read.h"
#include "qrt_turns.h"

/* SPEC.md, "In place": whether the operator that writes `output` may do so over `input`. */
static int in_place(const qrt_model *model, const qrt_tensor *input, const qrt_tensor *output) {
    qrt_operands op;
    if (input->last != output->first) return 0;
    if (input->arena_offset != output->arena_offset || input->size != output->size) return 0;
    if (input->dtype != output->dtype) return 0;
    qrt_read_operands(model, output->first - 1, &op);
    return qrt_operator_facts[op.kind].in_place;
}

/* SPEC.md, "Over a dying input", for output row `row` of image `n`: it ends before what is still read begins. */
static int row_is_safe(const qrt_operator *op, const qrt_tensor *x, const qrt_tensor *y, int64_t n, int64_t row) {
    int64_t first = row * op->window.stride_y - op->window.pad_top;
    int64_t last = x->shape[1] - 1;
    first = first < 0 ? 0 : first > last ? last : first;
    int64_t written = (n * y->shape[1] + row + 1) * y->shape[2] * y->shape[3];
    int64_t read = (n * x->shape[1] + first) * x->shape[2] * x->shape[3];
    return (int64_t)y->arena_offset + written <= (int64_t)x->arena_offset + read;
}

/* Whether the operator that writes `y` may do so partly over `x`. What row_is_safe() compares is linear in the row
 * between the places where `first` stops being clamped, and linear in the image: the ends of these ranges tell all. */
static int may_overlap(const qrt_model *model, const qrt_tensor *x, const qrt_tensor *y) {
    qrt_operator op;
    if (x->last != y->first) return 0;
    qrt_model_operator(model, y->first - 1, &op);
    if (x->dtype != QRT_INT8 || y->dtype != QRT_INT8) return 0;
    int sliding = qrt_operator_facts[op.kind].over_input && (op.kind != QRT_CONV2D || op.groups == 1);
    if (!op.overlap || !sliding) return 0;
    int64_t end = y->shape[1] - 1;
    int64_t clamped = op.window.pad_top / op.window.stride_y;
    int64_t cut = (x->shape[1] - 1 + op.window.pad_top) / op.window.stride_y;
    int64_t rows[] = {0, clamped, clamped + 1, cut, cut + 1, end};
    for (uint32_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t row = rows[i] > end ? end : rows[i];
        if (!row_is_safe(&op, x, y, 0, row) || !row_is_safe(&op, x, y, x->shape[0] - 1, row)) return 0;
    }
    return 1;
}

/* -- layer by layer -- */

/* The steps (operator plus 1) in which a tensor's bytes are its own. All operators of a band run in each of its steps.
 */
typedef struct life {
    uint32_t first, last;
} life;

static life life_of(const qrt_model *model, uint32_t index, uint32_t first, uint32_t last) {
    qrt_band band;
    life l = {first, last};
    if (model->band_count == 0) return l;
    if (first == 0 ? qrt_find_feed(model, index, &band) : qrt_find_band(model, first - 1, &band)) {
        l.first = band.first + 1;
    }
    if (last > 0 && qrt_find_band(model, last - 1, &band)) l.last = band.first + band.count;
    return l;
}

/* -- in bands, row by row -- */

/* Bytes of a tensor, and when they are its own: from position `first` of turn `from` to position `last` of turn `to`,
 * and of each of these turns only from position `start` to `end`. */
typedef struct piece {
    uint64_t begin, after; /* bytes of the arena */
    int64_t from, to;
    int64_t first, last;
    int64_t start, end;
} piece;

/* A tensor in a band; positions in a turn are 0 for the input that comes row by row, then 1 for each operator. */
typedef struct tenant {
    const qrt_band *band;
    uint64_t offset, room; /* bytes, which lie in the arena */
    uint32_t row;          /* bytes */
    int64_t position;      /* of whoever makes it; -1: nobody in this band */
    int64_t last;          /* of its last reader */
    int32_t height;        /* of it if made here; of a global average, of what that adds up */
    uint32_t pieces;
    int is_buffer; /* it holds some of its rows: what it keeps from turn to turn, and the rest */
    int sums;      /* a global average's */
    int for_ever;  /* it is read behind the band */
    qrt_pace pace;
    qrt_readers readers;
} tenant;

/* Whether a tensor is made in the band, and at which pace. */
static int find_pace(const qrt_model *model, uint32_t index, const qrt_tensor *tensor, tenant *t) {
    qrt_operator op;
    qrt_band fed;
    const qrt_band *band = t->band;
    if (tensor->first == 0) {
        if (!band->is_fed || !qrt_find_feed(model, index, &fed)) return 0;
        t->pace = band->feed;
        t->position = 0;
        return 1;
    }
    uint32_t producer = tensor->first - 1;
    if (producer < band->first || producer >= band->first + band->count) return 0;
    qrt_band_pace(model, band, producer - band->first, &t->pace);
    t->position = (int64_t)(producer - band->first) + 1;
    qrt_model_operator(model, producer, &op);
    t->sums = qrt_is_global_average(model, &op);
    if (t->sums) {
        qrt_tensor x;
        qrt_model_tensor(model, op.inputs[0], &x);
        t->height = x.shape[1];
    }
    return 1;
}

static int32_t find_tenant(qrt_check *check, const qrt_band *band, uint32_t index, const qrt_tensor *tensor,
                           tenant *t) {
    TRY(qrt_find_readers(check, band, index, &t->readers));
    t->band = band;
    t->offset = tensor->arena_offset;
    t->room = qrt_model_room(check->model, index);
    t->row = (uint32_t)t->room;
    t->for_ever = tensor->last > band->first + band->count;
    t->pieces = 1;
    t->is_buffer = 0;
    t->sums = 0;
    t->height = tensor->rank == 4 ? tensor->shape[1] : 1;
    t->position = -1;
    t->last = 0;
    for (uint32_t i = 0; i < t->readers.count; i++) {
        if (t->last <= t->readers.reader[i].position) t->last = (int64_t)t->readers.reader[i].position + 1;
    }
    int made = find_pace(check->model, index, tensor, t);
    if (t->sums || (!made && t->readers.count == 0)) return QRT_OK;
    t->is_buffer = made && t->pace.capacity < t->height;
    t->pieces = t->is_buffer ? 2 : (uint32_t)t->height;
    t->row = qrt_row_bytes(tensor);
    return QRT_OK;
}

/* The turn in which a reader reads row `row` at last; -1 where it never does. */
static int64_t turn_of_reading(const qrt_reader *reader, int32_t row) {
    int32_t made = qrt_rows_until(&reader->reading, row);
    return made < 1 ? -1 : qrt_turn_of(&reader->pace, made);
}

/* Makes a row its tensor's until the last reader has read it. */
static void live_until_read(const tenant *t, int32_t row, piece *p) {
    for (uint32_t i = 0; i < t->readers.count; i++) {
        const qrt_reader *reader = &t->readers.reader[i];
        int64_t turn = turn_of_reading(reader, row), position = (int64_t)reader->position + 1;
        if (turn < p->to || (turn == p->to && position <= p->last)) continue;
        p->to = turn;
        p->last = position;
    }
}

/* Piece `i` of a buffer of some rows: 0 what it keeps from turn to turn, 1 the rest. */
static piece buffer_piece(const tenant *t, uint32_t i) {
    int64_t positions = t->band->count;
    int64_t first = qrt_turn_of(&t->pace, 1), last = qrt_turn_of(&t->pace, t->height);
    for (uint32_t k = 0; k < t->readers.count; k++) {
        int64_t turn = turn_of_reading(&t->readers.reader[k], t->height - 1);
        if (turn > last) last = turn;
    }
    uint64_t kept = (uint64_t)t->pace.kept * t->row, rest = t->room - kept;
    piece p = {t->offset, t->offset + t->room, first, last, 0, positions, 0, positions};
    int at_start = (i == 0) == (t->pace.slide == QRT_LEFT);
    uint64_t size = i == 0 ? kept : rest;
    if (at_start) {
        p.after = p.begin + size;
    } else {
        p.begin = p.after - size;
    }
    if (i == 1) {
        p.start = t->position;
        p.end = t->last;
    }
    return p;
}

static piece piece_of(const tenant *t, uint32_t i) {
    if (t->is_buffer) return buffer_piece(t, i);
    uint64_t begin = t->offset + (uint64_t)i * t->row;
    int64_t positions = t->band->count;
    piece p = {begin, begin + t->row, -1, INT64_MAX, 0, positions, 0, positions};
    if (t->position >= 0) {
        p.from = qrt_turn_of(&t->pace, t->sums ? 1 : (int32_t)i + 1);
        p.first = t->position;
    }
    if (t->for_ever || t->sums || (t->position < 0 && t->readers.count == 0)) return p;
    p.to = p.from;
    p.last = p.first;
    live_until_read(t, (int32_t)i, &p);
    return p;
}

/* Positions of a turn, of those that a piece lives in, at which its bytes are its own. */
static int64_t start_at(const piece *p, int64_t turn) {
    return turn == p->from && p->first > p->start ? p->first : p->start;
}

static int64_t end_at(const piece *p, int64_t turn) { return turn == p->to && p->last < p->end ? p->last : p->end; }

/* Of the turns in which both live, those but the first and the last are alike: three tell all. */
static int pieces_meet(const piece *a, const piece *b) {
    uint64_t begin = a->begin > b->begin ? a->begin : b->begin, after = a->after < b->after ? a->after : b->after;
    int64_t from = a->from > b->from ? a->from : b->from, to = a->to < b->to ? a->to : b->to;
    if (begin >= after) return 0;
    for (int64_t turn = from; turn <= to && turn <= from + 2; turn++) {
        if (start_at(a, turn) <= end_at(b, turn) && start_at(b, turn) <= end_at(a, turn)) return 1;
    }
    return 0;
}

/* The pieces of `t` that may lie in the bytes from `begin` on and before `after`, some of which are of `t`: of a buffer
 * both, else rows. */
static void pieces_in(const tenant *t, uint64_t begin, uint64_t after, uint32_t *first, uint32_t *end) {
    *first = 0;
    *end = t->pieces;
    if (t->is_buffer) return;
    if (begin > t->offset) *first = (uint32_t)(begin - t->offset) / t->row;
    if (after < t->offset + t->room) *end = (uint32_t)(after - t->offset - 1) / t->row + 1;
}

/* V27 for tensors of which both live in the band and in no other step together. */
static int32_t check_rows(qrt_check *check, const tenant *a, const tenant *b) {
    uint32_t i, end;
    for (pieces_in(a, b->offset, b->offset + b->room, &i, &end); i < end; i++) {
        piece p = piece_of(a, i);
        if (p.begin >= b->offset + b->room || b->offset >= p.after) continue;
        uint32_t k, last;
        pieces_in(b, p.begin, p.after, &k, &last);
        TRY(qrt_walk(check, (uint64_t)(last - k) + 1));
        for (; k < last; k++) {
            piece q = piece_of(b, k);
            RULE(27, !pieces_meet(&p, &q));
        }
    }
    return QRT_OK;
}

/* -- all tensors -- */

/* What is known of a tensor in the arena. */
typedef struct resident {
    uint32_t index;
    qrt_tensor tensor;
    uint64_t room;
    life life;
} resident;

static void read_resident(const qrt_model *model, uint32_t index, resident *r) {
    r->index = index;
    qrt_model_tensor(model, index, &r->tensor);
    r->room = qrt_model_room(model, index);
    r->life = life_of(model, index, r->tensor.first, r->tensor.last);
}

/* V27 for two tensors that live at the same time and have bytes in common. */
static int32_t check_pair(qrt_check *check, const resident *a, const resident *b) {
    const qrt_model *model = check->model;
    qrt_band band;
    uint32_t first = a->life.first > b->life.first ? a->life.first : b->life.first;
    uint32_t last = a->life.last < b->life.last ? a->life.last : b->life.last;
    if (first > 0 && qrt_find_band(model, first - 1, &band)) {
        tenant x, y;
        RULE(27, last <= band.first + band.count);
        TRY(find_tenant(check, &band, a->index, &a->tensor, &x));
        TRY(find_tenant(check, &band, b->index, &b->tensor, &y));
        return check_rows(check, &x, &y);
    }
    RULE(27, first > 0); /* else nothing writes one over the other */
    RULE(27, in_place(model, &a->tensor, &b->tensor) || in_place(model, &b->tensor, &a->tensor) ||
                 may_overlap(model, &a->tensor, &b->tensor) || may_overlap(model, &b->tensor, &a->tensor));
    return QRT_OK;
}

/* Whether tensor `index` lives when `a` does: of most pairs that is all there is to know. The life of `a` begins and
 * ends where bands do, so that of another only what is fed begins too early here. */
static int lives_with(const qrt_model *model, uint32_t index, const resident *a) {
    uint32_t table = qrt_follow(model->bytes, model->tensors + 4 * index);
    uint32_t lifetime = qrt_field(model->bytes, table, TENSOR_LIFETIME);
    if (lifetime == 0) return qrt_field(model->bytes, table, TENSOR_INITIAL) != 0;
    uint32_t first = qrt_read_u16(model->bytes, lifetime), last = qrt_read_u16(model->bytes, lifetime + 2);
    if (first == 0) first = life_of(model, index, first, last).first;
    return a->life.first <= last && first <= a->life.last;
}

/* V16, and V27 for a tensor and all before it. */
static int32_t check_overlap(qrt_check *check, uint32_t index) {
    const qrt_model *model = check->model;
    resident a, b;
    qrt_check_at(check, QRT_IN_TENSOR, index);
    read_resident(model, index, &a);
    if (a.tensor.data != NULL) return QRT_OK;
    RULE(16, a.tensor.arena_offset + a.room <= model->arena_size);
    if (model->band_count > 0) TRY(qrt_walk(check, index));
    for (uint32_t i = 0; i < index; i++) {
        if (!lives_with(model, i, &a)) continue;
        read_resident(model, i, &b);
        uint64_t a_end = a.tensor.arena_offset + a.room, b_end = b.tensor.arena_offset + b.room;
        if (a.tensor.arena_offset >= b_end || b.tensor.arena_offset >= a_end) continue;
        TRY(check_pair(check, &a, &b));
    }
    return QRT_OK;
}

int32_t qrt_check_overlaps(qrt_check *check) {
    for (uint32_t i = 0; i < check->model->tensor_count; i++) TRY(check_overlap(check, i));
    return QRT_OK;
}
