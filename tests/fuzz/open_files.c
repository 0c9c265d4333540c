/* open_files.c: run_file() for every file of a stream.
 *
 * The stream on stdin is files one after another, each behind its size (uint32). Prints a line for each: status and
 * broken rule.
 */
#include <stdio.h>
#include <stdlib.h>

#include "run_file.h"

int main(void) {
    uint32_t size;
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        qrt_problem problem;
        uint8_t *bytes = malloc(size > 0 ? size : 1);
        if (bytes == NULL || fread(bytes, 1, size, stdin) != size) return 1;
        int32_t status = run_file(bytes, size, &problem);
        printf("%d %d\n", (int)status, (int)problem.rule);
        free(bytes);
    }
    return 0;
}
