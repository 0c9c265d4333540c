/* mutate_file.c: walks a .qfb file along qrt.fbs, lists all that can be changed, and changes some of it.
 *
 * The walk checks every position itself, since what it walks was mutated before.
 */
#include "mutate_file.h"

#include <string.h>

#include "qrt_model.h"

/* The fields of each table, one after another. In place: a digit is a number of that many bytes, `S` the seal, `L` a
 * lifetime, `W` a window. Elsewhere: `b h i q` are vectors of numbers of 1, 2, 4 and 8 bytes, `t` a text, `s` a vector
 * of texts; `(` and `[` are a table and a vector of tables, whose name follows; `U` is the table that the number before
 * names. */
static const char *fields_of(char table) {
    switch (table) {
    case 'M': /* Model */
        return "2Stt[T[O[E[E4[V";
    case 'T': /* Tensor */
        return "ti1144Lb";
    case 'O': /* Operator */
        return "ti41U1";
    case 'E': /* Edge */
        return "411s1(Ri";
    case 'R': /* Requant */
        return "ibiq111";
    case 'V': /* TestVector */
        return "[C[C";
    default: /* Codes */
        return "b";
    }
}

static const char *const options[QRT_OPERATOR_KIND_END] = {
    [QRT_CONV2D] = "W4(R",    [QRT_DWCONV2D] = "W(R",
    [QRT_LINEAR] = "(R",      [QRT_ADD] = "14411141111",
    [QRT_MUL] = "(R",         [QRT_AVERAGE_POOL2D] = "W111",
    [QRT_MAX_POOL2D] = "W11", [QRT_MEAN] = "(R",
    [QRT_PAD] = "ii1",        [QRT_CONCAT] = "1",
    [QRT_TRANSPOSE] = "b",    [QRT_REQUANTIZE] = "(R",
    [QRT_CLAMP] = "11",       [QRT_SOFTMAX] = "i811",
    [QRT_LUT] = "b",          [QRT_SLICE] = "ii",
    [QRT_RESIZE2D] = "hhhh",  [QRT_TRANSPOSE_CONV2D] = "W(R",
    [QRT_MATMUL] = "(R",      [QRT_REQUANTIZE_SUM] = "(Rq",
};

#define MAX_PLACES 8192
/* Of a long vector so many elements are listed, the rest would crowd out the tables. */
#define MAX_ELEMENTS 16

enum role { NUMBER, ENTRY, LENGTH, OFFSET };

typedef struct place {
    uint32_t position;
    uint8_t width;
    uint8_t role;
    uint8_t element; /* bytes of an element of the vector that an OFFSET leads to; 0 for a table */
} place;

typedef struct walk {
    uint8_t *bytes;
    uint32_t size, max_size;
    uint32_t count;
    uint64_t random;
    place places[MAX_PLACES];
} walk;

static uint32_t random_below(walk *w, uint32_t limit) {
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (uint32_t)(w->random >> 16) % limit;
}

static int inside(const walk *w, uint64_t position, uint64_t size) { return position + size <= w->size; }

static uint64_t get(const walk *w, uint32_t position, uint32_t width) {
    uint64_t value = 0;
    memcpy(&value, w->bytes + position, width);
    return value;
}

static void put(walk *w, uint32_t position, uint32_t width, uint64_t value) {
    memcpy(w->bytes + position, &value, width);
}

static void add(walk *w, uint64_t position, uint32_t width, int role, uint32_t element) {
    if (w->count == MAX_PLACES || !inside(w, position, width)) return;
    place found = {(uint32_t)position, (uint8_t)width, (uint8_t)role, (uint8_t)element};
    w->places[w->count++] = found;
}

/* Where the offset at `position` leads, 0 when that is outside; lists the offset. */
static uint32_t follow(walk *w, uint64_t position, uint32_t element) {
    if (!inside(w, position, 4)) return 0;
    add(w, position, 4, OFFSET, element);
    uint64_t target = position + get(w, (uint32_t)position, 4);
    return inside(w, target, 4) ? (uint32_t)target : 0;
}

/* Lists the length and elements of the vector at the offset at `position`; returns its start, 0 for none. */
static uint32_t visit_vector(walk *w, uint32_t position, uint32_t element, int numbers) {
    uint32_t start = follow(w, position, element);
    if (start == 0) return 0;
    uint64_t length = get(w, start, 4);
    add(w, start, 4, LENGTH, 0);
    for (uint32_t i = 0; numbers && i < length && i < MAX_ELEMENTS; i++) {
        uint32_t at = length > MAX_ELEMENTS ? random_below(w, (uint32_t)length) : i;
        add(w, start + 4 + (uint64_t)at * element, element, NUMBER, 0);
    }
    return start;
}

static void visit_table(walk *w, uint64_t position, const char *fields);

