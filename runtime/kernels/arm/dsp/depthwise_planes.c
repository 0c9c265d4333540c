/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise_planes.c: unpacks the rows of the image. */
#include "arm/dsp/depthwise_planes.h"

/* The bytes of records beyond which a row is computed in blocks of channels, each of which unpacks its rows anew. */
#define LIMIT 6144

/* Pairs of columns of some channels to be unpacked. Assembly knows this structure. */
typedef struct unpacking {
    const int8_t *a, *b; /* the first pixel of each column */
    uint32_t *d;
    int32_t groups; /* of four channels, but for the last one */
    int32_t back;   /* how many channels the last group shares with the one before it */
    int32_t step;   /* from the last channel of a column to the next pair */
    int32_t pairs;
} unpacking;

#if QRT_DSP_ASSEMBLY

#define GROUP                                                                                                          \
    "ldr r7, [r0], #4\n"                                                                                               \
    "ldr r8, [r1], #4\n"                                                                                               \
    "pkhbt r9, r7, r8, lsl #16\n"                                                                                      \
    "pkhtb r8, r8, r7, asr #16\n"                                                                                      \
    "sxtb16 r7, r9\n"                                                                                                  \
    "sxtb16 r9, r9, ror #8\n"                                                                                          \
    "sxtb16 r10, r8\n"                                                                                                 \
    "sxtb16 r8, r8, ror #8\n"                                                                                          \
    "str r9, [r2, #12]\n"                                                                                              \
    "str r10, [r2, #24]\n"                                                                                             \
    "str r8, [r2, #36]\n"                                                                                              \
    "str r7, [r2], #48\n"

__attribute__((naked, noinline)) static void unpack(__attribute__((unused)) const unpacking *u) {
    __asm__(".syntax unified\n"
            "push {r4-r11, lr}\n"
            "ldm r0, {r0-r6}\n"
            "add r12, r4, r4, lsl #1\n"
            "1: movs r11, r3\n"
            "beq 3f\n"
            "2:\n" GROUP "subs r11, #1\n"
            "bne 2b\n"
            "3: subs r0, r0, r4\n"
            "subs r1, r1, r4\n"
            "sub r2, r2, r12, lsl #2\n" GROUP "add r0, r0, r5\n"
            "add r1, r1, r5\n"
            "subs r6, #1\n"
            "bne 1b\n"
            "pop {r4-r11, pc}\n");
}

#else

static void unpack(const unpacking *u) {
    const int8_t *a = u->a, *b = u->b;
    uint32_t *d = u->d;
    for (int32_t i = 0; i < u->pairs; i++, a += u->step, b += u->step) {
        for (int32_t group = 0; group <= u->groups; group++, a += 4, b += 4, d += 12) {
            if (group == u->groups) {
                a -= u->back;
                b -= u->back;
                d -= 3 * u->back;
            }
            uint32_t x = load_word(a), y = load_word(b), low = pkhbt(x, y), high = pkhtb(y, x);
            d[0] = sxtb16(low);
            d[3] = sxtb16_ror8(low);
            d[6] = sxtb16(high);
            d[9] = sxtb16_ror8(high);
        }
    }
}

#endif

/* What is done for some channels of each row. */
typedef struct block {
    const int8_t *blank; /* as many zero points as channels */
    int32_t first;
    int32_t record_pairs; /* pairs of columns that are unpacked */
    unpacking unpacking;
    qrt_dsp_planes planes;
} block;

/* Pairs of columns whose records a row needs. */
static int32_t record_pairs(const qrt_conv2d_params *p) { return (p->out_width + 1) / 2 + 1; }

/* How many channels are computed at a time. */
static int32_t block_channels(const qrt_conv2d_params *p) {
    int32_t most = LIMIT / (12 * record_pairs(p)) & ~3;
    most = most < 4 ? 4 : most;
    return most < p->in_channels ? most : p->in_channels;
}

int qrt_dsp_depthwise_planes_are_kept(const qrt_conv2d_params *p) { return block_channels(p) == p->in_channels; }

