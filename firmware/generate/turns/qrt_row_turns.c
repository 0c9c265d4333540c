/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_row_turns.c: operators that take turns. */
#include "turns/qrt_row_turns.h"

#include <string.h>

#ifdef QRT_ON_STEP
void QRT_ON_STEP(int step);
#define ON_STEP(step) QRT_ON_STEP(step)
#else
#define ON_STEP(step) ((void)0)
#endif

static int32_t clamp(int32_t value, int32_t low, int32_t high) {
    return value < low ? low : value > high ? high : value;
}

/* The rows that a step has made after a turn. */
static int32_t made_after(const qrt_row_step *step, int32_t turn) {
    if (turn >= step->last) return step->height;
    int32_t all = turn * step->rows + step->lead;
    return all <= 0 ? 0 : step->per == 1 ? all : all / step->per;
}

/* The first row of an input that row `row` of what is made reads; it may lie above the input. */
static int32_t first_read(const qrt_row_input *input, int32_t row) {
    return input->table != NULL ? input->table[row] : row * input->stride - input->pad;
}

/* The first row of what a step has made that is still read; where none of them is, the next one, even if nobody reads
 * that either. */
static int32_t first_needed(const qrt_row_run *run, const qrt_row_step *step) {
    int32_t low = run->states[step - run->band->steps].made;
    for (uint32_t i = 0; i < step->reader_count; i++) {
        const qrt_row_reader *at = &step->readers[i];
        const qrt_row_step *reader = &run->band->steps[at->step];
        int32_t made = run->states[at->step].made;
        if (made < reader->height) {
            int32_t row = clamp(first_read(&reader->inputs[at->input], made), 0, step->height);
            low = row < low ? row : low;
        }
    }
    return low;
}

static int8_t *address(const qrt_row_run *run, const qrt_row_step *step, const qrt_row_state *state, int32_t row) {
    return run->memory + ((int32_t)step->offset + (row - state->base) * (int32_t)step->row_size);
}

/* Of an address that is a multiple of 4; compilers then move a word at once. */
#ifdef __GNUC__
#define AT_WORD(address) __builtin_assume_aligned(address, sizeof(uint32_t))
#else
#define AT_WORD(address) (address)
#endif

static inline uint32_t load_word(const int8_t *at) {
    uint32_t word;
    memcpy(&word, AT_WORD(at), sizeof word);
    return word;
}

static inline void store_word(int8_t *at, uint32_t word) { memcpy(AT_WORD(at), &word, sizeof word); }

/* Moves bytes to a lower address; by words, as memmove() of small libraries does not. */
static void move_down(int8_t *to, const int8_t *from, size_t size) {
    if ((((uintptr_t)to | (uintptr_t)from) & (sizeof(uint32_t) - 1)) == 0) {
        for (; size >= 16; size -= 16, to += 16, from += 16) {
            uint32_t a = load_word(from), b = load_word(from + 4), c = load_word(from + 8), d = load_word(from + 12);
            store_word(to, a);
            store_word(to + 4, b);
            store_word(to + 8, c);
            store_word(to + 12, d);
        }
    }
    if (size > 0) memmove(to, from, size);
}

/* Moves the rows from `low` on such that row `base` would lie at the start: towards it, always. */
static void slide(const qrt_row_run *run, const qrt_row_step *step, qrt_row_state *state, int32_t low, int32_t base) {
    if (base == state->base) return;
    if (low < state->made) {
        const int8_t *from = address(run, step, state, low);
        int8_t *to = run->memory + ((int32_t)step->offset + (low - base) * (int32_t)step->row_size);
        move_down(to, from, (size_t)(state->made - low) * step->row_size);
    }
    state->base = base;
}

/* Makes room for the rows up to `end`. */
static void make_room(const qrt_row_run *run, const qrt_row_step *step, qrt_row_state *state, int32_t end) {
    if (step->slide == QRT_ROWS_RIGHT) {
        slide(run, step, state, first_needed(run, step), end - step->capacity);
    } else if (step->slide == QRT_ROWS_FULL && end - state->base > step->capacity) {
        int32_t low = first_needed(run, step);
        slide(run, step, state, low, low);
    }
}

static void set(qrt_params *params, uint32_t at, int32_t value) { memcpy((char *)params + at, &value, sizeof value); }

