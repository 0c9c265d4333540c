/* SPDX-License-Identifier: Apache-2.0 */
/* tables.h: tables of accumulators computed by AMX tiles, and their requantization.
 *
 * The CPU has a separate unit for tiles: it executes products and stores to memory one after the other, 16 cycles each.
 * The vector units requantize in parallel. So three tables are in progress at once:
 *
 *   products of table n | tiles of table n - 1 to memory | codes of table n - 2
 */
#ifndef QRT_AMX_TABLES_H
#define QRT_AMX_TABLES_H

#include "x86/avx512/emit.h"
#include "x86/x86.h"

#ifdef QRT_AMX_COMPILED

#define TILE 16 /* rows */

/* Positions of the largest table: of 16 channels 64, of 32 channels 32. */
#define MAX_POSITIONS 64
#define TABLE_SIZE (MAX_POSITIONS * 16 + 16) /* with room for a register that reads beyond the end */

/* Tiles 0 to 3 are accumulators, 4 and 5 weights, 6 and 7 positions. */
#define FIRST_WEIGHTS 4

/* Sets the shapes of the tiles, unless the previous layer has set them: loading a configuration takes over 300 cycles,
 * reading it 20. So it is kept when a run ends. ldtilecfg reads: the palette, the row bytes of eight tiles in two
 * words, their rows in one; the rest must be zero. */
QRT_AMX QRT_INLINE void configure_tiles(const qrt_product *product) {
    const uint64_t unit = (uint64_t)product->unit, deep = unit / 4;
    uint64_t wanted[8] = {1, 0, 0x0040004000400040, 0x00400040 | unit << 32 | unit << 48};
    uint64_t loaded[8];
    wanted[6] = 0x1010000010101010 | deep << 8 * FIRST_WEIGHTS | deep << 8 * (FIRST_WEIGHTS + 1);
    /* The intrinsics do not tell the compiler that all 64 bytes are read or written. */
    __asm__ volatile("sttilecfg %0" : "=m"(loaded));
    if (loaded[0] == wanted[0] && loaded[2] == wanted[2] && loaded[3] == wanted[3] && loaded[6] == wanted[6]) return;
    __asm__ volatile("ldtilecfg %0" : : "m"(wanted));
}

/* The input of the tiles: one image of a group. */
typedef struct source {
    /* Positions before `split` are read from x, the others from `copy`, whose first position is `split`. */
    const uint8_t *x, *copy;
    int32_t split;
    int32_t step, count;
    int32_t chunks, unit;
    const ptrdiff_t *chunk; /* bytes from a position to each of its chunks */
} source;

static const uint8_t *at_position(const source *s, int32_t position) {
    return position < s->split ? s->x + (ptrdiff_t)position * s->step
                               : s->copy + (ptrdiff_t)(position - s->split) * s->step;
}

/* A table of accumulators: in tiles first, then in memory, then codes. */
typedef struct table {
    const int8_t *weights;
    qrt_emit_place place;
    int32_t position, rows; /* the first position, and how many; 0: no table */
    int32_t tall, wide;     /* tiles */
    uintptr_t ahead;        /* weights to prefetch, ahead_step bytes with each chunk */
    ptrdiff_t ahead_step;
} table;

/* Requantization of one table in progress. */
typedef struct codes {
    requant16 r[2];
    __m512i lowest, highest;
    const int32_t *acc;
    int32_t rows, done;
    int32_t run; /* rows that are contiguous in the output, */
    int32_t gap; /* and after them the rows up to the next image row, which are no output */
    int32_t out_width, whole_gap;
    int8_t *y;
    ptrdiff_t stride;
    __mmask32 mask;
    int8_t *nowhere; /* destination of rows that are no output */
} codes;