size_t qrt_dsp_depthwise_planes_scratch(const qrt_conv2d_params *p) {
    size_t channels = (size_t)block_channels(p);
    return 12 * channels * (size_t)record_pairs(p) + 4 * ((size_t)p->out_height + 1) + channels;
}

static void begin_block(const qrt_conv2d_params *p, int32_t first, int32_t channels, int32_t constants, block *b) {
    b->first = first;
    b->unpacking.groups = (channels - 1) / 4;
    b->unpacking.back = -channels & 3;
    b->unpacking.step = 2 * p->in_channels - channels;
    b->planes.size = 12 * channels;
    b->planes.next = 12 * channels - 12;
    b->planes.packed = (const uint32_t *)p->packed + first * (QRT_DSP_PLANES_WORDS + constants);
    b->planes.second = p->out_channels;
    b->planes.zero_point = p->requant.y_zero_point;
    b->planes.pairs = p->out_width / 2;
    b->planes.output_step = 2 * p->out_channels - channels;
    b->planes.odd = p->out_width % 2;
}

/* A row of the padded image, into the first words of the records at d. */
static void unpack_row(const qrt_conv2d_params *p, block *b, const int8_t *image, int32_t y, uint32_t *d) {
    unpacking *u = &b->unpacking;
    int32_t width = p->in_width, channels = p->in_channels, pairs = b->record_pairs;
    const int8_t *row = image + (ptrdiff_t)(y - p->pad_top) * width * channels + b->first;
    if (y < p->pad_top || y - p->pad_top >= p->in_height) width = 0;
    u->d = d;
    for (int32_t k = 0, left = -p->pad_left; k < pairs; k += u->pairs, left += 2 * u->pairs) {
        int32_t room = (width - left) / 2;
        u->a = left >= 0 && left < width ? row + left * channels : b->blank;
        u->b = left >= -1 && left + 1 < width ? row + (left + 1) * channels : b->blank;
        u->pairs = left < 0 || room < 1 ? 1 : room < pairs - k ? room : pairs - k;
        unpack(u);
        u->d += u->pairs * b->planes.size / 4;
    }
}

void qrt_dsp_depthwise_planes(const qrt_conv2d_params *p, const int8_t *image, int8_t *output, void *scratch,
                              void (*run)(const qrt_dsp_planes *planes), int32_t constants) {
    int32_t channels = p->in_channels, most = block_channels(p), kept = most == channels, pairs = record_pairs(p);
    uint32_t *records = scratch, *last = records + 3 * most * (pairs - 1);
    int8_t *blank = (int8_t *)(last + 3 * most + p->out_height + 1), *first_output = output;
    block b = {.blank = blank, .record_pairs = pairs};
    memset(blank, p->x_zero_point, (size_t)most);
    /* Where a last pair of columns is always beside the image, its records are written once. */
    if (kept && 2 * (pairs - 1) - p->pad_left >= p->in_width) b.record_pairs--;
    begin_block(p, 0, most, constants, &b);
    for (int32_t n = 0; n < p->batch; n++) {
        for (uint32_t *d = last; b.record_pairs < pairs && (int8_t *)d < blank; d++) {
            *d = word_of(p->x_zero_point, p->x_zero_point);
        }
        for (int32_t y = 0; y < p->out_height; y++) {
            for (int32_t first = 0; first < channels; first += most) {
                int32_t left = channels - first;
                if (!kept) {
                    begin_block(p, left < 4 ? channels - 4 : first,
                                left < 4      ? 4
                                : left < most ? left
                                              : most,
                                constants, &b);
                }
                for (int32_t f = kept && y > 0 ? 2 : 0; f < 3; f++) unpack_row(p, &b, image, y + f, records + y + f);
                b.planes.x = records + y;
                b.planes.output = output + b.first;
                run(&b.planes);
            }
            output += p->out_width * p->out_channels;
        }
        image += (ptrdiff_t)p->in_height * p->in_width * channels;
    }
    qrt_dsp_clamp(&p->requant, first_output, output - first_output);
}
