/* pages.h: buffers between inaccessible pages, and what is said of whoever touches those.
 *
 * A program that includes this defines _GNU_SOURCE before any header.
 */
#ifndef QRT_PAGES_H
#define QRT_PAGES_H

#include <setjmp.h>
#include <signal.h>

#include "qrt_model.h"

/* A mapping between two inaccessible pages, and the buffer that stands at one of its ends. */
typedef struct buffer {
    const char *name;
    int number;    /* of an input; else -1 */
    uint8_t *room; /* the first accessible byte */
    size_t capacity;
    uint8_t *bytes;
    size_t size;
    int read_only;
} buffer;

/* Who is at work, for messages. */
typedef struct worker {
    char file[1024];
    const char *set, *kind;
    unsigned op;
    const char *unit; /* what is numbered by `part` */
    int part;         /* -1: the whole operator */
} worker;

extern worker now;
extern long violations;
/* Of this many the next fault is in one; 0 forgets all. */
extern int buffer_count;
/* Where on_fault(), which handles SIGSEGV and SIGBUS, goes to. */
extern sigjmp_buf after_fault;

void violation(const char *format, ...);
void die(const char *what);
void *need(void *memory);
void on_fault(int signal, siginfo_t *info, void *context);

/* The next buffer, full of `fill`. `behind`: the inaccessible page is behind it, as near as `alignment` lets it. */
buffer *place(const char *name, int number, size_t size, size_t alignment, int behind, uint8_t fill);
void make_read_only(buffer *b);

/* A read-only copy of `bytes`. */
const void *place_copy(const char *name, int number, const void *bytes, size_t size, size_t alignment, int behind);

/* A copy that may be written, of what a state holds before the operator that updates it. */
buffer *place_state(const char *name, int number, const void *bytes, const qrt_tensor *tensor, int behind,
                    uint8_t fill);

/* Says which buffer's page the fault is in. */
void report_fault(const char *where);

/* Whether something was written beside a buffer that may be written. */
void check_beside(const char *where, uint8_t fill);

void check_output(const buffer *output, const int8_t *expected);

/* Of the elements of a tensor, as kernels may read them. */
size_t alignment_of(const qrt_tensor *tensor);

#endif