/* Where the rows begin that the rows from `begin` to `end` of a step read; of its first input it writes the height and
 * the padding. */
static const int8_t *find_rows(const qrt_row_run *run, const qrt_row_step *step, const qrt_row_input *input,
                               int32_t begin, int32_t end, qrt_params *params) {
    int32_t top = first_read(input, begin), first = clamp(top, 0, input->height);
    if (params != NULL && step->height_at != 0) {
        int32_t last = clamp(first_read(input, end - 1) + input->reach, first, input->height);
        set(params, step->height_at, last - first);
        if (step->pad_at != 0) set(params, step->pad_at, top < 0 ? -top : 0);
    }
    if (input->maker != 0) {
        return address(run, &run->band->steps[input->maker - 1], &run->states[input->maker - 1], first);
    }
    return (input->data != NULL ? input->data : run->memory + input->offset) + (size_t)first * input->row_size;
}

/* A resize2d's tables begin with its first row. */
static void move_tables(qrt_resize2d_params *p, int32_t begin) {
    p->rows += begin;
    if (p->row_weight != NULL) p->row_weight += begin;
    p->first_row = p->rows[0];
}

static void make_rows(const qrt_row_run *run, const qrt_row_step *step, qrt_row_state *state, int32_t end) {
    int32_t begin = state->made;
    union {
        qrt_params params;
        qrt_row_average average;
    } of;
    if (step->add != NULL) {
        of.average.params = step->params;
        of.average.add = step->add;
        of.average.begin = begin;
        of.average.end = end;
        of.average.height = step->height;
    } else {
        memcpy(&of.params, step->params, step->params_size);
        set(&of.params, step->count_at, step->count * (end - begin));
        if (step->inputs->table != NULL) move_tables(&of.params.resize2d, begin);
    }
    for (uint32_t i = 0; i < step->input_count; i++) {
        run->inputs[i] = find_rows(run, step, &step->inputs[i], begin, end, i == 0 ? &of.params : NULL);
    }
    int8_t *output = step->add != NULL ? run->memory + step->offset : address(run, step, state, begin);
    step->run(&of, run->inputs, output, run->memory + step->scratch);
    state->made = end;
}

/* What a step does in a turn. */
static void take_turn(const qrt_row_run *run, int32_t index, int32_t turn) {
    const qrt_row_step *step = &run->band->steps[index];
    qrt_row_state *state = &run->states[index];
    int32_t end = made_after(step, turn);
    if (end > state->made) {
        make_room(run, step, state, end);
        make_rows(run, step, state, end);
    }
    for (uint32_t i = 0; i < step->moved_count; i++) {
        const qrt_row_step *moved = &run->band->steps[step->moved[i]];
        int32_t low = first_needed(run, moved);
        slide(run, moved, &run->states[step->moved[i]], low, low);
    }
}

static void begin_band(const qrt_row_run *run) {
    memset(run->states, 0, (size_t)run->band->step_count * sizeof *run->states);
}

void qrt_run_row_band(const qrt_row_run *run) {
    begin_band(run);
    for (int32_t turn = 0; turn < run->band->turns; turn++) {
        for (int32_t i = 0; i < run->band->step_count; i++) {
            ON_STEP(run->band->first + i);
            take_turn(run, i, turn);
        }
    }
}

static void put_row(const qrt_row_run *run, int32_t turn, const int8_t *row) {
    const qrt_row_step *step = run->band->steps;
    qrt_row_state *state = run->states;
    make_room(run, step, state, made_after(step, turn));
    memcpy(address(run, step, state, state->made), row, step->row_size);
    state->made++;
}

/* Runs turns up to the first that waits for a row; that one's number. */
static int32_t run_turns(const qrt_row_run *run, int32_t turn) {
    const qrt_row_band *band = run->band;
    for (; turn < band->turns && made_after(band->steps, turn) == run->states->made; turn++) {
        for (int32_t i = 1; i < band->step_count; i++) {
            ON_STEP(band->first + i - 1);
            take_turn(run, i, turn);
        }
    }
    return turn;
}

int qrt_feed_row(const qrt_row_run *run, int32_t *turn, const int8_t *row) {
    if (run->states->made == 0) *turn = run_turns(run, 0);
    put_row(run, *turn, row);
    *turn = run_turns(run, *turn);
    if (*turn < run->band->turns) return 0;
    begin_band(run);
    *turn = 0;
    return 1;
}
