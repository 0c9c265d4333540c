/* pages.c: buffers between inaccessible pages, and what is said of whoever touches those. */
#define _GNU_SOURCE
#include "pages.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE ((size_t)4096)
#define MAX_BUFFERS (QRT_MAX_INPUTS + 16)

static buffer buffers[MAX_BUFFERS];
int buffer_count;
sigjmp_buf after_fault;
static uint8_t *volatile fault;

worker now;
long violations;

void violation(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    printf("%s: %s: operator %u, %s", now.file, now.set, now.op, now.kind);
    if (now.part >= 0) printf(", %s %d", now.unit, now.part);
    printf(": ");
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
    violations++;
}

void die(const char *what) {
    fprintf(stderr, "%s: %s\n", now.file, what);
    exit(2);
}

void *need(void *memory) {
    if (memory == NULL) die("out of memory");
    return memory;
}

void on_fault(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    fault = info->si_addr;
    siglongjmp(after_fault, 1);
}

static void protect(const buffer *b, int protection) {
    if (mprotect(b->room, b->capacity, protection) != 0) die("mprotect");
}

/* Bytes beside a buffer that are filled and looked at. */
static uint8_t *room_begin(const buffer *b) { return (size_t)(b->bytes - b->room) > PAGE ? b->bytes - PAGE : b->room; }

static uint8_t *room_end(const buffer *b) {
    uint8_t *end = b->room + b->capacity;
    return (size_t)(end - b->bytes) > b->size + PAGE ? b->bytes + b->size + PAGE : end;
}

/* The next buffer, full of `fill`. `behind`: the inaccessible page is behind it, as near as `alignment` lets it. */
buffer *place(const char *name, int number, size_t size, size_t alignment, int behind, uint8_t fill) {
    if (buffer_count == MAX_BUFFERS) die("too many buffers");
    buffer *b = &buffers[buffer_count++];
    if (b->capacity < size || b->capacity == 0) {
        if (b->room != NULL) munmap(b->room - PAGE, b->capacity + 2 * PAGE);
        b->capacity = size == 0 ? PAGE : (size + PAGE - 1) / PAGE * PAGE;
        uint8_t *start = mmap(NULL, b->capacity + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED) die("mmap");
        b->room = start + PAGE;
    }
    protect(b, PROT_READ | PROT_WRITE);
    b->name = name;
    b->number = number;
    b->size = size;
    b->read_only = 0;
    /* Of no bytes, none may be touched. */
    b->bytes = b->room + (behind || size == 0 ? b->capacity - (size + alignment - 1) / alignment * alignment : 0);
    memset(room_begin(b), fill, (size_t)(room_end(b) - room_begin(b)));
    return b;
}

void make_read_only(buffer *b) {
    b->read_only = 1;
    protect(b, PROT_READ);
}

/* A read-only copy of `bytes`. */
const void *place_copy(const char *name, int number, const void *bytes, size_t size, size_t alignment, int behind) {
    if (bytes == NULL) return NULL;
    buffer *b = place(name, number, size, alignment, behind, 0x5a);
    memcpy(b->bytes, bytes, size);
    make_read_only(b);
    return b->bytes;
}

/* Says which buffer's page `fault` is in. */
void report_fault(const char *where) {
    for (int i = 0; i < buffer_count; i++) {
        const buffer *b = &buffers[i];
        char name[64];
        if (fault < b->room - PAGE || fault >= b->room + b->capacity + PAGE) continue;
        snprintf(name, sizeof name, b->number < 0 ? "%s" : "%s %d", b->name, b->number);
        if (fault < b->room) {
            violation("%s() touches byte %ld of %s, which begins at 0", where, (long)(fault - b->bytes), name);
        } else if (fault >= b->room + b->capacity) {
            violation("%s() touches byte %ld of %s, which has %zu", where, (long)(fault - b->bytes), name, b->size);
        } else {
            violation("%s() writes byte %ld of %s, which is only read", where, (long)(fault - b->bytes), name);
        }
        return;
    }
    violation("%s() faults at %p, which is near no buffer (or an address that an instruction needs aligned)", where,
              (void *)fault);
}

/* Whether something was written beside a buffer that may be written. */
void check_beside(const char *where, uint8_t fill) {
    for (int i = 0; i < buffer_count; i++) {
        const buffer *b = &buffers[i];
        if (b->read_only) continue;
        for (const uint8_t *at = room_begin(b); at < room_end(b); at++) {
            if (at == b->bytes) at += b->size;
            if (at >= room_end(b) || *at == fill) continue;
            violation("%s() writes byte %ld of %s, which has %zu", where, (long)(at - b->bytes), b->name, b->size);
            break;
        }
    }
}

/* Of the elements of a tensor, as kernels may read them. */
size_t alignment_of(const qrt_tensor *tensor) {
    return tensor->dtype == QRT_INT32 ? 4 : tensor->dtype == QRT_INT16 ? 2 : 1;
}

/* A copy that may be written, of what a state holds before the operator that updates it. */
buffer *place_state(const char *name, int number, const void *bytes, const qrt_tensor *tensor, int behind,
                    uint8_t fill) {
    size_t size = (size_t)qrt_tensor_bytes(tensor);
    buffer *b = place(name, number, size, alignment_of(tensor), behind, fill);
    memcpy(b->bytes, bytes, size);
    return b;
}

void check_output(const buffer *output, const int8_t *expected) {
    for (size_t i = 0; i < output->size; i++) {
        if ((int8_t)output->bytes[i] == expected[i]) continue;
        violation("byte %zu of %s is not the portable set's", i, output->name);
        return;
    }
}
