/* Firmware that reads handwritten digits. The network is the library that `qrt firmware` wrote. */
#include "digits.h"

#define SIDE 8
#define SHADES " .:-=+*#%@"

uint8_t camera[SIDE * SIDE]; /* a picture arrives here, 0 black to 255 white */
char display[160];           /* text goes here */
static digits_memory memory; /* all the RAM that the network needs, but for the stack */

static char *print(char *at, const char *text) {
    while (*text != '\0') *at++ = *text++;
    *at = '\0';
    return at;
}

static char *draw(char *at) {
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            const char shade = SHADES[camera[y * SIDE + x] * 10 / 256];
            *at++ = shade;
            *at++ = shade;
        }
        *at++ = '\n';
    }
    return at;
}

/* Called when a picture has arrived: shows it with its digit, and returns the digit. */
int on_picture(void) {
    /* DIGITS_INPUT_0_SCALE is 1/255 and the zero point -128: a pixel becomes a code without float. */
    int8_t *input = digits_input(&memory, 0);
    for (int i = 0; i < SIDE * SIDE; i++) input[i] = (int8_t)(camera[i] + DIGITS_INPUT_0_ZERO_POINT);

    digits_run(&memory);

    const int8_t *scores = digits_output(&memory, 0);
    int best = 0;
    for (int i = 1; i < DIGITS_OUTPUT_0_LABEL_COUNT; i++) {
        if (scores[i] > scores[best]) best = i;
    }
    print(print(draw(display), "-> "), digits_output_0_labels[best]);
    return best;
}