QRT_AMX QRT_INLINE codes codes_of(const qrt_emitter *e, const table *t, const int32_t *acc, int8_t *nowhere) {
    codes c;
    c.r[0] = requant16_load(t->place.lanes);
    c.r[1] = requant16_load(t->place.lanes + t->wide - 1);
    c.lowest = _mm512_set1_epi8((char)e->p->requant.output_min);
    c.highest = _mm512_set1_epi8((char)e->p->requant.output_max);
    c.acc = acc;
    c.rows = t->rows;
    c.done = 0;
    c.out_width = e->out_width;
    c.whole_gap = e->width - e->out_width;
    int32_t image_row = t->position < e->width ? 0 : t->position / e->width; /* division is slow */
    int32_t x = t->position - image_row * e->width, before = x < c.out_width ? x : c.out_width;
    c.run = c.out_width - before < c.rows ? c.out_width - before : c.rows;
    c.gap = x < c.out_width ? c.whole_gap : e->width - x;
    c.stride = e->p->out_channels;
    c.y = e->output + (image_row * (ptrdiff_t)c.out_width + before) * c.stride + t->place.channel;
    c.mask = (__mmask32)channel_mask(t->place.channels);
    c.nowhere = nowhere;
    return c;
}

/* Destination of the next row's codes. */
QRT_INLINE int8_t *next_row(codes *c) {
    c->done++;
    if (c->run > 0) {
        int8_t *y = c->y;
        c->y += c->stride;
        c->run--;
        return y;
    }
    if (--c->gap == 0) {
        int32_t left = c->rows - c->done;
        c->run = c->out_width < left ? c->out_width : left < 0 ? 0 : left;
        c->gap = c->whole_gap;
    }
    return c->nowhere;
}

/* Stores `count` rows, 2 or 4. */
QRT_AMX QRT_INLINE void store_rows(const codes *c, __m512i y, int8_t *const to[4], const int count) {
    if (count == 2 && c->mask == 0xffffffffu) {
        _mm256_storeu_si256((void *)to[0], _mm512_castsi512_si256(y));
        _mm256_storeu_si256((void *)to[1], _mm512_extracti64x4_epi64(y, 1));
    } else if (count == 2) {
        _mm256_mask_storeu_epi8(to[0], c->mask, _mm512_castsi512_si256(y));
        _mm256_mask_storeu_epi8(to[1], c->mask, _mm512_extracti64x4_epi64(y, 1));
    } else {
        _mm_mask_storeu_epi8(to[0], (__mmask16)c->mask, _mm512_castsi512_si128(y));
        _mm_mask_storeu_epi8(to[1], (__mmask16)c->mask, _mm512_extracti32x4_epi32(y, 1));
        _mm_mask_storeu_epi8(to[2], (__mmask16)c->mask, _mm512_extracti32x4_epi32(y, 2));
        _mm_mask_storeu_epi8(to[3], (__mmask16)c->mask, _mm512_extracti32x4_epi32(y, 3));
    }
}

/* 64 codes: two rows of 32 channels or four of 16. `wide` and `form` are constants. */
QRT_AMX QRT_INLINE void make_codes(codes *c, const int wide, const int form) {
    const int count = 4 / wide;
    __m512i v[4];
    QRT_UNROLL
    for (int i = 0; i < 4; i++) {
        /* Loading the odd entries separately is faster than shifting: the table is no longer in the store buffer. */
        __m512i all = _mm512_load_si512(c->acc + 16 * i), odd = _mm512_loadu_si512(c->acc + 16 * i + 1);
        v[i] = requant16_apply_pair(all, odd, &c->r[i % wide], form);
    }
    __m512i y = narrow64(v[0], v[1], v[2], v[3]);
    y = _mm512_min_epi8(_mm512_max_epi8(y, c->lowest), c->highest);
    c->acc += 64;
    if (c->run >= count) {
        int8_t *to[4] = {c->y, c->y + c->stride, c->y + 2 * c->stride, c->y + 3 * c->stride};
        store_rows(c, y, to, count);
        c->y += count * c->stride;
        c->run -= count;
        c->done += count;
    } else {
        int8_t *to[4];
        for (int i = 0; i < count; i++) to[i] = next_row(c);
        store_rows(c, y, to, count);
    }
}