static void visit_tables(walk *w, uint32_t position, const char *fields) {
    uint32_t start = visit_vector(w, position, 4, 0);
    uint64_t length = start == 0 ? 0 : get(w, start, 4);
    for (uint64_t i = 0; i < length && w->count < MAX_PLACES && inside(w, start + 4 + 4 * i, 4); i++) {
        if (fields != NULL) {
            visit_table(w, start + 4 + 4 * i, fields);
        } else {
            visit_vector(w, (uint32_t)(start + 4 + 4 * i), 1, 1);
        }
    }
}

static void visit_numbers(walk *w, uint32_t position, uint32_t width, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) add(w, position + i * width, width, NUMBER, 0);
}

/* The field at `position`, whose letter `code` is; what a table's name `name` is for. `kind`: the number before. */
static void visit_field(walk *w, uint32_t position, char code, char name, uint64_t kind) {
    switch (code) {
    case 'L':
        visit_numbers(w, position, 2, 2);
        break;
    case 'W':
        visit_numbers(w, position, 2, 10);
        break;
    case 'b':
    case 't':
        visit_vector(w, position, 1, 1);
        break;
    case 'h':
        visit_vector(w, position, 2, 1);
        break;
    case 'i':
        visit_vector(w, position, 4, 1);
        break;
    case 'q':
        visit_vector(w, position, 8, 1);
        break;
    case 's':
        visit_tables(w, position, NULL);
        break;
    case '(':
        visit_table(w, position, fields_of(name));
        break;
    case '[':
        visit_tables(w, position, fields_of(name));
        break;
    case 'U':
        visit_table(w, position, kind < QRT_OPERATOR_KIND_END && options[kind] != NULL ? options[kind] : "");
        break;
    case 'S': /* seal_file() sees to it */
        break;
    default:
        add(w, position, (uint32_t)(code - '0'), NUMBER, 0);
    }
}

/* The position of a table's field, 0 where it has none. */
static uint32_t field_position(const walk *w, uint32_t table, uint32_t number) {
    int64_t vtable = (int64_t)table - (int32_t)get(w, table, 4);
    if (vtable < 0 || !inside(w, (uint64_t)vtable, 6 + 2 * (uint64_t)number)) return 0;
    if (get(w, (uint32_t)vtable, 2) < 6 + 2 * number) return 0;
    uint32_t offset = (uint32_t)get(w, (uint32_t)vtable + 4 + 2 * number, 2);
    return offset != 0 && inside(w, (uint64_t)table + offset, 8) ? table + offset : 0;
}

/* The table at the offset at `position`. */
static void visit_table(walk *w, uint64_t position, const char *fields) {
    uint32_t table = follow(w, position, 0);
    if (table == 0) return;
    add(w, table, 4, NUMBER, 0);
    uint64_t kind = 0;
    for (uint32_t number = 0; *fields != '\0'; fields++, number++) {
        char code = *fields, name = code == '(' || code == '[' ? *++fields : '\0';
        uint32_t field = field_position(w, table, number);
        if (field == 0) continue;
        uint32_t vtable = table - (uint32_t)get(w, table, 4);
        add(w, (uint64_t)vtable + 4 + 2 * number, 2, ENTRY, 0);
        visit_field(w, field, code, name, kind);
        kind = w->bytes[field];
    }
}

/* -- changes -- */

static uint64_t top_of(uint32_t width) { return width == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * width) - 1; }

/* A number for the place of `old`: an extreme, a near one, a power of two, a bit flipped, or any. */
static uint64_t other_number(walk *w, uint64_t old, uint32_t width) {
    uint64_t top = top_of(width);
    uint64_t bit = (uint64_t)1 << random_below(w, 8 * width);
    switch (random_below(w, 8)) {
    case 0:
        return random_below(w, 2);
    case 1:
        return top >> random_below(w, 2);
    case 2:
        return (top >> 1) + 1;
    case 3:
        return bit - random_below(w, 2);
    case 4:
        return old ^ bit;
    case 5:
        return (uint64_t)random_below(w, 1u << 31) * random_below(w, 1u << 31) & top;
    default:
        return (old + random_below(w, 33) - 16) & top;
    }
}

static const place *any_place(walk *w) { return &w->places[random_below(w, w->count)]; }

/* Another place of the same width and role, as `p` itself when none is met. */
static const place *like(walk *w, const place *p) {
    for (int tries = 0; tries < 32; tries++) {
        const place *other = any_place(w);
        if (other->width == p->width && other->role == p->role && other->element == p->element) return other;
    }
    return p;
}

/* Each number of the value and width of `p` becomes another: shapes and lengths change together. */
static void change_all(walk *w, const place *p) {
    uint64_t old = get(w, p->position, p->width);
    uint64_t value = random_below(w, 2) ? random_below(w, 20) : other_number(w, old, p->width);
    for (uint32_t i = 0; i < w->count; i++) {
        const place *other = &w->places[i];
        if (other->role == OFFSET || other->role == ENTRY || other->width != p->width) continue;
        if (get(w, other->position, p->width) == old) put(w, other->position, p->width, value);
    }
}

