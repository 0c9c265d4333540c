"""A library as `qrt firmware` writes them, for a network that copies its input: to test build systems with."""

from __future__ import annotations

from pathlib import Path

from qrt.firmware.projects.forms import Board, Edge, Library, Vector, check_files, project_files
from qrt.firmware.targets import target

HEADER = """\
/* @name@.h: copies input 0 to output 0; output 1 is the sum of input 1. */
#ifndef @NAME@_H
#define @NAME@_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define @NAME@_MEMORY_SIZE 48u
#define @NAME@_INPUT_COUNT 2
#define @NAME@_OUTPUT_COUNT 2
#define @NAME@_INPUT_0_SIZE 10u
#define @NAME@_INPUT_0_SCALE 0.1f
#define @NAME@_INPUT_0_ZERO_POINT (-3)
#define @NAME@_INPUT_1_SIZE 4u
#define @NAME@_INPUT_1_ZERO_POINT 0
#define @NAME@_OUTPUT_0_SIZE 10u
#define @NAME@_OUTPUT_0_SCALE 0.1f
#define @NAME@_OUTPUT_0_ZERO_POINT (-3)
#define @NAME@_OUTPUT_0_LABEL_COUNT 10
#define @NAME@_OUTPUT_1_SIZE 4u

extern const char *const @name@_output_0_labels[@NAME@_OUTPUT_0_LABEL_COUNT];

typedef union @name@_memory {
    int8_t bytes[@NAME@_MEMORY_SIZE];
    int64_t align;
} @name@_memory;

int8_t *@name@_input(@name@_memory *memory, int i);
void @name@_run(@name@_memory *memory);
const int8_t *@name@_output(const @name@_memory *memory, int i);

#ifdef __cplusplus
}
#endif
#endif
"""
SOURCE = """\
/* @name@.c */
#include "@name@.h"

#include "qrt_kernels.h"

#ifdef QRT_ON_STEP
void QRT_ON_STEP(int step);
#else
#define QRT_ON_STEP(step) ((void)0)
#endif

const char *const @name@_output_0_labels[@NAME@_OUTPUT_0_LABEL_COUNT] = {
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9",
};

int8_t *@name@_input(@name@_memory *memory, int i) { return memory->bytes + (i == 0 ? 0 : 16); }

void @name@_run(@name@_memory *memory) {
    QRT_ON_STEP(0);
    qrt_copy_s8(memory->bytes, memory->bytes + 24, 10);
    QRT_ON_STEP(1);
    qrt_sum_s8(memory->bytes + 16, memory->bytes + 40, 4);
    QRT_ON_STEP(2);
}

const int8_t *@name@_output(const @name@_memory *memory, int i) { return memory->bytes + (i == 0 ? 24 : 40); }
"""
KERNELS = {
    "src/qrt_kernels.h": """\
#ifndef QRT_KERNELS_H
#define QRT_KERNELS_H
#include <stdint.h>
void qrt_copy_s8(const int8_t *x, int8_t *y, int32_t count);
void qrt_sum_s8(const int8_t *x, void *y, int32_t count);
#endif
""",
    "src/portable/portable.h": '#include "qrt_kernels.h"\n#include <string.h>\n',
    "src/portable/copy.c": """\
#include "portable.h"
void qrt_copy_s8(const int8_t *x, int8_t *y, int32_t count) { memcpy(y, x, (size_t)count); }
""",
    "src/portable/sum.c": """\
#include "portable.h"
void qrt_sum_s8(const int8_t *x, void *y, int32_t count) {
    int32_t acc = 0;
    for (int32_t i = 0; i < count; i++) acc += x[i];
    memcpy(y, &acc, sizeof acc);
}
""",
}
# A program of C and of C++ that runs `net` and `other`, and prints the first code of each.
TWO_NETWORKS = r"""/* main.c: two networks in one program. */
#include <net.h>
#include <other.h>
#include <stdio.h>

static net_memory one;
static other_memory two;

int main(void) {
    net_input(&one, 0)[0] = 7;
    other_input(&two, 0)[0] = net_input(&one, 0)[0];
    net_run(&one);
    other_run(&two);
    printf("%d %d\n", net_output(&one, 0)[0], other_output(&two, 0)[0]);
    return 0;
}
"""
VECTORS = (
    Vector((bytes(range(10)), bytes((1, 2, 3, 4))), (bytes(range(10)), bytes((10, 0, 0, 0)))),
    Vector((bytes(range(246, 256)), bytes((255, 255, 0, 0))), (bytes(range(246, 256)), bytes((254, 255, 255, 255)))),
)
# The sum of the second is one less than expected.
WRONG = (VECTORS[0], Vector(VECTORS[1].inputs, (VECTORS[1].outputs[0], bytes((255, 255, 255, 255)))))


def library(name: str = "net", core: str = "cortex-m4", board: Board | None = None) -> Library:
    digits = Edge("x", (1, 10), scale=0.1, zero_point=-3, labels=tuple("0123456789"))
    return Library(
        name,
        "a net that copies",
        target(core),
        (f"src/{name}.c", "src/portable/copy.c", "src/portable/sum.c"),
        memory=48,
        constants=0,
        inputs=(digits, Edge("more", (1, 4))),
        outputs=(digits, Edge("sum", (1, 1), "int32")),
        board=board,
    )


def write(folder: Path, of: Library, vectors: tuple[Vector, ...] = VECTORS) -> Path:
    """The library in a folder of its name."""
    code = {f"src/{of.name}.h": HEADER, f"src/{of.name}.c": SOURCE}
    files = {path: text.replace("@name@", of.name).replace("@NAME@", of.name.upper()) for path, text in code.items()}
    for path, text in {**files, **KERNELS, **project_files(of), **check_files(of, vectors)}.items():
        (folder / of.name / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / of.name / path).write_text(text, encoding="utf-8")
    return folder / of.name