/* Stores a tile into a table in memory, [rows][16 * wide]. */
#define STORE_TILE(tile, acc, wide)                                                                                    \
    _tile_stored(tile, (acc) + (tile) / (wide) * TILE * 16 * (wide) + (tile) % (wide) * 16, 64 * (wide))

/* Work during the products of a table: the previous table is stored from the tiles to `to`, unless that is NULL, and
 * the one before it is requantized, `rate` rows for each product, in 65536ths. */
typedef struct beside {
    int32_t *to;
    codes c;
    uint32_t rate, due;
} beside;

/* One product. */
#define MULTIPLY(tile, x_tile, w_tile)                                                                                 \
    do {                                                                                                               \
        if (i == 0) {                                                                                                  \
            if (b.to != NULL) STORE_TILE(tile, b.to, wide);                                                            \
            _tile_zero(tile);                                                                                          \
        }                                                                                                              \
        _tile_dpbssd(tile, x_tile, w_tile);                                                                            \
    } while (0)

/* Requantizes the rows due after `products` more. Tile loads that wait block all later instructions, so products and
 * requantization only run in parallel if they alternate. */
#define NO_CODES (-1)
QRT_AMX QRT_INLINE void make_due(beside *b, const int products, const int wide, const int form) {
    b->due += (uint32_t)products * b->rate;
    if (form == NO_CODES) return;
    while (b->c.done < b->c.rows && b->c.done < (int32_t)(b->due >> 16)) make_codes(&b->c, wide, form);
}

/* Products of tall x wide tiles: 2x2, 1x2, 4x1, 2x1 or 1x1, constants, as is `form`, NO_CODES for no requantization.
 * Row t and column w of the result is tile t * wide + w. */
QRT_AMX QRT_INLINE void multiply(const source *s, const table *t, beside b, const int tall, const int wide,
                                 const int form) {
    const uint8_t *x = at_position(s, t->position);
    const int8_t *weights = t->weights;
    uintptr_t ahead = t->ahead;
    ptrdiff_t step = s->step, down = TILE * step, size = TILE * s->unit, across = s->chunks * size;
    b.rate = ((uint32_t)b.c.rows << 16) / (uint32_t)(s->chunks * tall * wide) + 1;
    for (int32_t i = 0; i < s->chunks; i++, weights += size) {
        const uint8_t *from = x + s->chunk[i];
        for (ptrdiff_t k = 0; k < t->ahead_step; k += 64, ahead += 64) _mm_prefetch((const char *)ahead, _MM_HINT_T1);
        _tile_loadd(4, weights, 64);
        _tile_loadd(6, from, step);
        MULTIPLY(0, 6, 4);
        if (wide == 2) {
            _tile_loadd(5, weights + across, 64);
            MULTIPLY(1, 6, 5);
            make_due(&b, 2, wide, form);
            if (tall == 2) {
                _tile_loadd(7, from + down, step);
                MULTIPLY(2, 7, 4);
                MULTIPLY(3, 7, 5);
                make_due(&b, 2, wide, form);
            }
        } else if (tall == 1) {
            make_due(&b, 1, wide, form);
        } else {
            _tile_loadd(7, from + down, step);
            MULTIPLY(1, 7, 4);
            make_due(&b, 2, wide, form);
            if (tall == 4) {
                _tile_loadd(6, from + 2 * down, step);
                MULTIPLY(2, 6, 4);
                _tile_loadd(7, from + 3 * down, step);
                MULTIPLY(3, 7, 4);
                make_due(&b, 2, wide, form);
            }
        }
    }
}

QRT_AMX static void store_tiles(const table *t, int32_t *to) {
    if (t->wide == 2) {
        STORE_TILE(0, to, 2);
        STORE_TILE(1, to, 2);
        if (t->tall < 2) return;
        STORE_TILE(2, to, 2);
        STORE_TILE(3, to, 2);
    } else {
        STORE_TILE(0, to, 1);
        if (t->tall < 2) return;
        STORE_TILE(1, to, 1);
        if (t->tall < 4) return;
        STORE_TILE(2, to, 1);
        STORE_TILE(3, to, 1);
    }
}