/* Copies the vector that the offset `p` leads to behind the end of the file, some elements longer or shorter. Offsets
 * among the elements stay true. */
static void move_vector(walk *w, const place *p) {
    uint32_t start = p->position + (uint32_t)get(w, p->position, 4);
    if (!inside(w, start, 4)) return;
    uint64_t count = get(w, start, 4);
    uint64_t longer = count + random_below(w, 5) - (count > 1 ? 1 : 0);
    uint32_t moved = (w->size + 27) / 16 * 16 - 4; /* its first element at a multiple of 16 */
    uint64_t end = (uint64_t)moved + 4 + longer * p->element;
    if (longer > w->max_size || end > w->max_size || !inside(w, start, 4 + count * p->element) || count == 0) return;
    memset(w->bytes + w->size, 0, end - w->size);
    put(w, moved, 4, longer);
    for (uint64_t i = 0; i < longer; i++) {
        uint32_t from = start + 4 + (uint32_t)((i < count ? i : i - count) % count) * p->element;
        uint32_t to = moved + 4 + (uint32_t)i * p->element;
        uint64_t value = get(w, from, p->element);
        for (uint32_t k = 0; k < w->count && p->element == 4; k++) {
            if (w->places[k].position == from && w->places[k].role == OFFSET) value += (uint64_t)from - to;
        }
        put(w, to, p->element, value);
    }
    w->size = (uint32_t)end;
    put(w, p->position, 4, moved - p->position);
}

/* Copies the table that the offset `p` leads to behind the end of the file, so that it is shared no more. */
static void move_table(walk *w, const place *p) {
    uint32_t table = p->position + (uint32_t)get(w, p->position, 4);
    if (!inside(w, table, 4)) return;
    int64_t vtable = (int64_t)table - (int32_t)get(w, table, 4);
    if (vtable < 0 || !inside(w, (uint64_t)vtable, 4)) return;
    uint32_t table_size = (uint32_t)get(w, (uint32_t)vtable + 2, 2);
    uint32_t moved = (w->size + 7) / 8 * 8 + table % 8;
    if (table_size < 4 || !inside(w, table, table_size) || moved + table_size > w->max_size) return;
    memset(w->bytes + w->size, 0, moved - w->size);
    memcpy(w->bytes + moved, w->bytes + table, table_size);
    for (uint32_t k = 0; k < w->count; k++) {
        uint32_t at = w->places[k].position;
        if (w->places[k].role != OFFSET || at < table || at + 4 > table + table_size) continue;
        put(w, at - table + moved, 4, get(w, at, 4) - (moved - table));
    }
    put(w, moved, 4, get(w, table, 4) + (moved - table));
    w->size = moved + table_size;
    put(w, p->position, 4, moved - p->position);
}

static void change(walk *w) {
    const place *p = any_place(w);
    const place *other = like(w, p);
    uint64_t old = get(w, p->position, p->width);
    uint32_t choice = random_below(w, 8);
    if (p->role == OFFSET && choice < 3 && p->element > 0) {
        move_vector(w, p);
    } else if (p->role == OFFSET && choice < 3) {
        move_table(w, p);
    } else if (p->role == OFFSET && choice < 6) { /* to where another leads */
        put(w, p->position, 4, other->position + get(w, other->position, 4) - p->position);
    } else if (p->role == ENTRY && choice < 4) { /* the field is left out */
        put(w, p->position, 2, 0);
    } else if (choice < 2) {
        put(w, p->position, p->width, get(w, other->position, other->width));
    } else if (choice < 4 && p->role != OFFSET && p->role != ENTRY) {
        change_all(w, p);
    } else {
        put(w, p->position, p->width, other_number(w, old, p->width));
    }
}

static void list_places(walk *w) {
    w->count = 0;
    visit_table(w, 0, fields_of('M'));
}

size_t mutate_file(uint8_t *bytes, size_t size, size_t max_size, uint32_t seed) {
    static walk w;
    w.bytes = bytes;
    w.size = (uint32_t)size;
    w.max_size = (uint32_t)max_size;
    w.random = seed * 0x9e3779b97f4a7c15u + 1;
    for (uint32_t left = 1 + random_below(&w, 3); left > 0; left--) {
        list_places(&w);
        if (w.count > 0) change(&w);
    }
    return w.size;
}

void seal_file(uint8_t *bytes, size_t size) {
    static walk w;
    w.bytes = bytes;
    w.size = (uint32_t)size;
    w.count = 0;
    uint32_t table = follow(&w, 0, 0);
    uint32_t seal = table == 0 ? 0 : field_position(&w, table, 1);
    if (seal == 0) return;
    put(&w, seal, 4, size);
    put(&w, seal + 4, 4, 0);
    put(&w, seal + 4, 4, qrt_crc32(0, bytes, size));
}
