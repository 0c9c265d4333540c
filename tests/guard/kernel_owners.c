/* kernel_owners.c: prints, for each kernel set of this machine and each operator, the first set with the same kernel.
 */
#include <stdio.h>

#include "host/dispatch.h"
#include "qrt_model.h"

#define ROWS (sizeof names / sizeof *names)

static const char *const names[] = {
#define X(name) #name,
#include "qrt_kernel_rows.h"
#undef X
};

static qrt_kernels sets[QRT_SET_COUNT];

static const char *owner(int32_t set, int32_t row) {
    for (int32_t other = 0; other < set; other++) {
        if (qrt_set_missing(other) != NULL) continue;
        if (qrt_kernel_row(&sets[other], row)->run == qrt_kernel_row(&sets[set], row)->run) return qrt_set_name(other);
    }
    return "own";
}

int main(void) {
    for (int32_t set = 0; set < QRT_SET_COUNT; set++) {
        if (qrt_set_missing(set) != NULL) continue;
        qrt_set_fill(set, &sets[set]);
        for (int32_t row = 1; row <= (int32_t)ROWS; row++) {
            printf("%s %s %s\n", qrt_set_name(set), names[row - 1], owner(set, row));
        }
    }
    return 0;
}