/* The tables in progress in one group. */
typedef struct pipeline {
    const qrt_emitter *e;
    const source *s;
    int32_t *acc, *other;        /* memory of `stored`, and memory for `made` */
    table *next, *made, *stored; /* to be multiplied, in tiles, in memory */
} pipeline;

QRT_AMX QRT_INLINE void make_all(codes c, int32_t wide, const int form) {
    if (form == NO_CODES) return;
    if (wide == 2) {
        while (c.done < c.rows) make_codes(&c, 2, form);
    } else {
        while (c.done < c.rows) make_codes(&c, 1, form);
    }
}

QRT_AMX QRT_INLINE void multiply_table(const pipeline *line, int32_t *to, const int form) {
    const table *t = line->next;
    int8_t nowhere[2 * QRT_LANES];
    beside b = {to, codes_of(line->e, line->stored, line->acc, nowhere), 0, 0};
    if (t->rows == 0) {
        if (line->made->rows > 0) store_tiles(line->made, line->other);
        make_all(b.c, line->stored->wide, form);
    } else if (t->wide == 2 && t->tall == 2) {
        multiply(line->s, t, b, 2, 2, form);
    } else if (t->wide == 2) {
        multiply(line->s, t, b, 1, 2, form);
    } else if (t->tall == 4) {
        multiply(line->s, t, b, 4, 1, form);
    } else if (t->tall == 2) {
        multiply(line->s, t, b, 2, 1, form);
    } else {
        multiply(line->s, t, b, 1, 1, form);
    }
}

QRT_AMX static void multiply_single(const pipeline *line, int32_t *to) { multiply_table(line, to, QRT_LANES_SINGLE); }

QRT_AMX static void multiply_left(const pipeline *line, int32_t *to) {
    multiply_table(line, to, QRT_LANES_SINGLE_LEFT);
}

QRT_AMX static void multiply_double(const pipeline *line, int32_t *to) { multiply_table(line, to, QRT_LANES_DOUBLE); }

QRT_AMX static void multiply_only(const pipeline *line, int32_t *to) { multiply_table(line, to, NO_CODES); }

/* Requantizes a table of a form that is not computed during products. */
QRT_AMX static void emit_table(const qrt_emitter *e, const table *t, const int32_t *acc) {
    qrt_emission emission = {acc, t->position, t->rows};
    if (t->wide == 2) {
        emit(e, &emission, t->rows, t->place, 2);
    } else {
        emit(e, &emission, t->rows, t->place, 1);
    }
}

/* Advances all tables by one stage. `next` is as wide as those in progress, or has no rows. */
QRT_AMX static void move_on(pipeline *line) {
    table *next = line->next, *spare = line->stored;
    int32_t *to = line->other, *acc = line->acc;
    if (line->made->rows == 0) {
        to = NULL;
    } else if (next->rows > 0 && next->tall != line->made->tall) {
        store_tiles(line->made, to);
        to = NULL;
    }
    switch (line->e->product->form) {
    case QRT_LANES_SINGLE:
        multiply_single(line, to);
        break;
    case QRT_LANES_SINGLE_LEFT:
        multiply_left(line, to);
        break;
    case QRT_LANES_DOUBLE:
        multiply_double(line, to);
        break;
    default:
        multiply_only(line, to);
        emit_table(line->e, line->stored, acc);
    }
    line->acc = line->other;
    line->other = acc;
    line->stored = line->made;
    line->made = next;
    line->next = spare;
}

/* Completes all tables in progress. */
QRT_AMX static void drain(pipeline *line) {
    for (int i = 0; i < 2; i++) {
        line->next->rows = 0;
        move_on(line);
    }
}

#endif
#endif
